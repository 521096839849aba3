use std::sync::Arc;
use std::time::Duration;

use wardkey_core::{Changes, KeyStore as _};
use wardkey_storage::{Idempotency, Once, Pruned};

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
    assert_eq!(pruned, Pruned { changes: 0, idempotency: 1 });
    assert!(matches!(issue(1).await, Once::Replayed(_)), "the younger one stays");
    let Changes::Since { position, .. } = world.storage.changes(None).await.unwrap() else {
        panic!("a reset")
    };
    let pruned = world.storage.prune(world.now().saturating_add(7 * DAY)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned { changes: 4, idempotency: 1 },
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
    world.storage.set_key_limit(&world.act(), world.demo, Some(0)).await.unwrap();
    for round in 0..550 {
        let limit = Some(round % 2 + 1);
        world.storage.set_key_limit(&world.act(), world.demo, limit).await.unwrap();
        world.storage.set_key_limit(&world.act(), world.operator, limit).await.unwrap();
    }
    let pruned = world.storage.prune(world.now().saturating_add(8 * DAY)).await.unwrap();
    assert_eq!(pruned.changes, 2 + 1 + 1_100);
}
on_both!(pruning_goes_on_batch_after_batch);
