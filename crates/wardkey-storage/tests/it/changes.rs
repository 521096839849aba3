use std::sync::Arc;

use wardkey_core::{Changes, KeyStore as _, Position};

use crate::database::on_both;
use crate::world::{DAY, World};

async fn since(world: &World, after: Position) -> (Vec<wardkey_core::Change>, Position) {
    match world.storage.changes(Some(after)).await.unwrap() {
        Changes::Since { changes, position } => (changes, position),
        Changes::Reset { .. } => panic!("a reset"),
    }
}

async fn now(world: &World) -> Position {
    match world.storage.changes(None).await.unwrap() {
        Changes::Since { changes, position } if changes.is_empty() => position,
        other => panic!("{other:?}"),
    }
}

async fn the_feed_starts_where_it_stands_and_tells_each_change_once(world: Arc<World>) {
    let start = now(&world).await;
    assert_eq!(since(&world, start).await, (Vec::new(), start));
    world.issued().await;
    let (changes, position) = since(&world, start).await;
    assert_eq!(
        changes.iter().map(|change| change.number).collect::<Vec<_>>(),
        [start.number + 1, start.number + 2]
    );
    assert_eq!(position, Position { number: start.number + 2, ..start });
    assert_eq!(since(&world, position).await.0, []);
}
on_both!(the_feed_starts_where_it_stands_and_tells_each_change_once);

async fn who_cannot_be_told_what_was_missed_starts_anew(world: Arc<World>) {
    let start = now(&world).await;
    world.issued().await;
    let current = now(&world).await;
    let reset = async |after| match world.storage.changes(Some(after)).await.unwrap() {
        Changes::Reset { position } => assert_eq!(position, current),
        since => panic!("{after:?}: {since:?}"),
    };
    reset(Position { epoch: start.epoch + 1, ..start }).await;
    reset(Position { number: current.number + 1, ..current }).await;
    reset(Position { number: i64::MIN, ..current }).await;
    world.storage.prune(world.now().saturating_add(8 * DAY)).await.unwrap();
    reset(start).await;
    assert_eq!(since(&world, current).await.0, [], "who missed nothing goes on");
}
on_both!(who_cannot_be_told_what_was_missed_starts_anew);

async fn changes_come_in_the_order_of_commits_without_gaps(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(1_000)).await.unwrap();
    let mut tenants = vec![(world.demo, world.account)];
    for _ in 0..3 {
        let tenant = world.tenant().await;
        world.storage.set_key_limit(&world.act(), tenant.organization, None, Some(1_000)).await.unwrap();
        tenants.push((tenant.organization, tenant.account));
    }
    let start = now(&world).await;
    let writers: Vec<_> = tenants
        .into_iter()
        .map(|(organization, account)| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for _ in 0..15 {
                    let principal = wardkey_core::PrincipalId::ServiceAccount(account);
                    let new = wardkey_storage::NewKey { principal, ..world.new_key() };
                    world.storage.issue_key(&world.act(), organization, new, None).await.unwrap();
                }
            })
        })
        .collect();
    // A reader follows meanwhile: had a smaller number been committed after a larger one, it would be missing here.
    let (mut seen, mut position) = (Vec::new(), start);
    let follow = async {
        while seen.len() < 4 * 15 * 2 {
            let (changes, next) = since(&world, position).await;
            seen.extend(changes);
            position = next;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), follow).await.expect("all changes");
    for writer in writers {
        writer.await.unwrap();
    }
    let numbers: Vec<_> = seen.iter().map(|change| change.number).collect();
    assert_eq!(numbers, (start.number + 1..=start.number + 120).collect::<Vec<_>>());
    assert_eq!(since(&world, start).await.0, seen);
}
on_both!(changes_come_in_the_order_of_commits_without_gaps);
