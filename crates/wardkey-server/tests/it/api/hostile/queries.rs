//! Paths, queries and cursors.

use std::sync::Arc;

use super::{Operation, Stage, Target, complain, rows};
use crate::api::world::World;

on_both!(
    a_query_that_is_not_what_the_document_says_is_refused_at_its_parameter,
    a_path_that_names_nothing_is_not_found,
    a_cursor_is_good_for_one_list_of_one_organization_and_its_filters,
);

async fn a_query_that_is_not_what_the_document_says_is_refused_at_its_parameter(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    let mut parameters = 0;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        let path = target.path();
        let names: Vec<_> =
            target.parameters("query").iter().map(|query| query["name"].as_str().unwrap()).collect();
        for name in &names {
            parameters += 1;
            for null in ["%00", "a%00b"] {
                let answer = ask(&target, &format!("{path}?{name}={null}")).await;
                // An item of a list is told by its place in the list.
                let pointer = match answer.problem_or_success().0 {
                    400 => answer.faults()[0].0.clone(),
                    _ => String::new(),
                };
                let at = pointer.split('/').next().unwrap_or_default().to_owned();
                target.expect_fault(&format!("{name}={null}"), &answer, &pointer, &[]);
                if at != *name {
                    target.wrong.push(format!("{}: {name}={null} is told at {pointer:?}", row.operation));
                }
            }
            let long = format!("{name}={}", "x".repeat(5000));
            for odd in [
                format!("{name}=%ff%fe"),
                format!("{name}=%ED%A0%80"),
                format!("{name}=%zz"),
                name.to_string(),
                format!("{name}[]=1"),
                format!("{name}=1&{name}=1"),
                format!("{name}=99999999999999999999"),
                format!("{name}=-1"),
                format!("{name}=%27%20OR%201=1--"),
                long,
            ] {
                let answer = ask(&target, &format!("{path}?{odd}")).await;
                if !matches!(answer.status, 200 | 400) {
                    let given = answer.problem_or_success();
                    target.wrong.push(format!("{}: {odd}: {given:?}", row.operation));
                }
            }
        }
        if !names.is_empty() {
            let answer = ask(&target, &format!("{path}?unexpected=1")).await;
            target.expect_fault("an unknown parameter", &answer, "unexpected", &["unknown_field"]);
        }
        wrong.extend(target.end().await);
    }
    assert!(parameters >= 8, "{parameters}");
    complain(&wrong);
}

async fn ask(target: &Target<'_>, path: &str) -> super::Answer {
    target.stage.call(target.who, target.operation.method.clone(), path, None).send().await
}

async fn a_path_that_names_nothing_is_not_found(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    let long = "x".repeat(5000);
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        let own = target.asked.clone();
        for parameter in own.path.keys() {
            for odd in ["%00", "a%00", "%ff", "%ED%A0%80", "..%2f..", "%20", "'--", "-1", long.as_str()] {
                target.asked.path.insert(parameter, odd.to_owned());
                let call = target.call();
                let answer = match &own.body {
                    Some(body) => call.json(body.clone()).await,
                    None => call.send().await,
                };
                let shown: String = odd.chars().take(20).collect();
                target.expect(&format!("{parameter} {shown}"), &answer, 404, "not_found");
            }
            target.asked = own.clone();
        }
        wrong.extend(target.end().await);
    }
    complain(&wrong);
}

async fn a_cursor_is_good_for_one_list_of_one_organization_and_its_filters(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    for site in [&stage.home, &stage.other] {
        for _ in 0..2 {
            stage.make_key(site).await;
        }
    }
    let mut lists = Vec::new();
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        target.who = super::Who::Operator;
        if target.parameters("query").iter().any(|query| query["name"] == "cursor") {
            lists.push(target);
        }
    }
    let mut cursors = Vec::new();
    for list in &lists {
        let page = ask(list, &format!("{}?limit=1", list.path())).await.expect(200).json();
        cursors.extend(page["next_cursor"].as_str().map(|cursor| (list.row.operation, cursor.to_owned())));
    }
    assert!(cursors.len() >= 3, "lists with two pages: {cursors:?}");
    let mut wrong = Vec::new();
    for mut list in lists {
        let path = list.path();
        for (of, cursor) in &cursors {
            let middle = cursor.len() / 2;
            let turned = if cursor.as_bytes()[middle] == b'A' { "B" } else { "A" };
            let flipped = format!("{}{turned}{}", &cursor[..middle], &cursor[middle + 1..]);
            let forged =
                [&cursor[..middle], &cursor[..cursor.len() - 1], &format!("{cursor}A"), &flipped, "AAAA"];
            for forged in forged {
                let answer = ask(&list, &format!("{path}?cursor={forged}")).await;
                list.expect_fault(&format!("the cursor {forged}"), &answer, "cursor", &["invalid_cursor"]);
            }
            if *of != list.row.operation {
                let answer = ask(&list, &format!("{path}?cursor={cursor}")).await;
                list.expect_fault(&format!("the cursor of {of}"), &answer, "cursor", &["invalid_cursor"]);
                continue;
            }
            ask(&list, &format!("{path}?cursor={cursor}")).await.expect(200);
            if list.operation.template.contains("{organization_id}") {
                let theirs = (list.row.prepare)(&stage, &stage.other).await;
                let theirs = list.operation.path(&stage.other.id.to_string(), &theirs);
                list.before = stage.rows().await;
                let answer = ask(&list, &format!("{theirs}?cursor={cursor}")).await;
                list.expect_fault("in another organization", &answer, "cursor", &["invalid_cursor"]);
            }
        }
        list.before = stage.rows().await;
        wrong.extend(list.end().await);
    }
    complain(&wrong);
}
