//! The audit log over the wire.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::world::{World, text};

on_both!(
    an_event_says_who_did_what_and_what_changed,
    every_filter_narrows_the_list_and_the_export_alike,
    an_export_is_the_whole_log_page_after_page,
    filters_are_checked_and_a_cursor_is_bound_to_them,
    the_log_takes_admin_audit_and_is_the_organizations_own,
);

async fn items(world: &World, query: &str) -> Vec<Value> {
    let path = world.demo(&format!("/audit-events?{query}"));
    let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

async fn export(world: &World, query: &str) -> Vec<Value> {
    let path = world.demo(&format!("/audit-events/export?{query}"));
    world.get(&path).key(world.operator()).send().await.expect(200).lines()
}

async fn an_event_says_who_did_what_and_what_changed(world: Arc<World>) {
    let key = world.admin_key().await;
    let issued = world.post(&world.demo("/keys")).key(&key).json(world.wanted(&[])).await.expect(201).json();
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let edit = json!({ "name": "Renamed", "description": "for the report" });
    let call = world.patch(&path).key(&key).header("if-match", "\"1\"").header("x-request-id", "trace-7");
    call.json(edit).await.expect(200);

    let events = items(&world, "action=key.update").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let me = world.get("/v1/me").key(&key).send().await.expect(200).json();
    let account = world.first.demo_service_account.to_string();
    assert_eq!(
        event["actor"],
        json!({ "type": "key", "key_id": text(&me, "/key/id"), "service_account_id": account })
    );
    assert_eq!(event["target"], issued["key"]["id"]);
    assert_eq!(event["request_id"], "trace-7");
    let details = json!({
        "before": { "name": "service" },
        "after": { "name": "Renamed", "description": "for the report" },
    });
    assert_eq!(event["details"], details);
    let path = world.demo(&format!("/audit-events/{}", text(event, "/id")));
    assert_eq!(world.get(&path).key(world.operator()).send().await.expect(200).json(), *event);

    let user = world.member("ada", BuiltInRole::Member).await;
    let events = items(&world, &format!("target={user}")).await;
    assert_eq!(events[0]["actor"], json!({ "type": "local", "why": "test" }));
    let secret = text(&issued, "/secret");
    assert!(!format!("{:?}", items(&world, "").await).contains(secret), "no secret is in the log");
}

async fn every_filter_narrows_the_list_and_the_export_alike(world: Arc<World>) {
    let key = world.admin_key().await;
    let issued = world.post(&world.demo("/keys")).key(&key).json(world.wanted(&[])).await.expect(201).json();
    let id = text(&issued, "/key/id").to_owned();
    world.clock.advance(Duration::from_secs(60));
    let revoke = world.post(&world.demo(&format!("/keys/{id}/revoke"))).key(&key);
    revoke.header("x-request-id", "trace-8").send().await.expect(200);
    let me = world.get("/v1/me").key(&key).send().await.expect(200).json();
    let caller = text(&me, "/key/id");
    let account = world.first.demo_service_account;
    for (query, actions) in [
        ("action=key.revoke".to_owned(), vec!["key.revoke"]),
        (format!("action=key.*&target={id}"), vec!["key.revoke", "key.issue"]),
        (format!("actor={caller}"), vec!["key.revoke", "key.issue"]),
        (format!("actor={account}&action=key.revoke"), vec!["key.revoke"]),
        (format!("target={id}&since=2026-11-20T08:01:00Z"), vec!["key.revoke"]),
        (format!("target={id}&until=2026-11-20T08:01:00Z"), vec!["key.issue"]),
        ("request_id=trace-8".to_owned(), vec!["key.revoke"]),
        ("acting_for=usr_0000000000000000000000".to_owned(), vec![]),
        ("actor=ses_0000000000000000000000".to_owned(), vec![]),
        ("action=member.*&target=nobody".to_owned(), vec![]),
    ] {
        let listed = items(&world, &query).await;
        let found: Vec<_> = listed.iter().map(|event| text(event, "/action")).collect();
        assert_eq!(found, actions, "{query}");
        assert_eq!(export(&world, &query).await, listed, "{query}");
    }
}

async fn an_export_is_the_whole_log_page_after_page(world: Arc<World>) {
    let tenant = world.demo_tenant().await;
    let key = tenant.issue_key(wardkey::IssueKey {
        principal: Some(wardkey::PrincipalRef::ServiceAccount(world.first.demo_service_account.into())),
        workspaces: Some(wardkey_core::Access::All),
        ..wardkey::IssueKey::named("busy")
    });
    let key = key.await.unwrap().key.id;
    // More than two pages of what is read at once.
    for _ in 0..105 {
        world.clock.advance(Duration::from_millis(5));
        tenant.disable_key(key, None, None).await.unwrap();
        world.clock.advance(Duration::from_millis(5));
        tenant.enable_key(key, None, None).await.unwrap();
    }
    let exported = export(&world, "").await;
    let mut listed = Vec::new();
    let mut path = world.demo("/audit-events?limit=100");
    loop {
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        listed.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = world.demo(&format!("/audit-events?limit=100&cursor={cursor}"));
    }
    assert!(listed.len() > 210, "{}", listed.len());
    assert_eq!(exported, listed);
}

async fn filters_are_checked_and_a_cursor_is_bound_to_them(world: Arc<World>) {
    for (query, pointer, code) in [
        ("action=key", "action", "malformed"),
        ("action=*", "action", "too_short"),
        ("action=KEY.*", "action", "malformed"),
        ("action=key.%25", "action", "malformed"),
        ("actor=org_0Uk5xVJ3pYqG8dTzMw2Rf6", "actor", "malformed"),
        ("acting_for=somebody", "acting_for", "too_short"),
        ("since=yesterday", "since", "too_short"),
        ("target=%00", "target", "invalid_character"),
        ("until=2026-11-20T08:01:00Z&until=2026-11-20T08:01:00Z", "until", "repeated"),
        ("who=me", "who", "unknown_field"),
    ] {
        for path in ["/audit-events", "/audit-events/export"] {
            let answer =
                world.get(&world.demo(&format!("{path}?{query}"))).key(world.operator()).send().await;
            assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{path} {query}");
            assert_eq!(answer.faults(), [(pointer.to_owned(), code.to_owned())], "{path} {query}");
        }
    }
    let answer = world.get(&world.demo("/audit-events/export?limit=5")).key(world.operator()).send().await;
    assert_eq!(answer.faults(), [("limit".to_owned(), "unknown_field".to_owned())]);

    world.member("ada", BuiltInRole::Member).await;
    world.service_key(&[]).await;
    let path = world.demo("/audit-events?limit=1");
    let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
    let cursor = text(&page, "/next_cursor");
    let other = world.demo(&format!("/audit-events?action=key.*&cursor={cursor}"));
    let answer = world.get(&other).key(world.operator()).send().await;
    assert_eq!(answer.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())]);
}

async fn the_log_takes_admin_audit_and_is_the_organizations_own(world: Arc<World>) {
    let auditor = world.service_key(&["admin:audit"]).await;
    let admin = world.admin_key().await;
    let page = world.get(&world.demo("/audit-events")).key(&auditor).send().await.expect(200).json();
    let event = text(&page, "/items/0/id").to_owned();
    let paths =
        ["/audit-events".to_owned(), "/audit-events/export".to_owned(), format!("/audit-events/{event}")];
    for path in &paths {
        world.get(&world.demo(path)).key(&auditor).send().await.expect(200);
        let answer = world.get(&world.demo(path)).key(&admin).send().await;
        assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()), "{path}");
        let foreign = format!("/v1/organizations/{}{path}", world.first.operator_key.key.organization);
        let answer = world.get(&foreign).key(&auditor).send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
    }
    // An event of another organization is one that does not exist.
    let foreign = format!("/v1/organizations/{}{}", world.first.operator_key.key.organization, paths[2]);
    let answer = world.get(&foreign).key(world.operator()).send().await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
}
