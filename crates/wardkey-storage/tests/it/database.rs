//! A database of its own for each test.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tempfile::TempDir;
use wardkey_storage::{Backend, OpenConfig, Storage};

/// An empty database: a file in a temporary folder, or a database on the server.
pub(crate) struct Database {
    pub(crate) backend: Backend,
    pub(crate) url: String,
    folder: Option<TempDir>,
}

/// Runs a test on both databases. `on_both!(name)` gives `async fn name(world: Arc<World>)` a bootstrapped deployment;
/// `on_both!(empty name)` gives `async fn name(database: Arc<Database>)` an empty database.
macro_rules! on_both {
    ($name:ident) => {
        on_both!(@tests $name, |database| async move {
            let world = $crate::world::World::bootstrapped(&database).await;
            super::$name(std::sync::Arc::new(world)).await;
        });
    };
    (empty $name:ident) => {
        on_both!(@tests $name, |database| super::$name(database));
    };
    (@tests $name:ident, |$database:ident| $body:expr) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                let $database = $crate::database::Database::sqlite();
                $crate::database::run(std::sync::Arc::clone(&$database), $body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                let $database = $crate::database::Database::postgres().await;
                $crate::database::run(std::sync::Arc::clone(&$database), $body).await;
            }
        }
    };
}
pub(crate) use on_both;

/// Runs a test's body and drops its database, whatever came of it.
pub(crate) async fn run(database: Arc<Database>, body: impl Future<Output = ()>) {
    let outcome = AssertUnwindSafe(body).catch_unwind().await;
    database.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Which server the tests use.
fn server_url() -> String {
    std::env::var("WARDKEY_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// A connection of the test's own.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = match tokio_postgres::connect(url, tokio_postgres::NoTls).await {
        Ok(connected) => connected,
        Err(error) => panic!(
            "these tests need PostgreSQL: nothing usable answers at the server of WARDKEY_TEST_POSTGRES_URL (unset: \
             127.0.0.1:5432, user postgres): {error}"
        ),
    };
    tokio::spawn(connection);
    client
}

impl Database {
    pub(crate) fn sqlite() -> Arc<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("wardkey.db").display());
        Arc::new(Self { backend: Backend::Sqlite, url, folder: Some(folder) })
    }

    pub(crate) async fn postgres() -> Arc<Self> {
        let server = server_url();
        let name = format!("wardkey_test_{:016x}", RandomState::new().build_hasher().finish());
        connect(&server)
            .await
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a database of its own");
        let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = base.rsplit_once('/').expect("the URL names a database");
        let url = format!("{host}/{name}?{parameters}");
        Arc::new(Self { backend: Backend::Postgres, url: url.trim_end_matches('?').to_owned(), folder: None })
    }

    async fn remove(&self) {
        if self.backend == Backend::Postgres {
            let name = self.name();
            let server = connect(&server_url()).await;
            // A test may have made a role of the same name.
            for drop in [
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                format!("DROP ROLE IF EXISTS {name}"),
            ] {
                server.batch_execute(&drop).await.expect("what the test made is dropped");
            }
        }
    }

    /// The storage on it, migrated before.
    pub(crate) async fn open(&self) -> Storage {
        Storage::migrate(&self.url).await.expect("it is migrated");
        self.reopen().await
    }

    /// Another storage on it, as another process has one.
    pub(crate) async fn reopen(&self) -> Storage {
        Storage::open(&self.url, OpenConfig::default()).await.expect("it opens")
    }

    /// The name of a database on the server.
    pub(crate) fn name(&self) -> &str {
        let (base, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
        base.rsplit_once('/').expect("the URL names a database").1
    }

    /// The folder of a SQLite file.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.as_ref().expect("a SQLite database has a folder").path()
    }
}
