//! Who is let in, and in which order a request is found wanting.

use std::sync::Arc;

use poem::http::Method;
use serde_json::{Value, json};
use wardkey_core::Id as _;
use wardkey_core::OrganizationId;

use super::schema::resolve;
use super::world::World;

on_both!(
    no_operation_answers_without_a_key,
    a_bad_key_is_told_only_that_it_is_bad,
    keys_are_read_from_two_headers_and_never_from_both,
    a_key_of_another_environment_administers_nothing,
    the_credential_comes_before_the_organization_before_the_permission_before_the_body,
    a_key_that_was_ended_says_how,
);

/// Every operation of the document, with a path that could be.
fn operations(world: &World) -> Vec<(Method, String, Value)> {
    let paths = world.document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(template, methods)| {
        let path = template
            .replace("{organization_id}", &world.first.demo_organization.to_string())
            .replace("{service_account_id}", &world.first.demo_service_account.to_string())
            .replace("{session_id}", "ses_0000000000000000000000")
            .replace("{key_id}", &world.first.operator_key.key.id.to_string())
            .replace("{secret_id}", &world.first.operator_key.key.secrets[0].id.to_string());
        methods.as_object().unwrap().iter().map(move |(method, operation)| {
            (method.to_uppercase().parse().unwrap(), path.clone(), operation.clone())
        })
    });
    all.collect()
}

/// The operations that anybody may ask for. The list may only shrink.
const OPEN: [&str; 5] =
    ["create_session", "refresh_session", "delete_current_session", "inspect_link", "redeem_link"];

async fn no_operation_answers_without_a_key(world: Arc<World>) {
    let operations = operations(&world);
    assert!(operations.len() >= 20);
    for (method, path, operation) in operations {
        let is_open = OPEN.contains(&operation["operationId"].as_str().unwrap());
        assert_eq!(operation["security"] == json!([]), is_open, "{method} {path}");
        if is_open {
            continue;
        }
        let answer = world.call(method.clone(), &path).send().await;
        assert_eq!(answer.problem(), (401, "missing_credentials".to_owned()), "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"wardkey\""), "{method} {path}");
        let answer = world.call(method.clone(), &path).header("authorization", "Basic dTpw").send().await;
        assert_eq!(answer.problem(), (401, "invalid_key".to_owned()), "{method} {path}");
        let answer = world.call(method.clone(), &format!("{path}?api_key={}", world.operator())).send().await;
        assert_eq!(answer.problem(), (401, "missing_credentials".to_owned()), "{method} {path}");
    }
}

async fn a_bad_key_is_told_only_that_it_is_bad(world: Arc<World>) {
    let mut wrong = world.operator().to_owned();
    let last = if wrong.ends_with('a') { 'b' } else { 'a' };
    wrong.pop();
    wrong.push(last);
    for bad in ["x", &wrong, "wk_live_"] {
        let answer = world.get("/v1/me").key(bad).send().await;
        assert_eq!(answer.problem(), (401, "invalid_key".to_owned()));
        assert!(!String::from_utf8(answer.body).unwrap().contains(bad) || bad == "x");
    }
}

async fn keys_are_read_from_two_headers_and_never_from_both(world: Arc<World>) {
    world.get("/v1/me").key(world.operator()).send().await.expect(200);
    world.get("/v1/me").header("x-api-key", world.operator()).send().await.expect(200);
    let both = world.get("/v1/me").key(world.operator()).header("x-api-key", world.operator()).send().await;
    assert_eq!(both.problem(), (400, "ambiguous_credentials".to_owned()));
}

async fn a_key_of_another_environment_administers_nothing(world: Arc<World>) {
    let mut wanted = world.wanted(&["admin:keys", "admin:organization"]);
    wanted["environment"] = "staging".into();
    let staging = world.issue(wanted).await["secret"].as_str().unwrap().to_owned();
    for path in ["/keys", "/workspaces", ""] {
        let answer = world.get(&world.demo(path)).key(&staging).send().await;
        assert_eq!(answer.problem(), (401, "environment_mismatch".to_owned()), "{path}");
    }
    let answer = world.get("/v1/organizations").key(&staging).send().await;
    assert_eq!(answer.problem(), (401, "environment_mismatch".to_owned()));
    let me = world.get("/v1/me").key(&staging).send().await.expect(200).json();
    assert_eq!(me["key"]["environment"], "staging");
    world.get("/v1/me/organizations").key(&staging).send().await.expect(200);
    world.get("/v1/permissions").key(&staging).send().await.expect(200);
}

async fn the_credential_comes_before_the_organization_before_the_permission_before_the_body(
    world: Arc<World>,
) {
    let reader = world.service_key(&["pipelines:read"]).await;
    let maker = world.service_key(&["admin:keys"]).await;
    let foreign = format!("/v1/organizations/{}/keys", OrganizationId::from_bytes([9; 16]));
    let (own, nonsense) = (world.demo("/keys"), "{not json");

    let answer = world.post(&foreign).text(nonsense).await;
    assert_eq!(answer.problem(), (401, "missing_credentials".to_owned()));
    let answer = world.post(&foreign).key(&reader).text(nonsense).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    let answer = world.post(&own).key(&reader).text(nonsense).await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    assert_eq!(answer.json()["missing_permissions"], json!(["keys:write", "admin:keys"]));
    let answer = world.post(&own).key(&maker).text(nonsense).await;
    assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
    let answer = world.post(&own).key(&maker).json(world.wanted(&["pipelines:read"])).await;
    assert_eq!(answer.problem(), (403, "exceeds_own_rights".to_owned()));
    let absent = world.demo("/keys/key_0000000000000000000000");
    let answer =
        world.patch(&absent).key(&maker).header("if-match", "\"1\"").json(json!({ "name": "x" })).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    let answer =
        world.patch(&absent).key(&reader).header("if-match", "\"1\"").json(json!({ "name": "x" })).await;
    assert_eq!(
        answer.problem(),
        (403, "insufficient_permissions".to_owned()),
        "before the object is looked for"
    );

    // The document says the same of each operation that needs a permission.
    for (method, path, operation) in operations(&world) {
        if operation["x-required-permissions"].as_array().unwrap().is_empty() {
            continue;
        }
        let answer = world.call(method.clone(), &path).key(&reader).text(nonsense).await;
        assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()), "{method} {path}");
        let forbidden = resolve(&world.document, &operation["responses"]["403"]);
        let examples = &forbidden["content"]["application/problem+json"]["examples"];
        assert!(examples["insufficient_permissions"].is_object(), "{method} {path}");
    }
}

async fn a_key_that_was_ended_says_how(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:read"])).await;
    let (id, secret) = (issued["key"]["id"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    let act = async |verb: &str| {
        let path = world.demo(&format!("/keys/{id}/{verb}"));
        world.post(&path).key(world.operator()).send().await.expect(200);
    };
    let code = async || world.get("/v1/me").key(secret).send().await.problem();
    world.get("/v1/me").key(secret).send().await.expect(200);
    act("disable").await;
    assert_eq!(code().await, (401, "key_disabled".to_owned()));
    act("enable").await;
    world.get("/v1/me").key(secret).send().await.expect(200);
    act("rotate").await;
    assert_eq!(code().await, (401, "secret_ended".to_owned()));
    act("revoke").await;
    assert_eq!(code().await, (401, "key_revoked".to_owned()));
}
