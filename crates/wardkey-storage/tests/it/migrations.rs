use std::collections::BTreeSet;
use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use wardkey_storage::{Backend, Storage};

use crate::database::{Database, connect, on_both};
use crate::world::World;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Every migration, in order.
pub(crate) const MIGRATIONS: [&str; 3] =
    ["2026-11-20-090000_initial", "2026-11-20-140000_tenancy_and_people", "2026-11-20-180000_verification"];

fn connect_sqlite(database: &Database) -> SqliteConnection {
    SqliteConnection::establish(database.url.trim_start_matches("sqlite:")).expect("the file opens")
}

/// Runs SQL past the storage.
pub(crate) async fn execute(database: &Database, sql: &str) {
    match database.backend {
        Backend::Sqlite => connect_sqlite(database).batch_execute(sql).expect("it runs"),
        Backend::Postgres => connect(&database.url).await.batch_execute(sql).await.expect("it runs"),
    }
}

/// A number that a query of ours gives.
pub(crate) async fn sum(world: &World, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }

    let sql = format!("SELECT CAST(({sql}) AS BIGINT) AS number");
    match world.storage.backend() {
        Backend::Sqlite => {
            let path = world.url.trim_start_matches("sqlite:");
            let mut conn = SqliteConnection::establish(path).expect("the file opens");
            diesel::sql_query(sql).get_result::<Row>(&mut conn).expect("a number").number
        }
        Backend::Postgres => connect(&world.url).await.query_one(&sql, &[]).await.expect("a number").get(0),
    }
}

async fn revert(database: &Database) {
    match database.backend {
        Backend::Sqlite => {
            connect_sqlite(database).revert_all_migrations(SQLITE).expect("down");
        }
        Backend::Postgres => {
            use diesel_async::AsyncConnection as _;
            let conn = diesel_async::AsyncPgConnection::establish(&database.url).await.expect("it connects");
            diesel_async::AsyncMigrationHarness::new(conn).revert_all_migrations(POSTGRES).expect("down");
        }
    }
}

/// Tables with columns and nullability, and indexes with columns, kind and order: what both dialects must agree on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    columns: BTreeSet<(String, i64, String, bool)>,
    indexes: BTreeSet<(String, String, bool)>,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    columns: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
}

const SQLITE_COLUMNS: &str = "
    SELECT t.name AS owner, c.cid + 1 AS place, c.name AS name, NOT c.\"notnull\" AS nullable
    FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'";
// A primary key that is the row's own number has no index there; it is listed from the table.
const SQLITE_INDEXES: &str = "
    SELECT t.name AS owner, i.\"unique\" AS is_unique,
        (SELECT group_concat(name) FROM (SELECT c.name FROM pragma_index_info(i.name) c ORDER BY c.seqno)) AS columns
    FROM sqlite_schema t, pragma_index_list(t.name) i
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
    UNION
    SELECT t.name, 1,
        (SELECT group_concat(name) FROM (SELECT c.name FROM pragma_table_info(t.name) c WHERE c.pk > 0 ORDER BY c.pk))
    FROM sqlite_schema t
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'";
const POSTGRES_COLUMNS: &str = "
    SELECT table_name::text, ordinal_position::bigint, column_name::text, is_nullable = 'YES'
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%'";
const POSTGRES_INDEXES: &str = "
    SELECT t.relname::text,
        (SELECT string_agg(a.attname, ',' ORDER BY k.place)
         FROM unnest(i.indkey) WITH ORDINALITY k (attnum, place)
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum),
        i.indisunique
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_diesel%'";

async fn schema(database: &Database) -> Schema {
    match database.backend {
        Backend::Sqlite => {
            let mut conn = connect_sqlite(database);
            let columns: Vec<ColumnRow> = diesel::sql_query(SQLITE_COLUMNS).load(&mut conn).expect("columns");
            let indexes: Vec<IndexRow> = diesel::sql_query(SQLITE_INDEXES).load(&mut conn).expect("indexes");
            Schema {
                columns: columns
                    .into_iter()
                    .map(|row| (row.owner, row.place, row.name, row.nullable))
                    .collect(),
                indexes: indexes.into_iter().map(|row| (row.owner, row.columns, row.is_unique)).collect(),
            }
        }
        Backend::Postgres => {
            let client = connect(&database.url).await;
            let columns = client.query(POSTGRES_COLUMNS, &[]).await.expect("columns");
            let indexes = client.query(POSTGRES_INDEXES, &[]).await.expect("indexes");
            Schema {
                columns: columns.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect(),
                indexes: indexes.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
            }
        }
    }
}

async fn up_down_and_up_again_end_where_they_began(database: Arc<Database>) {
    let first = Storage::migrate(&database.url).await.unwrap();
    let up = schema(&database).await;
    assert!(up.columns.len() > 100 && !up.indexes.is_empty());
    revert(&database).await;
    assert_eq!(schema(&database).await, Schema::default(), "down leaves nothing behind");
    assert_eq!(Storage::migrate(&database.url).await.unwrap(), first);
    assert_eq!(schema(&database).await, up);
    World::bootstrapped(&database).await;
}
on_both!(empty up_down_and_up_again_end_where_they_began);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_dialects_have_the_same_tables_columns_and_indexes() {
    let (lite, server) = (Database::sqlite(), Database::postgres().await);
    Storage::migrate(&lite.url).await.unwrap();
    let expected = schema(&lite).await;
    let body = {
        let server = Arc::clone(&server);
        async move {
            Storage::migrate(&server.url).await.unwrap();
            assert_eq!(schema(&server).await, expected);
        }
    };
    crate::database::run(server, body).await;
}

async fn several_that_migrate_at_once_apply_each_migration_once(database: Arc<Database>) {
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { Storage::migrate(&database.url).await })
        })
        .collect();
    let mut applied = Vec::new();
    for run in runs {
        applied.extend(run.await.unwrap().expect("it waits for its turn").applied);
    }
    applied.sort();
    assert_eq!(applied, MIGRATIONS);
}
on_both!(empty several_that_migrate_at_once_apply_each_migration_once);

async fn a_row_cannot_refer_to_another_tenants(database: Arc<Database>) {
    let world = World::bootstrapped(&database).await;
    let other = world.tenant().await;
    let bytes = |id: &dyn Fn() -> [u8; 16]| id().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let literal = |hex: String| match database.backend {
        Backend::Sqlite => format!("x'{hex}'"),
        Backend::Postgres => format!("'{hex}'::uuid"),
    };
    let foreign = literal(bytes(&|| wardkey_core::Id::to_bytes(other.account)));
    let own = literal(bytes(&|| wardkey_core::Id::to_bytes(world.account)));
    let (key, _) = world.issued().await;
    let key = literal(bytes(&|| wardkey_core::Id::to_bytes(key.id)));
    let update = |account: &str| format!("UPDATE keys SET service_account_id = {account} WHERE id = {key}");
    let attempt = |sql: String| {
        let database = Arc::clone(&database);
        tokio::spawn(async move { execute(&database, &format!("{}{sql}", pragma(&database))).await })
    };
    attempt(update(&own)).await.expect("one's own");
    assert!(attempt(update(&foreign)).await.is_err(), "the database itself refuses");
}
on_both!(empty a_row_cannot_refer_to_another_tenants);

fn pragma(database: &Database) -> &'static str {
    if database.backend == Backend::Sqlite { "PRAGMA foreign_keys = ON; " } else { "" }
}
