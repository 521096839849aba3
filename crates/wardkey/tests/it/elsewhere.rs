//! What is done to people, teams, roles and organizations stops their keys in another process within a second: woken by
//! the database, with `NOTIFY` or `data_version`, and not by the poll alone.

use std::time::Duration;

use wardkey::core::{BuiltInRole, Code, Level, UserId, Verifier};
use wardkey::{
    CreateRole, CreateTeam, Grant, GrantChoice, IssuedKey, RolePatch, RoleRef, TeamPatch, Wardkey,
};

use crate::world::{World, grants, permissions, production, user_input, verify_with, within};

on_both!(
    a_person_who_is_removed_or_suspended_is_stopped_elsewhere,
    an_organization_that_is_suspended_or_deleted_is_stopped_elsewhere,
    a_role_that_is_narrowed_or_taken_is_narrower_elsewhere,
    a_team_that_loses_a_role_or_a_person_is_narrower_elsewhere,
);

/// For which DESIGN stands.
const PROMISED: Duration = Duration::from_secs(1);

/// Another handle on the same database, as another process has it.
struct Elsewhere {
    _wardkey: Wardkey,
    verifier: Verifier,
}

impl Elsewhere {
    /// One that has seen the key, which works.
    async fn that_knows(world: &World, key: &IssuedKey) -> Self {
        let wardkey = world.open_again().await;
        let verifier = wardkey.verifier(&production());
        let elsewhere = Self { _wardkey: wardkey, verifier };
        assert_eq!(elsewhere.code(key).await, None);
        elsewhere
    }

    async fn code(&self, key: &IssuedKey) -> Option<Code> {
        verify_with(&self.verifier, key.secret.as_ref().unwrap(), None).await.err()
    }

    async fn may(&self, key: &IssuedKey, permission: &str) -> bool {
        let verified = verify_with(&self.verifier, key.secret.as_ref().unwrap(), None).await.unwrap();
        verified.rights.rights.anywhere().contains_name(permission)
    }

    async fn hears(&self, what: &str, key: &IssuedKey, code: Option<Code>) {
        within(PROMISED, what, async || self.code(key).await == code).await;
    }

    async fn hears_that_it_may_not(&self, what: &str, key: &IssuedKey, permission: &str) {
        within(PROMISED, what, async || !self.may(key, permission).await).await;
    }
}

/// A key of level all.
async fn key_of(world: &World, user: UserId) -> IssuedKey {
    world.demo().await.issue_key(user_input(user, Level::All, &[])).await.unwrap()
}

async fn a_person_who_is_removed_or_suspended_is_stopped_elsewhere(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let key = key_of(world, user).await;
    let there = Elsewhere::that_knows(world, &key).await;
    let deployment = world.deployment().await;
    deployment.suspend_user(&user.into(), None, None).await.unwrap();
    there.hears("suspended", &key, Some(Code::PrincipalInactive)).await;
    deployment.resume_user(&user.into(), None, None).await.unwrap();
    there.hears("resumed", &key, None).await;
    world.demo().await.remove_member(&user.into(), None).await.unwrap();
    there.hears("removed", &key, Some(Code::KeyRevoked)).await;

    let other = world.member("bob", &[BuiltInRole::Member]).await;
    let key = key_of(world, other).await;
    assert_eq!(there.code(&key).await, None);
    deployment.delete_user(&other.into(), None).await.unwrap();
    there.hears("deleted", &key, Some(Code::KeyRevoked)).await;
}

async fn an_organization_that_is_suspended_or_deleted_is_stopped_elsewhere(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let (of_user, of_account) = (key_of(world, user).await, world.service_key(&[]).await);
    let there = Elsewhere::that_knows(world, &of_user).await;
    assert_eq!(there.code(&of_account).await, None);
    let (deployment, demo) = (world.deployment().await, world.first.demo_organization.into());
    deployment.suspend_organization(&demo, None, None).await.unwrap();
    for key in [&of_user, &of_account] {
        there.hears("suspended", key, Some(Code::OrganizationSuspended)).await;
    }
    deployment.resume_organization(&demo, None, None).await.unwrap();
    for key in [&of_user, &of_account] {
        there.hears("resumed", key, None).await;
    }
    deployment.delete_organization(&demo, None).await.unwrap();
    for key in [&of_user, &of_account] {
        there.hears("deleted", key, Some(Code::KeyRevoked)).await;
    }
}

async fn a_role_that_is_narrowed_or_taken_is_narrower_elsewhere(world: &World) {
    let demo = world.demo().await;
    let wanted = CreateRole {
        name: "Runner".to_owned(),
        description: None,
        permissions: permissions(&["pipelines:read", "pipelines:run"]),
    };
    let role = demo.create_role(wanted).await.unwrap().into_inner();
    let held = Grant { workspace: None, role: RoleRef::Custom(role.id) };
    let user = world.member("ada", &[]).await;
    world.set_member(&demo, user, vec![held]).await.unwrap();
    let key = key_of(world, user).await;
    let there = Elsewhere::that_knows(world, &key).await;
    assert!(there.may(&key, "pipelines:run").await);
    let narrower = RolePatch { permissions: Some(permissions(&["pipelines:read"])), ..RolePatch::default() };
    demo.update_role(RoleRef::Custom(role.id), role.version, narrower).await.unwrap();
    there.hears_that_it_may_not("the role is narrower", &key, "pipelines:run").await;
    assert!(there.may(&key, "pipelines:read").await);
    world.set_member(&demo, user, grants(&[])).await.unwrap();
    there.hears_that_it_may_not("the role is taken", &key, "pipelines:read").await;
}

async fn a_team_that_loses_a_role_or_a_person_is_narrower_elsewhere(world: &World) {
    let demo = world.demo().await;
    let held = |role| GrantChoice { role: RoleRef::BuiltIn(role), workspace: None };
    let wanted =
        CreateTeam { name: "Ops".to_owned(), external_id: None, grants: vec![held(BuiltInRole::Member)] };
    let team = demo.create_team(wanted).await.unwrap().into_inner();
    let user = world.member("ada", &[]).await;
    demo.add_team_member(&team.id.into(), &user.into()).await.unwrap();
    let key = key_of(world, user).await;
    let there = Elsewhere::that_knows(world, &key).await;
    assert!(there.may(&key, "pipelines:run").await);
    let narrower = TeamPatch { grants: Some(vec![held(BuiltInRole::Viewer)]), ..TeamPatch::default() };
    demo.update_team(&team.id.into(), team.version, narrower).await.unwrap();
    there.hears_that_it_may_not("the team's role is narrower", &key, "pipelines:run").await;
    assert!(there.may(&key, "pipelines:read").await);
    demo.remove_team_member(&team.id.into(), &user.into()).await.unwrap();
    there.hears_that_it_may_not("the person left the team", &key, "pipelines:read").await;
}
