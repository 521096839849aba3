use std::sync::Arc;
use std::time::Duration;

use crate::database::on_both;
use crate::world::World;

async fn ids(world: &World) -> Vec<[u8; 16]> {
    world.storage.list_signing_keys().await.unwrap().into_iter().map(|key| key.id).collect()
}

async fn a_signing_key_is_added_to_the_newest_that_was_seen_and_to_no_other(world: Arc<World>) {
    let add = async |id: u8, if_newest: Option<u8>| {
        let if_newest = if_newest.map(|id| [id; 16]);
        world.storage.add_signing_key([id; 16], vec![id; 48], if_newest, world.now()).await.unwrap();
        ids(&world).await
    };
    assert!(ids(&world).await.is_empty());
    assert!(add(1, Some(7)).await.is_empty());
    assert_eq!(add(1, None).await, [[1; 16]]);
    assert_eq!(add(2, None).await, [[1; 16]]);
    assert_eq!(add(2, Some(1)).await, [[2; 16], [1; 16]]);
    assert_eq!(add(3, Some(1)).await, [[2; 16], [1; 16]]);
    // Even where the clock is behind.
    world.clock.set(world.now().saturating_sub(Duration::from_secs(60)));
    assert_eq!(add(3, Some(2)).await, [[3; 16], [2; 16], [1; 16]]);
    let newest = world.storage.list_signing_keys().await.unwrap().remove(0);
    assert_eq!(newest.wrapped, vec![3; 48]);
    assert!(!format!("{newest:?}").contains("wrapped"));
}
on_both!(a_signing_key_is_added_to_the_newest_that_was_seen_and_to_no_other);

async fn of_servers_that_rotate_at_once_one_adds_a_key(world: Arc<World>) {
    for round in 0..3u8 {
        let newest = ids(&world).await.first().copied();
        let servers: Vec<_> = (0..8u8)
            .map(|server| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let id = [16 * round + server + 1; 16];
                    world.storage.add_signing_key(id, vec![1], newest, world.now()).await
                })
            })
            .collect();
        for server in servers {
            server.await.unwrap().unwrap();
        }
        assert_eq!(ids(&world).await.len(), usize::from(round) + 1);
    }
}
on_both!(of_servers_that_rotate_at_once_one_adds_a_key);
