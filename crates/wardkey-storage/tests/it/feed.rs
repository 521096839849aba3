use std::sync::Arc;
use std::time::Duration;

use wardkey_core::{Changes, KeyStore as _};
use wardkey_storage::Backend;

use crate::database::{Database, connect, on_both};
use crate::world::World;

/// Longer than a wake-up takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

async fn a_write_wakes_who_waits_in_the_same_process_and_in_others(world: Arc<World>) {
    let other =
        wardkey_storage::Storage::open(&world.url, wardkey_storage::OpenConfig::default()).await.unwrap();
    for storage in [world.storage.clone(), other] {
        // Opening wakes once; whoever has read since then waits for the next change.
        let before = position(&storage).await;
        let waiter = tokio::spawn({
            let storage = storage.clone();
            async move {
                while position(&storage).await == before {
                    storage.wait_for_change().await;
                }
            }
        });
        world.issued().await;
        tokio::time::timeout(PATIENCE, waiter).await.expect("it is woken").unwrap();
    }
}
on_both!(a_write_wakes_who_waits_in_the_same_process_and_in_others);

async fn position(storage: &wardkey_storage::Storage) -> i64 {
    match storage.changes(None).await.unwrap() {
        Changes::Since { position, .. } | Changes::Reset { position } => position.number,
    }
}

async fn a_change_between_reading_and_waiting_is_not_slept_through(world: Arc<World>) {
    position(&world.storage).await;
    world.issued().await;
    tokio::time::timeout(PATIENCE, world.storage.wait_for_change()).await.expect("it resolves at once");
}
on_both!(a_change_between_reading_and_waiting_is_not_slept_through);

async fn without_a_change_nobody_is_woken_over_and_over(world: Arc<World>) {
    let mut wakes = 0;
    let quiet = async {
        loop {
            world.storage.wait_for_change().await;
            wakes += 1;
        }
    };
    // Nothing to wait for: what is measured is that nothing happens in this time.
    let _ = tokio::time::timeout(Duration::from_secs(1), quiet).await;
    assert!(wakes <= 4, "{wakes} wake-ups without a change");
}
on_both!(without_a_change_nobody_is_woken_over_and_over);

async fn the_last_clone_ends_what_runs_in_the_background(database: Arc<Database>) {
    let storage = database.open().await;
    let clone = storage.clone();
    drop(storage);
    clone.ping().await.unwrap();
    crate::world::until("its connections are open", async || connections(&database).await > 1).await;
    drop(clone);
    crate::world::until("its connections are closed", async || connections(&database).await == 0).await;
}
on_both!(empty the_last_clone_ends_what_runs_in_the_background);

/// How many connections, or open files, a database has.
async fn connections(database: &Database) -> i64 {
    if database.backend == Backend::Postgres {
        let observer = connect(&database.url).await;
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS NOT NULL";
        return observer.query_one(query, &[]).await.unwrap().get(0);
    }
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    i64::try_from(targets.filter(|target| target.starts_with(database.folder())).count()).unwrap()
}

/// The listening connection is killed; it comes back by itself and wakes whoever waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listener_whose_connection_is_killed_comes_back() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            let world = World::bootstrapped(&database).await;
            let killer = connect(&world.url).await;
            let listener =
                "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            let pid = async || {
                let row = killer.query_opt(&format!("SELECT pid {listener}"), &[]).await.unwrap();
                row.map(|row| row.get::<_, i32>(0))
            };
            crate::world::until("it listens", async || pid().await.is_some()).await;
            let first = pid().await;
            killer.query_one("SELECT pg_terminate_backend($1)", &[&first.unwrap()]).await.unwrap();
            crate::world::until("it listens again", async || {
                pid().await.is_some_and(|pid| Some(pid) != first)
            })
            .await;
            let other = database.reopen().await;
            let before = position(&world.storage).await;
            let waiter = tokio::spawn({
                let storage = world.storage.clone();
                async move {
                    while position(&storage).await == before {
                        storage.wait_for_change().await;
                    }
                }
            });
            other
                .create_user(
                    &world.act(),
                    wardkey_storage::NewUser {
                        id: world.user_id(),
                        email: "a@example.com".to_owned(),
                        name: "A".to_owned(),
                        external_id: None,
                    },
                    None,
                )
                .await
                .unwrap();
            tokio::time::timeout(PATIENCE, waiter).await.expect("it is woken").unwrap();
        }
    };
    crate::database::run(database, body).await;
}
