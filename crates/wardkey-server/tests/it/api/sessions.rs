//! People who log in.

pub(crate) mod browser;
mod forged;
mod life;
mod origin;

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use self::browser::{Browser, PASSWORD};
use super::world::{World, text};

on_both!(
    a_person_logs_in_and_does_what_their_role_allows,
    whoever_may_not_log_in_hears_the_same_whatever_the_reason,
    a_password_must_be_long_and_not_the_first_that_anybody_guesses,
    a_wrong_present_password_changes_nothing,
    where_a_key_comes_the_cookie_is_not_read,
    two_cookies_of_ours_are_ambiguous,
    a_planted_refresh_cookie_keeps_nobody_from_logging_in,
    a_session_is_no_key_and_a_key_no_session,
    the_eleventh_attempt_of_an_address_has_to_wait,
);

async fn a_person_logs_in_and_does_what_their_role_allows(world: Arc<World>) {
    let user = world.person("ada", BuiltInRole::Member).await;
    let mut browser = Browser::new(&world);
    let session = browser.log_in("ADA@example.com", PASSWORD).await.expect(201);
    assert_eq!(session.header("cache-control"), Some("no-store"));
    let session = session.json();
    assert_eq!(session["user"], user.to_string());

    let me = browser.get("/v1/me").await.expect(200).json();
    assert_eq!(me["principal"]["id"], user.to_string());
    assert_eq!((&me["email"], &me["session"]), (&json!("ada@example.com"), &session["id"]));
    assert!(me.get("key").is_none() && me.get("organization").is_none() && me.get("rights").is_none());
    let mine = browser.get("/v1/me/organizations").await.expect(200).json();
    assert_eq!(mine["items"][0]["name"], "Demo");
    let issued = browser.post(&world.demo("/keys"), json!({ "name": "mine" })).await.expect(201).json();
    assert_eq!(issued["key"]["principal"]["id"], user.to_string());
    let keys = browser.get("/v1/me/keys").await.expect(200).json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    assert_eq!(keys["items"][0]["id"], issued["key"]["id"]);

    let foreign = world.foreign_organization().await;
    let answer = browser.get(&format!("/v1/organizations/{foreign}/keys")).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    let answer = browser.get("/v1/organizations").await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    let answer = browser.get(&world.demo("")).await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn whoever_may_not_log_in_hears_the_same_whatever_the_reason(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let suspended = world.person("suspended", BuiltInRole::Member).await;
    world.suspend(suspended).await;
    world.member("nopassword", BuiltInRole::Member).await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("ada@example.com", "not the right password"),
        ("nobody@example.com", PASSWORD),
        ("suspended@example.com", PASSWORD),
        ("nopassword@example.com", PASSWORD),
        ("ada@example.com", "short"),
    ] {
        let answer = world
            .post("/v1/sessions")
            .from("203.0.113.9".parse().unwrap())
            .header("x-request-id", "same")
            .json(json!({ "email": email, "password": password }))
            .await;
        assert_eq!(answer.problem(), (401, "invalid_login".to_owned()), "{email}");
        assert!(answer.header("set-cookie").is_none());
        assert!(answer.header("www-authenticate").is_some());
        answers.push((answer.headers, answer.body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

async fn a_password_must_be_long_and_not_the_first_that_anybody_guesses(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = Browser::new(&world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    for (new, code) in [
        ("four words or", "too_short"),
        (&"drachen wohnen im wald ".repeat(12), "too_long"),
        ("correct horse battery staple", "too_common"),
        ("ada@example.com ada", "too_common"),
        ("ein drache\u{7f}im grünen wald", "invalid_character"),
    ] {
        let answer = browser
            .post("/v1/me/password", json!({ "current_password": PASSWORD, "new_password": new }))
            .await
            .expect(400);
        assert_eq!(answer.faults(), [("/new_password".to_owned(), code.to_owned())], "{new}");
    }
}

async fn a_wrong_present_password_changes_nothing(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = Browser::new(&world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    let body = json!({ "current_password": "not the right one", "new_password": "seven green bicycles" });
    let answer = browser.post("/v1/me/password", body).await.expect(400);
    assert_eq!(answer.faults(), [("/current_password".to_owned(), "wrong_password".to_owned())]);
    browser.get("/v1/me").await.expect(200);
    Browser::new(&world).log_in("ada@example.com", PASSWORD).await.expect(201);
}

async fn where_a_key_comes_the_cookie_is_not_read(world: Arc<World>) {
    let key = world.service_key(&["pipelines:read"]).await;
    // A cookie that would be refused, twice.
    let me = world
        .get("/v1/me")
        .key(&key)
        .header("cookie", "wardkey_session=nonsense; wardkey_session=nonsense")
        .send()
        .await
        .expect(200);
    assert!(me.json()["key"].is_object());
    let answer =
        world.get("/v1/me").key("nonsense").header("cookie", "wardkey_session=nonsense").send().await;
    assert_eq!(answer.problem(), (401, "invalid_key".to_owned()));
}

async fn two_cookies_of_ours_are_ambiguous(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = Browser::new(&world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    let cookie = format!("wardkey_session={}", browser.access());
    world.get("/v1/me").header("cookie", &cookie).send().await.expect(200);
    let twice = world.get("/v1/me").header("cookie", &format!("{cookie}; {cookie}")).send().await;
    assert_eq!(twice.problem(), (400, "ambiguous_credentials".to_owned()));
    let lines = world.get("/v1/me").header("cookie", &cookie).header("cookie", &cookie).send().await;
    assert_eq!(lines.problem(), (400, "ambiguous_credentials".to_owned()));
    let refresh = world
        .post("/v1/sessions/refresh")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", "wardkey_refresh=a; wardkey_refresh=b")
        .send()
        .await;
    assert_eq!(refresh.problem(), (400, "ambiguous_credentials".to_owned()));
}

async fn a_planted_refresh_cookie_keeps_nobody_from_logging_in(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    for cookies in ["wardkey_refresh=planted", "wardkey_refresh=planted; wardkey_refresh=another"] {
        let call =
            world.post("/v1/sessions").header("sec-fetch-site", "same-origin").header("cookie", cookies);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let answer = call.json(body).await.expect(201);
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    }
}

async fn a_session_is_no_key_and_a_key_no_session(world: Arc<World>) {
    world.person("ada", BuiltInRole::Owner).await;
    let mut browser = Browser::new(&world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    // The token of a session is none of the carriers' keys.
    let token = browser.access().to_owned();
    let answer = world.get("/v1/me").key(&token).send().await;
    assert_eq!(answer.problem(), (401, "invalid_key".to_owned()));
    // What is for programs alone.
    for (path, body) in [("/v1/verify", json!({ "secret": "x" })), ("/v1/me/revoke", json!({}))] {
        let answer = browser.post(path, body).await;
        assert_eq!(answer.problem(), (401, "missing_credentials".to_owned()), "{path}");
    }
    // What is for people alone.
    let answer = world.get("/v1/me/sessions").key(world.operator()).send().await;
    assert_eq!(answer.problem(), (403, "session_required".to_owned()));
}

async fn the_eleventh_attempt_of_an_address_has_to_wait(world: Arc<World>) {
    let attempt = async |address: &str| {
        let body = json!({ "email": format!("{address}@example.com"), "password": "not the right one" });
        world.post("/v1/sessions").from(address.parse().unwrap()).json(body).await
    };
    for index in 0..10 {
        // One network of 64 bits is one client.
        attempt(&format!("2001:db8::{index}")).await.expect(401);
    }
    let answer = attempt("2001:db8::ffff").await;
    assert_eq!(answer.problem(), (429, "rate_limited".to_owned()));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(text(&answer.json(), "/detail"), "There were too many attempts. Try again later.");
    attempt("2001:db8:0:1::1").await.expect(401);
    // Who has no attempt left to log in stays logged in, and opens a link.
    let refresh = async || {
        world.post("/v1/sessions/refresh").from("2001:db8::1".parse().unwrap()).send().await.problem()
    };
    let link = async |what: &str, body: Value| {
        let call = world.post(&format!("/v1/links/{what}")).from("2001:db8::1".parse().unwrap());
        call.json(body).await.problem()
    };
    for _ in 0..10 {
        assert_eq!(refresh().await, (401, "session_ended".to_owned()));
        assert_eq!(link("inspect", json!({ "token": "none" })).await, (404, "not_found".to_owned()));
    }
    let limited = || (429, "rate_limited".to_owned());
    assert_eq!(refresh().await, limited());
    assert_eq!(link("inspect", json!({ "token": "none" })).await, limited());
    // Looking at a link and taking it in count as one.
    assert_eq!(link("redeem", json!({ "token": "none", "password": PASSWORD })).await, limited());
    world.get("/v1/me").from("2001:db8::1".parse().unwrap()).key(world.operator()).send().await.expect(200);
}
