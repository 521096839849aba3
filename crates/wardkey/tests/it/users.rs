//! Users: provisioned, suspended and deleted by those who run the deployment.

use wardkey::core::{BuiltInRole, Code, Level, PrincipalId, Reference, Standing};
use wardkey::{Caller, Conflict, DeploymentHandle, PageRequest, UserFilter, UserPatch};

use crate::answers::{conflict, exceeds, forbidden, invalid_field, not_found, version_mismatch};
use crate::world::{World, grants, user_input};

on_both!(
    a_user_is_created_found_edited_suspended_and_deleted,
    each_operation_on_users_needs_its_permission,
    a_suspended_users_keys_stop_at_once_and_keep_their_places,
    a_deleted_users_keys_stop_at_once_in_every_organization,
    nobody_changes_whoever_may_do_more_with_the_deployment,
    a_users_values_are_checked,
);

/// The deployment, entered with a key of the operator organization that lists these permissions.
async fn operator(world: &World, listed: &[&str]) -> DeploymentHandle {
    let key = world.operator().await.issue_key(world.operator_input(listed)).await.unwrap();
    world.wardkey.enter_deployment(&world.caller(&key).await).await.unwrap()
}

async fn a_user_is_created_found_edited_suspended_and_deleted(world: &World) {
    let deployment = operator(world, &["operator:users"]).await;
    let create =
        deployment.create_user("Ada@example.com".to_owned(), "Ada".to_owned(), Some("p-1".to_owned()));
    let user = create.await.unwrap().into_inner();
    let named = Reference::from("p-1");
    assert_eq!(deployment.get_user(&named).await.unwrap(), user);
    let filter = UserFilter { email: Some("ADA@EXAMPLE.COM".to_owned()), ..UserFilter::default() };
    assert_eq!(
        deployment.list_users(filter, PageRequest::default()).await.unwrap().items,
        std::slice::from_ref(&user)
    );
    let patch = UserPatch { name: Some("Ada King".to_owned()), ..UserPatch::default() };
    assert_eq!(version_mismatch(deployment.update_user(&named, 9, patch.clone()).await), 1);
    let edited = deployment.update_user(&named, 1, patch).await.unwrap();
    assert_eq!(
        (edited.name.as_str(), edited.email, edited.external_id),
        ("Ada King", user.email, user.external_id)
    );
    let suspended = deployment.suspend_user(&named, None, None).await.unwrap();
    assert_eq!((suspended.state, suspended.version), (Standing::Inactive, 2));
    assert_eq!(deployment.resume_user(&named, Some(2), None).await.unwrap().state, Standing::Active);
    let patch = UserPatch { external_id: Some(None), ..UserPatch::default() };
    assert_eq!(deployment.update_user(&named, 2, patch).await.unwrap().external_id, None);
    not_found(deployment.get_user(&named).await);
    deployment.delete_user(&user.id.into(), Some(3)).await.unwrap();
    not_found(deployment.get_user(&user.id.into()).await);
    not_found(deployment.delete_user(&user.id.into(), None).await);
}

async fn each_operation_on_users_needs_its_permission(world: &World) {
    let user: Reference<_> = world.member("ada", &[BuiltInRole::Member]).await.into();
    let without = operator(world, &["operator:act", "operator:organizations"]).await;
    let missing = ["operator:users"];
    let (text, page) = (|| "x".to_owned(), PageRequest::default());
    assert_eq!(forbidden(without.list_users(UserFilter::default(), page).await), missing);
    assert_eq!(forbidden(without.get_user(&user).await), missing);
    assert_eq!(forbidden(without.create_user(text(), text(), None).await), missing);
    assert_eq!(forbidden(without.update_user(&user, 1, UserPatch::default()).await), missing);
    assert_eq!(forbidden(without.suspend_user(&user, None, None).await), missing);
    assert_eq!(forbidden(without.resume_user(&user, None, None).await), missing);
    assert_eq!(forbidden(without.delete_user(&user, None).await), missing);
}

async fn a_suspended_users_keys_stop_at_once_and_keep_their_places(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let key = world.user_key(user).await;
    let deployment = world.deployment().await;
    assert!(world.verify(&key).await.is_ok());
    deployment.suspend_user(&user.into(), None, None).await.unwrap();
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::PrincipalInactive);
    assert_eq!(world.counted_keys().await, 1);
    deployment.resume_user(&user.into(), None, None).await.unwrap();
    assert!(world.verify(&key).await.is_ok());
}

async fn a_deleted_users_keys_stop_at_once_in_every_organization(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let mut keys = vec![world.user_key(user).await];
    for name in ["First", "Second"] {
        let other = world.create_organization(name, None).await;
        world.set_member(&other, user, grants(&[BuiltInRole::Member])).await.unwrap();
        keys.push(other.issue_key(user_input(user, Level::All, &[])).await.unwrap());
    }
    for key in &keys {
        assert_eq!(world.verify(key).await.unwrap().key.principal, PrincipalId::User(user));
    }
    world.deployment().await.delete_user(&user.into(), None).await.unwrap();
    for key in &keys {
        assert_eq!(world.verify(key).await.unwrap_err(), Code::KeyRevoked);
    }
    assert_eq!(world.counted_keys().await, 0);
    let owner = world.member("bob", &[BuiltInRole::Owner]).await;
    let refused = world.deployment().await.delete_user(&owner.into(), None).await;
    assert_eq!(conflict(refused), Conflict::LastOwner);
}

async fn nobody_changes_whoever_may_do_more_with_the_deployment(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Owner]).await;
    let bob = world.member("bob", &[BuiltInRole::Member]).await;
    world.set_member(&world.operator().await, ada, grants(&[BuiltInRole::Owner])).await.unwrap();
    world.set_member(&world.operator().await, bob, grants(&[BuiltInRole::Viewer])).await.unwrap();
    let helper = operator(world, &["operator:users"]).await;
    let patch = UserPatch { email: Some("mine@example.com".to_owned()), ..UserPatch::default() };
    assert_eq!(exceeds(helper.update_user(&ada.into(), 1, patch.clone()).await), [""]);
    assert_eq!(exceeds(helper.suspend_user(&ada.into(), None, None).await), [""]);
    assert_eq!(exceeds(helper.resume_user(&ada.into(), None, None).await), [""]);
    assert_eq!(exceeds(helper.delete_user(&ada.into(), None).await), [""]);
    // Somebody who runs nothing is changed by whoever provisions users.
    helper.suspend_user(&bob.into(), None, None).await.unwrap();
    let first = world.caller(&world.first.operator_key).await;
    let first = world.wardkey.enter_deployment(&first).await.unwrap();
    first.update_user(&ada.into(), 1, patch).await.unwrap();
    let nobody = world.wardkey.enter_deployment(&Caller::local("test").acting_as(ada)).await.unwrap();
    assert_eq!(forbidden(nobody.suspend_user(&bob.into(), None, None).await), ["operator:users"]);
}

async fn a_users_values_are_checked(world: &World) {
    let deployment = world.deployment().await;
    let user: Reference<_> = world.member("ada", &[]).await.into();
    let with = |email: &str| UserPatch { email: Some(email.to_owned()), ..UserPatch::default() };
    for bad in ["", "ada", "@example.com", "ada@", "a da@example.com", "ada@exam\0ple.com", &"a@".repeat(128)]
    {
        let refused = deployment.update_user(&user, 1, with(bad)).await;
        assert_eq!(invalid_field(refused), ("/email".to_owned(), "malformed"), "{bad:?}");
        let refused = deployment.create_user(bad.to_owned(), "A".to_owned(), None).await;
        assert_eq!(invalid_field(refused), ("/email".to_owned(), "malformed"), "{bad:?}");
    }
    let patch = UserPatch { name: Some(" ".to_owned()), ..UserPatch::default() };
    assert_eq!(
        invalid_field(deployment.update_user(&user, 1, patch).await),
        ("/name".to_owned(), "required")
    );
    let reserved = UserPatch { external_id: Some(Some(user.to_string())), ..UserPatch::default() };
    let refused = deployment.update_user(&user, 1, reserved).await;
    assert_eq!(invalid_field(refused), ("/external_id".to_owned(), "reserved"));
    let long = Some("x".repeat(501));
    let refused = deployment.suspend_user(&user, None, long).await;
    assert_eq!(invalid_field(refused), ("/reason".to_owned(), "too_long"));
    not_found(deployment.get_user(&Reference::from("a\0b")).await);
    let filter = UserFilter { search: Some("a\0b".to_owned()), ..UserFilter::default() };
    assert!(deployment.list_users(filter, PageRequest::default()).await.unwrap().items.is_empty());
}
