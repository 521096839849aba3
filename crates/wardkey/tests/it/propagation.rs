//! Whoever revokes a key can learn which verifiers refuse it.

use std::time::Duration;

use wardkey::core::testing::SeededRandom;
use wardkey::core::{Code, InstanceId, KeyStore as _, Position, Report};
use wardkey::{IssuedKey, PendingVerifier, Propagation, Wardkey};

use crate::world::{World, environment, production, verify_with, within};

on_both!(
    who_waits_hears_when_every_verifier_refuses_the_key,
    a_verifier_that_does_not_hear_is_named_until_it_serves_no_more,
    who_leaves_is_waited_for_no_more,
    verifiers_of_another_environment_are_not_waited_for,
);

const PATIENCE: Duration = Duration::from_secs(10);

async fn propagation(world: &World, patience: Duration) -> Propagation {
    world.demo().await.wait_for_verifiers(&production(), patience).await.unwrap()
}

/// Another process, whose verifier has the key in its cache and is known to serve.
async fn elsewhere(world: &World, key: &IssuedKey) -> Wardkey {
    let wardkey = world.open_again().await;
    let before = propagation(world, Duration::ZERO).await;
    let code = verify_with(&wardkey.verifier(&production()), key.secret.as_ref().unwrap(), None).await.err();
    assert_eq!(code, None);
    within(PATIENCE, "the verifier reports", async || {
        let now = propagation(world, Duration::ZERO).await;
        now.applied + now.pending.len() > before.applied + before.pending.len()
    })
    .await;
    wardkey
}

async fn who_waits_hears_when_every_verifier_refuses_the_key(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let there = [elsewhere(world, &key).await, elsewhere(world, &key).await];
    let demo = world.demo().await;
    demo.revoke_key(key.key.id, None, None).await.unwrap();
    let told = demo.wait_for_verifiers(&production(), PATIENCE).await.unwrap();
    assert_eq!(told, Propagation { applied: 2, pending: Vec::new() });
    // At once, without waiting for anything.
    for wardkey in &there {
        let verifier = wardkey.verifier(&production());
        assert_eq!(
            verify_with(&verifier, key.secret.as_ref().unwrap(), None).await.err(),
            Some(Code::KeyRevoked)
        );
    }
}

/// Reports that nothing has taken effect in this verifier yet.
async fn lag(world: &World, id: InstanceId, name: &str) -> Report {
    let report = Report {
        instance: id,
        environment: environment(name),
        sequence: 1,
        at: world.now(),
        applied: Position { epoch: 0, number: 0 },
        serves_until: world.now().saturating_add(Duration::from_secs(60)),
        usage: Vec::new(),
    };
    world.storage.report(&report).await.unwrap();
    report
}

async fn a_verifier_that_does_not_hear_is_named_until_it_serves_no_more(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let id = InstanceId::mint(world.now(), &SeededRandom::new(3));
    let Report { at: reported_at, serves_until, .. } = lag(world, id, "production").await;
    world.demo().await.revoke_key(key.key.id, None, None).await.unwrap();
    let told = propagation(world, Duration::from_millis(50)).await;
    assert_eq!(told.pending, [PendingVerifier { id, reported_at, serves_until }]);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(propagation(world, Duration::ZERO).await.pending, []);
}

async fn who_leaves_is_waited_for_no_more(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let there = elsewhere(world, &key).await;
    there.leave().await;
    drop(there);
    world.demo().await.revoke_key(key.key.id, None, None).await.unwrap();
    let told = propagation(world, PATIENCE).await;
    assert_eq!(told, Propagation { applied: 0, pending: Vec::new() });
}

async fn verifiers_of_another_environment_are_not_waited_for(world: &World) {
    lag(world, InstanceId::mint(world.now(), &SeededRandom::new(4)), "staging").await;
    assert_eq!(propagation(world, Duration::ZERO).await.pending, []);
}
