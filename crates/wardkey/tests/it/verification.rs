//! What is done takes effect: in this process before the call returns, in another within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use wardkey::core::{
    Access, BuiltInRole, Catalogue, Code, Denial, Level, NeededPermissions, Requirement, Standing, Verifier,
    VerifyError, WorkspaceId,
};
use wardkey::{Grant, IssuedKey, KeyPatch, RoleRef};

use crate::world::{
    DAY, World, environment, grants, permissions, production, user_input, verify_with, within,
};

on_both!(
    what_is_done_takes_effect_before_the_call_returns,
    nothing_that_begins_after_a_revocation_is_granted,
    another_process_hears_of_it_within_a_second,
    a_key_that_was_unknown_works_at_once,
    user_keys_follow_the_users_live_roles,
    a_suspended_principal_or_organization_stops_its_keys,
    a_key_works_in_its_environment_only,
    the_instant_of_expiry_is_too_late,
    a_clock_that_steps_back_revives_nothing_that_was_seen_to_end,
    a_clock_that_steps_back_keeps_what_lives,
    a_foreign_workspace_is_as_one_that_does_not_exist,
    a_level_reaches_into_workspaces_made_later,
    a_key_is_used_from_its_networks_only,
    usage_is_seen_in_the_list,
);

/// Another handle on the same database, as another process has it, which has seen the key.
async fn elsewhere(world: &World, key: &IssuedKey) -> (wardkey::Wardkey, Verifier) {
    let wardkey = world.open_again().await;
    let verifier = wardkey.verifier(&production());
    verify_with(&verifier, key.secret.as_ref().unwrap(), None).await.unwrap();
    (wardkey, verifier)
}

async fn code(verifier: &Verifier, key: &IssuedKey) -> Option<Code> {
    verify_with(verifier, key.secret.as_ref().unwrap(), None).await.err()
}

async fn may(verifier: &Verifier, key: &IssuedKey, permission: &str) -> bool {
    let secret = key.secret.as_ref().unwrap();
    let verified = verify_with(verifier, secret, None).await.unwrap();
    verified.rights.rights.anywhere().contains_name(permission)
}

async fn what_is_done_takes_effect_before_the_call_returns(world: &World) {
    let demo = world.demo().await;
    let here = world.verifier();
    let key = world.service_key(&["pipelines:read", "pipelines:run"]).await;
    let id = key.key.id;
    // Each is done to a key that is cached.
    assert!(may(&here, &key, "pipelines:run").await);
    demo.disable_key(id, None, None).await.unwrap();
    assert_eq!(code(&here, &key).await, Some(Code::KeyDisabled));
    demo.enable_key(id, None, None).await.unwrap();
    assert_eq!(code(&here, &key).await, None);
    let narrower = KeyPatch { permissions: Some(permissions(&["pipelines:read"])), ..KeyPatch::default() };
    let version = demo.update_key(id, key.key.version, narrower).await.unwrap().version;
    assert!(!may(&here, &key, "pipelines:run").await);
    let renewed = demo.rotate_key(id, Some(version), DAY).await.unwrap();
    assert_eq!((code(&here, &key).await, code(&here, &renewed).await), (None, None));
    demo.end_secret(id, key.key.secrets[0].id).await.unwrap();
    assert_eq!(code(&here, &key).await, Some(Code::SecretEnded));
    let again = demo.rotate_key(id, None, Duration::ZERO).await.unwrap();
    assert_eq!(code(&here, &renewed).await, Some(Code::SecretEnded));
    let account = world.first.demo_service_account;
    demo.set_service_account_state(&account.into(), None, Standing::Inactive, None).await.unwrap();
    assert_eq!(code(&here, &again).await, Some(Code::PrincipalInactive));
    demo.set_service_account_state(&account.into(), None, Standing::Active, None).await.unwrap();
    assert_eq!(code(&here, &again).await, None);
    demo.revoke_key(id, None, None).await.unwrap();
    assert_eq!(code(&here, &again).await, Some(Code::KeyRevoked));

    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let of_user = world.user_key(user).await;
    assert!(may(&here, &of_user, "pipelines:run").await);
    world.set_member(&demo, user, grants(&[BuiltInRole::Viewer])).await.unwrap();
    assert!(!may(&here, &of_user, "pipelines:run").await && may(&here, &of_user, "pipelines:read").await);
    world.replace_catalogue(&Catalogue::default()).await;
    assert!(!may(&here, &of_user, "pipelines:read").await);
    demo.remove_member(&user.into(), None).await.unwrap();
    assert_eq!(code(&here, &of_user).await, Some(Code::KeyRevoked));
}

async fn nothing_that_begins_after_a_revocation_is_granted(world: &World) {
    let demo = world.demo().await;
    let here = world.verifier();
    for round in 0..5 {
        let key = Arc::new(world.service_key(&[]).await);
        let stopped = Arc::new(AtomicBool::new(false));
        let mut asking = JoinSet::new();
        for _ in 0..4 {
            let (here, key, stopped) = (here.clone(), Arc::clone(&key), Arc::clone(&stopped));
            asking.spawn(async move {
                // Until the first refusal, which comes at last.
                loop {
                    let begun_after = stopped.load(Ordering::SeqCst);
                    let refused = code(&here, &key).await;
                    assert!(!begun_after || refused == Some(Code::KeyRevoked), "{refused:?}");
                    if begun_after {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        // Each of these has every key of the organization read anew, at the very moment of the revocation.
        let disturber = demo.clone();
        let disturbing = tokio::spawn(async move {
            for number in 0..5 {
                disturber.create_workspace(format!("{round} {number}"), None, Vec::new()).await.unwrap();
            }
        });
        demo.revoke_key(key.key.id, None, None).await.unwrap();
        stopped.store(true, Ordering::SeqCst);
        disturbing.await.unwrap();
        while let Some(asked) = asking.join_next().await {
            asked.unwrap();
        }
    }
}

async fn another_process_hears_of_it_within_a_second(world: &World) {
    const PROMISED: Duration = Duration::from_secs(1);
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let of_user = world.user_key(user).await;
    let key = world.service_key(&["pipelines:read", "pipelines:run"]).await;
    let id = key.key.id;
    let (_wardkey, there) = elsewhere(world, &key).await;
    assert!(may(&there, &of_user, "pipelines:run").await);

    demo.disable_key(id, None, None).await.unwrap();
    within(PROMISED, "disable", async || code(&there, &key).await == Some(Code::KeyDisabled)).await;
    demo.enable_key(id, None, None).await.unwrap();
    within(PROMISED, "enable", async || code(&there, &key).await.is_none()).await;
    let narrower = KeyPatch { permissions: Some(permissions(&["pipelines:read"])), ..KeyPatch::default() };
    demo.update_key(id, key.key.version, narrower).await.unwrap();
    within(PROMISED, "narrow", async || !may(&there, &key, "pipelines:run").await).await;
    let renewed = demo.rotate_key(id, None, Duration::ZERO).await.unwrap();
    within(PROMISED, "rotate", async || code(&there, &key).await == Some(Code::SecretEnded)).await;
    within(PROMISED, "new secret", async || code(&there, &renewed).await.is_none()).await;
    let account = world.first.demo_service_account;
    demo.set_service_account_state(&account.into(), None, Standing::Inactive, None).await.unwrap();
    within(PROMISED, "suspend", async || code(&there, &renewed).await == Some(Code::PrincipalInactive)).await;
    world.set_member(&demo, user, grants(&[BuiltInRole::Viewer])).await.unwrap();
    within(PROMISED, "role", async || !may(&there, &of_user, "pipelines:run").await).await;
    // What a key lists stays.
    let mut catalogue = world.deployment().await.describe().await.unwrap().catalogue;
    for group in &mut catalogue.groups {
        group.permissions.retain(|permission| permission.name.as_str() == "pipelines:read");
    }
    world.replace_catalogue(&catalogue).await;
    within(PROMISED, "catalogue", async || !may(&there, &of_user, "connections:read").await).await;
    demo.remove_member(&user.into(), None).await.unwrap();
    within(PROMISED, "remove member", async || code(&there, &of_user).await == Some(Code::KeyRevoked)).await;
    demo.revoke_key(id, None, None).await.unwrap();
    within(PROMISED, "revoke", async || code(&there, &renewed).await == Some(Code::KeyRevoked)).await;
}

async fn a_key_that_was_unknown_works_at_once(world: &World) {
    // The digest is known beforehand as one that belongs to nobody: the handle makes this secret next.
    let other = world.service_key(&[]).await;
    let (_wardkey, there) = elsewhere(world, &other).await;
    let demo = world.demo().await;
    let rotated = demo.rotate_key(other.key.id, None, DAY).await.unwrap();
    within(Duration::from_secs(1), "new secret", async || code(&there, &rotated).await.is_none()).await;
    let secret = wardkey::core::SecretStart::new("wk", "live")
        .unwrap()
        .generate(&wardkey::core::testing::SeededRandom::new(77));
    assert_eq!(verify_with(&there, &secret, None).await.unwrap_err(), Code::InvalidKey);
    assert_eq!(verify_with(&world.verifier(), &secret, None).await.unwrap_err(), Code::InvalidKey);
    // The same secret is now given out, through the books: both had noted it as unknown.
    let random = wardkey::core::testing::SeededRandom::new(78);
    let new = wardkey_storage::NewSecret {
        id: wardkey::core::SecretId::mint(world.now(), &random),
        digest: secret.digest(),
        hint: secret.hint(),
    };
    demo.end_secret(other.key.id, other.key.secrets[0].id).await.unwrap();
    let (act, organization) = (world.act(), world.first.demo_organization);
    world.storage.rotate_key(&act, organization, other.key.id, None, new, DAY, None).await.unwrap();
    within(Duration::from_secs(1), "appears", async || verify_with(&there, &secret, None).await.is_ok())
        .await;
    let here = world.verifier();
    within(Duration::from_secs(1), "appears", async || verify_with(&here, &secret, None).await.is_ok()).await;
}

async fn user_keys_follow_the_users_live_roles(world: &World) {
    let demo = world.demo().await;
    let second = demo.create_workspace("Second".to_owned(), None, Vec::new()).await.unwrap().into_inner().id;
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Viewer]).await;
    let all = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let read_only = demo.issue_key(user_input(user, Level::ReadOnly, &[])).await.unwrap();
    let listed =
        demo.issue_key(user_input(user, Level::Restricted, &["pipelines:run", "keys:write"])).await.unwrap();
    let held = async |key: &IssuedKey, place: Option<WorkspaceId>| {
        let rights = world.verify(key).await.unwrap().rights.rights.clone();
        let set = match place {
            None => rights.organization_wide().clone(),
            Some(id) => rights
                .workspaces()
                .find(|workspace| workspace.id == id)
                .map(|workspace| (*workspace.held).clone())
                .unwrap_or_default(),
        };
        set.names().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let reading = "connections:read pipelines:read";
    let everything = "connections:read connections:write pipelines:read pipelines:run";
    assert_eq!(held(&all, None).await, reading);
    assert_eq!(held(&listed, None).await, "");

    world.set_member(&demo, user, grants(&[BuiltInRole::Member])).await.unwrap();
    assert_eq!(held(&all, None).await, everything, "keys:write is to be listed");
    assert_eq!(held(&read_only, None).await, reading);
    assert_eq!(held(&listed, None).await, "keys:write pipelines:run");

    // A role on one workspace, on top of one for all.
    let mut roles = grants(&[BuiltInRole::Viewer]);
    roles.push(Grant { workspace: Some(second), role: RoleRef::BuiltIn(BuiltInRole::Member) });
    world.set_member(&demo, user, roles.clone()).await.unwrap();
    assert_eq!(held(&all, None).await, reading);
    assert_eq!(held(&all, Some(world.first.demo_workspace)).await, reading);
    assert_eq!(held(&all, Some(second)).await, everything);
    assert_eq!(held(&listed, Some(second)).await, "pipelines:run");
    // And alone: the other workspace is gone from sight.
    world.set_member(&demo, user, roles.split_off(1)).await.unwrap();
    assert_eq!(held(&all, None).await, "");
    assert_eq!(held(&all, Some(world.first.demo_workspace)).await, "");
    assert_eq!(held(&all, Some(second)).await, everything);
    world.set_member(&demo, user, Vec::new()).await.unwrap();
    assert_eq!(held(&all, Some(second)).await, "");
}

async fn a_suspended_principal_or_organization_stops_its_keys(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let keys = [world.user_key(user).await, world.service_key(&[]).await];
    let here = world.verifier();
    let code_of = async |at: usize| code(&here, &keys[at]).await;
    assert_eq!((code_of(0).await, code_of(1).await), (None, None));
    world.storage.set_user_state(&world.act(), user, None, Standing::Inactive, None).await.unwrap();
    here.catch_up().await.unwrap();
    assert_eq!((code_of(0).await, code_of(1).await), (Some(Code::PrincipalInactive), None));
    let taken = demo.issue_key(user_input(user, Level::All, &[])).await;
    assert_eq!(crate::answers::invalid_field(taken), ("/principal/id".to_owned(), "inactive"));
    assert_eq!(world.counted_keys().await, 2, "suspension keeps the places");
    world.storage.set_user_state(&world.act(), user, None, Standing::Active, None).await.unwrap();
    here.catch_up().await.unwrap();
    assert_eq!(code_of(0).await, None);

    let organization = world.first.demo_organization;
    world
        .storage
        .set_organization_state(&world.act(), organization, None, Standing::Inactive, None)
        .await
        .unwrap();
    here.catch_up().await.unwrap();
    let suspended = Some(Code::OrganizationSuspended);
    assert_eq!((code_of(0).await, code_of(1).await), (suspended, suspended));
    world
        .storage
        .set_organization_state(&world.act(), organization, None, Standing::Active, None)
        .await
        .unwrap();
    here.catch_up().await.unwrap();
    assert_eq!((code_of(0).await, code_of(1).await), (None, None));
}

async fn a_key_works_in_its_environment_only(world: &World) {
    let mut input = world.service_input(&[]);
    input.environment = Some(environment("staging"));
    let staging = world.demo().await.issue_key(input).await.unwrap();
    let live = world.service_key(&[]).await;
    let in_staging = world.wardkey.verifier(&environment("staging"));
    let in_production = world.verifier();
    assert_eq!(code(&in_staging, &staging).await, None);
    assert_eq!(code(&in_production, &live).await, None);
    for _ in 0..2 {
        assert_eq!(code(&in_production, &staging).await, Some(Code::EnvironmentMismatch));
        assert_eq!(code(&in_staging, &live).await, Some(Code::EnvironmentMismatch));
    }
    // Crossing is forbidden whatever became of the key.
    world.demo().await.revoke_key(staging.key.id, None, None).await.unwrap();
    assert_eq!(code(&in_production, &staging).await, Some(Code::EnvironmentMismatch));
    assert_eq!(code(&in_staging, &staging).await, Some(Code::KeyRevoked));
}

async fn the_instant_of_expiry_is_too_late(world: &World) {
    let key = world.service_key(&[]).await;
    let here = world.verifier();
    assert_eq!(code(&here, &key).await, None);
    let end = key.key.expires_at.unwrap();
    world.clock.set(end.saturating_sub(Duration::from_micros(1)));
    assert_eq!(code(&here, &key).await, None);
    world.clock.set(end);
    assert_eq!(code(&here, &key).await, Some(Code::KeyExpired));
    // A process that sees it first thereafter says the same.
    let other = world.open_again().await.verifier(&production());
    assert_eq!(code(&other, &key).await, Some(Code::KeyExpired));
}

async fn a_clock_that_steps_back_revives_nothing_that_was_seen_to_end(world: &World) {
    let key = world.service_key(&[]).await;
    let here = world.verifier();
    assert_eq!(code(&here, &key).await, None);
    let (start, end) = (world.now(), key.key.expires_at.unwrap());
    world.clock.set(end);
    assert_eq!(code(&here, &key).await, Some(Code::KeyExpired));
    world.clock.set(start);
    assert_eq!(code(&here, &key).await, Some(Code::KeyExpired));
}

async fn a_clock_that_steps_back_keeps_what_lives(world: &World) {
    let key = world.service_key(&[]).await;
    let here = world.verifier();
    world.clock.set(world.now().saturating_sub(400 * DAY));
    assert_eq!(code(&here, &key).await, None);
    world.demo().await.disable_key(key.key.id, None, None).await.unwrap();
    assert_eq!(code(&here, &key).await, Some(Code::KeyDisabled));
}

async fn a_foreign_workspace_is_as_one_that_does_not_exist(world: &World) {
    let other = world.create_organization("Other", None).await;
    let foreign = other
        .create_workspace("F".to_owned(), Some("foreign".to_owned()), Vec::new())
        .await
        .unwrap()
        .into_inner();
    let demo = world.demo().await;
    let hidden = demo
        .create_workspace("H".to_owned(), Some("hidden".to_owned()), Vec::new())
        .await
        .unwrap()
        .into_inner();
    let own = world.first.demo_workspace;
    let mut input = world.service_input(&["pipelines:read"]);
    input.workspaces = Some(Access::Specific(vec![own.into()]));
    let key = demo.issue_key(input).await.unwrap();
    let here = world.verifier();
    let ask = async |permission: &str, workspace: wardkey::core::Reference<WorkspaceId>| {
        let requirement = Requirement {
            permissions: NeededPermissions::AllOf(permissions(&[permission])),
            workspace: Some(workspace),
            customer: None,
        };
        let secret = key.secret.as_ref().unwrap().expose().as_bytes();
        match here.verify(secret, None, &requirement).await {
            Ok(_) => None,
            Err(VerifyError::Denied(denial)) => Some(denial),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(ask("pipelines:read", own.into()).await, None);
    for unseen in
        [foreign.id.into(), hidden.id.into(), "foreign".into(), "hidden".into(), "nowhere".into(), "".into()]
    {
        assert_eq!(ask("pipelines:read", unseen).await, Some(Denial::NotFound));
    }
    // A key that reaches all workspaces reaches all of its own organization.
    let all = world.service_key(&["pipelines:read"]).await;
    let requirement = Requirement { workspace: Some(foreign.id.into()), ..Requirement::NONE };
    let refused = here.verify(all.secret.as_ref().unwrap().expose().as_bytes(), None, &requirement).await;
    assert!(matches!(refused, Err(VerifyError::Denied(Denial::NotFound))));
    let missing = Some(Denial::InsufficientPermissions { missing: vec!["pipelines:run".to_owned()] });
    assert_eq!(ask("pipelines:run", own.into()).await, missing);
}

async fn a_level_reaches_into_workspaces_made_later(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let here = world.verifier();
    assert_eq!(code(&here, &key).await, None);
    let later =
        world.demo().await.create_workspace("Later".to_owned(), None, Vec::new()).await.unwrap().into_inner();
    let rights = verify_with(&here, key.secret.as_ref().unwrap(), None).await.unwrap().rights;
    assert!(rights.rights.workspaces().any(|workspace| workspace.id == later.id));
}

async fn a_key_is_used_from_its_networks_only(world: &World) {
    let mut input = world.service_input(&[]);
    input.ip_allowlist = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let key = world.demo().await.issue_key(input).await.unwrap();
    let here = world.verifier();
    let from = async |address: Option<&str>| {
        let address = address.map(|text| text.parse().unwrap());
        verify_with(&here, key.secret.as_ref().unwrap(), address).await.err()
    };
    for within in ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"] {
        assert_eq!(from(Some(within)).await, None);
    }
    for beyond in [Some("11.0.0.1"), Some("2001:db9::1"), Some("::1"), None] {
        assert_eq!(from(beyond).await, Some(Code::IpNotAllowed));
    }
}

async fn usage_is_seen_in_the_list(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await;
    assert_eq!(demo.get_key(key.key.id).await.unwrap().last_used_at, None);
    world.clock.advance(DAY);
    assert_eq!(code(&world.verifier(), &key).await, None);
    let used_at = world.now();
    world.clock.advance(DAY);
    world.wardkey.flush().await;
    let seen = demo.get_key(key.key.id).await.unwrap();
    assert_eq!(seen.last_used_at, Some(used_at));
    assert_eq!(seen.secrets[0].last_used_at, Some(used_at));
    // Use is neither an edit nor an event.
    assert_eq!((seen.version, seen.updated_at), (key.key.version, key.key.updated_at));
}
