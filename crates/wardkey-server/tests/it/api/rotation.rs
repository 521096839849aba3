//! New secrets for old keys.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::world::{World, text};

on_both!(
    a_rotated_key_has_a_new_secret_and_the_old_one_works_for_the_overlap,
    without_an_overlap_the_old_secret_stops_at_once,
    a_third_live_secret_is_refused_until_one_is_ended,
    the_last_secret_is_not_ended,
    a_repeated_rotation_rotates_once,
    an_overlap_is_at_most_a_week,
);

async fn a_rotated_key_has_a_new_secret_and_the_old_one_works_for_the_overlap(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:read"])).await;
    let path = world.demo(&format!("/keys/{}/rotate", text(&issued, "/key/id")));
    let call = world.post(&path).key(world.operator()).header("if-match", "\"1\"");
    let answer = call.json(json!({ "overlap_seconds": 3600 })).await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("etag"), Some("\"2\""));
    let rotated = answer.json();
    let (old, new) = (text(&issued, "/secret"), text(&rotated, "/secret"));
    assert_ne!(old, new);
    assert_eq!(rotated["key"]["id"], issued["key"]["id"]);
    assert_eq!(rotated["key"]["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(rotated["key"]["secrets"][1]["ends_at"], "2026-11-20T09:00:00.000000Z");
    world.get("/v1/me").key(old).send().await.expect(200);
    world.get("/v1/me").key(new).send().await.expect(200);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.get("/v1/me").key(old).send().await.problem(), (401, "secret_ended".to_owned()));
    world.get("/v1/me").key(new).send().await.expect(200);
}

async fn without_an_overlap_the_old_secret_stops_at_once(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}/rotate", text(&issued, "/key/id")));
    let rotated = world.post(&path).key(world.operator()).send().await.expect(200).json();
    assert_eq!(
        world.get("/v1/me").key(text(&issued, "/secret")).send().await.problem(),
        (401, "secret_ended".to_owned())
    );
    world.get("/v1/me").key(text(&rotated, "/secret")).send().await.expect(200);
}

async fn a_third_live_secret_is_refused_until_one_is_ended(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let rotate = async || {
        let call = world.post(&format!("{path}/rotate")).key(world.operator());
        call.json(json!({ "overlap_seconds": 60 })).await
    };
    rotate().await.expect(200);
    assert_eq!(rotate().await.problem(), (409, "rotation_in_progress".to_owned()));
    let old = text(&issued, "/key/secrets/0/id");
    let end = format!("{path}/secrets/{old}/end");
    world.post(&end).key(world.operator()).send().await.expect(200);
    world.post(&end).key(world.operator()).send().await.expect(200);
    assert_eq!(
        world.get("/v1/me").key(text(&issued, "/secret")).send().await.problem(),
        (401, "secret_ended".to_owned())
    );
    rotate().await.expect(200);
}

async fn the_last_secret_is_not_ended(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let end = async |secret: &str| {
        world.post(&format!("{path}/secrets/{secret}/end")).key(world.operator()).send().await.problem()
    };
    assert_eq!(end(text(&issued, "/key/secrets/0/id")).await, (409, "last_secret".to_owned()));
    assert_eq!(end("sec_0000000000000000000000").await, (404, "not_found".to_owned()));
    assert_eq!(end("nonsense").await, (404, "not_found".to_owned()));
}

async fn a_repeated_rotation_rotates_once(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}/rotate", text(&issued, "/key/id")));
    let rotate = async |body: &str| {
        let call = world.post(&path).key(world.operator()).header("idempotency-key", "weekly");
        if body.is_empty() { call.send().await } else { call.text(body).await }
    };
    let first = rotate("").await.expect(200).json();
    let again = rotate("").await.expect(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let again = again.json();
    assert!(again.get("secret").is_none());
    assert_eq!(again["key"]["version"], first["key"]["version"]);
    let other = rotate(r#"{"overlap_seconds": 5}"#).await;
    assert_eq!(other.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn an_overlap_is_at_most_a_week(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let path = world.demo(&format!("/keys/{}/rotate", text(&issued, "/key/id")));
    for wrong in [json!(604_801), json!(-1), json!("60"), json!(1.5)] {
        let answer = world.post(&path).key(world.operator()).json(json!({ "overlap_seconds": wrong })).await;
        assert_eq!(answer.faults()[0].0, "/overlap_seconds", "{wrong}");
    }
    world.post(&path).key(world.operator()).json(json!({ "overlap_seconds": 604_800 })).await.expect(200);
}
