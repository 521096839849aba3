//! Other sites act in nobody's name.

use std::sync::Arc;

use poem::http::Method;
use serde_json::json;
use wardkey_core::BuiltInRole;

use super::super::world::World;
use super::browser::{Browser, PASSWORD};

on_both!(
    what_changes_something_must_come_from_a_page_of_the_server,
    a_program_logs_in_without_saying_from_where
);

fn refused() -> (u16, String) {
    (403, "csrf_refused".to_owned())
}

async fn what_changes_something_must_come_from_a_page_of_the_server(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let mut browser = Browser::new(&world);
    browser.log_in("ada@example.com", PASSWORD).await.expect(201);
    let elsewhere: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example"), ("host", "127.0.0.1:8080")],
        &[("origin", "null"), ("host", "127.0.0.1:8080")],
    ];
    let operations = [
        (Method::POST, world.demo("/keys")),
        (Method::POST, "/v1/me/password".to_owned()),
        (Method::POST, "/v1/me/sessions/end-others".to_owned()),
        (Method::POST, "/v1/sessions".to_owned()),
        (Method::POST, "/v1/sessions/refresh".to_owned()),
        (Method::DELETE, "/v1/sessions/current".to_owned()),
    ];
    for (index, headers) in elsewhere.into_iter().enumerate() {
        // An address for each, as attempts are counted by address.
        let mut browser = browser.copy();
        for (method, path) in &operations {
            let mut call = browser.call_from_elsewhere(method.clone(), path);
            for (name, value) in headers {
                call = call.header(name, value);
            }
            let answer = call.json(json!({ "name": "forged" })).await;
            assert_eq!(answer.problem(), refused(), "{method} {path} {index}");
        }
        browser.get("/v1/me").await.expect(200);
    }
    // To read is no danger: the other site's page does not see the answer.
    let read = browser.call_from_elsewhere(Method::GET, "/v1/me").header("sec-fetch-site", "cross-site");
    read.send().await.expect(200);
    let keys = browser.get(&world.demo("/keys")).await.expect(200).json();
    assert_eq!(keys["items"], json!([]));
    let own = browser
        .call_from_elsewhere(Method::POST, &world.demo("/keys"))
        .header("origin", "http://127.0.0.1:8080")
        .header("host", "127.0.0.1:8080");
    own.json(json!({ "name": "mine" })).await.expect(201);
}

async fn a_program_logs_in_without_saying_from_where(world: Arc<World>) {
    world.person("ada", BuiltInRole::Member).await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    world.post("/v1/sessions").json(body.clone()).await.expect(201);
    let foreign = world.post("/v1/sessions").header("sec-fetch-site", "cross-site").json(body).await;
    assert_eq!(foreign.problem(), refused());
    // A key needs no such word: no browser adds it by itself.
    let key = world.admin_key().await;
    let foreign = world.post(&world.demo("/keys")).key(&key).header("origin", "https://evil.example");
    foreign.json(world.wanted(&["pipelines:read"])).await.expect(201);
}
