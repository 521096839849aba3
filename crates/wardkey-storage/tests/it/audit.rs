use std::sync::Arc;

use wardkey_core::testing::SeededRandom;
use wardkey_core::{AuditEventId, PrincipalId, SessionId};
use wardkey_storage::{Act, ActionFilter, Actor, ActorFilter, AuditEvent, AuditFilter, Page};

use crate::database::on_both;
use crate::world::World;

async fn an_event_says_who_did_what_when_and_from_where(world: Arc<World>) {
    let user = world.member().await;
    let (key, _) = world.issued().await;
    let actors = [
        Actor::Local { why: "wardkey key revoke".to_owned() },
        Actor::Key { key: key.id, principal: PrincipalId::User(user) },
        Actor::Key { key: key.id, principal: PrincipalId::ServiceAccount(world.account) },
    ];
    for (actor, address) in actors.into_iter().zip(["203.0.113.7", "2001:db8::1", "127.0.0.1"]) {
        let (target, _) = world.issued().await;
        let act =
            Act { actor, acting_for: Some(user), address: Some(address.parse().unwrap()), ..world.act() };
        world.storage.revoke_key(&act, world.demo, target.id, None, Some("why".to_owned())).await.unwrap();
        let Act { actor, acting_for, request_id, address, now, audit_id, rests_on: _ } = act;
        let expected = AuditEvent {
            id: audit_id,
            at: now,
            actor,
            acting_for,
            action: "key.revoke".to_owned(),
            target: target.id.to_string(),
            request_id,
            address,
            details: serde_json::json!({
                "before": {"state": "active"},
                "after": {"state": "revoked"},
                "reason": "why",
            }),
        };
        assert_eq!(
            world.audit(world.demo).await.into_iter().find(|event| event.id == audit_id),
            Some(expected)
        );
    }
}
on_both!(an_event_says_who_did_what_when_and_from_where);

async fn a_log_is_the_organizations_own_and_read_page_by_page(world: Arc<World>) {
    let other = world.tenant().await;
    for _ in 0..5 {
        world.clock.advance(std::time::Duration::from_secs(1));
        world.issued().await;
    }
    let all = world.audit(world.demo).await;
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let page = Page { after: Some(all[1].id), limit: 2 };
    let filter = AuditFilter::default();
    assert_eq!(world.storage.list_audit_events(world.demo, &filter, page).await.unwrap(), all[2..4]);
    let found = async |organization, id| world.storage.find_audit_event(organization, id).await.unwrap();
    assert_eq!(found(world.demo, all[3].id).await.as_ref(), Some(&all[3]));
    assert_eq!(found(other.organization, all[3].id).await, None);
    assert_eq!(found(world.demo, AuditEventId::mint(world.now(), &SeededRandom::new(9))).await, None);
    let foreign = world.audit(other.organization).await;
    assert!(!foreign.is_empty() && foreign.iter().all(|event| !event.action.starts_with("key.")));
}
on_both!(a_log_is_the_organizations_own_and_read_page_by_page);

async fn each_filter_leaves_what_it_names_and_several_leave_what_is_all_of_it(world: Arc<World>) {
    let (user, other) = (world.member().await, world.member().await);
    let (key, _) = world.issued().await;
    let session = SessionId::mint(world.now(), &SeededRandom::new(9));
    let actors = [
        Actor::Key { key: key.id, principal: PrincipalId::User(user) },
        Actor::Key { key: key.id, principal: PrincipalId::ServiceAccount(world.account) },
        Actor::Local { why: "test".to_owned() },
    ];
    let mut targets = Vec::new();
    for (actor, acting_for) in actors.into_iter().zip([None, Some(other), None]) {
        let (target, _) = world.issued().await;
        world.clock.advance(std::time::Duration::from_secs(60));
        let act = Act { actor, acting_for, ..world.act() };
        world.storage.disable_key(&act, world.demo, target.id, None, None).await.unwrap();
        targets.push((target.id.to_string(), act));
    }
    let all = world.audit(world.demo).await;
    let on_keys = ActionFilter::On("key".to_owned());
    let disable = ActionFilter::Exactly("key.disable".to_owned());
    let middle = targets[1].1.now;
    let list = async |filter: AuditFilter| {
        world.storage.list_audit_events(world.demo, &filter, Page::first(100)).await.unwrap()
    };
    type Holds<'a> = Box<dyn Fn(&AuditEvent) -> bool + 'a>;
    let cases: Vec<(AuditFilter, Holds<'_>, usize)> = vec![
        (
            AuditFilter { action: Some(on_keys), ..AuditFilter::default() },
            Box::new(|event| event.action.starts_with("key.")),
            7,
        ),
        (
            AuditFilter { action: Some(disable.clone()), ..AuditFilter::default() },
            Box::new(|event| event.action == "key.disable"),
            3,
        ),
        (
            AuditFilter { action: Some(ActionFilter::On("k_y".to_owned())), ..AuditFilter::default() },
            Box::new(|_| false),
            0,
        ),
        (
            AuditFilter { target: Some(targets[0].0.clone()), ..AuditFilter::default() },
            Box::new(|event| event.target == targets[0].0),
            2,
        ),
        (
            AuditFilter { actor: Some(ActorFilter::Key(key.id)), ..AuditFilter::default() },
            Box::new(|event| matches!(event.actor, Actor::Key { .. })),
            2,
        ),
        (
            AuditFilter { actor: Some(ActorFilter::User(user)), ..AuditFilter::default() },
            Box::new(|event| event.target == targets[0].0 && event.action == "key.disable"),
            1,
        ),
        (
            AuditFilter { actor: Some(ActorFilter::ServiceAccount(world.account)), ..AuditFilter::default() },
            Box::new(|event| event.target == targets[1].0 && event.action == "key.disable"),
            1,
        ),
        (
            AuditFilter { actor: Some(ActorFilter::Session(session)), ..AuditFilter::default() },
            Box::new(|_| false),
            0,
        ),
        (
            AuditFilter { acting_for: Some(other), ..AuditFilter::default() },
            Box::new(|event| event.acting_for == Some(other)),
            1,
        ),
        (
            AuditFilter { action: Some(disable.clone()), since: Some(middle), ..AuditFilter::default() },
            Box::new(|event| event.action == "key.disable" && event.at >= middle),
            2,
        ),
        (
            AuditFilter { action: Some(disable), until: Some(middle), ..AuditFilter::default() },
            Box::new(|event| event.action == "key.disable" && event.at < middle),
            1,
        ),
        (
            AuditFilter { request_id: targets[2].1.request_id.clone(), ..AuditFilter::default() },
            Box::new(|event| event.request_id == targets[2].1.request_id),
            1,
        ),
    ];
    for (filter, holds, count) in cases {
        let expected: Vec<_> = all.iter().filter(|event| holds(event)).cloned().collect();
        let found = list(filter.clone()).await;
        assert_eq!((found.len(), &found), (count, &expected), "{filter:?}");
        let later = Page { after: expected.first().map(|event| event.id), limit: 100 };
        let rest = world.storage.list_audit_events(world.demo, &filter, later).await.unwrap();
        assert_eq!(rest, expected.get(1..).unwrap_or_default(), "{filter:?}");
    }
}
on_both!(each_filter_leaves_what_it_names_and_several_leave_what_is_all_of_it);

/// Only one file names the table, and it has no statement but the one that adds a row and those that read.
#[test]
fn the_log_is_added_to_and_read_and_never_changed() {
    fn scan(path: &std::path::Path) {
        if path.is_dir() {
            std::fs::read_dir(path).unwrap().for_each(|entry| scan(&entry.unwrap().path()));
            return;
        }
        let source: String =
            std::fs::read_to_string(path).unwrap().to_lowercase().split_whitespace().collect();
        let name = path.file_name().unwrap().to_str().unwrap();
        match name {
            "schema.rs" => {}
            "audit.rs" => {
                assert_eq!(source.matches("diesel::insert_into(audit_events::table)").count(), 1);
                for changing in
                    ["diesel::update", "diesel::delete", "replace_into", "on_conflict", "sql_query"]
                {
                    assert!(!source.contains(changing), "{changing} in {name}");
                }
            }
            _ => assert!(!source.contains("audit_events::") && !source.contains("::audit_events"), "{name}"),
        }
        for statement in ["updateaudit_events", "deletefromaudit_events", "truncate"] {
            assert!(!source.contains(statement), "{statement} in {name}");
        }
    }
    scan(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}
