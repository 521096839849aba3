//! A call that is repeated is one call.

use std::time::Duration;

use wardkey::core::Code;
use wardkey::{Caller, Conflict, IssueKey, PrincipalRef, Tenant};

use crate::answers::{conflict, invalid_field};
use crate::world::{DAY, World};

on_both!(
    a_repeated_issue_makes_one_key_and_shows_no_secret,
    a_repeated_rotation_makes_one_secret,
    another_body_is_refused,
    principals_organizations_and_operations_are_independent,
    two_keys_of_one_principal_share_what_they_repeat,
    at_once_it_is_one_call_too,
    a_refused_call_uses_nothing_up,
    after_a_day_it_is_forgotten,
);

const BODY: [u8; 32] = [1; 32];
const OTHER_BODY: [u8; 32] = [2; 32];

/// Someone on the database, in the demo organization, with this `Idempotency-Key` and body.
async fn once(world: &World, key: &str, body: [u8; 32]) -> Tenant {
    let caller = Caller::local("test").with_idempotency_key(key, body);
    world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap()
}

async fn a_repeated_issue_makes_one_key_and_shows_no_secret(world: &World) {
    let input = || world.service_input(&["pipelines:read"]);
    let first = once(world, "a", BODY).await.issue_key(input()).await.unwrap();
    assert!(first.secret.is_some());
    let (audited, keys) = (world.audited().await, world.counted_keys().await);
    let again = once(world, "a", BODY).await.issue_key(input()).await.unwrap();
    assert!(again.secret.is_none());
    assert_eq!(again.key, first.key);
    // As the key is now, not as it was.
    world.demo().await.disable_key(first.key.id, None, None).await.unwrap();
    let again = once(world, "a", BODY).await.issue_key(input()).await.unwrap();
    assert_eq!(again.key.state, wardkey::core::KeyState::Disabled);
    assert_eq!((world.audited().await, world.counted_keys().await), (audited + 1, keys));
    // Without a key each call is another.
    let other = world.demo().await.issue_key(input()).await.unwrap();
    assert_ne!(other.key.id, first.key.id);
}

async fn a_repeated_rotation_makes_one_secret(world: &World) {
    let old = world.service_key(&[]).await;
    let id = old.key.id;
    let first = once(world, "a", BODY).await.rotate_key(id, None, DAY).await.unwrap();
    let again = once(world, "a", BODY).await.rotate_key(id, None, DAY).await.unwrap();
    assert!(again.secret.is_none());
    assert_eq!(again.key, first.key);
    assert!(world.verify(&old).await.is_ok() && world.verify(&first).await.is_ok());
    // Also with the version that the first call saw.
    let version = Some(old.key.version);
    let again = once(world, "a", BODY).await.rotate_key(id, version, DAY).await.unwrap();
    assert_eq!(again.key, first.key);
    let without = once(world, "b", BODY).await.rotate_key(id, None, DAY).await;
    assert_eq!(conflict(without), Conflict::RotationInProgress);
}

async fn another_body_is_refused(world: &World) {
    let key = once(world, "a", BODY).await.issue_key(world.service_input(&[])).await.unwrap().key;
    let audited = world.audited().await;
    let other = once(world, "a", OTHER_BODY).await.issue_key(world.service_input(&[])).await;
    assert_eq!(conflict(other), Conflict::IdempotencyMismatch);
    once(world, "r", BODY).await.rotate_key(key.id, None, DAY).await.unwrap();
    let other = once(world, "r", OTHER_BODY).await.rotate_key(key.id, None, Duration::ZERO).await;
    assert_eq!(conflict(other), Conflict::IdempotencyMismatch);
    assert_eq!(world.audited().await, audited + 1);
    assert_eq!(world.counted_keys().await, 1);
}

async fn principals_organizations_and_operations_are_independent(world: &World) {
    let local = once(world, "a", BODY).await.issue_key(world.service_input(&[])).await.unwrap().key;

    let admin = world.admin_key().await;
    let caller = world.caller(&admin).await.with_idempotency_key("a", BODY);
    let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let by_key = tenant.issue_key(world.service_input(&[])).await.unwrap();
    assert!(by_key.secret.is_some() && by_key.key.id != local.id);

    let other = world.create_organization("Other", None).await;
    let account = other.create_service_account("CI".to_owned(), None).await.unwrap().into_inner();
    let caller = Caller::local("test").with_idempotency_key("a", BODY);
    let tenant = world.wardkey.enter(&caller, &other.organization_id().into()).await.unwrap();
    let input = IssueKey {
        principal: Some(PrincipalRef::ServiceAccount(account.id.into())),
        ..world.service_input(&[])
    };
    let elsewhere = tenant.issue_key(input).await.unwrap();
    assert!(elsewhere.secret.is_some() && elsewhere.key.organization == other.organization_id());

    // Rotating is another operation than issuing, and each key another one.
    for key in [local.id, by_key.key.id] {
        let rotated = once(world, "a", BODY).await.rotate_key(key, None, DAY).await.unwrap();
        assert!(rotated.secret.is_some() && rotated.key.id == key);
    }
}

async fn two_keys_of_one_principal_share_what_they_repeat(world: &World) {
    // A client whose key was replaced between two attempts is still the same client.
    let (first, second) = (world.admin_key().await, world.admin_key().await);
    let mut ids = Vec::new();
    for key in [first, second] {
        let caller = world.caller(&key).await.with_idempotency_key("a", BODY);
        let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
        ids.push(tenant.issue_key(world.service_input(&[])).await.unwrap().key.id);
    }
    assert_eq!(ids[0], ids[1]);
}

async fn at_once_it_is_one_call_too(world: &World) {
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let tenant = once(world, "a", BODY).await;
        let input = world.service_input(&[]);
        attempts.spawn(async move { tenant.issue_key(input).await.unwrap() });
    }
    let answers = attempts.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.secret.is_some()).count(), 1);
    assert!(answers.iter().all(|answer| answer.key.id == answers[0].key.id));
    assert_eq!(world.counted_keys().await, 1);
}

async fn a_refused_call_uses_nothing_up(world: &World) {
    let tenant = once(world, "a", BODY).await;
    let mut wrong = world.service_input(&[]);
    wrong.name = String::new();
    invalid_field(tenant.issue_key(wrong).await);
    for _ in 0..10 {
        world.service_key(&[]).await;
    }
    let full = tenant.issue_key(world.service_input(&[])).await;
    assert!(matches!(conflict(full), Conflict::KeyLimitReached { .. }));
    world.storage.set_key_limit(&world.act(), world.first.demo_organization, None, Some(11)).await.unwrap();
    let issued = tenant.issue_key(world.service_input(&[])).await.unwrap();
    assert!(issued.secret.is_some());
    assert_eq!(world.verify(&issued).await.err(), None::<Code>);
}

async fn after_a_day_it_is_forgotten(world: &World) {
    let first = once(world, "a", BODY).await.issue_key(world.service_input(&[])).await.unwrap();
    world.clock.advance(DAY / 2);
    world.wardkey.prune().await.unwrap();
    let again = once(world, "a", BODY).await.issue_key(world.service_input(&[])).await.unwrap();
    assert_eq!(again.key.id, first.key.id);
    world.clock.advance(DAY);
    world.wardkey.prune().await.unwrap();
    let anew = once(world, "a", OTHER_BODY).await.issue_key(world.service_input(&[])).await.unwrap();
    assert!(anew.secret.is_some() && anew.key.id != first.key.id);
}
