use std::sync::Arc;

use wardkey_core::{BuiltInRole, KeyState, PrincipalId, Role, RoleGrant, Standing};
use wardkey_storage::{NewKey, StorageError};

use crate::database::on_both;
use crate::world::{World, assert_not_found, role};

async fn a_member_has_exactly_the_grants_last_given(world: Arc<World>) {
    let user = world.user().await;
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None);
    let in_workspace =
        RoleGrant { workspace: Some(world.workspace), role: Role::BuiltIn(BuiltInRole::Admin) };
    for grants in [vec![in_workspace, role(BuiltInRole::Viewer)], vec![role(BuiltInRole::Owner)], Vec::new()]
    {
        let before = world.audit(world.demo).await.len();
        for _ in 0..2 {
            world.storage.set_member(&world.act(), world.demo, user, grants.clone()).await.unwrap();
        }
        assert_eq!(world.audit(world.demo).await.len() - before, 1, "a repeat changes nothing");
        let member = world.storage.find_member(world.demo, user).await.unwrap().unwrap();
        assert_eq!((member.user.id, member.grants), (user, grants));
    }
}
on_both!(a_member_has_exactly_the_grants_last_given);

async fn a_membership_binds_organization_user_and_workspace(world: Arc<World>) {
    let other = world.tenant().await;
    let user = world.user().await;
    let set = async |organization, user, grants| {
        world.storage.set_member(&world.act(), organization, user, grants).await
    };
    assert_not_found(set(world.demo, world.user_id(), Vec::new()).await);
    assert_not_found(set(world.organization_id(), user, Vec::new()).await);
    let foreign = RoleGrant { workspace: Some(other.workspace), role: Role::BuiltIn(BuiltInRole::Viewer) };
    assert_not_found(set(world.demo, user, vec![foreign]).await);
    let custom = RoleGrant { workspace: None, role: Role::Custom(Vec::new()) };
    assert!(matches!(set(world.demo, user, vec![custom]).await, Err(StorageError::Unavailable(_))));
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None, "nothing of it was kept");
}
on_both!(a_membership_binds_organization_user_and_workspace);

async fn removing_a_member_revokes_that_persons_keys_there_and_no_others(world: Arc<World>) {
    let other = world.tenant().await;
    let user = world.member().await;
    world
        .storage
        .set_member(&world.act(), other.organization, user, vec![role(BuiltInRole::Owner)])
        .await
        .unwrap();
    let new = || NewKey { principal: PrincipalId::User(user), ..world.new_key() };
    let (here, there) = (new(), new());
    let (digest_here, digest_there) = (here.secret.digest, there.secret.digest);
    let key = world.issue(here).await.unwrap();
    world.storage.issue_key(&world.act(), other.organization, there, None).await.unwrap();
    let (account_key, _) = world.issued().await;

    world.storage.remove_member(&world.act(), world.demo, user).await.unwrap();
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None);
    let record = world.record(digest_here).await;
    assert_eq!((record.state, record.principal.state), (KeyState::Revoked, Standing::Inactive));
    let record = world.record(digest_there).await;
    assert_eq!((record.state, record.principal.state), (KeyState::Active, Standing::Active));
    let found = world.storage.find_key(world.demo, account_key.id).await.unwrap().unwrap();
    assert_eq!(found.state, KeyState::Active);
    let event = &world.audit(world.demo).await[0];
    assert_eq!(event.details, serde_json::json!({"revoked_keys": [key.id.to_string()]}));

    assert_not_found(world.storage.remove_member(&world.act(), world.demo, user).await);
    // Coming back revives nothing.
    world.storage.set_member(&world.act(), world.demo, user, Vec::new()).await.unwrap();
    assert_eq!(world.record(digest_here).await.state, KeyState::Revoked);
}
on_both!(removing_a_member_revokes_that_persons_keys_there_and_no_others);
