//! Service accounts: created, edited, suspended, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World, text};

on_both!(
    a_service_account_is_created_found_by_either_id_and_edited,
    a_repeated_creation_makes_one_service_account,
    an_external_id_is_short_visible_unlike_an_id_and_unique,
    what_never_changes_about_a_service_account_is_refused_at_its_pointer,
    a_suspended_service_accounts_keys_stop_until_it_is_resumed,
    deleting_a_service_account_ends_its_keys_and_frees_its_external_id,
    the_operators_first_service_account_is_neither_suspended_nor_deleted,
    service_accounts_are_filtered_by_external_id_state_and_text,
    a_foreign_service_account_and_one_that_does_not_exist_are_the_same_bytes,
);

const PATH: &str = "/service-accounts";

async fn create(world: &World, body: Value) -> Answer {
    world.post(&world.demo(PATH)).key(world.operator()).json(body).await
}

async fn a_service_account_is_created_found_by_either_id_and_edited(world: Arc<World>) {
    let created = create(&world, json!({ "name": "CI", "external_id": "ci-1" })).await.expect(201);
    assert_eq!(created.header("etag"), Some("\"1\""));
    let by_id = created.header("location").unwrap().to_owned();
    let account = created.json();
    assert_eq!(by_id, world.demo(&format!("{PATH}/{}", text(&account, "/id"))));
    assert_eq!((text(&account, "/state"), text(&account, "/external_id")), ("active", "ci-1"));
    for path in [&by_id, &world.demo(&format!("{PATH}/ci-1"))] {
        let read = world.get(path).key(world.operator()).send().await.expect(200);
        assert_eq!((read.header("etag"), read.json()), (Some("\"1\""), account.clone()));
    }
    let patch = |if_match: &'static str, body| {
        world.patch(&by_id).key(world.operator()).header("if-match", if_match).json(body)
    };
    let answer = world.patch(&by_id).key(world.operator()).json(json!({ "name": "Builds" })).await;
    assert_eq!(answer.problem(), (428, "precondition_required".to_owned()));
    let edited = patch("\"1\"", json!({ "name": "Builds" })).await.expect(200);
    assert_eq!(edited.header("etag"), Some("\"2\""));
    assert_eq!(text(&edited.json(), "/external_id"), "ci-1", "what is left out stays");
    let edited = patch("\"2\"", json!({ "external_id": null })).await.expect(200).json();
    assert_eq!((text(&edited, "/name"), edited.get("external_id")), ("Builds", None));
    let stale = patch("\"2\"", json!({ "name": "Other" })).await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    let unchanged = patch("\"3\"", json!({ "name": "Builds" })).await.expect(200);
    assert_eq!(unchanged.header("etag"), Some("\"3\""));
}

async fn a_repeated_creation_makes_one_service_account(world: Arc<World>) {
    let path = world.demo(PATH);
    let send =
        |body: Value| world.post(&path).key(world.operator()).header("idempotency-key", "once").json(body);
    let first = send(json!({ "name": "CI" })).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = send(json!({ "name": "CI" })).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.json(), again.json());
    let other = send(json!({ "name": "Other" })).await;
    assert_eq!(other.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn an_external_id_is_short_visible_unlike_an_id_and_unique(world: Arc<World>) {
    let own = world.first.demo_service_account.to_string();
    for bad in ["", "a b", &own, &"x".repeat(101)] {
        let answer = create(&world, json!({ "name": "CI", "external_id": bad })).await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{bad}");
        assert_eq!(answer.faults()[0].0, "/external_id", "{bad}");
    }
    create(&world, json!({ "name": "CI", "external_id": "ci" })).await.expect(201);
    let taken = create(&world, json!({ "name": "CI", "external_id": "ci" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    let path = world.demo(&format!("{PATH}/{own}"));
    let taken = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    let taken = taken.json(json!({ "external_id": "ci" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
}

async fn what_never_changes_about_a_service_account_is_refused_at_its_pointer(world: Arc<World>) {
    let path = world.demo(&format!("{PATH}/{}", world.first.demo_service_account));
    let body = json!({ "state": "suspended", "organization_id": "org", "shoe_size": 43, "name": "" });
    let answer = world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(body).await;
    let expected = [
        ("/name", "too_short"),
        ("/organization_id", "immutable"),
        ("/shoe_size", "unknown_field"),
        ("/state", "immutable"),
    ];
    assert_eq!(answer.faults(), expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
}

async fn a_suspended_service_accounts_keys_stop_until_it_is_resumed(world: Arc<World>) {
    let key = world.service_key(&["pipelines:read"]).await;
    let account = world.demo(&format!("{PATH}/{}", world.first.demo_service_account));
    let suspend = format!("{account}/suspend");
    let stale = world.post(&suspend).key(world.operator()).header("if-match", "\"7\"").send().await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    let body = json!({ "reason": "on holiday" });
    let suspended = world.post(&suspend).key(world.operator()).json(body).await.expect(200);
    assert_eq!((suspended.header("etag"), text(&suspended.json(), "/state")), (Some("\"1\""), "suspended"));
    world.post(&suspend).key(world.operator()).send().await.expect(200);
    let answer = world.get("/v1/me").key(&key).send().await;
    assert_eq!(answer.problem(), (401, "principal_inactive".to_owned()));
    let resumed = world.post(&format!("{account}/resume")).key(world.operator()).send().await.expect(200);
    assert_eq!(text(&resumed.json(), "/state"), "active");
    world.get("/v1/me").key(&key).send().await.expect(200);
}

async fn deleting_a_service_account_ends_its_keys_and_frees_its_external_id(world: Arc<World>) {
    let account = create(&world, json!({ "name": "CI", "external_id": "ci" })).await.expect(201).json();
    let mut wanted = world.wanted(&["pipelines:read"]);
    wanted["principal"]["id"] = account["id"].clone();
    let issued = world.issue(wanted.clone()).await;
    let path = world.demo(&format!("{PATH}/ci"));
    let stale = world.delete(&path).key(world.operator()).header("if-match", "\"2\"").send().await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    world.delete(&path).key(world.operator()).header("if-match", "\"1\"").send().await.expect(204);
    let answer = world.get("/v1/me").key(text(&issued, "/secret")).send().await;
    assert_eq!(answer.problem(), (401, "key_revoked".to_owned()));
    let by_id = world.demo(&format!("{PATH}/{}", text(&account, "/id")));
    for path in [&path, &by_id] {
        let gone = world.get(path).key(world.operator()).send().await;
        assert_eq!(gone.problem(), (404, "not_found".to_owned()));
        let gone = world.delete(path).key(world.operator()).send().await;
        assert_eq!(gone.problem(), (404, "not_found".to_owned()));
    }
    let key = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let kept = world.get(&key).key(world.operator()).send().await.expect(200).json();
    assert_eq!(kept["status"], "revoked", "row and history stay");
    let answer = world.post(&world.demo("/keys")).key(world.operator()).json(wanted).await;
    assert_eq!(answer.faults(), [("/principal/id".to_owned(), "not_found".to_owned())]);
    create(&world, json!({ "name": "Heir", "external_id": "ci" })).await.expect(201);
}

async fn the_operators_first_service_account_is_neither_suspended_nor_deleted(world: Arc<World>) {
    let key = &world.first.operator_key.key;
    let wardkey_core::PrincipalId::ServiceAccount(account) = key.principal else { panic!("a user") };
    let path = format!("/v1/organizations/{}{PATH}/{account}", key.organization);
    let answer = world.delete(&path).key(world.operator()).send().await;
    assert_eq!(answer.problem(), (409, "built_in".to_owned()));
    let answer = world.post(&format!("{path}/suspend")).key(world.operator()).send().await;
    assert_eq!(answer.problem(), (409, "built_in".to_owned()));
    world.get("/v1/me").key(world.operator()).send().await.expect(200);
}

async fn service_accounts_are_filtered_by_external_id_state_and_text(world: Arc<World>) {
    let ci = create(&world, json!({ "name": "CI runner", "external_id": "ci" })).await.expect(201).json();
    let suspend = world.demo(&format!("{PATH}/ci/suspend"));
    world.post(&suspend).key(world.operator()).send().await.expect(200);
    let demo = world.first.demo_service_account.to_string();
    let list = async |query: &str| {
        let page = world.get(&world.demo(&format!("{PATH}?{query}"))).key(world.operator()).send().await;
        let page = page.expect(200).json();
        let ids = page["items"].as_array().unwrap().iter().map(|item| text(item, "/id").to_owned());
        ids.collect::<Vec<_>>()
    };
    let ci = text(&ci, "/id").to_owned();
    assert_eq!(list("").await, [ci.clone(), demo.clone()]);
    assert_eq!(list("external_id=ci").await, std::slice::from_ref(&ci));
    assert_eq!(list("state=suspended").await, std::slice::from_ref(&ci));
    assert_eq!(list("state=active").await, [demo]);
    assert_eq!(list("search=RUN").await, [ci]);
    assert_eq!(list("external_id=nobody").await, Vec::<String>::new());
    let page = world.get(&world.demo(&format!("{PATH}?limit=1"))).key(world.operator()).send().await;
    let cursor = text(&page.expect(200).json(), "/next_cursor").to_owned();
    assert_eq!(list(&format!("limit=1&cursor={cursor}")).await.len(), 1);
    let path = world.demo(&format!("{PATH}?state=active&cursor={cursor}"));
    let answer = world.get(&path).key(world.operator()).send().await;
    assert_eq!(answer.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())]);
    let answer = world.get(&world.demo(&format!("{PATH}?state=gone"))).key(world.operator()).send().await;
    assert_eq!(answer.faults(), [("state".to_owned(), "unknown_value".to_owned())]);
}

async fn a_foreign_service_account_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let key = world.service_key(&["admin:service_accounts"]).await;
    let wardkey_core::PrincipalId::ServiceAccount(foreign) = world.first.operator_key.key.principal else {
        panic!("a user")
    };
    let body = json!({ "name": "Other" });
    let mut bodies = Vec::new();
    for id in [&foreign.to_string(), "sa_0000000000000000000000", "sa_", "nobody", "%F0%9F%92%A3", "a%00b"] {
        let path = world.demo(&format!("{PATH}/{id}"));
        let answers = [
            world.get(&path).key(&key).header("x-request-id", "one").send().await,
            world.delete(&path).key(&key).header("x-request-id", "one").send().await,
            world.post(&format!("{path}/suspend")).key(&key).header("x-request-id", "one").send().await,
            world.post(&format!("{path}/resume")).key(&key).header("x-request-id", "one").send().await,
            world
                .patch(&path)
                .key(&key)
                .header("x-request-id", "one")
                .header("if-match", "\"1\"")
                .json(body.clone())
                .await,
        ];
        for answer in answers {
            assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{id}");
            bodies.push(answer.body);
        }
    }
    bodies.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}
