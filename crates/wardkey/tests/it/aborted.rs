//! Requests that are dropped half-way.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use wardkey::core::testing::SeededRandom;
use wardkey::core::{KeyId, KeyState, Random, Standing};
use wardkey::{Error, KeyFilter, KeyPatch, PageRequest, Tenant};

use crate::world::{DAY, World, connect, within};

on_both!(operations_dropped_half_way_happen_whole_or_not_at_all);

/// So many operations are dropped; in a long run ten times as many.
fn operations() -> usize {
    if std::env::var_os("WARDKEY_SOAK").is_some() { 5_000 } else { 500 }
}

/// Drops the future when it has been looked at so many times, or gives its answer if it was ready before.
async fn look_at<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // The last look is followed by no wake: the future is dropped while what it waits for is under way.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn draw(random: &SeededRandom, below: usize) -> usize {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    (u64::from_le_bytes(bytes) % below as u64) as usize
}

/// One of the operations, chosen by `kind`, that changes one thing if it happens.
async fn change(
    tenant: Tenant,
    input: wardkey::IssueKey,
    key: KeyId,
    kind: usize,
    mark: String,
) -> Result<(), Error> {
    match kind {
        0 => tenant.issue_key(input).await.map(drop),
        1 => {
            let version = tenant.get_key(key).await?.version;
            let patch = KeyPatch { name: Some(mark), ..KeyPatch::default() };
            tenant.update_key(key, version, patch).await.map(drop)
        }
        2 => tenant.rotate_key(key, None, Duration::ZERO).await.map(drop),
        3 => tenant.disable_key(key, None, None).await.map(drop),
        _ => tenant.create_workspace(mark, None, Vec::new()).await.map(drop),
    }
}

/// How many changes stand in the rows themselves.
async fn changes(world: &World) -> usize {
    let demo = world.demo().await;
    let mut keys = Vec::new();
    loop {
        let after = keys.last().map(|key: &wardkey::Key| key.id);
        let page = demo.list_keys(KeyFilter::default(), PageRequest { after, limit: 100 }).await.unwrap();
        keys.extend(page.items);
        if !page.has_more {
            break;
        }
    }
    let of_keys: i64 = keys
        .iter()
        .map(|key| {
            // Issued; edited or rotated, each of which moves the version; disabled once.
            assert!(key.secrets.iter().filter(|secret| secret.ends_at.is_none()).count() == 1, "{key:?}");
            key.version + i64::from(key.state == KeyState::Disabled)
        })
        .sum();
    // Everyone on the database sees every workspace.
    usize::try_from(of_keys).unwrap() + demo.rights().workspaces().count()
}

async fn operations_dropped_half_way_happen_whole_or_not_at_all(world: &World) {
    let demo = world.demo().await;
    world
        .storage
        .set_key_limit(&world.act(), world.first.demo_organization, None, Some(10_000))
        .await
        .unwrap();
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(world.service_key(&[]).await.key.id);
    }
    let before = (world.audited().await, changes(world).await);
    let (finished, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let random = SeededRandom::new(4711);
    let mut running = JoinSet::new();
    let count = |answer: Option<Result<(), Error>>| match answer {
        None => dropped.fetch_add(1, Ordering::Relaxed),
        // What two operations at once do to each other's version.
        Some(Ok(()) | Err(Error::VersionMismatch { .. } | Error::Conflict(_))) => {
            finished.fetch_add(1, Ordering::Relaxed)
        }
        Some(Err(error)) => panic!("{error:?}"),
    };
    for number in 0..operations() {
        let (kind, times) = (draw(&random, 5), draw(&random, 16));
        let key = keys[draw(&random, keys.len())];
        let operation = change(demo.clone(), world.service_input(&[]), key, kind, format!("mark {number}"));
        running.spawn(async move { look_at(times, operation).await });
        if running.len() >= 8 {
            count(running.join_next().await.unwrap().unwrap());
        }
    }
    for answer in running.join_all().await {
        count(answer);
    }
    let (finished, dropped) = (finished.into_inner(), dropped.into_inner());
    assert!(dropped > operations() / 4, "{dropped} dropped: the test drops what it claims to");
    assert!(finished > operations() / 20, "{finished} finished: some come through");

    // What was under way ends by itself.
    within(Duration::from_secs(20), "as many events as changes", async || {
        world.audited().await - before.0 == changes(world).await - before.1
    })
    .await;
    if world.is_postgres() {
        nothing_is_left_open(world).await;
    }
    // The pool is whole: more than it holds at once come through, reads and writes.
    let mut after = JoinSet::new();
    for _ in 0..16 {
        let (demo, input) = (demo.clone(), world.service_input(&[]));
        after.spawn(async move {
            let key = demo.issue_key(input).await.unwrap().key;
            demo.rotate_key(key.id, None, DAY).await.unwrap();
            demo.get_key(key.id).await.unwrap()
        });
    }
    assert_eq!(after.join_all().await.len(), 16);
    demo.set_service_account_state(&world.first.demo_service_account.into(), None, Standing::Active, None)
        .await
        .unwrap();
    let settled = (world.audited().await - before.0, changes(world).await - before.1);
    assert_eq!(settled.0, settled.1);
}

async fn nothing_is_left_open(world: &World) {
    let watcher = connect(&world.url).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND (state LIKE 'idle in transaction%' OR xact_start IS NOT NULL)";
    within(Duration::from_secs(10), "no transaction open", async || {
        watcher.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}
