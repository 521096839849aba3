//! Members: who gives which role.

use wardkey::core::{BuiltInRole, Code, Id as _, Role, RoleGrant, UserId, WorkspaceId};

use crate::answers::{exceeds, forbidden, invalid_field, not_found};
use crate::world::{PRODUCT, World, grants};

on_both!(
    roles_are_given_within_the_givers_own_rights,
    owners_are_made_and_changed_by_owners_only,
    nobody_changes_somebody_above_them,
    a_role_that_is_not_built_in_is_a_broken_rule,
    who_does_not_exist_is_not_found,
    removing_a_member_revokes_that_persons_keys_there_only,
    a_key_issued_while_its_user_leaves_does_not_survive,
);

async fn roles_are_given_within_the_givers_own_rights(world: &World) {
    let user = world.member("ada", &[]).await;
    let listed: Vec<_> = ["admin:members", "keys:write"].into_iter().chain(PRODUCT).collect();
    let giver = world.as_key(&world.service_key(&listed).await).await;
    giver.set_member(user, grants(&[BuiltInRole::Viewer])).await.unwrap();
    giver.set_member(user, grants(&[BuiltInRole::Member])).await.unwrap();
    assert_eq!(exceeds(giver.set_member(user, grants(&[BuiltInRole::Admin])).await), ["/grants"]);
    let without = world.as_key(&world.service_key(&PRODUCT).await).await;
    assert_eq!(forbidden(without.set_member(user, Vec::new()).await), ["admin:members"]);
    assert_eq!(forbidden(without.remove_member(user).await), ["admin:members"]);
}

async fn owners_are_made_and_changed_by_owners_only(world: &World) {
    let demo = world.demo().await;
    let (ada, bob) = (world.member("ada", &[BuiltInRole::Owner]).await, world.member("bob", &[]).await);
    let everything: Vec<_> = [
        "admin:organization",
        "admin:members",
        "admin:workspaces",
        "admin:customers",
        "admin:service_accounts",
        "admin:keys",
        "admin:policy",
        "admin:audit",
        "keys:write",
    ]
    .into_iter()
    .chain(PRODUCT)
    .collect();
    let admin = world.as_key(&world.service_key(&everything).await).await;
    admin.set_member(bob, grants(&[BuiltInRole::Admin])).await.unwrap();
    assert_eq!(exceeds(admin.set_member(bob, grants(&[BuiltInRole::Owner])).await), ["/grants"]);
    assert_eq!(exceeds(admin.set_member(ada, grants(&[BuiltInRole::Viewer])).await), ["/grants"]);
    assert_eq!(exceeds(admin.remove_member(ada).await), ["/grants"]);
    // Whoever acts with an owner's rights may.
    demo.set_member(bob, grants(&[BuiltInRole::Owner])).await.unwrap();
    demo.remove_member(ada).await.unwrap();
}

async fn nobody_changes_somebody_above_them(world: &World) {
    let ann = world.member("ann", &[BuiltInRole::Admin]).await;
    let listed: Vec<_> = ["admin:members", "keys:write"].into_iter().chain(PRODUCT).collect();
    let giver = world.as_key(&world.service_key(&listed).await).await;
    assert_eq!(exceeds(giver.set_member(ann, grants(&[BuiltInRole::Viewer])).await), ["/grants"]);
    assert_eq!(exceeds(giver.remove_member(ann).await), ["/grants"]);
}

async fn a_role_that_is_not_built_in_is_a_broken_rule(world: &World) {
    let user = world.member("ada", &[]).await;
    let custom = RoleGrant { workspace: None, role: Role::Custom(Vec::new()) };
    let refused = invalid_field(world.demo().await.set_member(user, vec![custom]).await);
    assert_eq!(refused, ("/grants/0/role".to_owned(), "unknown_role"));
    let twice = grants(&[BuiltInRole::Viewer, BuiltInRole::Viewer]);
    let refused = invalid_field(world.demo().await.set_member(user, twice).await);
    assert_eq!(refused, ("/grants/1".to_owned(), "duplicate"));
}

async fn who_does_not_exist_is_not_found(world: &World) {
    let demo = world.demo().await;
    let nobody = UserId::from_bytes([9; 16]);
    not_found(demo.set_member(nobody, Vec::new()).await);
    not_found(demo.remove_member(nobody).await);
    let user = world.member("ada", &[]).await;
    let role = Role::BuiltIn(BuiltInRole::Viewer);
    let nowhere = RoleGrant { workspace: Some(WorkspaceId::from_bytes([9; 16])), role: role.clone() };
    not_found(demo.set_member(user, vec![nowhere]).await);
    let other = world.create_organization("Other", None).await;
    let foreign = other.create_workspace("W".to_owned(), None).await.unwrap().id;
    not_found(demo.set_member(user, vec![RoleGrant { workspace: Some(foreign), role }]).await);
    not_found(other.remove_member(user).await);
}

async fn removing_a_member_revokes_that_persons_keys_there_only(world: &World) {
    let (ada, bob) = (
        world.member("ada", &[BuiltInRole::Member]).await,
        world.member("bob", &[BuiltInRole::Member]).await,
    );
    let other = world.create_organization("Other", None).await;
    other.set_member(ada, grants(&[BuiltInRole::Member])).await.unwrap();
    let here = world.user_key(ada).await;
    let of_bob = world.user_key(bob).await;
    let input = crate::world::user_input(ada, wardkey::core::Level::All, &[]);
    let there = other.issue_key(input).await.unwrap();
    world.demo().await.remove_member(ada).await.unwrap();
    assert_eq!(world.verify(&here).await.unwrap_err(), Code::KeyRevoked);
    assert!(world.verify(&there).await.is_ok() && world.verify(&of_bob).await.is_ok());
}

async fn a_key_issued_while_its_user_leaves_does_not_survive(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    for _ in 0..10 {
        let (leaving, joining) = (demo.clone(), demo.clone());
        let input = crate::world::user_input(user, wardkey::core::Level::All, &[]);
        let removal = tokio::spawn(async move { leaving.remove_member(user).await });
        let issued = tokio::spawn(async move { joining.issue_key(input).await });
        removal.await.unwrap().unwrap();
        let issued = issued.await.unwrap();
        // Whoever comes back does not find a key alive that was made while leaving.
        demo.set_member(user, grants(&[BuiltInRole::Member])).await.unwrap();
        match issued {
            Ok(key) => assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked),
            Err(wardkey::Error::NotFound | wardkey::Error::Invalid(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(world.counted_keys().await, 0);
}
