use std::sync::Arc;

use serde_json::json;
use wardkey_core::{BuiltInRole, Standing, UserId};
use wardkey_storage::{Act, Actor, Conflict, LinkPurpose, NewLink, PasswordHash, Storage, StorageError};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found, conflict, role};

/// A new member of the demo organization, whom nobody knew, with the link.
async fn invited(world: &World, email: &str) -> (UserId, NewLink) {
    let new = world.new_member(email, vec![role(BuiltInRole::Member)]);
    let link = new.link;
    let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
    (added.into_inner().user.id, link)
}

async fn purpose(world: &World, link: NewLink) -> Option<LinkPurpose> {
    let found = world.storage.find_link(link.digest, world.now()).await.unwrap();
    found.map(|link| link.purpose)
}

async fn redeem(world: &World, user: UserId, link: NewLink, hash: &str) -> Result<(), StorageError> {
    let act = Act { actor: Actor::Link { user }, ..world.act() };
    world.storage.redeem_link(&act, user, link.digest, PasswordHash::new(hash)).await
}

/// Whether a session opens with this password.
async fn logs_in(world: &World, user: UserId, hash: &str) -> bool {
    world.storage.open_session(world.new_session(user, hash), world.now()).await.is_ok()
}

async fn a_link_sets_the_first_password_once(world: Arc<World>) {
    let (user, link) = invited(&world, "new@example.com").await;
    assert_eq!(purpose(&world, link).await, Some(LinkPurpose::SetPassword));
    assert_not_found(redeem(&world, world.user_id(), link, "other").await);
    redeem(&world, user, link, "first").await.unwrap();
    assert!(logs_in(&world, user, "first").await);
    assert_eq!(purpose(&world, link).await, None);
    assert_not_found(redeem(&world, user, link, "second").await);
    assert!(!logs_in(&world, user, "second").await);
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!((event.action.as_str(), event.target), ("user.set_password", user.to_string()));
    assert_eq!(event.actor, Actor::Link { user });
    assert_eq!(event.details, json!({"ended_sessions": 0, "invited_to": world.demo.to_string()}));
}
on_both!(a_link_sets_the_first_password_once);

async fn a_link_ends_in_time_and_with_a_newer_one(world: Arc<World>) {
    let user = world.user().await;
    let (older, newer) = (world.new_link(), world.new_link());
    for link in [older, newer] {
        world.storage.create_link(&world.act(), user, link).await.unwrap();
    }
    assert_eq!(
        (purpose(&world, older).await, purpose(&world, newer).await),
        (None, Some(LinkPurpose::SetPassword))
    );
    // A link of another kind stays.
    let email = world.storage.find_user(&user.into()).await.unwrap().unwrap().email;
    let new = world.new_member(&email, Vec::new());
    let members = new.link;
    world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
    assert!(purpose(&world, newer).await.is_some() && purpose(&world, members).await.is_some());
    let end = newer.ends_at;
    assert!(world.storage.find_link(newer.digest, end).await.unwrap().is_none());
    let late = Act { actor: Actor::Link { user }, now: end, ..world.act() };
    assert_not_found(world.storage.redeem_link(&late, user, newer.digest, PasswordHash::new("late")).await);
    assert!(!logs_in(&world, user, "late").await);
    assert_eq!(world.storage.prune(end.saturating_add(DAY)).await.unwrap().links, 2);
}
on_both!(a_link_ends_in_time_and_with_a_newer_one);

async fn an_organization_names_no_password_for_who_is_not_its_own_alone(world: Arc<World>) {
    let other = world.tenant().await.organization;
    let (user, link) = invited(&world, "provisioned@example.com").await;
    let joining = world.new_member("Provisioned@example.com", Vec::new());
    let there = joining.link;
    world.storage.add_member(&world.act(), other, joining, None).await.unwrap();
    for link in [link, there] {
        assert_eq!(purpose(&world, link).await, Some(LinkPurpose::LogIn));
        assert_eq!(conflict(redeem(&world, user, link, "theirs").await), Conflict::PasswordIsSet);
    }
    assert!(!logs_in(&world, user, "theirs").await);
    // Whoever left an organization is not named a password by it, and its link is gone.
    world.storage.remove_member(&world.act(), world.demo, user, None).await.unwrap();
    assert_eq!(purpose(&world, link).await, None);
    assert_eq!(purpose(&world, there).await, Some(LinkPurpose::SetPassword));

    let (known, link) = invited(&world, "known@example.com").await;
    world.storage.set_password(&world.act(), known, PasswordHash::new("own")).await.unwrap();
    assert_not_found(redeem(&world, known, link, "theirs").await);
    assert!(logs_in(&world, known, "own").await);

    // What an organization's link names lets the person in there alone, until the operator replaces it.
    let (bound, link) = invited(&world, "bound@example.com").await;
    redeem(&world, bound, link, "theirs").await.unwrap();
    assert_eq!(world.storage.find_password_bound(bound).await.unwrap(), Some(world.demo));
    world.storage.set_password(&world.act(), bound, PasswordHash::new("own")).await.unwrap();
    assert_eq!(world.storage.find_password_bound(bound).await.unwrap(), None);

    let (suspended, link) = invited(&world, "suspended@example.com").await;
    world.storage.set_user_state(&world.act(), suspended, None, Standing::Inactive, None).await.unwrap();
    assert_eq!(conflict(redeem(&world, suspended, link, "theirs").await), Conflict::PasswordIsSet);
    world.storage.set_user_state(&world.act(), suspended, None, Standing::Active, None).await.unwrap();
    assert_eq!(purpose(&world, link).await, Some(LinkPurpose::SetPassword));
}
on_both!(an_organization_names_no_password_for_who_is_not_its_own_alone);

async fn an_operators_link_replaces_a_lost_password_and_ends_the_sessions(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let link = world.new_link();
    world.storage.create_link(&world.act(), user, link).await.unwrap();
    assert_eq!(purpose(&world, link).await, Some(LinkPurpose::SetPassword));
    redeem(&world, user, link, "new").await.unwrap();
    assert!(world.storage.find_session(session.id, user, world.now()).await.unwrap().is_none());
    assert!(logs_in(&world, user, "new").await && !logs_in(&world, user, "hash").await);
    let link = world.new_link();
    assert_not_found(world.storage.create_link(&world.act(), world.user_id(), link).await);
    // A link that was sent to one address is worth nothing at another, or for who is gone.
    world.storage.create_link(&world.act(), user, link).await.unwrap();
    let known = world.storage.find_user(&user.into()).await.unwrap().unwrap();
    let edit = wardkey_storage::UserEdit {
        email: "elsewhere@example.com".to_owned(),
        name: known.name,
        external_id: None,
    };
    world.storage.update_user(&world.act(), user, known.version, edit).await.unwrap();
    assert_eq!(purpose(&world, link).await, None);
    let link = world.new_link();
    world.storage.create_link(&world.act(), user, link).await.unwrap();
    world.storage.delete_user(&world.act(), user, None).await.unwrap();
    assert_eq!(purpose(&world, link).await, None);
    assert_not_found(redeem(&world, user, link, "gone").await);
}
on_both!(an_operators_link_replaces_a_lost_password_and_ends_the_sessions);

async fn of_many_that_redeem_a_link_at_once_one_does(world: Arc<World>) {
    let (user, link) = invited(&world, "new@example.com").await;
    let redeeming = (0..8).map(|number| {
        let (storage, act): (Storage, _) = (world.storage.clone(), world.act());
        let act = Act { actor: Actor::Link { user }, ..act };
        tokio::spawn(async move {
            let hash = PasswordHash::new(format!("hash {number}"));
            storage.redeem_link(&act, user, link.digest, hash).await
        })
    });
    let redeeming: Vec<_> = redeeming.collect();
    let mut winners = Vec::new();
    for (number, outcome) in redeeming.into_iter().enumerate() {
        match outcome.await.unwrap() {
            Ok(()) => winners.push(number),
            Err(error) => assert!(matches!(error, StorageError::NotFound), "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert!(logs_in(&world, user, &format!("hash {}", winners[0])).await);
    let events = world.audit(world.operator).await;
    assert_eq!(events.iter().filter(|event| event.action == "user.set_password").count(), 1);
}
on_both!(of_many_that_redeem_a_link_at_once_one_does);
