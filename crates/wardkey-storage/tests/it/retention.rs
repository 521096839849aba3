use std::sync::Arc;
use std::time::Duration;

use wardkey_core::{Changes, KeyStore as _};
use wardkey_storage::{Idempotency, Once, Pruned, Refreshed, SESSION_IDLE, SIGNING_KEYS_KEPT};

use crate::database::on_both;
use crate::world::{DAY, World};

async fn changes_are_kept_for_seven_days_and_idempotency_for_one(world: Arc<World>) {
    let call = |number: usize| Idempotency { scope: [1; 32], key: number.to_string(), request: [1; 32] };
    let issue = async |number| {
        let (act, new) = (world.act(), world.new_key());
        world.storage.issue_key(&act, world.demo, new, Some(call(number))).await.unwrap()
    };
    issue(0).await;
    world.clock.advance(DAY);
    issue(1).await;
    // Kept to the instant.
    assert_eq!(world.storage.prune(world.now()).await.unwrap(), Pruned::default());
    let micro = Duration::from_micros(1);
    let pruned = world.storage.prune(world.now().saturating_add(micro)).await.unwrap();
    assert_eq!(pruned, Pruned { idempotency: 1, ..Pruned::default() });
    assert!(matches!(issue(1).await, Once::Replayed(_)), "the younger one stays");
    let Changes::Since { position, .. } = world.storage.changes(None).await.unwrap() else {
        panic!("a reset")
    };
    let pruned = world.storage.prune(world.now().saturating_add(7 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned { changes: 4, idempotency: 1, ..Pruned::default() },
        "bootstrap and the first key; the second is no older"
    );
    let after = wardkey_core::Position { number: position.number - 2, ..position };
    let Changes::Since { changes, .. } = world.storage.changes(Some(after)).await.unwrap() else {
        panic!("a reset")
    };
    assert_eq!(changes.len(), 2);
}
on_both!(changes_are_kept_for_seven_days_and_idempotency_for_one);

async fn pruning_goes_on_batch_after_batch(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(0)).await.unwrap();
    for round in 0..550 {
        let limit = Some(round % 2 + 1);
        world.storage.set_key_limit(&world.act(), world.demo, None, limit).await.unwrap();
        world.storage.set_key_limit(&world.act(), world.operator, None, limit).await.unwrap();
    }
    let pruned = world.storage.prune(world.now().saturating_add(8 * DAY)).await.unwrap();
    assert_eq!(pruned.changes, 2 + 1 + 1_100);
}
on_both!(pruning_goes_on_batch_after_batch);

async fn what_belongs_to_logging_in_is_kept_to_the_instant_and_pruned_then(world: Arc<World>) {
    const MICRO: Duration = Duration::from_micros(1);
    let pruned = async || {
        // What is pruned of the feed is another matter.
        Pruned { changes: 0, ..world.storage.prune(world.now()).await.unwrap() }
    };
    let (_, session) = world.logged_in().await;
    for id in [1, 2] {
        let newest = world.storage.list_signing_keys().await.unwrap().first().map(|key| key.id);
        world.storage.add_signing_key([id; 16], vec![id], newest, world.now()).await.unwrap();
    }
    world.storage.count_login_attempt([1; 32], "uma@example.com", world.now()).await.unwrap();
    world.clock.advance(DAY);
    assert_eq!(pruned().await, Pruned::default());
    world.clock.advance(MICRO);
    assert_eq!(pruned().await, Pruned { login_attempts: 1, ..Pruned::default() });

    // A token that was replaced is known for as long as a browser may come back with it.
    let (second, third) = (world.bytes(), world.bytes());
    let refresh =
        async |presented, next| world.storage.refresh_session(presented, next, world.now()).await.unwrap();
    assert!(matches!(refresh(session.refresh, second).await, Refreshed::Renewed { .. }));
    world.clock.advance(SESSION_IDLE - DAY);
    assert!(matches!(refresh(second, third).await, Refreshed::Renewed { .. }));
    world.clock.advance(DAY);
    assert_eq!(pruned().await, Pruned::default());
    world.clock.advance(MICRO);
    assert_eq!(pruned().await, Pruned { refresh_tokens: 1, ..Pruned::default() });
    assert_eq!(refresh(session.refresh, world.bytes()).await, Refreshed::Unknown);
    assert!(matches!(refresh(second, world.bytes()).await, Refreshed::Reused { .. }));

    let (user, _) = world.logged_in().await;
    world.clock.advance(SESSION_IDLE);
    assert_eq!(pruned().await, Pruned::default());
    world.clock.advance(MICRO);
    assert_eq!(pruned().await, Pruned { sessions: 1, ..Pruned::default() });
    assert!(world.storage.list_sessions(user, world.now()).await.unwrap().is_empty());

    // The newest signs for as long as there is no other, however old it is.
    world.clock.advance(SIGNING_KEYS_KEPT);
    assert_eq!(pruned().await, Pruned { signing_keys: 1, ..Pruned::default() });
    assert_eq!(world.storage.list_signing_keys().await.unwrap()[0].id, [2; 16]);
    world.clock.advance(100 * DAY);
    assert_eq!(pruned().await, Pruned::default());
}
on_both!(what_belongs_to_logging_in_is_kept_to_the_instant_and_pruned_then);
