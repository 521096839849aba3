//! Users over HTTP.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::world::{World, text};

on_both!(
    a_user_is_provisioned_edited_suspended_resumed_and_deleted,
    creating_a_user_twice_under_one_key_creates_one,
    users_are_listed_by_address_state_and_text,
    a_users_faults_are_pointed_at,
    deleting_the_only_owner_is_refused,
);

async fn create(world: &World, body: Value) -> Value {
    world.post("/v1/users").key(world.operator()).json(body).await.expect(201).json()
}

async fn a_user_is_provisioned_edited_suspended_resumed_and_deleted(world: Arc<World>) {
    let body = json!({"email": "Ada@example.com", "name": "Ada", "external_id": "p-1"});
    let created = world.post("/v1/users").key(world.operator()).json(body).await.expect(201);
    assert_eq!(created.header("etag"), Some("\"1\""));
    let user = created.json();
    assert!(created.header("location").unwrap().ends_with(&format!("/v1/users/{}", text(&user, "/id"))));
    assert_eq!((text(&user, "/email"), text(&user, "/state")), ("Ada@example.com", "active"));
    let path = "/v1/users/p-1";
    assert_eq!(world.get(path).key(world.operator()).send().await.expect(200).json(), user);

    let edit = json!({"name": "Ada King", "external_id": null});
    let answer = world.patch(path).key(world.operator()).json(edit.clone()).await;
    assert_eq!(answer.problem(), (428, "precondition_required".to_owned()));
    let answer = world.patch(path).key(world.operator()).header("if-match", "\"2\"").json(edit.clone()).await;
    assert_eq!(answer.problem(), (412, "version_mismatch".to_owned()));
    let edited =
        world.patch(path).key(world.operator()).header("if-match", "\"1\"").json(edit).await.expect(200);
    assert_eq!(edited.header("etag"), Some("\"2\""));
    let edited = edited.json();
    assert_eq!((text(&edited, "/name"), edited.get("external_id")), ("Ada King", None));
    world.get(path).key(world.operator()).send().await.expect(404);

    let path = format!("/v1/users/{}", text(&user, "/id"));
    for (action, state) in [("suspend", "suspended"), ("suspend", "suspended"), ("resume", "active")] {
        let call = world.post(&format!("{path}/{action}")).key(world.operator());
        let answer = call.json(json!({"reason": "on leave"})).await.expect(200).json();
        assert_eq!(text(&answer, "/state"), state);
    }
    let stale = world.delete(&path).key(world.operator()).header("if-match", "\"1\"").send().await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    world.delete(&path).key(world.operator()).send().await.expect(204);
    assert_eq!(
        world.delete(&path).key(world.operator()).send().await.problem(),
        (404, "not_found".to_owned())
    );
}

async fn creating_a_user_twice_under_one_key_creates_one(world: Arc<World>) {
    let body = json!({"email": "ada@example.com", "name": "Ada"});
    let send = async |key: &str, body: &Value| {
        let call = world.post("/v1/users").key(world.operator()).header("idempotency-key", key);
        call.json(body.clone()).await
    };
    let first = send("once", &body).await.expect(201);
    let second = send("once", &body).await.expect(201);
    assert_eq!(first.json(), second.json());
    let replayed = |answer: &super::world::Answer| answer.header("idempotency-replayed").map(str::to_owned);
    assert_eq!((replayed(&first), replayed(&second)), (None, Some("true".to_owned())));
    assert_eq!(send("twice", &body).await.problem(), (409, "email_in_use".to_owned()));
    let other = json!({"email": "bob@example.com", "name": "Bob"});
    assert_eq!(send("once", &other).await.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn users_are_listed_by_address_state_and_text(world: Arc<World>) {
    for name in ["ada", "bob", "cy"] {
        create(&world, json!({"email": format!("{name}@example.com"), "name": name.to_uppercase()})).await;
    }
    let listed = async |query: &str| {
        let path = format!("/v1/users{query}");
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        let names = page["items"].as_array().unwrap().iter().map(|user| text(user, "/name").to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        (names.join(" "), page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(listed("").await, ("ADA BOB CY".to_owned(), None));
    assert_eq!(listed("?email=ADA@Example.com").await.0, "ADA");
    assert_eq!(listed("?search=B").await.0, "BOB");
    assert_eq!(listed("?state=suspended").await.0, "");
    let (first, cursor) = listed("?limit=2").await;
    let (second, end) = listed(&format!("?limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!((first.len() + second.len(), end), ("ADA BOB CY".len() - 1, None));
    let answer = world.get("/v1/users?email=nobody").key(world.operator()).send().await;
    assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
}

async fn a_users_faults_are_pointed_at(world: Arc<World>) {
    let send = async |body: Value| world.post("/v1/users").key(world.operator()).json(body).await;
    let answer = send(json!({"email": "ada", "name": " ", "external_id": 1, "state": "active"})).await;
    let expected = [
        ("/email", "malformed"),
        ("/external_id", "wrong_type"),
        ("/name", "malformed"),
        ("/state", "unknown_field"),
    ];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(answer.faults(), expected);
    let user = create(&world, json!({"email": "ada@example.com", "name": "Ada"})).await;
    let path = format!("/v1/users/{}", text(&user, "/id"));
    let call = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    let answer = call.json(json!({"state": "suspended", "name": null})).await;
    let expected = [("/name", "wrong_type"), ("/state", "immutable")];
    assert_eq!(answer.faults(), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
}

async fn deleting_the_only_owner_is_refused(world: Arc<World>) {
    let owner = world.member("ada", BuiltInRole::Owner).await;
    let answer = world.delete(&format!("/v1/users/{owner}")).key(world.operator()).send().await;
    assert_eq!(answer.problem(), (409, "last_owner".to_owned()));
    let key = world.admin_key().await;
    let answer = world.delete(&format!("/v1/users/{owner}")).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
}
