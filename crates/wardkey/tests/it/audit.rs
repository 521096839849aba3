//! The audit log, read by whoever may.

use wardkey::core::BuiltInRole;
use wardkey::{ActionFilter, AuditFilter, Error, PageRequest};

use crate::world::World;

on_both!(
    the_log_is_for_those_who_hold_admin_audit,
    pages_of_a_filtered_log_hold_each_event_once,
    what_no_event_holds_is_not_asked_for,
);

async fn the_log_is_for_those_who_hold_admin_audit(world: &World) {
    let key = world.service_key(&[]).await.key.id;
    let event = world.event("key.issue", key).await;
    let page = PageRequest::default();
    for (role, may) in [(BuiltInRole::Member, false), (BuiltInRole::Admin, true), (BuiltInRole::Owner, true)]
    {
        let user = world.member(role.as_str(), &[role]).await;
        let caller = wardkey::Caller::local("test").acting_as(user);
        let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
        let listed = tenant.list_audit_events(&AuditFilter::default(), page).await;
        let got = tenant.get_audit_event(event.id).await;
        if may {
            assert!(!listed.unwrap().items.is_empty());
            assert_eq!(got.unwrap(), event);
        } else {
            assert!(matches!(listed, Err(Error::Forbidden { .. })), "{listed:?}");
            assert!(matches!(got, Err(Error::Forbidden { .. })), "{got:?}");
        }
    }
    let elsewhere = world.operator().await.get_audit_event(event.id).await;
    assert!(matches!(elsewhere, Err(Error::NotFound)), "{elsewhere:?}");
}

async fn pages_of_a_filtered_log_hold_each_event_once(world: &World) {
    for _ in 0..5 {
        world.clock.advance(std::time::Duration::from_millis(5));
        world.service_key(&[]).await;
    }
    let demo = world.demo().await;
    let filter = AuditFilter { action: Some(ActionFilter::On("key".to_owned())), ..AuditFilter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = demo.list_audit_events(&filter, PageRequest { after, limit: 2 }).await.unwrap();
        seen.extend(page.items);
        after = seen.last().map(|event| event.id);
        if !page.has_more {
            break;
        }
    }
    let mut expected = world.audit(world.first.demo_organization).await;
    expected.retain(|event| event.action.starts_with("key."));
    assert_eq!((seen.len(), &seen), (5, &expected));
}

async fn what_no_event_holds_is_not_asked_for(world: &World) {
    let nul = || Some("a\0b".to_owned());
    for filter in [
        AuditFilter { target: nul(), ..AuditFilter::default() },
        AuditFilter { request_id: nul(), ..AuditFilter::default() },
        AuditFilter { action: nul().map(ActionFilter::On), ..AuditFilter::default() },
    ] {
        let page = world.demo().await.list_audit_events(&filter, PageRequest::default()).await.unwrap();
        assert!(page.items.is_empty(), "{filter:?}");
    }
}
