//! What is another's is as what does not exist, byte by byte.

use std::sync::Arc;

use serde_json::Value;

use super::callers::Who;
use super::rows;
use super::stage::{Asked, Operation, Stage};
use crate::api::world::{Answer, World};
use crate::dump::difference;

on_both!(
    anothers_object_and_one_that_does_not_exist_are_the_same_bytes,
    anothers_organization_and_one_that_does_not_exist_are_the_same_bytes,
    anothers_object_in_a_body_and_one_that_does_not_exist_are_the_same_bytes,
);

/// What cannot be the id of anything.
const IMPOSSIBLE: [&str; 5] = ["nonsense", "key_", "a%20b", "%00", "%F0%9F%92%A3"];

type Bytes = (u16, Vec<(String, Vec<u8>)>, Vec<u8>);

fn bytes(answer: &Answer) -> Bytes {
    let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    (answer.status, headers.collect(), answer.body.clone())
}

/// An id of the same kind that nothing has.
fn absent(id: &str) -> String {
    match id.rsplit_once('_') {
        Some((kind, _)) => format!("{kind}_0000000000000000000007"),
        None => "absent".to_owned(),
    }
}

/// By what else the other's object is called, if it is.
async fn external_id(
    stage: &Stage,
    operation: &Operation,
    theirs: &Asked,
    parameter: &str,
) -> Option<String> {
    let path = operation.path(&stage.other.id.to_string(), theirs);
    let id = &theirs.path[parameter];
    let object = format!("{}{id}", path.split_once(id.as_str())?.0);
    let answer = stage.world.get(&object).key(stage.world.operator()).send().await;
    if answer.status != 200 {
        return None;
    }
    answer.json()["external_id"].as_str().map(str::to_owned)
}

async fn anothers_object_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        if !operation.template.contains("{organization_id}") || row.class.is_of_the_deployment() {
            continue;
        }
        let own = (row.prepare)(&stage, &stage.home).await;
        let theirs = (row.prepare)(&stage, &stage.other).await;
        let before = stage.rows().await;
        for (parameter, id) in &own.path {
            let mut others = vec![theirs.path[parameter].clone()];
            others.extend(external_id(&stage, operation, &theirs, parameter).await);
            others.extend(IMPOSSIBLE.map(str::to_owned));
            others.push(absent(id));
            let mut answers = Vec::new();
            for other in others.into_iter().filter(|other| other != id) {
                let mut asked = own.clone();
                asked.path.insert(parameter, other.clone());
                let answer = stage.ask(Who::Owner, operation, &stage.home, &asked).await;
                assert_eq!(
                    answer.problem_or_success(),
                    (404, "not_found".to_owned()),
                    "{} with {parameter} {other}",
                    row.operation
                );
                answers.push((other, bytes(&answer)));
            }
            for pair in answers.windows(2) {
                assert_eq!(pair[0].1, pair[1].1, "{}: {} and {}", row.operation, pair[0].0, pair[1].0);
            }
        }
        let after = stage.rows().await;
        assert!(before == after, "{} changed\n{}", row.operation, difference(&before, &after));
    }
}

async fn anothers_organization_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let foreign = [stage.other.id.to_string(), stage.other.external_id.clone()];
    let absent = IMPOSSIBLE.into_iter().map(str::to_owned).chain([absent(&foreign[0])]);
    let organizations: Vec<_> = foreign.into_iter().chain(absent).collect();
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        if !operation.template.contains("{organization_id}") || row.class.is_of_the_deployment() {
            continue;
        }
        // With the other's objects, which are there.
        let asked = (row.prepare)(&stage, &stage.other).await;
        let before = stage.rows().await;
        for who in [Who::Owner, Who::AdminKey, Who::Viewer, Who::ServiceKey] {
            let mut answers = Vec::new();
            for organization in &organizations {
                let path = operation.path(organization, &asked);
                let answer = stage.ask_at(who, operation, &path, &asked).await;
                assert_eq!(
                    answer.problem_or_success(),
                    (404, "not_found".to_owned()),
                    "{} in {organization} by {who:?}",
                    row.operation
                );
                answers.push(bytes(&answer));
            }
            answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1], "{}", row.operation));
        }
        let after = stage.rows().await;
        assert!(before == after, "{} changed\n{}", row.operation, difference(&before, &after));
    }
}

async fn anothers_object_in_a_body_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut references = 0;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        if !operation.template.contains("{organization_id}") || row.class.is_of_the_deployment() {
            continue;
        }
        let own = (row.prepare)(&stage, &stage.home).await;
        let theirs = (row.prepare)(&stage, &stage.other).await;
        let (Some(body), Some(their_body)) = (&own.body, &theirs.body) else { continue };
        let before = stage.rows().await;
        for (pointer, id) in ids(body) {
            let Some(foreign) = their_body.pointer(&pointer).and_then(Value::as_str) else { continue };
            // A person may be in both.
            if foreign == id {
                continue;
            }
            references += 1;
            let mut answers = Vec::new();
            for other in [foreign.to_owned(), absent(&id)] {
                let mut body = body.clone();
                *body.pointer_mut(&pointer).unwrap() = other.clone().into();
                let asked = Asked { body: Some(body), ..own.clone() };
                let answer = stage.ask(Who::Owner, operation, &stage.home, &asked).await;
                assert!(
                    (400..=409).contains(&answer.status),
                    "{} with {other} at {pointer}: {}",
                    row.operation,
                    answer.status
                );
                answers.push(bytes(&answer));
            }
            assert_eq!(answers[0], answers[1], "{} at {pointer}", row.operation);
        }
        let after = stage.rows().await;
        assert!(before == after, "{} changed\n{}", row.operation, difference(&before, &after));
    }
    assert!(references >= 2, "{references}");
}

/// Every text in it that has the form of an id, with its place.
fn ids(body: &Value) -> Vec<(String, String)> {
    fn look(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => {
                let digits = text.rsplit_once('_').map_or("", |(_, digits)| digits);
                if digits.len() == 22 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    found.push((at.to_owned(), text.clone()));
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(nth, item)| look(item, &format!("{at}/{nth}"), found));
            }
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| look(member, &format!("{at}/{name}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    look(body, "", &mut found);
    found
}
