//! The role that SECURITY.md gives to a server in production.

use std::sync::Arc;

use wardkey_core::KeyStore as _;
use wardkey_storage::{OpenConfig, Storage};

use crate::database::{Database, connect, run};
use crate::world::World;
use crate::writes::write_everything;

/// What SECURITY.md says of the role named `wardkey_server`, in this database and with this name.
fn documented_grants(database: &str) -> String {
    let document = include_str!("../../../../SECURITY.md");
    let mut blocks = document.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let grants = blocks.find(|block| block.starts_with("BEGIN")).expect("SECURITY.md has the grants");
    grants.replace("wardkey_server", database).replace("DATABASE wardkey", &format!("DATABASE {database}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_needs_no_right_to_change_the_audit_log_or_the_schema() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            drop(database.open().await);
            let role = database.name();
            let owner = connect(&database.url).await;
            owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'server'")).await.unwrap();
            // Once more after each migration.
            for _ in 0..2 {
                owner.batch_execute(&documented_grants(role)).await.unwrap();
            }
            let (_, rest) = database.url.split_once("://").unwrap();
            let host = rest.split_once('@').map_or(rest, |(_, host)| host);
            let url = format!("postgres://{role}:server@{host}");

            assert!(
                Storage::migrate(&url).await.unwrap().applied.is_empty(),
                "a server looks for migrations"
            );
            let storage = Storage::open(&url, OpenConfig::default()).await.unwrap();
            let world = World::new(&database, storage, 1);
            world.storage.bootstrap(&world.act(), world.bootstrap()).await.unwrap();
            write_everything(&world).await;
            world.storage.prune(world.now()).await.unwrap();
            world.storage.deployment().await.unwrap();
            assert!(!world.audit(world.demo).await.is_empty());

            let server = connect(&url).await;
            for statement in [
                "UPDATE audit_events SET action = action",
                "DELETE FROM audit_events",
                "TRUNCATE audit_events",
                "CREATE TABLE mine (id INT)",
                "DROP TABLE audit_events",
                "ALTER TABLE audit_events DROP COLUMN action",
                "DELETE FROM __diesel_schema_migrations",
            ] {
                let refused = server.batch_execute(statement).await.unwrap_err();
                let code = refused.code().map(|code| code.code().to_owned());
                assert_eq!(code.as_deref(), Some("42501"), "{statement}: {refused}");
            }
        }
    };
    run(database, body).await;
}
