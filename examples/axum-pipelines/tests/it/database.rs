use std::hash::{BuildHasher as _, RandomState};
use std::thread;

use tempfile::TempDir;
use tokio_postgres::NoTls;

/// A database of its own for each test, and a folder for what the server keeps beside it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    /// The database's name, if it is on a server.
    name: Option<String>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("wardkey.db").display());
        Self { url, folder, name: None }
    }

    pub(crate) async fn postgres() -> Self {
        let server = server_url();
        let name = format!("wardkey_test_{:016x}", RandomState::new().hash_one("database"));
        execute(&format!("CREATE DATABASE {name}")).await;
        let (address, options) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = address.rsplit_once('/').expect("the server's URL names a database");
        let url = format!("{host}/{name}?{options}").trim_end_matches('?').to_owned();
        Self { url, folder: tempfile::tempdir().expect("a temporary folder"), name: Some(name) }
    }
}

impl Drop for Database {
    /// Also after a test has failed.
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let drop_database = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime.expect("a runtime").block_on(execute(&statement));
        };
        // A runtime cannot be entered from within another.
        if thread::spawn(drop_database).join().is_err() && !thread::panicking() {
            panic!("the test's database was not dropped");
        }
    }
}

fn server_url() -> String {
    std::env::var("WARDKEY_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

async fn execute(statement: &str) {
    let url = server_url();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap_or_else(|error| {
        panic!("these tests need PostgreSQL: none answers at {url}, which WARDKEY_TEST_POSTGRES_URL sets: {error}")
    });
    tokio::spawn(connection);
    client.batch_execute(statement).await.expect("the statement is carried out");
}
