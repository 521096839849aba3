use std::sync::Arc;
use std::time::Duration;

use wardkey_core::testing::SeededRandom;
use wardkey_core::{InstanceId, KeyId, KeyStore as _, Position, Report, SecretId, Timestamp, Usage};
use wardkey_storage::Key;

use crate::database::on_both;
use crate::world::{World, environment};

fn report(world: &World, usage: Vec<Usage>) -> Report {
    Report {
        instance: InstanceId::mint(world.now(), &SeededRandom::new(9)),
        environment: environment("production"),
        sequence: world.unique(),
        at: world.now(),
        applied: Position { epoch: 42, number: 3 },
        serves_until: world.now().saturating_add(Duration::from_secs(60)),
        usage,
    }
}

fn used(key: KeyId, secret: SecretId, last_used_at: Timestamp) -> Usage {
    Usage { key, secret, verifications: 5, last_used_at }
}

async fn counted(world: &World) -> i64 {
    crate::migrations::sum(world, "SELECT sum(verifications) FROM usage").await
}

async fn found(world: &World, key: KeyId) -> Key {
    world.storage.find_key(world.demo, key).await.unwrap().unwrap()
}

async fn the_last_use_of_key_and_secret_is_shown_and_never_moves_back(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let secret = key.secrets[0].id;
    let early = world.now();
    let late = early.saturating_add(Duration::from_secs(90));
    for at in [early, late, early] {
        world.storage.report(&report(&world, vec![used(key.id, secret, at)])).await.unwrap();
    }
    let shown = found(&world, key.id).await;
    assert_eq!((shown.last_used_at, shown.secrets[0].last_used_at), (Some(late), Some(late)));
    assert_eq!((shown.version, shown.updated_at), (key.version, key.updated_at), "use moves nothing else");
}
on_both!(the_last_use_of_key_and_secret_is_shown_and_never_moves_back);

async fn a_report_appends_neither_to_the_feed_nor_to_the_audit_log(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let before = (world.storage.changes(None).await.unwrap(), world.audit(world.demo).await);
    world.storage.report(&report(&world, vec![used(key.id, key.secrets[0].id, world.now())])).await.unwrap();
    world.storage.report(&report(&world, Vec::new())).await.expect("a report of nothing used");
    assert_eq!((world.storage.changes(None).await.unwrap(), world.audit(world.demo).await), before);
}
on_both!(a_report_appends_neither_to_the_feed_nor_to_the_audit_log);

async fn what_does_not_exist_does_not_keep_the_rest_from_being_counted(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let mut usage = vec![
        used(world.key_id(), key.secrets[0].id, world.now()),
        used(key.id, world.new_secret().id, world.now()),
        used(key.id, key.secrets[0].id, world.now()),
    ];
    // More than are looked up at once.
    usage.extend((0..1_100).map(|_| used(world.key_id(), key.secrets[0].id, world.now())));
    usage.reverse();
    world.storage.report(&report(&world, usage)).await.unwrap();
    assert_eq!(found(&world, key.id).await.last_used_at, Some(world.now()));
}
on_both!(what_does_not_exist_does_not_keep_the_rest_from_being_counted);

async fn reports_of_the_same_keys_at_once_all_arrive(world: Arc<World>) {
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(world.issued().await.0);
    }
    let calls: Vec<_> = (0..10)
        .map(|round| {
            let world = Arc::clone(&world);
            let mut usage: Vec<_> =
                keys.iter().map(|key| used(key.id, key.secrets[0].id, world.now())).collect();
            if round % 2 == 0 {
                usage.reverse();
            }
            tokio::spawn(async move { world.storage.report(&report(&world, usage)).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().expect("no deadlock, whatever the order");
    }
    for key in keys {
        assert_eq!(found(&world, key.id).await.last_used_at, Some(world.now()));
    }
}
on_both!(reports_of_the_same_keys_at_once_all_arrive);

async fn a_report_that_is_sent_again_is_counted_once(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let first = report(&world, vec![used(key.id, key.secrets[0].id, world.now())]);
    let second = Report { sequence: world.unique(), ..first.clone() };
    for (sent, total) in [(&first, 5), (&first, 5), (&second, 10), (&second, 10), (&first, 10)] {
        world.storage.report(sent).await.unwrap();
        assert_eq!(counted(&world).await, total);
    }
    // The first report of another instance has a count of its own.
    let instance = InstanceId::mint(world.now(), &SeededRandom::new(10));
    world.storage.report(&Report { instance, ..first }).await.unwrap();
    assert_eq!(counted(&world).await, 15);
}
on_both!(a_report_that_is_sent_again_is_counted_once);

async fn counts_are_kept_by_the_hour_of_the_last_use(world: Arc<World>) {
    let (key, _) = world.issued().await;
    for minutes in [0, 29, 30, 89] {
        let at = world.now().saturating_add(Duration::from_secs(minutes * 60));
        world.storage.report(&report(&world, vec![used(key.id, key.secrets[0].id, at)])).await.unwrap();
    }
    // It begins at half past.
    assert_eq!(crate::migrations::sum(&world, "SELECT count(*) FROM usage").await, 2);
    assert_eq!(counted(&world).await, 20);
}
on_both!(counts_are_kept_by_the_hour_of_the_last_use);
