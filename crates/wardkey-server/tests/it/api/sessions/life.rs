//! How sessions go on, and how they end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wardkey::Visitor;
use wardkey_core::{BuiltInRole, Clock as _};

use super::super::world::{DAY, World, text};
use super::browser::{Browser, PASSWORD};

on_both!(
    a_session_goes_on_when_it_is_refreshed_and_ends_when_it_is_not,
    a_stolen_refresh_token_ends_the_session,
    two_tabs_that_refresh_at_once_are_no_theft,
    logging_out_ends_the_session_at_once,
    suspension_ends_every_session_at_once,
    another_password_ends_every_session_at_once,
    sessions_are_listed_and_ended_one_by_one_or_all_others,
    nobody_ends_the_session_of_somebody_else,
    rotation_of_signing_keys_logs_nobody_out,
);

fn ended() -> (u16, String) {
    (401, "session_ended".to_owned())
}

async fn logged_in(world: &World) -> Browser<'_> {
    let mut browser = Browser::new(world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    browser
}

async fn a_session_goes_on_when_it_is_refreshed_and_ends_when_it_is_not(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    let id = text(&browser.get("/v1/me").await.json(), "/session").to_owned();
    for _ in 0..3 {
        world.clock.advance(6 * DAY);
        assert_eq!(browser.get("/v1/me").await.problem(), ended(), "the access token is for ten minutes");
        let session = browser.refresh().await.expect(200).json();
        assert_eq!(text(&session, "/id"), id);
        browser.get("/v1/me").await.expect(200);
    }
    world.clock.advance(7 * DAY);
    let answer = browser.refresh().await;
    assert_eq!(answer.problem(), ended());
    assert!(!browser.has_cookies(), "they are of no use any more");
}

async fn a_stolen_refresh_token_ends_the_session(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    let mut thief = browser.copy();
    thief.refresh().await.expect(200);
    thief.get("/v1/me").await.expect(200);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(browser.refresh().await.problem(), ended());
    assert!(!browser.has_cookies());
    assert_eq!(thief.get("/v1/me").await.problem(), ended(), "at once, though the token is good for minutes");
    assert_eq!(thief.refresh().await.problem(), ended());
}

async fn two_tabs_that_refresh_at_once_are_no_theft(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    let mut tab = browser.copy();
    browser.refresh().await.expect(200);
    let second = tab.refresh().await;
    assert_eq!(second.problem(), (409, "refresh_superseded".to_owned()));
    assert!(second.header("set-cookie").is_none(), "the cookies are the first tab's");
    browser.get("/v1/me").await.expect(200);
    browser.refresh().await.expect(200);
}

async fn logging_out_ends_the_session_at_once(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    let mut other = logged_in(&world).await;
    let mut copy = browser.copy();
    browser.log_out().await.expect(204);
    assert!(!browser.has_cookies());
    assert_eq!(copy.get("/v1/me").await.problem(), ended());
    assert_eq!(copy.refresh().await.problem(), ended());
    other.get("/v1/me").await.expect(200);
    browser.log_out().await.expect(204);

    // With the refresh token alone, as ten minutes later.
    let mut copy = other.copy();
    other.forget_access();
    other.log_out().await.expect(204);
    assert_eq!(copy.get("/v1/me").await.problem(), ended());
}

async fn suspension_ends_every_session_at_once(world: Arc<World>) {
    let user = world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    browser.get("/v1/me").await.expect(200);
    world.suspend(user).await;
    assert_eq!(browser.get("/v1/me").await.problem(), ended());
    assert_eq!(browser.get(&world.demo("/keys")).await.problem(), ended());
    assert_eq!(browser.refresh().await.problem(), ended());
}

async fn another_password_ends_every_session_at_once(world: Arc<World>) {
    const NEXT: &str = "the old lighthouse keeper snores";
    let user = world.person("ada", BuiltInRole::Member).await;
    let mut browser = logged_in(&world).await;
    let mut before = browser.copy();
    let mut other = logged_in(&world).await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEXT });
    browser.post("/v1/me/password", body).await.expect(204);
    assert_eq!(before.get("/v1/me").await.problem(), ended());
    assert_eq!(other.get("/v1/me").await.problem(), ended());
    assert_eq!(other.refresh().await.problem(), ended());
    browser.get("/v1/me").await.expect(200);
    browser.refresh().await.expect(200);
    let refused = Browser::new(&world).log_in("ada@example.com", PASSWORD).await;
    assert_eq!(refused.problem(), (401, "invalid_login".to_owned()));
    Browser::new(&world).log_in("ada@example.com", NEXT).await.expect(201);

    world.set_password(user, PASSWORD).await;
    assert_eq!(browser.get("/v1/me").await.problem(), ended(), "whoever sets it");
}

async fn sessions_are_listed_and_ended_one_by_one_or_all_others(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browsers = Vec::new();
    for _ in 0..4 {
        browsers.push(logged_in(&world).await);
        world.clock.advance(Duration::from_secs(1));
    }
    let [first, second, third, fourth] = &mut browsers[..] else { panic!("there are four") };
    let sessions = first.get("/v1/me/sessions").await.expect(200).json();
    let sessions = sessions["items"].as_array().unwrap();
    assert_eq!(sessions.len(), 4);
    let current: Vec<_> = sessions.iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [false, false, false, true], "the newest first");
    assert!(sessions[0]["address"].is_string());

    let second_id = text(&sessions[2], "/id");
    first.delete(&format!("/v1/me/sessions/{second_id}")).await.expect(204);
    assert_eq!(second.get("/v1/me").await.problem(), ended());
    let again = first.delete(&format!("/v1/me/sessions/{second_id}")).await;
    assert_eq!(again.problem(), (404, "not_found".to_owned()));
    third.get("/v1/me").await.expect(200);
    first.post("/v1/me/sessions/end-others", json!({})).await.expect(204);
    assert_eq!(third.get("/v1/me").await.problem(), ended());
    assert_eq!(fourth.get("/v1/me").await.problem(), ended());
    first.get("/v1/me").await.expect(200);
}

async fn nobody_ends_the_session_of_somebody_else(world: Arc<World>) {
    world.person("ada", BuiltInRole::Owner).await;
    world.person("bob", BuiltInRole::Member).await;
    let mut ada = logged_in(&world).await;
    let mut bob = Browser::new(&world);
    let session = bob.log_in("bob@example.com", PASSWORD).await.expect(201).json();
    let answer = ada.delete(&format!("/v1/me/sessions/{}", text(&session, "/id"))).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    bob.get("/v1/me").await.expect(200);
}

async fn rotation_of_signing_keys_logs_nobody_out(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let keys = async || world.wardkey.sign_in(Visitor::default()).list_signing_keys().await.unwrap().len();
    assert_eq!(keys().await, 0);
    logged_in(&world).await;
    logged_in(&world).await;
    assert_eq!(keys().await, 1);
    let start = world.clock.now();
    world.clock.advance(30 * DAY - Duration::from_secs(300));
    let mut before = logged_in(&world).await;
    assert_eq!(keys().await, 1);
    world.clock.advance(Duration::from_secs(300));
    let mut after = logged_in(&world).await;
    assert_eq!(keys().await, 2, "the key is thirty days old");
    assert_eq!(world.clock.now().saturating_since(start), 30 * DAY);
    before.get("/v1/me").await.expect(200);
    after.get("/v1/me").await.expect(200);
    before.refresh().await.expect(200);
    before.get("/v1/me").await.expect(200);
    assert_eq!(keys().await, 2);

    // Another server of the deployment has not heard of the new key yet.
    let other = world.another_server();
    let answer = after.ask(&other, "/v1/me").await;
    assert_eq!(answer, 200);
}
