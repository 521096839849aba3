//! Members and links over HTTP, and the page that a link opens.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wardkey_core::BuiltInRole;

use super::sessions::browser::Browser;
use super::world::{Answer, DAY, World, text};

on_both!(
    a_member_is_added_found_edited_and_removed,
    the_answers_for_a_known_person_and_a_new_one_have_the_same_members,
    a_link_sets_the_first_password_and_the_person_logs_in,
    two_organizations_invite_a_person_who_enters_each_by_its_own_link,
    a_link_that_was_lost_is_replaced_until_the_person_accepts,
    a_link_is_outgrown_by_who_is_given_more,
    an_operators_link_replaces_a_lost_password,
    what_a_member_may_not_be_is_said_at_its_place,
    the_page_needs_nothing_but_this_server_and_tells_no_other,
);

const PASSWORD: &str = "nine violet lanterns over the harbour";

async fn add(world: &World, body: Value) -> Answer {
    world.post(&world.demo("/members")).key(world.operator()).json(body).await
}

fn token(answer: &Value, pointer: &str) -> String {
    text(answer, pointer).split_once("/login#").unwrap().1.to_owned()
}

async fn log_in(world: &World, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password});
    world.post("/v1/sessions").json(body).await.status
}

async fn a_member_is_added_found_edited_and_removed(world: Arc<World>) {
    let body = json!({"email": "Ada@example.com", "grants": [{"role": "member"}]});
    let added = add(&world, body).await.expect(201);
    assert_eq!((added.header("etag"), added.header("cache-control")), (Some("\"1\""), Some("no-store")));
    let location = added.header("location").unwrap().to_owned();
    let added = added.json();
    let member = &added["member"];
    assert_eq!((text(member, "/email"), text(member, "/name")), ("ada@example.com", "Ada"));
    assert_eq!(member["grants"], json!([{"role": "member"}]));
    let path = world.demo(&format!("/members/{}", text(member, "/id")));
    assert!(location.ends_with(&path), "{location}");
    assert_eq!(&world.get(&path).key(world.operator()).send().await.expect(200).json(), member);
    let again = add(&world, json!({"email": "ADA@example.com"})).await;
    assert_eq!(again.problem(), (409, "already_member".to_owned()));

    let edit = json!({"name": "Ada King", "grants": [{"role": "viewer", "workspace_id": world.first.demo_workspace.to_string()}]});
    let missing = world.patch(&path).key(world.operator()).json(edit.clone()).await;
    assert_eq!(missing.problem(), (428, "precondition_required".to_owned()));
    let edited =
        world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(edit).await.expect(200);
    assert_eq!(edited.header("etag"), Some("\"2\""));
    let listed = async |query: &str| {
        let path = world.demo(&format!("/members{query}"));
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((listed("?role=viewer").await, listed("?role=member").await), (1, 0));
    assert_eq!((listed("?search=KING").await, listed("?search=nobody").await), (1, 0));
    let stale = world.delete(&path).key(world.operator()).header("if-match", "\"1\"").send().await;
    assert_eq!(stale.problem(), (412, "version_mismatch".to_owned()));
    world.delete(&path).key(world.operator()).send().await.expect(204);
    assert_eq!(world.get(&path).key(world.operator()).send().await.problem(), (404, "not_found".to_owned()));
}

async fn the_answers_for_a_known_person_and_a_new_one_have_the_same_members(world: Arc<World>) {
    let known = json!({"email": "Known@Example.com", "name": "Other name", "external_id": "p-1"});
    let known = world.post("/v1/users").key(world.operator()).json(known).await.expect(201).json();
    let suspend = format!("/v1/users/{}/suspend", text(&known, "/id"));
    world.post(&suspend).key(world.operator()).send().await.expect(200);
    let mut answers = Vec::new();
    for email in ["KNOWN@example.com", "UNSEEN@example.com"] {
        let body = json!({"email": email, "name": "Same", "grants": [{"role": "viewer"}]});
        let answer = add(&world, body).await.expect(201);
        let headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        let mut body = answer.json();
        assert_eq!(text(&body, "/member/email"), email.to_lowercase());
        assert_eq!(token(&body, "/link/url").len(), 43);
        for random in ["/member/id", "/member/email", "/link/url"] {
            *body.pointer_mut(random).unwrap() = Value::Null;
        }
        answers.push((headers, body));
    }
    assert_eq!(answers[0], answers[1]);
}

async fn a_link_sets_the_first_password_and_the_person_logs_in(world: Arc<World>) {
    let added = add(&world, json!({"email": "ada@example.com"})).await.expect(201).json();
    let token = token(&added, "/link/url");
    let inspected = world.post("/v1/links/inspect").json(json!({"token": token})).await.expect(200);
    assert_eq!(inspected.json(), json!({"purpose": "set_password"}));
    let redeem = async |password: &str| {
        world.post("/v1/links/redeem").json(json!({"token": token, "password": password})).await
    };
    let short = redeem("short").await;
    assert_eq!(short.faults(), [("/password".to_owned(), "too_short".to_owned())]);
    assert_eq!(redeem("ada@example.com").await.faults()[0].0, "/password");
    redeem(PASSWORD).await.expect(204);
    assert_eq!(redeem(PASSWORD).await.problem(), (404, "not_found".to_owned()));
    let used = world.post("/v1/links/inspect").json(json!({"token": token})).await;
    assert_eq!(used.problem(), (404, "not_found".to_owned()));
    assert_eq!(log_in(&world, "ada@example.com", PASSWORD).await, 201);
    for nonsense in ["", "x", "####", &"A".repeat(43), &"A".repeat(200)] {
        let call = world.post("/v1/links/inspect").from("203.0.113.9".parse().unwrap());
        let answer = call.json(json!({"token": nonsense})).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{nonsense}");
    }
}

async fn two_organizations_invite_a_person_who_enters_each_by_its_own_link(world: Arc<World>) {
    let other = world.foreign_organization().await;
    let there = |rest: &str| format!("/v1/organizations/{other}{rest}");
    let email = "ada@example.com";
    let owner = json!({"email": email, "grants": [{"role": "owner"}]});
    let mine = token(&add(&world, json!({"email": email})).await.expect(201).json(), "/link/url");
    let added = world.post(&there("/members")).key(world.operator()).json(owner).await.expect(201).json();
    let theirs = token(&added, "/link/url");
    assert_eq!((text(&added, "/member/state"), added.pointer("/member/accepted_at")), ("pending", None));
    // Whoever holds one of the links names the password, and enters that organization alone.
    let body = json!({"token": mine, "password": PASSWORD});
    world.post("/v1/links/redeem").json(body).await.expect(204);
    let mut browser = Browser::new(&world);
    browser.log_in(email, PASSWORD).await.expect(201);
    let organizations = async |browser: &mut Browser<'_>| {
        let page = browser.get("/v1/me/organizations").await.expect(200).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(organizations(&mut browser).await, 1);
    browser.get(&world.demo("/keys")).await.expect(200);
    let absent = browser.get("/v1/organizations/nowhere/keys").await;
    for path in [there(""), there("/keys"), there("/members")] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.json()["detail"], absent.json()["detail"]);
    }
    let used = browser.post("/v1/links/accept", json!({"token": mine})).await;
    assert_eq!(used.problem(), (404, "not_found".to_owned()));
    // The other link leads to logging in, and in.
    let inspected = world.post("/v1/links/inspect").json(json!({"token": theirs})).await.expect(200).json();
    assert_eq!(inspected, json!({"purpose": "log_in"}));
    let body = json!({"token": theirs, "password": "another handful of plain words"});
    let redeemed = world.post("/v1/links/redeem").json(body).await;
    assert_eq!(redeemed.problem(), (409, "password_is_set".to_owned()));
    let somebody = world.member("stranger", BuiltInRole::Owner).await;
    world.set_password(somebody, PASSWORD).await;
    let mut stranger = Browser::new(&world);
    stranger.log_in("stranger@example.com", PASSWORD).await.expect(201);
    let answer = stranger.post("/v1/links/accept", json!({"token": theirs})).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    browser.post("/v1/links/accept", json!({"token": theirs})).await.expect(204);
    assert_eq!(organizations(&mut browser).await, 2);
    let members = browser.get(&there("/members")).await.expect(200).json();
    assert_eq!(text(&members, "/items/0/state"), "accepted");
    assert_eq!(text(&members, "/items/0/accepted_at"), "2026-11-20T08:00:00.000000Z");
}

async fn a_link_that_was_lost_is_replaced_until_the_person_accepts(world: Arc<World>) {
    let added = add(&world, json!({"email": "ada@example.com"})).await.expect(201).json();
    let (lost, path) =
        (token(&added, "/link/url"), world.demo(&format!("/members/{}/links", text(&added, "/member/id"))));
    let made = world.post(&path).key(world.operator()).send().await.expect(201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let next = token(&made.json(), "/url");
    let redeem = async |token: &str| {
        let body = json!({"token": token, "password": PASSWORD});
        world.post("/v1/links/redeem").json(body).await
    };
    assert_eq!(redeem(&lost).await.problem(), (404, "not_found".to_owned()));
    let (admin, without) =
        (world.service_key(&["admin:members"]).await, world.service_key(&["pipelines:read"]).await);
    world.clock.advance(8 * DAY);
    assert_eq!(redeem(&next).await.problem(), (404, "not_found".to_owned()));
    let made = world.post(&path).key(&admin).send().await.expect(201).json();
    redeem(&token(&made, "/url")).await.expect(204);
    // Nobody resets the password of a member in full.
    let answer = world.post(&path).key(&admin).send().await;
    assert_eq!(answer.problem(), (409, "already_member".to_owned()));
    let without = world.post(&path).key(&without).send().await;
    assert_eq!(without.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn a_link_is_outgrown_by_who_is_given_more(world: Arc<World>) {
    let body = json!({"email": "ada@example.com", "grants": [{"role": "viewer"}]});
    let added = add(&world, body).await.expect(201).json();
    let path = world.demo(&format!("/members/{}", text(&added, "/member/id")));
    let edit = json!({"grants": [{"role": "owner"}]});
    world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(edit).await.expect(200);
    let token = token(&added, "/link/url");
    for (what, body) in
        [("inspect", json!({"token": token})), ("redeem", json!({"token": token, "password": PASSWORD}))]
    {
        let answer = world.post(&format!("/v1/links/{what}")).json(body).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{what}");
    }
    let key = world.service_key(&["admin:members", "pipelines:read"]).await;
    let answer = world.post(&format!("{path}/links")).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "exceeds_own_rights".to_owned()));
}

async fn an_operators_link_replaces_a_lost_password(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Member).await;
    let path = format!("/v1/users/{user}/links");
    for password in [PASSWORD, "another handful of plain words"] {
        let link = world.post(&path).key(world.operator()).send().await.expect(201);
        assert_eq!(link.header("cache-control"), Some("no-store"));
        let token = token(&link.json(), "/url");
        let body = json!({"token": token, "password": password});
        world.post("/v1/links/redeem").json(body).await.expect(204);
        assert_eq!(log_in(&world, "ada@example.com", password).await, 201);
    }
    assert_ne!(log_in(&world, "ada@example.com", PASSWORD).await, 201);
    let key = world.admin_key().await;
    let answer = world.post(&path).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn what_a_member_may_not_be_is_said_at_its_place(world: Arc<World>) {
    let faults = async |body: Value| add(&world, body).await.faults();
    let at = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let with = |grants: Value| json!({"email": "ada@example.com", "grants": grants});
    assert_eq!(faults(json!({"email": "ada"})).await, at("/email", "malformed"));
    assert_eq!(faults(with(json!([{"role": "emperor"}]))).await, at("/grants/0/role", "malformed"));
    let absent = "role_0000000000000000000000";
    assert_eq!(faults(with(json!([{"role": absent}]))).await, at("/grants/0/role", "not_found"));
    let place = world.first.demo_workspace.to_string();
    let owner = json!([{"role": "owner", "workspace_id": place}]);
    assert_eq!(faults(with(owner)).await, at("/grants/0/role", "organization_only"));
    let nowhere = json!([{"role": "viewer", "workspace_id": "nowhere"}]);
    assert_eq!(faults(with(nowhere)).await, at("/grants/0/workspace_id", "not_found"));
    let key = world.service_key(&["admin:members", "pipelines:read"]).await;
    let call = world.post(&world.demo("/members")).key(&key);
    let answer = call.json(with(json!([{"role": "owner"}]))).await;
    assert_eq!(answer.problem(), (403, "exceeds_own_rights".to_owned()));
    assert_eq!(answer.faults(), at("/grants", "exceeds_own_rights"));
}

async fn the_page_needs_nothing_but_this_server_and_tells_no_other(world: Arc<World>) {
    let answer = world.get("/login").send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    for (name, value) in
        [("referrer-policy", "no-referrer"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
    {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let page = String::from_utf8(answer.body.clone()).unwrap();
    let inside = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0
    };
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(inside("style")),
        digest(inside("script")),
    );
    assert_eq!(answer.header("content-security-policy"), Some(policy.as_str()));
    // Below whatever path, and nowhere else.
    assert!(inside("script").contains("fetch(\"v1/\""));
    for foreign in ["http://", "https://", "src=", "href=", "style=", "onclick"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
