//! `If-Match` and `Idempotency-Key`.

use std::sync::Arc;

use super::{Operation, Stage, Target, complain, rows};
use crate::api::authorization::stage::send;
use crate::api::world::World;

on_both!(
    a_version_that_is_none_or_another_is_refused_and_nothing_changes,
    a_forged_idempotency_key_is_refused_and_nothing_changes,
    whatever_is_made_once_is_made_once_and_its_repetition_tells_no_secret,
);

async fn a_version_that_is_none_or_another_is_refused_and_nothing_changes(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    let mut versions = 0;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        let parameter = target.parameters("header").into_iter().find(|header| header["name"] == "If-Match");
        let Some(parameter) = parameter else { continue };
        versions += 1;
        for malformed in [
            "1",
            "\"x\"",
            "W/\"1\"",
            "*",
            "\"1\", \"2\"",
            "\"99999999999999999999\"",
            "",
            "\"\"",
            "\"-1\"",
            "\"+1\"",
        ] {
            let call = target.call_with(&Some(malformed.to_owned()));
            let answer = body(call, &target).await;
            target.expect_fault(&format!("If-Match: {malformed}"), &answer, "If-Match", &["malformed"]);
        }
        let answer = body(target.call_with(&None).raw_header("if-match", b"\"\xff\""), &target).await;
        target.expect_fault("If-Match: no ASCII", &answer, "If-Match", &["invalid_character"]);
        let call = target.call_with(&Some("\"1\"".to_owned())).header("if-match", "\"1\"");
        let answer = body(call, &target).await;
        target.expect_fault("If-Match twice", &answer, "If-Match", &["repeated"]);
        let answer = body(target.call_with(&Some("\"999999\"".to_owned())), &target).await;
        target.expect("another version", &answer, 412, "version_mismatch");
        if parameter["required"] == true {
            let answer = body(target.call_with(&None), &target).await;
            target.expect("no version", &answer, 428, "precondition_required");
        }
        wrong.extend(target.end().await);
    }
    assert!(versions >= 3, "{versions}");
    complain(&wrong);
}

async fn body(call: super::Call<'_>, target: &Target<'_>) -> super::Answer {
    match &target.asked.body {
        Some(body) => call.json(body.clone()).await,
        None => call.send().await,
    }
}

fn takes_an_idempotency_key(target: &Target<'_>) -> bool {
    target.parameters("header").iter().any(|header| header["name"] == "Idempotency-Key")
}

async fn a_forged_idempotency_key_is_refused_and_nothing_changes(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        if !takes_an_idempotency_key(&target) {
            continue;
        }
        let long = "x".repeat(256);
        for forged in ["", " ", "a b", "\t", long.as_str()] {
            let answer = body(target.call().header("idempotency-key", forged), &target).await;
            target.expect_fault(&format!("the key {forged:?}"), &answer, "Idempotency-Key", &["malformed"]);
        }
        let answer = body(target.call().raw_header("idempotency-key", b"k\xc3\xa9y"), &target).await;
        target.expect_fault("a key that is no ASCII", &answer, "Idempotency-Key", &["invalid_character"]);
        let call = target.call().header("idempotency-key", "one").header("idempotency-key", "two");
        let answer = body(call, &target).await;
        target.expect_fault("two keys", &answer, "Idempotency-Key", &["repeated"]);
        wrong.extend(target.end().await);
    }
    complain(&wrong);
}

async fn whatever_is_made_once_is_made_once_and_its_repetition_tells_no_secret(world: Arc<World>) {
    let operations = Operation::all(&world.document);
    let stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    let mut once = 0;
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let mut target = Target::of(&stage, row, operation).await;
        if !takes_an_idempotency_key(&target) {
            continue;
        }
        once += 1;
        let key = |target: &Target<'_>| {
            let path = target.path();
            let call = stage.call(target.who, operation.method.clone(), &path, None);
            call.header("idempotency-key", "the-same-everywhere")
        };
        let first = send(key(&target), &target.asked).await;
        if first.status != row.success || first.header("idempotency-replayed").is_some() {
            wrong.push(format!("{}: {:?}", row.operation, first.problem_or_success()));
            continue;
        }
        target.before = stage.rows().await;
        let again = send(key(&target), &target.asked).await;
        let replayed = again.status == row.success && again.header("idempotency-replayed") == Some("true");
        if !replayed {
            wrong.push(format!("{} again: {:?}", row.operation, again.problem_or_success()));
        } else if ["secret", "link"].iter().any(|told| again.json().get(told).is_some()) {
            wrong.push(format!("{} again shows the secret", row.operation));
        }
        // The same to any reader of JSON; not the same request.
        let text = target.asked.body.as_ref().map_or_else(|| "{}".to_owned(), |body| format!("{body} "));
        let other = match &target.asked.if_match {
            Some(version) => key(&target).header("if-match", version).text(&text).await,
            None => key(&target).text(&text).await,
        };
        target.expect("with another body", &other, 422, "idempotency_mismatch");
        wrong.extend(target.end().await);
    }
    assert!(once >= 2, "{once}");
    complain(&wrong);
}
