//! Bringing a schema up to date, and telling whether it is.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::{ConnectionError, ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncMigrationHarness, RunQueryDsl as _, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{DatabaseUrl, Pools, Postgres, Sqlite, Work, on};
use crate::schema::__diesel_schema_migrations;
use crate::{OpenConfig, OpenError};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The schemas that this version works on, by their newest migration. They differ while an older version still runs
/// beside a newer one.
const OLDEST_SCHEMA: &str = "20261120180000";
const NEWEST_SCHEMA: &str = "20261120180000";

/// PostgreSQL's advisory lock for migrations: "wardkey" as a number.
const MIGRATION_LOCK: i64 = 0x77_61_72_64_6b_65_79;

/// How long to wait for another process that migrates the same file.
const SQLITE_PATIENCE: Duration = Duration::from_secs(30);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Applies what is missing. Runs on a multi-thread runtime.
pub(crate) async fn migrate(url: DatabaseUrl) -> Result<Vec<String>, OpenError> {
    match url {
        DatabaseUrl::Postgres(url) => migrate_postgres(Postgres::new(&url, &OpenConfig::default())?).await,
        DatabaseUrl::Sqlite(path) => {
            create_file(&path)?;
            let file = Sqlite::new(path, SQLITE_PATIENCE);
            tokio::task::spawn_blocking(move || migrate_sqlite(&file))
                .await
                .map_err(|error| OpenError::Migration { source: error.into() })?
        }
    }
}

async fn migrate_postgres(server: Postgres) -> Result<Vec<String>, OpenError> {
    let mut conn =
        server.connect_unlimited().await.map_err(|error| OpenError::Connect { source: error.into() })?;
    // It is the session's: closing the connection gives it back.
    conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        .await
        .map_err(|error| OpenError::Migration { source: error.into() })?;
    // A server's role need not be allowed to change the schema, which even looking for migrations would do.
    let newest = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .order(__diesel_schema_migrations::version.desc())
        .first::<String>(&mut conn)
        .await;
    if newest.is_ok_and(|version| version.as_str() >= NEWEST_SCHEMA) {
        return Ok(Vec::new());
    }
    apply(&mut AsyncMigrationHarness::new(conn), POSTGRES).map_err(|source| OpenError::Migration { source })
}

fn migrate_sqlite(file: &Sqlite) -> Result<Vec<String>, OpenError> {
    let mut conn = file.connect_blocking().map_err(|error| OpenError::Connect { source: error.into() })?;
    let migrated = conn
        .exclusive_transaction::<_, MigrationFailure, _>(|conn| Ok(apply(conn, SQLITE)?))
        .and_then(|applied| {
            // Persistent in the file; not possible inside the transaction.
            conn.batch_execute("PRAGMA journal_mode = WAL;")?;
            Ok(applied)
        });
    migrated.map_err(|MigrationFailure(source)| OpenError::Migration { source })
}

fn apply<DB: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<DB>,
    source: impl MigrationSource<DB>,
) -> Result<Vec<String>, Cause> {
    let mut applied = Vec::new();
    for migration in conn.pending_migrations(source)? {
        conn.run_migration(&*migration)?;
        applied.push(migration.name().to_string());
    }
    Ok(applied)
}

/// Makes the file, for its owner only, unless it is there.
fn create_file(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::InvalidUrl { reason: format!("{}: {error}", path.display()) }),
    }
}

/// Lets pass a schema that this version works on.
pub(crate) async fn check_schema(pools: &Pools) -> Result<(), OpenError> {
    let unreachable = |source: Cause| OpenError::Connect { source };
    let mut checkout = pools.get(Work::Statement).await.map_err(|error| unreachable(error.into()))?;
    let versions = on!(checkout.conn(), c => __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .order(__diesel_schema_migrations::version.desc())
        .limit(1)
        .load::<String>(c));
    checkout.give_back();
    let found = match versions {
        Ok(versions) => versions.into_iter().next(),
        // Both databases say which relation they miss.
        Err(diesel::result::Error::DatabaseError(_, info))
            if info.message().contains("__diesel_schema_migrations") =>
        {
            None
        }
        Err(error) => return Err(unreachable(error.into())),
    };
    match found {
        None => Err(OpenError::NotMigrated),
        Some(found) if *found < *OLDEST_SCHEMA => {
            Err(OpenError::SchemaTooOld { found, wanted: OLDEST_SCHEMA.to_owned() })
        }
        Some(found) if *found > *NEWEST_SCHEMA => {
            Err(OpenError::SchemaTooNew { found, wanted: NEWEST_SCHEMA.to_owned() })
        }
        Some(_) => Ok(()),
    }
}

/// Carries any cause through diesel's transaction.
struct MigrationFailure(Cause);

impl From<Cause> for MigrationFailure {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl From<diesel::result::Error> for MigrationFailure {
    fn from(error: diesel::result::Error) -> Self {
        Self(error.into())
    }
}

impl From<ConnectionError> for MigrationFailure {
    fn from(error: ConnectionError) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use diesel::migration::{Migration, MigrationSource};
    use diesel::pg::Pg;
    use diesel::sqlite::Sqlite;

    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations_and_the_newest_is_the_one_that_open_accepts() {
        let postgres: Vec<Box<dyn Migration<Pg>>> = POSTGRES.migrations().unwrap();
        let sqlite: Vec<Box<dyn Migration<Sqlite>>> = SQLITE.migrations().unwrap();
        let names: Vec<_> = postgres.iter().map(|migration| migration.name().to_string()).collect();
        assert_eq!(names, sqlite.iter().map(|migration| migration.name().to_string()).collect::<Vec<_>>());
        let newest = postgres.iter().map(|migration| migration.name().version().to_string()).max();
        assert_eq!(newest.as_deref(), Some(NEWEST_SCHEMA));
    }
}
