//! At most ten keys.

use std::sync::Arc;

use tokio::task::JoinSet;
use wardkey::core::{Access, BuiltInRole, Level};
use wardkey::{Conflict, Error, Expiry, ExpiryPreset, IssueKey, KeyPatch, PrincipalRef, Wardkey};

use crate::answers::conflict;
use crate::world::{DAY, World, environment, user_input};

on_both!(
    fifty_at_once_leave_exactly_ten,
    two_processes_at_once_leave_exactly_ten,
    disabled_keys_count_and_dead_ones_do_not,
    an_expired_key_comes_back_to_life_only_if_there_is_room,
    issuing_and_reviving_at_once_leave_exactly_ten,
    a_clock_that_steps_back_makes_no_room,
    a_rotation_takes_no_place,
    every_environment_and_principal_counts,
    a_lower_limit_revokes_nothing,
    another_organization_counts_for_itself,
);

const FULL: Conflict = Conflict::KeyLimitReached { count: 10, limit: 10 };

async fn fill(world: &World, keys: usize) -> Vec<wardkey::IssuedKey> {
    let mut issued = Vec::new();
    for _ in 0..keys {
        issued.push(world.service_key(&[]).await);
    }
    issued
}

/// Issues so many keys at the same time, through these handles in turn; says how many were issued.
async fn issue_at_once(world: &World, handles: &[Wardkey], count: usize) -> usize {
    let mut attempts = JoinSet::new();
    let caller = wardkey::Caller::local("test");
    for handle in handles.iter().cycle().take(count) {
        let tenant = handle.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
        let input = world.service_input(&[]);
        attempts.spawn(async move { tenant.issue_key(input).await });
    }
    let mut issued = 0;
    while let Some(attempt) = attempts.join_next().await {
        match attempt.unwrap() {
            Ok(_) => issued += 1,
            Err(Error::Conflict(refused)) => assert_eq!(refused, FULL),
            Err(error) => panic!("{error:?}"),
        }
    }
    issued
}

async fn fifty_at_once_leave_exactly_ten(world: &World) {
    assert_eq!(issue_at_once(world, std::slice::from_ref(&world.wardkey), 50).await, 10);
    assert_eq!(world.counted_keys().await, 10);
}

async fn two_processes_at_once_leave_exactly_ten(world: &World) {
    let handles = [world.open_again().await, world.open_again().await];
    assert_eq!(issue_at_once(world, &handles, 30).await, 10);
    assert_eq!(world.counted_keys().await, 10);
}

async fn disabled_keys_count_and_dead_ones_do_not(world: &World) {
    let demo = world.demo().await;
    let mut input = world.service_input(&[]);
    input.expiry = Expiry::In(ExpiryPreset::SevenDays);
    let short = demo.issue_key(input).await.unwrap();
    let keys = fill(world, 9).await;
    let issue = async || demo.issue_key(world.service_input(&[])).await;
    assert_eq!(conflict(issue().await), FULL);

    demo.disable_key(keys[0].key.id, None, None).await.unwrap();
    assert_eq!(conflict(issue().await), FULL);
    demo.revoke_key(keys[1].key.id, None, None).await.unwrap();
    issue().await.unwrap();
    assert_eq!(conflict(issue().await), FULL);
    demo.delete_key(keys[2].key.id, None, None).await.unwrap();
    issue().await.unwrap();
    assert_eq!(conflict(issue().await), FULL);
    // The instant of expiry is already too late for the key, and early enough for the next.
    world.clock.set(short.key.expires_at.unwrap());
    issue().await.unwrap();
    assert_eq!(conflict(issue().await), FULL);
    // A disabled key that expires leaves its place as well; enabling takes none.
    demo.enable_key(keys[0].key.id, None, None).await.unwrap();
    assert_eq!(world.counted_keys().await, 10);
}

fn lasting(world: &World, days: u32) -> KeyPatch {
    KeyPatch { expiry: Some(Expiry::At(world.now().saturating_add(days * DAY))), ..KeyPatch::default() }
}

async fn an_expired_key_comes_back_to_life_only_if_there_is_room(world: &World) {
    let demo = world.demo().await;
    let mut input = world.service_input(&[]);
    input.expiry = Expiry::In(ExpiryPreset::SevenDays);
    let short = demo.issue_key(input).await.unwrap();
    world.clock.advance(8 * DAY);
    let others = fill(world, 10).await;
    let (id, version) = (short.key.id, short.key.version);
    assert_eq!(conflict(demo.update_key(id, version, lasting(world, 1)).await), FULL);
    // Its name may change meanwhile, and a living key may live longer.
    let renamed = KeyPatch { name: Some("old".to_owned()), ..KeyPatch::default() };
    let renamed = demo.update_key(id, version, renamed).await.unwrap();
    demo.update_key(others[0].key.id, others[0].key.version, lasting(world, 9)).await.unwrap();
    assert!(world.verify(&short).await.is_err());

    demo.revoke_key(others[1].key.id, None, None).await.unwrap();
    demo.update_key(id, renamed.version, lasting(world, 1)).await.unwrap();
    assert!(world.verify(&short).await.is_ok());
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), FULL);
}

async fn issuing_and_reviving_at_once_leave_exactly_ten(world: &World) {
    let demo = world.demo().await;
    let mut expired = Vec::new();
    for _ in 0..10 {
        let mut input = world.service_input(&[]);
        input.expiry = Expiry::In(ExpiryPreset::SevenDays);
        expired.push(demo.issue_key(input).await.unwrap().key);
    }
    world.clock.advance(8 * DAY);
    fill(world, 5).await;
    let mut attempts = JoinSet::new();
    for key in expired {
        let (tenant, patch) = (demo.clone(), lasting(world, 3));
        attempts.spawn(async move { tenant.update_key(key.id, key.version, patch).await.map(drop) });
        let (tenant, input) = (demo.clone(), world.service_input(&[]));
        attempts.spawn(async move { tenant.issue_key(input).await.map(drop) });
    }
    let answers = attempts.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 5);
    assert!(answers.into_iter().filter_map(Result::err).all(|error| matches!(error, Error::Conflict(FULL))));
    assert_eq!(world.counted_keys().await, 10);
}

async fn a_clock_that_steps_back_makes_no_room(world: &World) {
    let demo = world.demo().await;
    let start = world.now();
    let mut short = world.service_input(&[]);
    short.expiry = Expiry::In(ExpiryPreset::SevenDays);
    let short = demo.issue_key(short).await.unwrap().key;
    world.clock.advance(7 * DAY);
    fill(world, 10).await;
    world.clock.set(start);
    // By this clock the expired key lives again and may live longer: time never steps back in an organization.
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), FULL);
    assert_eq!(conflict(demo.update_key(short.id, short.version, lasting(world, 8)).await), FULL);
    // An end that lies ahead by this clock, and behind by the organization's, takes no place either.
    demo.update_key(short.id, short.version, lasting(world, 6)).await.unwrap();
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), FULL);
}

async fn a_rotation_takes_no_place(world: &World) {
    let demo = world.demo().await;
    let keys = fill(world, 10).await;
    for key in &keys {
        demo.rotate_key(key.key.id, None, DAY).await.unwrap();
    }
    assert_eq!(world.counted_keys().await, 10);
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), FULL);
}

async fn every_environment_and_principal_counts(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let other = demo.create_service_account("other".to_owned(), None).await.unwrap().into_inner();
    fill(world, 4).await;
    for place in ["staging", "development", "staging"] {
        let input = IssueKey { environment: Some(environment(place)), ..world.service_input(&[]) };
        demo.issue_key(input).await.unwrap();
    }
    let mut input = world.service_input(&[]);
    input.principal = Some(PrincipalRef::ServiceAccount(other.id.into()));
    input.workspaces = Some(Access::Specific(vec![world.first.demo_workspace.into()]));
    demo.issue_key(input).await.unwrap();
    demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    demo.issue_key(user_input(user, Level::ReadOnly, &[])).await.unwrap();
    assert_eq!(conflict(demo.issue_key(user_input(user, Level::All, &[])).await), FULL);
    // Who leaves leaves the places.
    demo.remove_member(&user.into(), None).await.unwrap();
    assert_eq!(world.counted_keys().await, 8);
    fill(world, 2).await;
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), FULL);
}

async fn a_lower_limit_revokes_nothing(world: &World) {
    let demo = world.demo().await;
    let keys = fill(world, 5).await;
    world.storage.set_key_limit(&world.act(), world.first.demo_organization, None, Some(3)).await.unwrap();
    let full = |count| Conflict::KeyLimitReached { count, limit: 3 };
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), full(5));
    for key in &keys {
        assert!(world.verify(key).await.is_ok());
    }
    // Beyond the limit a key may still be edited and live longer: it has its place.
    let first = &keys[0].key;
    world.clock.advance(DAY);
    demo.update_key(first.id, first.version, lasting(world, 365)).await.unwrap();
    demo.revoke_key(keys[1].key.id, None, None).await.unwrap();
    demo.revoke_key(keys[2].key.id, None, None).await.unwrap();
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), full(3));
    world.storage.set_key_limit(&world.act(), world.first.demo_organization, None, Some(12)).await.unwrap();
    fill(world, 9).await;
    let full = Conflict::KeyLimitReached { count: 12, limit: 12 };
    assert_eq!(conflict(demo.issue_key(world.service_input(&[])).await), full);
}

async fn another_organization_counts_for_itself(world: &World) {
    fill(world, 10).await;
    let other = Arc::new(world.create_organization("Other", None).await);
    let account = other.create_service_account("CI".to_owned(), None).await.unwrap().into_inner();
    let mut input = world.service_input(&[]);
    input.principal = Some(PrincipalRef::ServiceAccount(account.id.into()));
    other.issue_key(input).await.unwrap();
    assert_eq!(world.storage.count_keys(other.organization_id(), world.now()).await.unwrap(), 1);
}
