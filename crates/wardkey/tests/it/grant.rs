//! Nobody grants what they do not hold.

use wardkey::core::{Access, BuiltInRole, Level};
use wardkey::{Caller, Expiry, ExpiryPreset, Grant, IssueKey, KeyPatch, PrincipalRef, RoleRef};

use crate::answers::{exceeds, invalid_field, not_found};
use crate::world::{
    DAY, PRODUCT, World, environment, grants, permissions, production, user_input, verify_with,
};

on_both!(
    nobody_grants_a_permission_that_they_do_not_hold,
    a_level_is_checked_by_what_it_gives,
    a_key_makes_keys_within_its_network,
    a_key_makes_keys_within_its_time,
    a_key_makes_keys_of_its_own_environment,
    what_is_held_in_one_workspace_is_not_granted_in_another,
    a_key_for_another_stays_within_the_caller,
    a_key_for_another_never_carries_the_power_to_administer,
    what_a_key_makes_stays_within_it_when_its_user_rises,
    a_key_does_not_widen_itself,
    a_key_that_ended_meanwhile_grants_nothing,
    whatever_is_refused_changes_nothing,
);

async fn nobody_grants_a_permission_that_they_do_not_hold(world: &World) {
    let admin = world.as_key(&world.service_key(&["admin:keys", "pipelines:read"]).await).await;
    let granted = admin.issue_key(world.service_input(&["pipelines:read"])).await.unwrap();
    assert!(world.verify(&granted).await.is_ok());
    let permissions = vec!["/permissions".to_owned()];
    for beyond in ["pipelines:run", "connections:read", "keys:write", "admin:members"] {
        let input = world.service_input(&["pipelines:read", beyond]);
        assert_eq!(exceeds(admin.issue_key(input).await), permissions);
    }
    // In one workspace only is beyond it, too.
    let mut input = world.service_input(&["pipelines:run"]);
    input.workspaces = Some(Access::Specific(vec![world.first.demo_workspace.into()]));
    assert_eq!(exceeds(admin.issue_key(input).await), permissions);
}

async fn a_level_is_checked_by_what_it_gives(world: &World) {
    let listed = ["admin:keys", "pipelines:read", "connections:read"];
    let reader = world.as_key(&world.service_key(&listed).await).await;
    let input = |level| IssueKey { level: Some(level), ..world.service_input(&[]) };
    reader.issue_key(input(Level::Restricted)).await.unwrap();
    reader.issue_key(input(Level::ReadOnly)).await.unwrap();
    assert_eq!(exceeds(reader.issue_key(input(Level::All)).await), ["/permissions"]);
    let everything = world.as_key(&world.admin_key().await).await;
    everything.issue_key(input(Level::All)).await.unwrap();
}

async fn a_key_makes_keys_within_its_network(world: &World) {
    let mut input = world.service_input(&["admin:keys"]);
    input.ip_allowlist = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let calling = world.demo().await.issue_key(input).await.unwrap();
    let secret = calling.secret.as_ref().unwrap();
    let verified = verify_with(&world.verifier(), secret, Some("10.1.2.3".parse().unwrap())).await.unwrap();
    let tenant =
        world.wardkey.enter(&Caller::key(verified), &world.first.demo_organization.into()).await.unwrap();
    let from = |networks: &[&str]| IssueKey {
        ip_allowlist: networks.iter().map(|network| network.parse().unwrap()).collect(),
        ..world.service_input(&[])
    };
    for within in [&["10.0.0.0/8"][..], &["10.9.0.0/16", "2001:db8:1::/48"], &["10.1.2.3"]] {
        tenant.issue_key(from(within)).await.unwrap();
    }
    for beyond in [&[][..], &["0.0.0.0/0"], &["10.0.0.0/8", "11.0.0.0/8"], &["10.0.0.0/7"], &["::/0"]] {
        assert_eq!(exceeds(tenant.issue_key(from(beyond)).await), ["/ip_allowlist"], "{beyond:?}");
    }
}

async fn a_key_makes_keys_within_its_time(world: &World) {
    let mut input = world.service_input(&["admin:keys"]);
    input.expiry = Expiry::In(ExpiryPreset::ThirtyDays);
    let calling = world.demo().await.issue_key(input).await.unwrap();
    let end = calling.key.expires_at.unwrap();
    let tenant = world.as_key(&calling).await;
    let until = |expiry| IssueKey { expiry, ..world.service_input(&[]) };
    tenant.issue_key(until(Expiry::In(ExpiryPreset::SevenDays))).await.unwrap();
    tenant.issue_key(until(Expiry::At(end))).await.unwrap();
    let later = end.saturating_add(std::time::Duration::from_micros(1));
    for beyond in [Expiry::At(later), Expiry::In(ExpiryPreset::SixtyDays), Expiry::default()] {
        assert_eq!(exceeds(tenant.issue_key(until(beyond)).await), ["/expires_at"]);
    }
}

async fn a_key_makes_keys_of_its_own_environment(world: &World) {
    let demo = world.demo().await;
    let calling = async |place: &str, listed: &[&str]| {
        let input = IssueKey { environment: Some(environment(place)), ..world.service_input(listed) };
        world.as_key(&demo.issue_key(input).await.unwrap()).await
    };
    let wanted = |place: &str| IssueKey { environment: Some(environment(place)), ..world.service_input(&[]) };
    let staging = calling("staging", &["admin:keys", "keys:write"]).await;
    staging.issue_key(wanted("staging")).await.unwrap();
    assert_eq!(exceeds(staging.issue_key(wanted("development")).await), ["/environment"]);
    assert_eq!(exceeds(staging.issue_key(wanted("production")).await), ["/environment"]);
    // Nor is it shown a secret that works elsewhere.
    let elsewhere = demo.issue_key(wanted("production")).await.unwrap();
    assert_eq!(exceeds(staging.rotate_key(elsewhere.key.id, None, DAY).await), ["/environment"]);
    // The keys of production administer every environment.
    let production = calling("production", &["admin:keys"]).await;
    production.issue_key(wanted("staging")).await.unwrap();
}

async fn what_is_held_in_one_workspace_is_not_granted_in_another(world: &World) {
    let demo = world.demo().await;
    let second = demo.create_workspace("Second".to_owned(), None, Vec::new()).await.unwrap().into_inner();
    let user = world.member("ada", &[BuiltInRole::Viewer]).await;
    let role = |role| Grant { workspace: Some(second.id), role: RoleRef::BuiltIn(role) };
    let mut roles = grants(&[BuiltInRole::Viewer]);
    roles.push(role(BuiltInRole::Member));
    world.set_member(&demo, user, roles).await.unwrap();
    let key = demo.issue_key(user_input(user, Level::All, &["keys:write"])).await.unwrap();
    // Administering is granted on the organization only: the role on a workspace gives what belongs to a workspace.
    let rights = world.verify(&key).await.unwrap().rights.rights.clone();
    assert!(!rights.anywhere().contains_name("keys:write"));
    assert!(!rights.organization_wide().contains_name("pipelines:run"));
    let in_second = rights.workspaces().find(|workspace| workspace.id == second.id).unwrap();
    let in_first = rights.workspaces().find(|workspace| workspace.id == world.first.demo_workspace).unwrap();
    assert!(in_second.held.contains_name("pipelines:run") && !in_first.held.contains_name("pipelines:run"));
}

async fn a_key_for_another_stays_within_the_caller(world: &World) {
    let viewer = world.member("vera", &[BuiltInRole::Viewer]).await;
    let member = world.member("mia", &[BuiltInRole::Member]).await;
    let admin = world.member("ann", &[BuiltInRole::Admin]).await;
    let wanted = |user| user_input(user, Level::ReadOnly, &[]);

    let reader = ["admin:keys", "pipelines:read", "connections:read"];
    let reader = world.as_key(&world.service_key(&reader).await).await;
    let for_viewer = reader.issue_key(wanted(viewer)).await.unwrap();
    // The key would be no more than the viewer's, and yet: nobody acts as somebody above them.
    assert_eq!(exceeds(reader.issue_key(wanted(member)).await), ["/principal"]);
    assert_eq!(exceeds(reader.issue_key(wanted(admin)).await), ["/principal"]);

    let full = world.as_key(&world.admin_key().await).await;
    full.issue_key(wanted(viewer)).await.unwrap();
    let for_member = full.issue_key(wanted(member)).await.unwrap();
    assert_eq!(exceeds(full.issue_key(wanted(admin)).await), ["/principal"]);
    // Rotating shows a secret as issuing does.
    assert_eq!(exceeds(reader.rotate_key(for_member.key.id, None, DAY).await), ["/principal"]);
    reader.rotate_key(for_viewer.key.id, None, DAY).await.unwrap();
    full.rotate_key(for_member.key.id, None, DAY).await.unwrap();
}

async fn a_key_for_another_never_carries_the_power_to_administer(world: &World) {
    let demo = world.demo().await;
    let member = world.member("mia", &[BuiltInRole::Member]).await;
    let admin = world.member("ann", &[BuiltInRole::Admin]).await;
    let refused = vec!["/permissions".to_owned()];
    // What the user holds through the level, what the user holds and is listed, and what the user may hold one day.
    assert_eq!(exceeds(demo.issue_key(user_input(admin, Level::All, &[])).await), refused);
    for listed in ["admin:keys", "admin:members"] {
        let input = |user| user_input(user, Level::Restricted, &["pipelines:read", listed]);
        assert_eq!(exceeds(demo.issue_key(input(admin)).await), refused);
        assert_eq!(exceeds(demo.issue_key(input(member)).await), refused);
    }
    // Without it, an admin's key is issued like any other.
    demo.issue_key(user_input(admin, Level::Restricted, &["pipelines:read"])).await.unwrap();
    // Nor can it be edited in.
    let plain = demo.issue_key(user_input(member, Level::Restricted, &["pipelines:read"])).await.unwrap();
    let patch =
        KeyPatch { permissions: Some(permissions(&["pipelines:read", "admin:keys"])), ..KeyPatch::default() };
    assert_eq!(exceeds(demo.update_key(plain.key.id, plain.key.version, patch).await), refused);
}

async fn what_a_key_makes_stays_within_it_when_its_user_rises(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let listed: Vec<_> = ["keys:write"].into_iter().chain(PRODUCT).collect();
    let narrow = demo.issue_key(user_input(user, Level::Restricted, &listed)).await.unwrap();
    let tenant = world.as_key(&narrow).await;
    // Today the user holds nothing beyond; but a key of level all, or one that lists it, would carry it tomorrow.
    let by_level = tenant.issue_key(user_input(user, Level::All, &[])).await;
    assert_eq!(exceeds(by_level), ["/permissions"]);
    let by_list =
        tenant.issue_key(user_input(user, Level::Restricted, &["pipelines:read", "admin:keys"])).await;
    assert_eq!(exceeds(by_list), ["/permissions"]);
    // The same by an edit.
    let plain = tenant.issue_key(user_input(user, Level::Restricted, &PRODUCT)).await.unwrap();
    let patch = KeyPatch { level: Some(Level::All), ..KeyPatch::default() };
    assert_eq!(exceeds(tenant.update_key(plain.key.id, plain.key.version, patch).await), ["/permissions"]);
    // A key of level all makes others of level all.
    let wide = world.as_key(&world.user_key(user).await).await;
    wide.issue_key(user_input(user, Level::All, &[])).await.unwrap();
}

async fn a_key_does_not_widen_itself(world: &World) {
    let key = world.service_key(&["admin:keys", "pipelines:read"]).await;
    let tenant = world.as_key(&key).await;
    let id = key.key.id;
    let patch = |listed: &[&str]| KeyPatch { permissions: Some(permissions(listed)), ..KeyPatch::default() };
    let wider =
        tenant.update_key(id, key.key.version, patch(&["admin:keys", "pipelines:read", "pipelines:run"]));
    assert_eq!(exceeds(wider.await), ["/permissions"]);
    let longer = KeyPatch { expiry: Some(Expiry::In(ExpiryPreset::OneYear)), ..KeyPatch::default() };
    world.clock.advance(DAY);
    assert_eq!(exceeds(tenant.update_key(id, key.key.version, longer).await), ["/expires_at"]);
    let narrower = tenant.update_key(id, key.key.version, patch(&["admin:keys"])).await.unwrap();
    assert_eq!(narrower.permissions, permissions(&["admin:keys"]));
    // And not back: the next request is verified anew.
    let tenant = world.as_key(&key).await;
    let back = tenant.update_key(id, narrower.version, patch(&["admin:keys", "pipelines:read"])).await;
    assert_eq!(exceeds(back), ["/permissions"]);
}

async fn a_key_that_ended_meanwhile_grants_nothing(world: &World) {
    let demo = world.demo().await;
    for end in 0..4 {
        // Verified, and then ended by somebody else before the request gets to what it wants.
        let key = world.admin_key().await;
        let target = world.service_key(&[]).await.key.id;
        let tenant = world.as_key(&key).await;
        match end {
            0 => drop(demo.disable_key(key.key.id, None, None).await.unwrap()),
            1 => drop(demo.revoke_key(key.key.id, None, None).await.unwrap()),
            2 => demo.delete_key(key.key.id, None, None).await.unwrap(),
            _ => world.clock.set(key.key.expires_at.unwrap()),
        }
        not_found(tenant.issue_key(world.service_input(&[])).await);
        not_found(tenant.rotate_key(target, None, DAY).await);
        demo.delete_key(target, None, None).await.unwrap();
    }
}

async fn whatever_is_refused_changes_nothing(world: &World) {
    let key = world.service_key(&["admin:keys", "pipelines:read"]).await;
    let target = world.service_key(&["pipelines:run"]).await;
    let tenant = world.as_key(&key).await;
    let before = (world.audited().await, world.counted_keys().await);
    exceeds(tenant.issue_key(world.service_input(&["pipelines:run"])).await);
    exceeds(tenant.rotate_key(target.key.id, None, DAY).await);
    let patch = KeyPatch {
        name: Some("renamed".to_owned()),
        permissions: Some(permissions(&["pipelines:run", "connections:read"])),
        ..KeyPatch::default()
    };
    exceeds(tenant.update_key(target.key.id, target.key.version, patch).await);
    invalid_field(tenant.issue_key(IssueKey { expiry: Expiry::Never, ..world.service_input(&[]) }).await);
    let nobody = PrincipalRef::ServiceAccount("nobody".into());
    invalid_field(tenant.issue_key(IssueKey { principal: Some(nobody), ..world.service_input(&[]) }).await);
    assert_eq!((world.audited().await, world.counted_keys().await), before);
    assert_eq!(world.demo().await.get_key(target.key.id).await.unwrap(), target.key);
    assert_eq!(target.key.environment, production());
}
