//! Connections to either database, and what runs on them.

mod postgres;
mod runtime;
mod sqlite;
mod url;

use diesel::connection::AnsiTransactionManager as SyncTransactions;
use diesel_async::pg::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AnsiTransactionManager, AsyncConnection, TransactionManager};

pub(crate) use postgres::Postgres;
pub(crate) use runtime::DatabaseRuntime;
pub(crate) use sqlite::Sqlite;
pub(crate) use url::DatabaseUrl;

pub(crate) type SqliteConnection = SyncConnectionWrapper<diesel::SqliteConnection>;

/// Runs a query on whichever connection it is: the query is written once and compiled for both.
macro_rules! on {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::connection::Conn::Postgres(object) => {
                let $c = &mut **object;
                $query.await
            }
            $crate::connection::Conn::Sqlite(object) => {
                let $c = &mut **object;
                $query.await
            }
        }
    };
}
pub(crate) use on;

/// A connection out of a pool.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time in a task that waits for the network or the disk"
)]
pub(crate) enum Conn {
    Postgres(Object<AsyncPgConnection>),
    Sqlite(Object<SqliteConnection>),
}

/// What kind of unit of work a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// One statement, which is its own snapshot.
    Statement,
    /// Several statements that see one state of the database and change nothing.
    Snapshot,
    /// A transaction that writes.
    Write,
}

impl Conn {
    pub(crate) async fn begin(&mut self, work: Work) -> diesel::QueryResult<()> {
        let (postgres, sqlite) = match work {
            Work::Statement => return Ok(()),
            Work::Snapshot => ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "BEGIN DEFERRED"),
            Work::Write => ("BEGIN ISOLATION LEVEL READ COMMITTED", "BEGIN IMMEDIATE"),
        };
        match self {
            Self::Postgres(conn) => {
                AnsiTransactionManager::begin_transaction_sql(&mut **conn, postgres).await
            }
            Self::Sqlite(conn) => {
                conn.spawn_blocking(move |conn| SyncTransactions::begin_transaction_sql(conn, sqlite)).await
            }
        }
    }

    pub(crate) async fn commit(&mut self, work: Work) -> diesel::QueryResult<()> {
        if work == Work::Statement {
            return Ok(());
        }
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::commit_transaction(&mut **conn).await,
            Self::Sqlite(conn) => {
                <SqliteConnection as AsyncConnection>::TransactionManager::commit_transaction(&mut **conn)
                    .await
            }
        }
    }

    pub(crate) async fn roll_back(&mut self, work: Work) -> diesel::QueryResult<()> {
        if work == Work::Statement {
            return Ok(());
        }
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::rollback_transaction(&mut **conn).await,
            Self::Sqlite(conn) => {
                <SqliteConnection as AsyncConnection>::TransactionManager::rollback_transaction(&mut **conn)
                    .await
            }
        }
    }

    /// Closes the connection instead of giving it back.
    fn discard(self) {
        match self {
            Self::Postgres(conn) => drop(Object::take(conn)),
            Self::Sqlite(conn) => drop(Object::take(conn)),
        }
    }
}

/// A connection in use. It goes back to its pool when that is said, in a known state; if its work ends in any other
/// way (a panic, a deadline, a failed commit), it is closed, and with it whatever it had begun.
pub(crate) struct Checkout(Option<Conn>);

impl Checkout {
    pub(crate) fn conn(&mut self) -> &mut Conn {
        self.0.as_mut().expect("the connection is there until it is given back")
    }

    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            conn.discard();
        }
    }
}

/// The pools of a database.
#[derive(Clone)]
pub(crate) enum Pools {
    Postgres(Pool<AsyncPgConnection>),
    Sqlite { writer: Pool<SqliteConnection>, readers: Pool<SqliteConnection> },
}

impl Pools {
    pub(crate) async fn get(&self, work: Work) -> Result<Checkout, PoolError> {
        let conn = match self {
            Self::Postgres(pool) => Conn::Postgres(pool.get().await?),
            Self::Sqlite { writer, .. } if work == Work::Write => Conn::Sqlite(writer.get().await?),
            Self::Sqlite { readers, .. } => Conn::Sqlite(readers.get().await?),
        };
        Ok(Checkout(Some(conn)))
    }
}
