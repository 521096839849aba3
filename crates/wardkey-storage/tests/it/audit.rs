use std::sync::Arc;

use wardkey_core::PrincipalId;
use wardkey_storage::{Act, Actor, AuditEvent, Page};

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
        let Act { actor, acting_for, request_id, address, now, audit_id } = act;
        let expected = AuditEvent {
            id: audit_id,
            at: now,
            actor,
            acting_for,
            action: "key.revoke".to_owned(),
            target: target.id.to_string(),
            request_id,
            address,
            details: serde_json::json!({"reason": "why"}),
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
    assert_eq!(world.storage.list_audit_events(world.demo, page).await.unwrap(), all[2..4]);
    let foreign = world.audit(other.organization).await;
    assert!(!foreign.is_empty() && foreign.iter().all(|event| !event.action.starts_with("key.")));
}
on_both!(a_log_is_the_organizations_own_and_read_page_by_page);
