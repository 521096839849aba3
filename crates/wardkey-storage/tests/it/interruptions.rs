use std::sync::Arc;
use std::time::Duration;

use wardkey_core::testing::SeededRandom;
use wardkey_core::{KeyStore as _, Random as _};
use wardkey_storage::{AuditFilter, Backend, KeyFilter, OrganizationFilter, Page};

use crate::database::{connect, on_both};
use crate::world::{DAY, World, until};

const CALLS: usize = 200;

async fn two_hundred_abandoned_calls_leave_the_pool_whole_and_an_event_for_each_that_happened(
    world: Arc<World>,
) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(1_000)).await.unwrap();
    let (rotated, _) = world.issued().await;
    let before = (world.audit(world.demo).await.len(), changes(&world).await);
    let random = SeededRandom::new(7);
    let mut calls = Vec::new();
    for number in 0..CALLS {
        let mut moment = [0; 2];
        random.fill(&mut moment);
        let patience = Duration::from_micros(u64::from(u16::from_be_bytes(moment)) / 4);
        let (world, key) = (Arc::clone(&world), rotated.id);
        calls.push(tokio::spawn(async move {
            let call = async {
                if number % 4 == 3 {
                    let secret = world.new_secret();
                    let _ = world
                        .storage
                        .rotate_key(&world.act(), world.demo, key, None, secret, Duration::ZERO, None)
                        .await;
                } else {
                    let _ = world.issue(world.new_key()).await;
                }
            };
            let _ = tokio::time::timeout(patience, call).await;
        }));
        if number % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    // What was begun ends, without anybody waiting for it.
    let mut last = 0;
    until("the writes to end", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let events = world.audit(world.demo).await.len();
        std::mem::replace(&mut last, events) == events
    })
    .await;
    let keys = world
        .storage
        .list_keys(world.demo, &KeyFilter::default(), world.now(), Page::first(1_000))
        .await
        .unwrap();
    let rotations = keys.iter().find(|key| key.id == rotated.id).unwrap().secrets.len() - 1;
    let happened = keys.len() - 1 + rotations;
    assert!(happened > 0, "some calls were fast enough to begin");
    assert_eq!(world.audit(world.demo).await.len() - before.0, happened);
    assert_eq!(changes(&world).await - before.1, 2 * i64::try_from(happened).unwrap());
    if world.storage.backend() == Backend::Postgres {
        let observer = connect(&world.url).await;
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        assert_eq!(observer.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 0);
    }
    // Every connection still works.
    let pings: Vec<_> = (0..32)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.storage.ping().await })
        })
        .collect();
    for ping in pings {
        ping.await.unwrap().expect("the pool is whole");
    }
    world
        .storage
        .rotate_key(&world.act(), world.demo, rotated.id, None, world.new_secret(), DAY, None)
        .await
        .unwrap();
}
on_both!(two_hundred_abandoned_calls_leave_the_pool_whole_and_an_event_for_each_that_happened);

async fn changes(world: &World) -> i64 {
    match world.storage.changes(None).await.unwrap() {
        wardkey_core::Changes::Since { position, .. } | wardkey_core::Changes::Reset { position } => {
            position.number
        }
    }
}

/// On a single-threaded host, as under actix-web, work runs on a runtime of the storage's own: neither an abandoned
/// call nor the last clone's end in the middle of one panics or loses it.
#[test]
fn a_single_threaded_host_may_abandon_calls_and_storage() {
    let database = crate::database::Database::sqlite();
    let host = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issued = host().block_on(async {
        let world = Arc::new(World::bootstrapped(&database).await);
        for millis in 0..20 {
            let call = world.issue(world.new_key());
            let _ = tokio::time::timeout(Duration::from_micros(millis * 300), call).await;
        }
        world.storage.count_keys(world.demo, world.now()).await.unwrap()
    });
    host().block_on(async {
        let storage = database.reopen().await;
        let organizations =
            storage.list_organizations(&OrganizationFilter::default(), Page::first(9)).await.unwrap();
        let demo = organizations.iter().find(|organization| organization.name == "Demo").unwrap().id;
        // What was abandoned may still be on its way.
        until("each key has its event", async || {
            let keys = storage.count_keys(demo, crate::world::beginning()).await.unwrap();
            assert!(keys >= issued && keys <= 10);
            let events =
                storage.list_audit_events(demo, &AuditFilter::default(), Page::first(99)).await.unwrap();
            events.len() == usize::try_from(keys).unwrap()
        })
        .await;
    });
}
