//! Keys: issued, read, edited, ended.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::world::{DAY, World, text};

on_both!(
    a_key_is_issued_with_its_secret_and_shown_without_it,
    a_users_own_key_needs_only_a_name_and_the_answer_shows_every_default,
    every_mistake_in_a_body_is_told_at_once_with_its_place,
    what_a_schema_cannot_say_is_told_with_its_place_too,
    an_end_is_given_one_way_or_not_at_all,
    the_eleventh_key_is_refused_with_count_and_limit,
    fifty_requests_at_once_issue_ten_keys_and_are_refused_forty_times,
    a_repeated_request_issues_one_key_and_shows_its_secret_once,
    an_edit_needs_the_version_that_it_changes,
    an_edit_leaves_what_it_does_not_name,
    what_never_changes_is_refused_at_its_pointer,
    a_revoked_key_is_neither_edited_nor_enabled,
    a_deleted_key_is_gone_and_its_repetition_too,
    actions_may_name_the_version_and_a_reason,
    who_revokes_may_wait_until_the_verifiers_have_heard_of_it,
);

async fn a_key_is_issued_with_its_secret_and_shown_without_it(world: Arc<World>) {
    let answer = world
        .post(&world.demo("/keys"))
        .key(world.operator())
        .json(world.wanted(&["pipelines:read"]))
        .await
        .expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("idempotency-replayed"), None);
    let location = answer.header("location").unwrap().to_owned();
    let issued = answer.json();
    let secret = text(&issued, "/secret");
    assert!(secret.starts_with("wk_live_"));
    assert_eq!(location, world.demo(&format!("/keys/{}", text(&issued, "/key/id"))));
    world.get("/v1/me").key(secret).send().await.expect(200);

    let read = world.get(&location).key(world.operator()).send().await.expect(200);
    assert_eq!(read.header("etag"), Some("\"1\""));
    let text_of_it = String::from_utf8(read.body.clone()).unwrap();
    assert!(!text_of_it.contains(secret) && !text_of_it.contains(&secret[20..]));
    let mut shown = read.json();
    let mut expected = issued["key"].clone();
    // It was used meanwhile.
    for key in [&mut shown, &mut expected] {
        key.as_object_mut().unwrap().remove("last_used_at");
        key["secrets"][0].as_object_mut().unwrap().remove("last_used_at");
    }
    assert_eq!(shown, expected);
    assert_eq!(expected["status"], "active");
    assert_eq!(expected["level"], "restricted");
    assert_eq!(expected["created_by_key_id"], json!(world.first.operator_key.key.id.to_string()));
}

async fn a_users_own_key_needs_only_a_name_and_the_answer_shows_every_default(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Member).await;
    let own = world.user_key(user).await;
    let issued =
        world.post(&world.demo("/keys")).key(&own).json(json!({ "name": "laptop" })).await.expect(201).json();
    let key = &issued["key"];
    assert_eq!(key["principal"], json!({ "type": "user", "id": user.to_string() }));
    assert_eq!(key["level"], "all");
    assert_eq!(key["workspaces"], json!({ "access": "all", "ids": [] }));
    assert_eq!(key["environment"], "production");
    assert_eq!(key["expires_at"], "2027-02-18T08:00:00.000000Z", "90 days");
    assert_eq!(
        (&key["permissions"], &key["ip_allowlist"], &key["metadata"]),
        (&json!([]), &json!([]), &json!({}))
    );
}

async fn every_mistake_in_a_body_is_told_at_once_with_its_place(world: Arc<World>) {
    let body = json!({
        "name": "",
        "description": 7,
        "metadata": [],
        "environment": "Production",
        "principal": { "type": "robot", "shoe_size": 43 },
        "level": "some",
        "permissions": ["pipelines:read", "Pipelines", "pipelines:read", null],
        "workspaces": { "access": "specific" },
        "ip_allowlist": ["10.0.0.1/8"],
        "expires_in": "7d",
        "never_expires": false,
        "scopes": [],
        "a/b~c": 1,
    });
    let answer = world.post(&world.demo("/keys")).key(world.operator()).json(body).await;
    assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
    let expected = [
        ("/a~1b~0c", "unknown_field"),
        ("/description", "wrong_type"),
        ("/environment", "malformed"),
        ("/expires_in", "conflicting"),
        ("/ip_allowlist/0", "malformed"),
        ("/level", "unknown_value"),
        ("/metadata", "wrong_type"),
        ("/name", "too_short"),
        ("/never_expires", "conflicting"),
        ("/never_expires", "unknown_value"),
        ("/permissions/1", "malformed"),
        ("/permissions/2", "repeated"),
        ("/permissions/3", "wrong_type"),
        ("/principal/id", "required"),
        ("/principal/shoe_size", "unknown_field"),
        ("/principal/type", "unknown_value"),
        ("/scopes", "unknown_field"),
        ("/workspaces/ids", "required"),
    ];
    let expected: Vec<_> = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
    assert_eq!(answer.faults(), expected);
    let problem = answer.json();
    let network =
        problem["errors"].as_array().unwrap().iter().find(|error| error["pointer"] == "/ip_allowlist/0");
    assert_eq!(network.unwrap()["detail"], "has bits set beyond its prefix; the network is 10.0.0.0/8");
}

async fn what_a_schema_cannot_say_is_told_with_its_place_too(world: Arc<World>) {
    let mut body = world.wanted(&["pipelines:read", "rockets:launch"]);
    body["workspaces"] = json!({ "access": "specific", "ids": ["nowhere"] });
    let answer = world.post(&world.demo("/keys")).key(world.operator()).json(body).await;
    let found = answer.faults();
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/permissions/1", "/workspaces/ids/0"]);

    let mut body = world.wanted(&[]);
    body["metadata"] = json!({ "text": "x".repeat(4096) });
    let answer = world.post(&world.demo("/keys")).key(world.operator()).json(body).await;
    assert_eq!(answer.faults(), [("/metadata".to_owned(), "too_long".to_owned())]);
}

async fn an_end_is_given_one_way_or_not_at_all(world: Arc<World>) {
    let issue = async |members: Value| {
        let mut body = world.wanted(&[]);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        world.post(&world.demo("/keys")).key(world.operator()).json(body).await
    };
    let key = issue(json!({ "expires_in": "1y" })).await.expect(201).json();
    assert_eq!(key["key"]["expires_at"], "2027-11-20T08:00:00.000000Z");
    let key = issue(json!({ "expires_at": "2026-12-24T18:00:00+01:00" })).await.expect(201).json();
    assert_eq!(key["key"]["expires_at"], "2026-12-24T17:00:00.000000Z");
    let refused = issue(json!({ "expires_at": "2026-12-24T18:00:00Z", "expires_in": "7d" })).await;
    assert_eq!(refused.faults().len(), 2);
    for (at, wrong) in [
        ("expires_in", json!("8d")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("2030-01-01T00:00:00Z")),
        ("never_expires", json!(true)),
    ] {
        let refused = issue(json!({ at: wrong })).await;
        assert_eq!(refused.faults()[0].0, format!("/{at}"), "{wrong}");
    }
}

async fn the_eleventh_key_is_refused_with_count_and_limit(world: Arc<World>) {
    for _ in 0..10 {
        world.issue(world.wanted(&[])).await;
    }
    let answer = world.post(&world.demo("/keys")).key(world.operator()).json(world.wanted(&[])).await;
    assert_eq!(answer.problem(), (409, "key_limit_reached".to_owned()));
    let problem = answer.json();
    assert_eq!((&problem["count"], &problem["limit"]), (&json!(10), &json!(10)));
}

async fn fifty_requests_at_once_issue_ten_keys_and_are_refused_forty_times(world: Arc<World>) {
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let world = Arc::clone(&world);
        requests.spawn(async move {
            world.post(&world.demo("/keys")).key(world.operator()).json(world.wanted(&[])).await.status
        });
    }
    let statuses = requests.join_all().await;
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(201), count(409)), (10, 40));
    let keys = world.get(&world.demo("/keys")).key(world.operator()).send().await.expect(200).json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 10);
}

async fn a_repeated_request_issues_one_key_and_shows_its_secret_once(world: Arc<World>) {
    let issue = async |idempotency_key: &str, body: Value| {
        let call =
            world.post(&world.demo("/keys")).key(world.operator()).header("idempotency-key", idempotency_key);
        call.json(body).await
    };
    let first = issue("deploy-1", world.wanted(&[])).await.expect(201).json();
    assert!(first["secret"].is_string());
    let again = issue("deploy-1", world.wanted(&[])).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let again = again.json();
    assert_eq!(again["key"]["id"], first["key"]["id"]);
    assert!(again.get("secret").is_none());
    let other = issue("deploy-1", world.wanted(&["pipelines:read"])).await;
    assert_eq!(other.problem(), (422, "idempotency_mismatch".to_owned()));
    let fresh = issue("deploy-2", world.wanted(&[])).await.expect(201).json();
    assert_ne!(fresh["key"]["id"], first["key"]["id"]);
    let keys = world.get(&world.demo("/keys")).key(world.operator()).send().await.json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 2);
    for bad in ["", "a b", &"x".repeat(256)] {
        let refused = issue(bad, world.wanted(&[])).await;
        assert_eq!(refused.faults()[0].0, "Idempotency-Key", "{bad:?}");
    }
}

async fn an_edit_needs_the_version_that_it_changes(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:read"])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let edit = |version: &'static str| {
        let call = world.patch(&path).key(world.operator());
        if version.is_empty() { call } else { call.header("if-match", version) }
    };
    let renamed = json!({ "name": "renamed" });
    let answer = edit("").json(renamed.clone()).await;
    assert_eq!(answer.problem(), (428, "precondition_required".to_owned()));
    for malformed in ["1", "*", "W/\"1\"", "\"1\", \"2\"", "\"one\""] {
        let answer = edit(malformed).json(renamed.clone()).await;
        assert_eq!(answer.faults(), [("If-Match".to_owned(), "malformed".to_owned())], "{malformed}");
    }
    let answer = edit("\"2\"").json(renamed.clone()).await;
    assert_eq!(answer.problem(), (412, "version_mismatch".to_owned()));
    assert_eq!(answer.json()["current_version"], 1);
    let answer = edit("\"1\"").json(renamed).await.expect(200);
    assert_eq!(answer.header("etag"), Some("\"2\""));
    assert_eq!((&answer.json()["name"], &answer.json()["version"]), (&json!("renamed"), &json!(2)));
}

async fn an_edit_leaves_what_it_does_not_name(world: Arc<World>) {
    let mut body = world.wanted(&["pipelines:read"]);
    body["description"] = "for the scheduler".into();
    body["metadata"] = json!({ "team": "data", "tier": 1 });
    body["ip_allowlist"] = json!(["10.0.0.0/8"]);
    let issued = world.issue(body).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let mut before = issued["key"].clone();
    let mut version = 1;
    let mut edit = async |body: Value| {
        let call = world.patch(&path).key(world.operator()).header("if-match", &format!("\"{version}\""));
        let key = call.json(body).await.expect(200).json();
        version = key["version"].as_i64().unwrap();
        key
    };
    let mut check = |after: Value, changed: &[(&str, Option<Value>)]| {
        for (name, value) in changed {
            match value {
                Some(value) => assert_eq!(after[*name], *value),
                None => assert!(after.get(*name).is_none(), "{name}"),
            }
        }
        for (name, value) in before.as_object().unwrap() {
            let moves = ["version", "updated_at"].contains(&name.as_str());
            if !moves && !changed.iter().any(|(changed, _)| changed == name) {
                assert_eq!(after[name], *value, "{name} moved");
            }
        }
        before = after;
    };
    check(
        edit(json!({ "permissions": ["pipelines:run"] })).await,
        &[("permissions", Some(json!(["pipelines:run"])))],
    );
    check(edit(json!({ "metadata": { "tier": 2 } })).await, &[("metadata", Some(json!({ "tier": 2 })))]);
    check(edit(json!({ "ip_allowlist": [] })).await, &[("ip_allowlist", Some(json!([])))]);
    check(edit(json!({ "level": "read_only" })).await, &[("level", Some(json!("read_only")))]);
    let end = Some(json!("2026-11-27T08:00:00.000000Z"));
    check(edit(json!({ "expires_in": "7d" })).await, &[("expires_at", end)]);
    let workspace = world.first.demo_workspace.to_string();
    let scope = json!({ "access": "specific", "ids": [workspace] });
    check(edit(json!({ "workspaces": scope })).await, &[("workspaces", Some(scope.clone()))]);
    check(edit(json!({ "description": null })).await, &[("description", None)]);
    check(edit(json!({})).await, &[]);
}

async fn what_never_changes_is_refused_at_its_pointer(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let body = json!({ "environment": "staging", "principal": {}, "organization_id": "x", "nonsense": 1, "name": null });
    let answer = world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(body).await;
    let expected = [
        ("/environment", "immutable"),
        ("/name", "wrong_type"),
        ("/nonsense", "unknown_field"),
        ("/organization_id", "immutable"),
        ("/principal", "immutable"),
    ];
    let expected: Vec<_> = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
    assert_eq!(answer.faults(), expected);
}

async fn a_revoked_key_is_neither_edited_nor_enabled(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let act = async |verb: &str| world.post(&format!("{path}/{verb}")).key(world.operator()).send().await;
    assert_eq!(act("revoke").await.expect(200).json()["status"], "revoked");
    assert_eq!(act("revoke").await.expect(200).json()["status"], "revoked", "repeating it changes nothing");
    for verb in ["enable", "disable", "rotate"] {
        assert_eq!(act(verb).await.problem(), (409, "key_is_revoked".to_owned()), "{verb}");
    }
    let call = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    assert_eq!(call.json(json!({ "name": "x" })).await.problem(), (409, "key_is_revoked".to_owned()));
}

async fn a_deleted_key_is_gone_and_its_repetition_too(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let stale = world.delete(&path).key(world.operator()).header("if-match", "\"7\"").send().await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    world.delete(&path).key(world.operator()).header("if-match", "\"1\"").send().await.expect(204);
    assert_eq!(
        world.delete(&path).key(world.operator()).send().await.problem(),
        (404, "not_found".to_owned())
    );
    assert_eq!(world.get(&path).key(world.operator()).send().await.problem(), (404, "not_found".to_owned()));
    let me = world.get("/v1/me").key(text(&issued, "/secret")).send().await;
    assert_eq!(me.problem(), (401, "key_revoked".to_owned()));
}

async fn actions_may_name_the_version_and_a_reason(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}/disable", text(&issued, "/key/id")));
    let call = || world.post(&path).key(world.operator());
    let answer = call().header("if-match", "\"3\"").send().await;
    assert_eq!(answer.problem(), (412, "version_mismatch".to_owned()));
    let answer = call().json(json!({ "reason": "x".repeat(501) })).await;
    assert_eq!(answer.faults(), [("/reason".to_owned(), "too_long".to_owned())]);
    let answer = call().json(json!({ "because": "x" })).await;
    assert_eq!(answer.faults(), [("/because".to_owned(), "unknown_field".to_owned())]);
    let answer = call()
        .header("if-match", "\"1\"")
        .json(json!({ "reason": "The laptop was lost." }))
        .await
        .expect(200);
    assert_eq!(answer.json()["status"], "disabled");
    assert_eq!(answer.header("etag"), Some("\"1\""), "the status does not move the version");

    world.clock.advance(91 * DAY);
    // The operator's own key has expired as well by now: somebody on the database asks.
    let key = world.demo_tenant().await.get_key(text(&issued, "/key/id").parse().unwrap()).await.unwrap();
    assert!(key.expires_at.unwrap() < world.demo_tenant().await.now());
}

async fn who_revokes_may_wait_until_the_verifiers_have_heard_of_it(world: Arc<World>) {
    let key = world.issue(world.wanted(&["pipelines:read"])).await;
    let path = world.demo(&format!("/keys/{}/revoke", text(&key, "/key/id")));
    let revoke = async |query: &str| world.post(&format!("{path}{query}")).key(world.operator()).send().await;
    for (query, at) in
        [("?wait=11s", "wait"), ("?wait=5", "wait"), ("?wait=-1s", "wait"), ("?wiat=5s", "wiat")]
    {
        assert_eq!(revoke(query).await.expect(400).faults()[0].0, at);
    }
    world.get("/v1/me").key(text(&key, "/secret")).send().await.expect(200);
    let revoked = revoke("?wait=10s").await.expect(200);
    assert_eq!(revoked.header("etag"), Some("\"1\""));
    let revoked = revoked.json();
    assert_eq!(
        (&revoked["status"], &revoked["propagation"]),
        (&json!("revoked"), &json!({"applied": 1, "pending": []}))
    );
    let again = revoke("").await.expect(200).json();
    assert_eq!((&again["status"], again.get("propagation")), (&json!("revoked"), None));
}
