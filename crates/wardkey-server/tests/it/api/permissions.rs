//! The catalogue, read and replaced.

use std::sync::Arc;

use poem::http::Method;
use serde_json::{Value, json};

use super::world::{Answer, World};

on_both!(
    what_is_read_can_be_sent_back_and_an_edit_needs_its_version,
    a_permission_in_use_stays_and_the_answer_says_where,
    only_operators_replace_the_catalogue,
);

const PATH: &str = "/v1/permissions";

async fn put(world: &World, key: &str, if_match: &str, body: &Value) -> Answer {
    world.call(Method::PUT, PATH).key(key).header("if-match", if_match).json(body.clone()).await
}

async fn what_is_read_can_be_sent_back_and_an_edit_needs_its_version(world: Arc<World>) {
    let read = world.get(PATH).key(world.operator()).send().await.expect(200);
    assert_eq!(read.header("etag"), Some("\"1\""));
    let mut catalogue = read.json();
    let same = put(&world, world.operator(), "\"1\"", &catalogue).await.expect(200);
    assert_eq!((same.header("etag"), same.json()), (Some("\"1\""), catalogue.clone()));
    let reports = json!({ "label": "Reports", "permissions": [
        { "name": "reports:read", "class": "read", "label": "See reports" },
    ] });
    catalogue["groups"].as_array_mut().unwrap().push(reports);
    let unread = world.call(Method::PUT, PATH).key(world.operator()).json(catalogue.clone()).await;
    assert_eq!(unread.problem(), (428, "precondition_required".to_owned()));
    let stale = put(&world, world.operator(), "\"9\"", &catalogue).await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    let added = put(&world, world.operator(), "\"1\"", &catalogue).await.expect(200);
    assert_eq!((added.header("etag"), added.json()), (Some("\"2\""), catalogue.clone()));
    world.service_key(&["reports:read"]).await;
    let bad = json!({ "groups": [{ "label": "A", "permissions": [
        { "name": "keys:all", "class": "read", "label": "A" },
        { "name": "Reports", "class": "sometimes", "label": "" },
    ] }] });
    let answer = put(&world, world.operator(), "\"2\"", &bad).await;
    let pointers: Vec<_> = answer.faults().into_iter().map(|(pointer, _)| pointer).collect();
    let at = |rest: &str| format!("/groups/0/permissions/1/{rest}");
    assert_eq!(pointers, [at("class"), at("label"), at("name")]);
}

async fn a_permission_in_use_stays_and_the_answer_says_where(world: Arc<World>) {
    world.service_key(&["pipelines:read", "pipelines:run"]).await;
    world.service_key(&["pipelines:read"]).await;
    let answer = put(&world, world.operator(), "\"1\"", &json!({ "groups": [] })).await;
    assert_eq!(answer.problem(), (409, "permission_in_use".to_owned()));
    let problem = answer.json();
    assert_eq!((&problem["keys"], &problem["roles"]), (&json!(3), &json!(0)));
    let details: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    assert_eq!(
        details,
        [
            "pipelines:read is missing; keys that list it: 2, roles that list it: 0",
            "pipelines:run is missing; keys that list it: 1, roles that list it: 0",
        ]
    );
    let kept = world.get(PATH).key(world.operator()).send().await.expect(200);
    assert_eq!(kept.header("etag"), Some("\"1\""));
}

async fn only_operators_replace_the_catalogue(world: Arc<World>) {
    let key = world.admin_key().await;
    let answer = put(&world, &key, "\"1\"", &json!({ "groups": [] })).await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    assert_eq!(answer.json()["missing_permissions"], json!(["operator:catalogue"]));
}
