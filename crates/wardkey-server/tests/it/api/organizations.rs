//! Organizations, as the operator runs them and as they run themselves.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World, text};

on_both!(
    an_organization_is_made_found_limited_renamed_and_deleted,
    a_suspended_organizations_keys_are_refused_until_it_is_resumed,
    the_organization_that_runs_the_deployment_stays,
    what_is_for_the_operator_is_refused_to_everybody_else,
    an_external_id_is_set_by_the_operator_alone,
    organizations_that_do_not_exist_are_all_the_same_bytes,
);

async fn create(world: &World, body: Value) -> Answer {
    world.post("/v1/organizations").key(world.operator()).json(body).await
}

async fn an_organization_is_made_found_limited_renamed_and_deleted(world: Arc<World>) {
    let send = |body: Value| {
        world.post("/v1/organizations").key(world.operator()).header("idempotency-key", "a").json(body)
    };
    let body = json!({ "name": "Acme", "external_id": "acme", "key_limit": 3 });
    let made = send(body.clone()).await.expect(201);
    let (location, organization) = (made.header("location").unwrap().to_owned(), made.json());
    assert_eq!((made.header("etag"), &organization["key_limit"]), (Some("\"1\""), &json!(3)));
    let again = send(body).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), again.json()), (Some("true"), organization.clone()));
    assert_eq!(send(json!({ "name": "B" })).await.problem(), (422, "idempotency_mismatch".to_owned()));
    let taken = create(&world, json!({ "name": "B", "external_id": "acme" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    for (key_limit, code) in
        [(json!(1_000_001), "out_of_range"), (json!(-1), "out_of_range"), (json!("3"), "wrong_type")]
    {
        let answer = create(&world, json!({ "name": "B", "key_limit": key_limit })).await;
        assert_eq!(answer.faults(), [("/key_limit".to_owned(), code.to_owned())]);
    }
    let found = async |query: &str| {
        let path = format!("/v1/organizations?{query}");
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((found("external_id=acme").await, found("search=ACM").await), (1, 1));
    assert_eq!((found("state=active").await, found("state=suspended").await), (3, 0));

    let limit = |version, body| {
        let path = "/v1/organizations/acme/key-limit";
        world.put(path).key(world.operator()).header("if-match", version).json(body)
    };
    assert_eq!(limit("\"1\"", json!({ "key_limit": null })).await.expect(200).json()["key_limit"], 10);
    assert_eq!(limit("\"1\"", json!({ "key_limit": 0 })).await.problem().0, 412);
    assert_eq!(limit("\"2\"", json!({ "key_limit": 0 })).await.expect(200).json()["key_limit"], 0);
    assert_eq!(limit("\"3\"", json!({})).await.faults(), [("/key_limit".to_owned(), "required".to_owned())]);
    let put = world.put("/v1/organizations/acme/key-limit").key(world.operator());
    assert_eq!(
        put.json(json!({ "key_limit": 1 })).await.problem(),
        (428, "precondition_required".to_owned())
    );

    let rename = |body| world.patch(&location).key(world.operator()).header("if-match", "\"3\"").json(body);
    let immutable = rename(json!({ "external_id": "other", "key_limit": 7 })).await.faults();
    assert_eq!(immutable.iter().filter(|(_, code)| code == "immutable").count(), 2);
    let renamed = rename(json!({ "name": "Acme & Co" })).await.expect(200);
    assert_eq!((renamed.header("etag"), text(&renamed.json(), "/name")), (Some("\"4\""), "Acme & Co"));

    let delete = |version| {
        world.delete("/v1/organizations/acme").key(world.operator()).header("if-match", version).send()
    };
    assert_eq!(delete("\"3\"").await.problem(), (412, "version_mismatch".to_owned()));
    delete("\"4\"").await.expect(204);
    let gone = world.get(&location).key(world.operator()).send().await;
    assert_eq!(gone.problem(), (404, "not_found".to_owned()));
    assert_eq!(found("").await, 2);
    create(&world, json!({ "name": "Acme again", "external_id": "acme" })).await.expect(201);
}

async fn a_suspended_organizations_keys_are_refused_until_it_is_resumed(world: Arc<World>) {
    let key = world.service_key(&["admin:organization"]).await;
    let act = async |verb: &str, body: &str| {
        world.post(&world.demo(&format!("/{verb}"))).key(world.operator()).text(body).await.expect(200)
    };
    let suspended = act("suspend", r#"{"reason": "unpaid"}"#).await;
    assert_eq!((suspended.header("etag"), text(&suspended.json(), "/state")), (Some("\"1\""), "suspended"));
    let refused = world.get(&world.demo("")).key(&key).send().await;
    assert_eq!(refused.problem(), (403, "organization_suspended".to_owned()));
    world.post(&world.demo("/suspend")).key(world.operator()).send().await.expect(200);
    let stale = world.post(&world.demo("/resume")).key(world.operator()).header("if-match", "\"2\"");
    assert_eq!(stale.send().await.problem(), (412, "version_mismatch".to_owned()));
    assert_eq!(text(&act("resume", "{}").await.json(), "/state"), "active");
    world.get(&world.demo("")).key(&key).send().await.expect(200);
    world.delete(&world.demo("")).key(world.operator()).send().await.expect(204);
    let revoked = world.get(&world.demo("")).key(&key).send().await;
    assert_eq!(revoked.problem(), (401, "key_revoked".to_owned()));
}

async fn the_organization_that_runs_the_deployment_stays(world: Arc<World>) {
    let path = format!("/v1/organizations/{}", world.first.operator_key.key.organization);
    let refused = (409, "operator_organization".to_owned());
    assert_eq!(world.delete(&path).key(world.operator()).send().await.problem(), refused);
    let suspend = world.post(&format!("{path}/suspend")).key(world.operator()).send().await;
    assert_eq!(suspend.problem(), refused);
    world.get(&path).key(world.operator()).send().await.expect(200);
}

async fn what_is_for_the_operator_is_refused_to_everybody_else(world: Arc<World>) {
    let key = world.service_key(&["admin:organization", "admin:keys"]).await;
    for (method, rest) in [
        ("POST", "/suspend"),
        ("POST", "/resume"),
        ("PUT", "/key-limit"),
        ("PUT", "/external-id"),
        ("DELETE", ""),
    ] {
        let call = world.call(method.parse().unwrap(), &world.demo(rest)).key(&key);
        let answer = call.header("if-match", "\"1\"").json(json!({})).await;
        assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()), "{method} {rest}");
    }
    let rename = world.patch(&world.demo("")).key(&key).header("if-match", "\"1\"");
    rename.json(json!({ "name": "Renamed" })).await.expect(200);
}

async fn an_external_id_is_set_by_the_operator_alone(world: Arc<World>) {
    let set = async |version: &str, body| {
        let path = world.demo("/external-id");
        world.put(&path).key(world.operator()).header("if-match", version).json(body).await
    };
    let named = set("\"1\"", json!({ "external_id": "demo" })).await.expect(200);
    assert_eq!((named.header("etag"), text(&named.json(), "/external_id")), (Some("\"2\""), "demo"));
    world.get("/v1/organizations/demo").key(world.operator()).send().await.expect(200);
    let id = world.first.demo_organization.to_string();
    for (external_id, code) in
        [(json!(id), "reserved"), (json!("a b"), "malformed"), (json!(1), "wrong_type")]
    {
        let answer = set("\"2\"", json!({ "external_id": external_id })).await;
        assert_eq!(answer.faults(), [("/external_id".to_owned(), code.to_owned())]);
    }
    let absent = set("\"2\"", json!({})).await;
    assert_eq!(absent.faults(), [("/external_id".to_owned(), "required".to_owned())]);
    create(&world, json!({ "name": "B", "external_id": "taken" })).await.expect(201);
    let taken = set("\"2\"", json!({ "external_id": "taken" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    let bare = set("\"2\"", json!({ "external_id": null })).await.expect(200).json();
    assert_eq!(bare.get("external_id"), None);
}

async fn organizations_that_do_not_exist_are_all_the_same_bytes(world: Arc<World>) {
    let made = create(&world, json!({ "name": "Gone", "external_id": "gone" })).await.expect(201).json();
    world.delete("/v1/organizations/gone").key(world.operator()).send().await.expect(204);
    let mut answers = Vec::new();
    for id in [text(&made, "/id"), "gone", "nowhere", "org_0000000000000000000000", "a%00b"] {
        for (method, rest) in [("POST", "/suspend"), ("POST", "/resume"), ("DELETE", "")] {
            let path = format!("/v1/organizations/{id}{rest}");
            let call = world.call(method.parse().unwrap(), &path).key(world.operator());
            let answer = call.header("x-request-id", "same").send().await;
            assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{method} {path}");
            answers.push((answer.headers, answer.body));
        }
    }
    answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}
