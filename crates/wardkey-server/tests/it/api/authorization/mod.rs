//! Every operation of the document, asked by everybody.

pub(crate) mod callers;
mod foreign;
pub(crate) mod rows;
pub(crate) mod stage;

use std::collections::BTreeSet;
use std::sync::Arc;

use poem::http::Method;
use serde_json::{Value, json};

use self::callers::Who;
use self::stage::{Operation, Row, Stage};
use super::world::World;
use crate::dump::difference;

on_both!(every_operation_answers_everybody_as_the_design_says_and_changes_nothing_when_it_refuses);

/// Whoever spends the credential with the request gets another.
const SPENDS_THE_CREDENTIAL: [&str; 4] =
    ["change_my_password", "delete_current_session", "end_my_session", "revoke_my_key"];

#[test]
fn no_operation_is_without_a_row() {
    let document = serde_json::from_str(&wardkey_server::openapi::document()).unwrap();
    let operations: BTreeSet<_> = Operation::all(&document).into_keys().collect();
    let rows: Vec<_> = rows::all().map(|row| row.operation.to_owned()).collect();
    let listed: BTreeSet<_> = rows.iter().cloned().collect();
    let missing: Vec<_> = operations.difference(&listed).collect();
    assert!(missing.is_empty(), "who may do these? They have no row in rows/: {missing:?}");
    let unknown: Vec<_> = listed.difference(&operations).collect();
    assert!(unknown.is_empty(), "rows of operations that do not exist: {unknown:?}");
    assert_eq!(rows.len(), listed.len(), "an operation has one row");
}

#[test]
fn the_document_names_the_permissions_that_the_design_names() {
    let document = serde_json::from_str(&wardkey_server::openapi::document()).unwrap();
    let operations = Operation::all(&document);
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        let security = operation.description["security"].as_array().into_iter().flatten();
        let schemes: Vec<_> = security.flat_map(|scheme| scheme.as_object().unwrap().keys()).collect();
        assert_eq!(schemes, row.class.schemes(), "{}", row.operation);
        let any_of = |names: Vec<&str>| if names.len() > 1 { json!(names) } else { json!(names[0]) };
        let expected: Vec<_> = row.class.documented().into_iter().map(any_of).collect();
        let documented = &operation.description["x-required-permissions"];
        // Making a key for somebody else takes more than the operation always needs.
        if row.operation == "issue_key" {
            assert_eq!(*documented, json!([["keys:write", "admin:keys"]]));
            continue;
        }
        assert_eq!(*documented, Value::Array(expected), "{}", row.operation);
    }
}

async fn every_operation_answers_everybody_as_the_design_says_and_changes_nothing_when_it_refuses(
    world: Arc<World>,
) {
    let operations = Operation::all(&world.document);
    let mut stage = Stage::set(world).await;
    let mut wrong = Vec::new();
    for row in rows::all() {
        let Some(operation) = operations.get(row.operation) else { continue };
        walk(&mut stage, row, operation, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asks one operation by everybody: first those who are refused, all about the same things.
async fn walk(stage: &mut Stage, row: &Row, operation: &Operation, wrong: &mut Vec<String>) {
    let (allowed, refused): (Vec<Who>, Vec<Who>) =
        Who::ALL.into_iter().partition(|who| row.judge(*who).is_ok());
    let mut asked = (row.prepare)(stage, &stage.home).await;
    let mut before = stage.rows().await;
    for who in refused {
        let (status, code) = row.judge(who).expect_err("they are refused");
        let answer = stage.ask(who, operation, &stage.home, &asked).await;
        if answer.problem_or_success() != (status, code.to_owned()) {
            wrong.push(format!(
                "{} by {who:?}: {:?}, not {status} {code}",
                row.operation,
                answer.problem_or_success()
            ));
        }
        let after = stage.rows().await;
        if before != after {
            wrong.push(format!("{} by {who:?} changed\n{}", row.operation, difference(&before, &after)));
            before = after;
            asked = (row.prepare)(stage, &stage.home).await;
        }
    }
    for (nth, who) in allowed.into_iter().enumerate() {
        let reads = operation.method == Method::GET;
        if nth > 0 && !reads {
            asked = (row.prepare)(stage, &stage.home).await;
        }
        let answer = stage.ask(who, operation, &stage.home, &asked).await;
        if answer.status != row.success {
            wrong.push(format!(
                "{} by {who:?}: {:?}, not {}: {}",
                row.operation,
                answer.problem_or_success(),
                row.success,
                String::from_utf8_lossy(&answer.body)
            ));
        }
        if reads && before != stage.rows().await {
            wrong.push(format!("{} by {who:?} changed something by looking", row.operation));
        }
        if SPENDS_THE_CREDENTIAL.contains(&row.operation) {
            stage.renew(who).await;
        }
    }
}
