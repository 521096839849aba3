//! What a caller sees of itself.

use wardkey::core::{BuiltInRole, KeyStatus, Level, OrganizationId, PrincipalId, UserId};
use wardkey::{Caller, Key, KeyFilter, Own, PageRequest, Tenant, Via};

use crate::answers::{forbidden, not_found};
use crate::world::{World, grants, user_input};

on_both!(
    a_person_sees_itself_by_session_by_key_and_through_a_stand_in,
    a_person_sees_every_organization_of_which_they_are_a_member,
    a_person_sees_their_keys_in_every_organization_and_a_key_those_of_its_own,
    whoever_stands_in_needs_operator_act_and_an_active_person,
);

async fn own(world: &World, caller: &Caller) -> Own {
    world.wardkey.enter_self(caller).await.unwrap()
}

async fn organizations(own: &Own) -> Vec<OrganizationId> {
    let page = own.organizations(PageRequest::default()).await.unwrap();
    assert!(!page.has_more);
    page.items.into_iter().map(|organization| organization.id).collect()
}

async fn keys(own: &Own, filter: KeyFilter) -> Vec<Key> {
    own.list_keys(filter, PageRequest::default()).await.unwrap().items
}

/// Another organization of which the user is a member.
async fn elsewhere(world: &World, user: UserId) -> Tenant {
    let tenant = world.create_organization("Elsewhere", None).await;
    world.set_member(&tenant, user, grants(&[BuiltInRole::Member])).await.unwrap();
    tenant
}

async fn a_person_sees_itself_by_session_by_key_and_through_a_stand_in(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let session = world.log_in(ada).await;
    let key = world.user_key(ada).await;
    for caller in [Caller::session(session), world.caller(&key).await, Caller::local("test").acting_as(ada)] {
        let me = own(world, &caller).await.me().await.unwrap();
        assert_eq!((me.principal, me.principal_name.as_str()), (PrincipalId::User(ada), "ada"));
        assert_eq!(me.email.as_deref(), Some("ada@example.com"));
        match me.via {
            Via::Session { session: shown } => assert_eq!(shown, session.id()),
            Via::Key { key: shown, organization, .. } => {
                assert_eq!((shown.id, organization.id), (key.key.id, world.first.demo_organization));
            }
            Via::StandIn => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn a_person_sees_every_organization_of_which_they_are_a_member(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let elsewhere = elsewhere(world, ada).await.organization_id();
    world.create_organization("Foreign", None).await;
    let operator = world.operator().await;
    world.set_member(&operator, ada, grants(&[BuiltInRole::Viewer])).await.unwrap();
    let operator = operator.organization_id();
    let demo = world.first.demo_organization;
    let mut all = vec![elsewhere, demo, operator];
    all.sort_by(|one, other| other.cmp(one));

    let session = own(world, &world.in_browser(ada).await).await;
    assert_eq!(organizations(&session).await, all);
    let mut page = PageRequest { after: None, limit: 1 };
    for (at, expected) in all.iter().enumerate() {
        let found = session.organizations(page).await.unwrap();
        assert_eq!((found.items[0].id, found.has_more), (*expected, at + 1 < all.len()));
        page.after = Some(*expected);
    }
    assert!(session.organizations(page).await.unwrap().items.is_empty());
    // In the operator organization nobody stands in for anybody.
    let stand_in = own(world, &Caller::local("test").acting_as(ada)).await;
    all.retain(|id| *id != operator);
    assert_eq!(organizations(&stand_in).await, all);
    let key = own(world, &world.caller(&world.user_key(ada).await).await).await;
    assert_eq!(organizations(&key).await, [demo]);
    let after = PageRequest { after: Some(demo), limit: 20 };
    assert!(key.organizations(after).await.unwrap().items.is_empty());
    world.demo().await.remove_member(&ada.into(), None).await.unwrap();
    assert!(!organizations(&session).await.contains(&demo));
}

async fn a_person_sees_their_keys_in_every_organization_and_a_key_those_of_its_own(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let bob = world.member("bob", &[BuiltInRole::Member]).await;
    let there = elsewhere(world, ada).await;
    let here = world.user_key(ada).await;
    let away = there.issue_key(user_input(ada, Level::All, &["keys:write"])).await.unwrap();
    let (foreign, service) = (world.user_key(bob).await, world.service_key(&[]).await);
    world.demo().await.revoke_key(here.key.id, None, None).await.unwrap();
    let ids = |keys: Vec<Key>| keys.into_iter().map(|key| key.id).collect::<Vec<_>>();

    let session = own(world, &world.in_browser(ada).await).await;
    let mut both = [here.key.id, away.key.id];
    both.sort_by(|one, other| other.cmp(one));
    assert_eq!(ids(keys(&session, KeyFilter::default()).await), both);
    let revoked = KeyFilter { statuses: vec![KeyStatus::Revoked], ..KeyFilter::default() };
    assert_eq!(ids(keys(&session, revoked).await), [here.key.id]);
    let not_own = [
        KeyFilter { principal: Some(PrincipalId::User(bob)), ..KeyFilter::default() },
        KeyFilter { principal: Some(service.key.principal), ..KeyFilter::default() },
        KeyFilter { search: Some("a\0b".to_owned()), ..KeyFilter::default() },
    ];
    for filter in not_own {
        assert!(keys(&session, filter).await.is_empty());
    }
    let page = PageRequest { after: None, limit: 1 };
    let first = session.list_keys(KeyFilter::default(), page).await.unwrap();
    assert_eq!((ids(first.items), first.has_more), (vec![both[0]], true));

    let stand_in = own(world, &Caller::local("test").acting_as(ada)).await;
    assert_eq!(ids(keys(&stand_in, KeyFilter::default()).await), both);
    let key = own(world, &world.caller(&away).await).await;
    assert_eq!(ids(keys(&key, KeyFilter::default()).await), [away.key.id]);
    let key = own(world, &world.caller(&foreign).await).await;
    assert_eq!(ids(keys(&key, KeyFilter::default()).await), [foreign.key.id]);
    let key = own(world, &world.caller(&service).await).await;
    assert!(ids(keys(&key, KeyFilter::default()).await).contains(&service.key.id));

    there.remove_member(&ada.into(), None).await.unwrap();
    assert_eq!(ids(keys(&session, KeyFilter::default()).await), [here.key.id]);
}

async fn whoever_stands_in_needs_operator_act_and_an_active_person(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Owner]).await;
    let bob = world.member("bob", &[BuiltInRole::Owner]).await;
    for caller in [world.caller(&world.admin_key().await).await, world.in_browser(ada).await] {
        assert_eq!(forbidden(world.wardkey.enter_self(&caller.acting_as(bob)).await), ["operator:act"]);
    }
    let acting = world.operator().await.issue_key(world.operator_input(&["operator:act"])).await.unwrap();
    let acting = world.caller(&acting).await.acting_as(bob);
    assert_eq!(own(world, &acting).await.me().await.unwrap().principal, PrincipalId::User(bob));
    world.suspend(bob).await;
    not_found(world.wardkey.enter_self(&acting).await);
}
