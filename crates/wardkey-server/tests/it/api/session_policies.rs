//! The session policy, read, edited and enforced.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World};

on_both!(
    a_policy_is_read_edited_and_enforced_at_issue,
    a_policy_that_shuts_out_its_author_is_refused_unless_forced,
    every_mistake_in_a_policy_is_told_with_its_place,
);

const PATH: &str = "/session-policy";

async fn patch(world: &World, key: &str, if_match: &str, body: Value) -> Answer {
    world.patch(&world.demo(PATH)).key(key).header("if-match", if_match).json(body).await
}

async fn a_policy_is_read_edited_and_enforced_at_issue(world: Arc<World>) {
    let key = world.service_key(&["admin:policy"]).await;
    let read = world.get(&world.demo(PATH)).key(&key).send().await.expect(200);
    assert_eq!(read.header("etag"), Some("\"0\""));
    let usual = json!({
        "organization_id": world.first.demo_organization.to_string(),
        "ip_allowlist": [],
        "longest_key_life_days": 365,
        "keys_may_never_expire": false,
        "version": 0,
    });
    assert_eq!(read.json(), usual);
    let body = json!({ "longest_key_life_days": 30, "keys_may_never_expire": true });
    let edited = patch(&world, &key, "\"0\"", body).await.expect(200);
    assert_eq!(edited.header("etag"), Some("\"1\""));
    assert_eq!(edited.json()["longest_key_life_days"], 30);
    let stale = patch(&world, &key, "\"0\"", json!({ "longest_key_life_days": 7 })).await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    let issue = async |member: &str, value: Value| {
        let mut body = world.wanted(&[]);
        body[member] = value;
        world.post(&world.demo("/keys")).key(world.operator()).json(body).await
    };
    let refused = issue("expires_in", "1y".into()).await;
    assert_eq!(refused.faults(), [("/expires_in".to_owned(), "too_late".to_owned())]);
    let refused = issue("expires_at", "2026-12-21T08:00:00Z".into()).await;
    assert_eq!(refused.faults(), [("/expires_at".to_owned(), "too_late".to_owned())]);
    let endless = issue("never_expires", true.into()).await.expect(201).json();
    assert_eq!(endless["key"].get("expires_at"), None);
    let usual = world.issue(world.wanted(&[])).await;
    assert_eq!(usual["key"]["expires_at"], "2026-12-20T08:00:00.000000Z");
}

async fn a_policy_that_shuts_out_its_author_is_refused_unless_forced(world: Arc<World>) {
    let key = world.service_key(&["admin:policy"]).await;
    let list = json!(["203.0.113.0/24", "2001:db8::/32"]);
    let refused = patch(&world, &key, "\"0\"", json!({ "ip_allowlist": list })).await;
    assert_eq!(refused.problem(), (409, "policy_shuts_out_caller".to_owned()));
    let forced = json!({ "ip_allowlist": list, "force": true });
    let edited = patch(&world, &key, "\"0\"", forced).await.expect(200).json();
    assert_eq!(edited["ip_allowlist"], list);
    let answer = world.get(&world.demo(PATH)).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "ip_not_allowed".to_owned()));
    // An operator who acts here opens it again.
    patch(&world, world.operator(), "\"1\"", json!({ "ip_allowlist": [] })).await.expect(200);
    world.get(&world.demo(PATH)).key(&key).send().await.expect(200);
}

async fn every_mistake_in_a_policy_is_told_with_its_place(world: Arc<World>) {
    let body = json!({
        "ip_allowlist": ["10.0.0.1/8", "10.0.0.0/8", "10.0.0.0/8", "here", 7],
        "longest_key_life_days": 0,
        "keys_may_never_expire": "no",
        "rate_limit": 1,
        "version": 2,
    });
    let answer = patch(&world, world.operator(), "\"0\"", body).await;
    let expected = [
        ("/ip_allowlist/0", "malformed"),
        ("/ip_allowlist/2", "repeated"),
        ("/ip_allowlist/3", "malformed"),
        ("/ip_allowlist/4", "wrong_type"),
        ("/keys_may_never_expire", "wrong_type"),
        ("/longest_key_life_days", "out_of_range"),
        ("/rate_limit", "unknown_field"),
        ("/version", "immutable"),
    ];
    assert_eq!(answer.faults(), expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
}
