//! SQLite: one file, one connection that writes, several that read.

use std::path::PathBuf;
use std::time::Duration;

use deadpool::Runtime;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, ConnectionError, ConnectionResult};
use diesel_async::AsyncConnection as _;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt as _;

use super::{Pools, SqliteConnection};
use crate::schema::lower_utils;
use crate::{OpenConfig, OpenError};

/// A SQLite file.
#[derive(Clone)]
pub(crate) struct Sqlite {
    path: PathBuf,
    busy_timeout: Duration,
}

impl Sqlite {
    pub(crate) fn new(path: PathBuf, busy_timeout: Duration) -> Self {
        Self { path, busy_timeout }
    }

    /// As a URI that opens the file and never makes one.
    fn uri(&self) -> String {
        let mut uri = String::from("file:");
        for byte in self.path.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    uri.push(char::from(*byte));
                }
                other => uri.push_str(&format!("%{other:02X}")),
            }
        }
        uri + "?mode=rw"
    }

    pub(crate) fn pools(&self, config: &OpenConfig) -> Result<Pools, OpenError> {
        Ok(Pools::Sqlite {
            writer: self.pool(1, "OFF", config)?,
            readers: self.pool(config.max_connections.saturating_sub(1).max(1), "ON", config)?,
        })
    }

    fn pool(
        &self,
        size: usize,
        query_only: &'static str,
        config: &OpenConfig,
    ) -> Result<Pool<SqliteConnection>, OpenError> {
        let file = self.clone();
        let mut manager = ManagerConfig::default();
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(move |_| {
            let file = file.clone();
            async move { file.connect(query_only).await }.boxed()
        });
        Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
            .max_size(size)
            .wait_timeout(Some(config.connect_timeout))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::Connect { source: error.into() })
    }

    /// A connection for reading, or for writing too.
    pub(crate) async fn connect(&self, query_only: &str) -> ConnectionResult<SqliteConnection> {
        let mut conn = SqliteConnection::establish(&self.uri()).await?;
        let pragmas =
            format!("{} PRAGMA foreign_keys = ON; PRAGMA query_only = {query_only};", self.pragmas());
        conn.spawn_blocking(move |conn| {
            conn.batch_execute(&pragmas)?;
            lower_utils::register_impl(conn, |text: String| text.to_lowercase())
        })
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }

    /// A blocking connection for migrations: foreign keys are off, as they must be while tables are rebuilt.
    pub(crate) fn connect_blocking(&self) -> ConnectionResult<diesel::SqliteConnection> {
        let mut conn = diesel::SqliteConnection::establish(&self.uri())?;
        conn.batch_execute(&format!("{} PRAGMA foreign_keys = OFF;", self.pragmas()))
            .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }

    /// FULL, since a commit must survive a loss of power.
    fn pragmas(&self) -> String {
        let busy_timeout = self.busy_timeout.as_millis();
        format!(
            "PRAGMA busy_timeout = {busy_timeout}; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
        )
    }
}
