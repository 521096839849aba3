//! Verification for programs that do not verify keys in their own process.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey::Caller;

use super::world::{DAY, World, text};

on_both!(
    each_call_is_one_request_of_the_key_and_charged_last,
    a_good_key_is_granted_with_what_it_is_and_may,
    a_refused_key_is_an_answer_and_no_error,
    permission_place_and_network_are_part_of_the_question,
    only_keys_of_the_callers_environment_are_good,
    who_may_not_verify_is_refused_as_anywhere,
);

async fn verify(world: &World, body: Value) -> Value {
    world.post("/v1/verify").key(world.operator()).json(body).await.expect(200).json()
}

/// Whether it is valid, the code, and the status to answer with.
fn verdict(answer: &Value) -> (bool, &str, i64) {
    (answer["valid"].as_bool().unwrap(), text(answer, "/code"), answer["status"].as_i64().unwrap())
}

async fn a_good_key_is_granted_with_what_it_is_and_may(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:read"])).await;
    let answer = verify(&world, json!({ "secret": issued["secret"] })).await;
    assert_eq!(verdict(&answer), (true, "granted", 200));
    assert_eq!(answer["key"]["id"], issued["key"]["id"]);
    assert_eq!(answer["key"]["secret_id"], issued["key"]["secrets"][0]["id"]);
    assert_eq!(answer["key"]["environment"], "production");
    assert_eq!(answer["organization"]["id"], json!(world.first.demo_organization.to_string()));
    assert_eq!(answer["principal"], issued["key"]["principal"]);
    assert_eq!(answer["rights"]["workspaces"][0]["permissions"], json!(["pipelines:read"]));
    assert!(answer.get("detail").is_none() && answer.get("missing_permissions").is_none());
}

async fn a_refused_key_is_an_answer_and_no_error(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:read"])).await;
    let secret = text(&issued, "/secret");
    let act = async |verb: &str| {
        let path = world.demo(&format!("/keys/{}/{verb}", text(&issued, "/key/id")));
        world.post(&path).key(world.operator()).send().await.expect(200);
    };
    for bad in ["", "nonsense", "Bearer x", &format!("{secret}x"), "\u{1f4a3}"] {
        let answer = verify(&world, json!({ "secret": bad })).await;
        assert_eq!(verdict(&answer), (false, "invalid_key", 401), "{bad}");
        assert!(answer.get("key").is_none());
    }
    act("disable").await;
    assert_eq!(verdict(&verify(&world, json!({ "secret": secret })).await), (false, "key_disabled", 401));
    act("enable").await;
    act("rotate").await;
    assert_eq!(verdict(&verify(&world, json!({ "secret": secret })).await), (false, "secret_ended", 401));
    act("revoke").await;
    assert_eq!(verdict(&verify(&world, json!({ "secret": secret })).await), (false, "key_revoked", 401));

    let mut short = world.wanted(&[]);
    short["expires_in"] = "7d".into();
    let short = world.issue(short).await;
    // The operator's first key lives a day only.
    let operator = world.first.operator_key.key.organization.into();
    let tenant = world.wardkey.enter(&Caller::local("test"), &operator).await.unwrap();
    let long = wardkey::IssueKey {
        principal: Some(wardkey::PrincipalRef::ServiceAccount(
            match world.first.operator_key.key.principal {
                wardkey_core::PrincipalId::ServiceAccount(account) => account.into(),
                wardkey_core::PrincipalId::User(_) => panic!("the first key is a service account's"),
            },
        )),
        permissions: vec!["operator:verify".parse().unwrap()],
        workspaces: Some(wardkey_core::Access::All),
        ..wardkey::IssueKey::named("verifier")
    };
    let caller = tenant.issue_key(long).await.unwrap().secret.unwrap();
    world.clock.advance(7 * DAY);
    let answer =
        world.post("/v1/verify").key(caller.expose()).json(json!({ "secret": short["secret"] })).await;
    assert_eq!(verdict(&answer.expect(200).json()), (false, "key_expired", 401));
}

async fn each_call_is_one_request_of_the_key_and_charged_last(world: Arc<World>) {
    let mut body = world.wanted(&[]);
    body["rate_limits"] = json!([{ "name": "hourly", "limit": 2, "window_seconds": 3600 }]);
    let issued = world.issue(body).await;
    let ask = async |permissions: Value| {
        verify(&world, json!({ "secret": issued["secret"], "permissions": permissions })).await
    };
    let left = |answer: &Value| answer["rate_limits"][0]["remaining"].clone();
    let lacking = ask(json!(["pipelines:run"])).await;
    assert_eq!((lacking["code"].as_str(), left(&lacking)), (Some("insufficient_permissions"), Value::Null));
    for remaining in [1, 0] {
        let granted = ask(json!([])).await;
        assert_eq!((granted["code"].as_str(), left(&granted)), (Some("granted"), json!(remaining)));
    }
    let refused = ask(json!([])).await;
    assert_eq!(verdict(&refused), (false, "rate_limited", 429));
    assert_eq!(refused["retry_after_seconds"], 1_800);
    assert_eq!(
        refused["rate_limits"],
        json!([{ "name": "hourly", "limit": 2, "window_seconds": 3600, "remaining": 0, "reset_seconds": 1800 }])
    );
}
async fn permission_place_and_network_are_part_of_the_question(world: Arc<World>) {
    let tenant = world.demo_tenant().await;
    tenant.create_workspace("Europe".to_owned(), Some("eu-1".to_owned()), Vec::new()).await.unwrap();
    tenant.create_workspace("Asia".to_owned(), Some("as-1".to_owned()), Vec::new()).await.unwrap();
    let mut body = world.wanted(&["pipelines:read"]);
    body["workspaces"] = json!({ "access": "specific", "ids": ["eu-1"] });
    body["ip_allowlist"] = json!(["203.0.113.0/24"]);
    let issued = world.issue(body).await;
    let ask = async |members: Value| {
        let mut body = json!({ "secret": issued["secret"], "ip": "203.0.113.7" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        verify(&world, body).await
    };
    assert_eq!(verdict(&ask(json!({ "permissions": ["pipelines:read"] })).await).1, "granted");
    let lacking = ask(json!({ "permissions": ["pipelines:read", "pipelines:run"] })).await;
    assert_eq!(verdict(&lacking), (false, "insufficient_permissions", 403));
    assert_eq!(lacking["missing_permissions"], json!(["pipelines:run"]));
    assert!(lacking["detail"].is_string());
    let in_workspace = |id: &str| json!({ "permissions": ["pipelines:read"], "workspace_id": id });
    assert_eq!(verdict(&ask(in_workspace("eu-1")).await).1, "granted", "by the backend's own id");
    assert_eq!(verdict(&ask(in_workspace("as-1")).await), (false, "not_found", 404));
    assert_eq!(verdict(&ask(in_workspace("nowhere")).await), (false, "not_found", 404));
    assert_eq!(verdict(&ask(json!({ "ip": "198.51.100.1" })).await), (false, "ip_not_allowed", 403));
    let without = verify(&world, json!({ "secret": issued["secret"] })).await;
    assert_eq!(verdict(&without), (false, "ip_not_allowed", 403));
}

async fn only_keys_of_the_callers_environment_are_good(world: Arc<World>) {
    let mut body = world.wanted(&[]);
    body["environment"] = "staging".into();
    let staging = world.issue(body).await;
    let answer = verify(&world, json!({ "secret": staging["secret"] })).await;
    assert_eq!(verdict(&answer), (false, "environment_mismatch", 401));
}

async fn who_may_not_verify_is_refused_as_anywhere(world: Arc<World>) {
    let key = world.admin_key().await;
    let answer = world.post("/v1/verify").key(&key).json(json!({ "secret": "x" })).await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    let call = || world.post("/v1/verify").key(world.operator());
    assert_eq!(call().json(json!({})).await.faults(), [("/secret".to_owned(), "required".to_owned())]);
    assert_eq!(
        call().json(json!({ "secret": "x", "ip": "here", "permissions": ["no"] })).await.faults(),
        [("/ip".to_owned(), "malformed".to_owned()), ("/permissions/0".to_owned(), "too_short".to_owned())]
    );
    assert_eq!(call().send().await.problem(), (415, "unsupported_media_type".to_owned()));
    let large = format!(r#"{{"secret":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(call().text(&large).await.problem(), (413, "payload_too_large".to_owned()));
}
