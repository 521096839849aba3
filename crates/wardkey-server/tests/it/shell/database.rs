//! Databases of the tests' own.

use std::path::Path;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use wardkey_core::{OsRandom, Random as _};

/// A database that goes when it is dropped, and a folder beside it.
pub(crate) struct Database {
    folder: TempDir,
    kind: Kind,
}

enum Kind {
    /// SQLite in the data folder, as nobody named another.
    Sqlite,
    /// A database on the tests' server.
    Postgres { name: String },
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self { folder: TempDir::new().unwrap(), kind: Kind::Sqlite }
    }

    pub(crate) async fn postgres() -> Self {
        let mut random = [0; 8];
        OsRandom.fill(&mut random);
        let name = format!("wardkey_test_{:016x}", u64::from_le_bytes(random));
        connect(&server_url()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { folder: TempDir::new().unwrap(), kind: Kind::Postgres { name } }
    }

    pub(crate) async fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres().await]
    }

    /// The folder in which the server is started.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.kind, Kind::Postgres { .. })
    }

    /// The flags that lead a command to the database.
    pub(crate) fn flags(&self) -> Vec<String> {
        match &self.kind {
            Kind::Sqlite => Vec::new(),
            Kind::Postgres { .. } => vec!["--database-url".to_owned(), self.postgres_url()],
        }
    }

    /// A connection of the test's own to the PostgreSQL database.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.postgres_url()).await
    }

    /// Takes the PostgreSQL database away from whoever uses it.
    pub(crate) async fn cut_off(&self) {
        let Kind::Postgres { name } = &self.kind else { panic!("this is SQLite") };
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        connect(&server_url()).await.batch_execute(&drop).await.unwrap();
    }

    fn postgres_url(&self) -> String {
        match &self.kind {
            Kind::Postgres { name } => in_database(&server_url(), name),
            Kind::Sqlite => panic!("this is SQLite"),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Kind::Postgres { name } = &self.kind else { return };
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // Dropping waits for nothing, so the statement has a thread and a runtime of its own.
        let dropping = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(
                async move { connect(&server_url()).await.batch_execute(&statement).await.unwrap() },
            );
        });
        drop(dropping.join());
    }
}

fn server_url() -> String {
    std::env::var("WARDKEY_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// The same server, another database.
fn in_database(url: &str, name: &str) -> String {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let server = address.rsplit_once('/').expect("the server's URL names a database").0;
    format!("{server}/{name}{options}")
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap_or_else(|error| {
        panic!("no PostgreSQL for tests at {url}: {error}. Start one there, or name another in WARDKEY_TEST_POSTGRES_URL")
    });
    tokio::spawn(connection);
    client
}
