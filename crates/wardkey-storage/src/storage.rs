//! The storage and how it is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::IntoSql as _;
use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::{Conn, DatabaseRuntime, DatabaseUrl, Pools, Postgres, Sqlite, Work, on};
use crate::feed::Feed;
use crate::{OpenError, StorageError, migration};

/// A database of Wardkey, opened. Clones share its connections; the last one to go ends its background work.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    feed: Feed,
    /// How long a unit of work may take as a whole, where the network can swallow an answer.
    deadline: Option<Duration>,
    /// Held by the report that is being written: however long one hangs, no second connection waits behind it.
    reporting: Arc<Semaphore>,
    runtime: DatabaseRuntime,
}

/// How a database is used. `Debug` leaves out the URL, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenConfig {
    /// At most so many connections at once, the one that listens for changes not counted; on SQLite one of them
    /// writes. Default: 8.
    pub max_connections: usize,
    /// How long a caller waits for a connection. Default: 5 s.
    pub connect_timeout: Duration,
    /// PostgreSQL: how long one statement may take, waiting for locks included; a unit of work as a whole may take
    /// twice as long. SQLite: how long to wait for another process that writes. Default: 10 s.
    pub statement_timeout: Duration,
    /// PostgreSQL: another URL for the connection that listens for changes, for when the first one leads through a
    /// pooler that cannot `LISTEN`.
    pub listen_url: Option<String>,
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self {
            max_connections: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            listen_url: None,
        }
    }
}

impl fmt::Debug for OpenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_connections, connect_timeout, statement_timeout, listen_url } = self;
        f.debug_struct("OpenConfig")
            .field("max_connections", max_connections)
            .field("connect_timeout", connect_timeout)
            .field("statement_timeout", statement_timeout)
            .field("listens_elsewhere", &listen_url.is_some())
            .finish()
    }
}

/// Which kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file on this machine.
    Sqlite,
    /// A server.
    Postgres,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// What [`Storage::migrate`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were applied now, in their order; none if the schema was up to date.
    pub applied: Vec<String>,
}

impl Storage {
    /// Opens a database that has been migrated: `sqlite:<path>`, `postgres://…` or `postgresql://…`. It is neither
    /// created nor migrated here.
    ///
    /// The parameters of a PostgreSQL URL are those of libpq. `sslmode` is `disable`, `prefer` (the default: encrypted
    /// if the server can, its certificate not looked at), `require` (encrypted, its certificate not looked at) or
    /// `verify-full` (encrypted, its certificate checked against the system's roots or the file `sslrootcert`); what
    /// cannot be honoured is refused.
    ///
    /// Work runs on the runtime that is current here if it is a multi-thread one, else on a small one of its own.
    pub async fn open(url: &str, config: OpenConfig) -> Result<Self, OpenError> {
        let url = DatabaseUrl::parse(url)?;
        let runtime = DatabaseRuntime::obtain()?;
        let handle = runtime.handle().clone();
        let inner = handle
            .spawn(async move {
                let (pools, feed, deadline) = match url {
                    DatabaseUrl::Postgres(url) => {
                        let server = Postgres::new(&url, &config)?;
                        let listener =
                            match config.listen_url.as_deref().map(DatabaseUrl::parse).transpose()? {
                                Some(DatabaseUrl::Postgres(url)) => Postgres::new(&url, &config)?,
                                Some(DatabaseUrl::Sqlite(_)) => return Err(refuse_listen_url()),
                                None => server.clone(),
                            };
                        let pools = server.pools(&config)?;
                        migration::check_schema(&pools).await?;
                        (pools, Feed::listen(listener), Some(config.statement_timeout.saturating_mul(2)))
                    }
                    DatabaseUrl::Sqlite(path) => {
                        if config.listen_url.is_some() {
                            return Err(refuse_listen_url());
                        }
                        if !path.is_file() {
                            return Err(OpenError::Missing { path: path.display().to_string() });
                        }
                        let file = Sqlite::new(path, config.statement_timeout);
                        let pools = file.pools(&config)?;
                        migration::check_schema(&pools).await?;
                        (pools, Feed::watch(file), None)
                    }
                };
                let reporting = Arc::new(Semaphore::new(1));
                Ok(Inner { pools, feed, deadline, reporting, runtime })
            })
            .await
            .map_err(|error| OpenError::Connect { source: error.into() })??;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Applies what the schema lacks, one caller at a time. A SQLite file is created, readable by its owner only; its
    /// folder must exist.
    pub async fn migrate(url: &str) -> Result<Migrated, OpenError> {
        let url = DatabaseUrl::parse(url)?;
        let runtime = DatabaseRuntime::obtain()?;
        let applied = runtime
            .handle()
            .spawn(migration::migrate(url))
            .await
            .map_err(|error| OpenError::Migration { source: error.into() })??;
        Ok(Migrated { applied })
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> Backend {
        match self.inner.pools {
            Pools::Postgres(_) => Backend::Postgres,
            Pools::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.read(|conn| {
            async move {
                on!(conn, c => diesel::select(1.into_sql::<Integer>()).get_result::<i32>(c))?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// One statement.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        self.run(Work::Statement, work).await
    }

    /// Several statements that see one state of the database.
    pub(crate) async fn read_snapshot<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        self.run(Work::Snapshot, work).await
    }

    /// A transaction, committed if `work` succeeds.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        self.run(Work::Write, work).await
    }

    /// The turn to write a report.
    pub(crate) async fn turn_to_report(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        Arc::clone(&self.inner.reporting).acquire_owned().await.map_err(StorageError::unavailable)
    }

    /// A unit of work in a task of its own: whoever waits for it may go away, it ends nevertheless.
    async fn run<T, F>(&self, kind: Work, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StorageError>> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let task = async move {
            match inner.deadline {
                Some(deadline) => tokio::time::timeout(deadline, inner.complete(kind, work))
                    .await
                    .unwrap_or_else(|elapsed| Err(StorageError::unavailable(elapsed))),
                None => inner.complete(kind, work).await,
            }
        };
        self.inner.runtime.handle().spawn(task).await.map_err(StorageError::unavailable)?
    }
}

impl Inner {
    async fn complete<T, F>(&self, kind: Work, work: F) -> Result<T, StorageError>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StorageError>>,
    {
        let mut checkout = self.pools.get(kind).await.map_err(StorageError::unavailable)?;
        let conn = checkout.conn();
        conn.begin(kind).await?;
        let outcome = work(conn).await;
        // Whenever this fails, the connection is closed on the way out, and the server rolls back.
        match &outcome {
            Ok(_) => conn.commit(kind).await?,
            Err(_) => {
                if conn.roll_back(kind).await.is_err() {
                    return outcome;
                }
            }
        }
        checkout.give_back();
        if kind == Work::Write && outcome.is_ok() {
            self.feed.wake();
        }
        outcome
    }
}

fn refuse_listen_url() -> OpenError {
    OpenError::InvalidUrl {
        reason: "a URL to listen on is for PostgreSQL, and is one of PostgreSQL".to_owned(),
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("backend", &self.backend()).finish_non_exhaustive()
    }
}
