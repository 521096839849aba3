//! Environments: seen by everybody, run by the operator.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World, text};

on_both!(
    an_environment_is_made_seen_tagged_and_deleted,
    environments_with_keys_and_those_that_are_built_in_stay,
    what_is_wrong_with_an_environment_is_said_at_its_place,
);

async fn create(world: &World, body: Value) -> Answer {
    world.post("/v1/environments").key(world.operator()).json(body).await
}

async fn an_environment_is_made_seen_tagged_and_deleted(world: Arc<World>) {
    let key = world.service_key(&["admin:organization"]).await;
    let refused = world.post("/v1/environments").key(&key).json(json!({})).await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
    let send = |body: Value| {
        world.post("/v1/environments").key(world.operator()).header("idempotency-key", "a").json(body)
    };
    let made = send(json!({ "name": "preview", "tag": "prev" })).await.expect(201);
    assert_eq!(made.header("location"), Some("/v1/environments/preview"));
    let environment = json!({ "name": "preview", "tag": "prev", "built_in": false, "version": 1 });
    assert_eq!((made.header("etag"), made.json()), (Some("\"1\""), environment.clone()));
    let again = send(json!({ "name": "preview", "tag": "prev" })).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), again.json()), (Some("true"), environment));
    let taken = create(&world, json!({ "name": "preview", "tag": "x" })).await;
    assert_eq!(taken.problem(), (409, "name_in_use".to_owned()));
    let list = world.get("/v1/environments").key(&key).send().await.expect(200).json();
    assert_eq!((text(&list, "/items/0/name"), &list["items"][0]["built_in"]), ("production", &json!(true)));
    assert_eq!(text(&list, "/items/3/name"), "preview");

    let patch = |body| {
        let call = world.patch("/v1/environments/preview").key(world.operator());
        call.header("if-match", "\"1\"").json(body)
    };
    assert_eq!(patch(json!({ "name": "x" })).await.faults(), [("/name".to_owned(), "immutable".to_owned())]);
    assert_eq!(patch(json!({ "tag": "pre" })).await.expect(200).header("etag"), Some("\"2\""));
    assert_eq!(patch(json!({ "tag": "x" })).await.problem(), (412, "version_mismatch".to_owned()));
    let got = world.get("/v1/environments/preview").key(&key).send().await.expect(200);
    assert_eq!((got.header("etag"), text(&got.json(), "/tag")), (Some("\"2\""), "pre"));
    let delete = |version| {
        world.delete("/v1/environments/preview").key(world.operator()).header("if-match", version).send()
    };
    assert_eq!(delete("\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    delete("\"2\"").await.expect(204);
    for name in ["preview", "Not-a-slug", "a%00b"] {
        let answer = world.get(&format!("/v1/environments/{name}")).key(&key).send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{name}");
    }
}

async fn environments_with_keys_and_those_that_are_built_in_stay(world: Arc<World>) {
    let delete = async |name: &str| {
        world.delete(&format!("/v1/environments/{name}")).key(world.operator()).send().await.problem()
    };
    assert_eq!(delete("staging").await, (409, "built_in".to_owned()));
    create(&world, json!({ "name": "used", "tag": "used" })).await.expect(201);
    let mut body = world.wanted(&[]);
    body["environment"] = "used".into();
    let issued = world.issue(body).await;
    assert!(text(&issued, "/secret").starts_with("wk_used_"));
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    world.delete(&path).key(world.operator()).send().await.expect(204);
    assert_eq!(delete("used").await, (409, "environment_in_use".to_owned()));
}

async fn what_is_wrong_with_an_environment_is_said_at_its_place(world: Arc<World>) {
    for (body, at, code) in [
        (json!({ "name": "EU", "tag": "eu" }), "/name", "malformed"),
        (json!({ "name": "eu", "tag": "EU" }), "/tag", "malformed"),
        (json!({ "name": "eu", "tag": "123456789" }), "/tag", "malformed"),
        (json!({ "name": "eu", "tag": "1234567890" }), "/tag", "too_long"),
        (json!({ "name": "eu", "tag": "" }), "/tag", "too_short"),
        (json!({ "name": "eu" }), "/tag", "required"),
        (json!({ "name": "eu", "tag": "eu", "built_in": true }), "/built_in", "unknown_field"),
    ] {
        let answer = create(&world, body).await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.faults(), [(at.to_owned(), code.to_owned())]);
    }
}
