//! What stands in the tables, read past everything: to see that nothing changed, or whose rows did.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rusqlite::{Connection, OpenFlags};
use tokio_postgres::{Client, NoTls};

/// What verifiers report and failed logins count, which is no business of whoever asks.
const PASSED_OVER: [&str; 5] =
    ["usage", "last_used", "instances", "login_attempts", "__diesel_schema_migrations"];

/// Likewise.
const PASSED_OVER_COLUMNS: [(&str, &str); 1] = [("sessions", "last_used_at")];

/// A connection of the test's own to a database, whichever it is.
pub(crate) struct Dump {
    database: Database,
    /// Every row of every table.
    statement: String,
}

enum Database {
    File(Mutex<Connection>),
    Server(Client),
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) table: String,
    /// Whose row it is, in hexadecimal digits; `None` for what belongs to no tenant.
    pub(crate) organization: Option<String>,
    pub(crate) text: String,
}

pub(crate) type Rows = BTreeSet<Row>;

impl Dump {
    /// Of the database at this URL, which is migrated.
    pub(crate) async fn of(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::of_file(path),
            None => Self::of_server(url).await,
        }
    }

    fn of_file(path: &str) -> Self {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let columns = connection
            .prepare(
                "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                 WHERE t.type = 'table' ORDER BY t.name, c.cid",
            )
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let statement = statement(columns, |id| format!("lower(hex({id}))"), quote_on_sqlite);
        Self { database: Database::File(Mutex::new(connection)), statement }
    }

    async fn of_server(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let columns = client
            .query(
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
                &[],
            )
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let statement = statement(columns, |id| format!("replace({id}::text, '-', '')"), quote_on_postgres);
        Self { database: Database::Server(client), statement }
    }

    /// Everything that stands there now, but for what changes by itself.
    pub(crate) async fn rows(&self) -> Rows {
        match &self.database {
            Database::File(connection) => {
                let connection = connection.lock().unwrap();
                let mut statement = connection.prepare(&self.statement).unwrap();
                let rows = statement.query_map([], |row| {
                    Ok(Row { table: row.get(0)?, organization: row.get(1)?, text: row.get(2)? })
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
            Database::Server(client) => {
                let rows = client.query(&self.statement, &[]).await.unwrap();
                let row = |row: tokio_postgres::Row| Row {
                    table: row.get(0),
                    organization: row.get(1),
                    text: row.get(2),
                };
                rows.into_iter().map(row).collect()
            }
        }
    }

    /// Changes something past every rule.
    pub(crate) async fn execute(&self, statement: &str) {
        match &self.database {
            Database::File(connection) => connection.lock().unwrap().execute_batch(statement).unwrap(),
            Database::Server(client) => client.batch_execute(statement).await.unwrap(),
        }
    }
}

/// What is in one and not in the other, for a message.
pub(crate) fn difference(before: &Rows, after: &Rows) -> String {
    let gone = before.difference(after).map(|row| format!("- {row:?}"));
    let come = after.difference(before).map(|row| format!("+ {row:?}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

/// One statement for all tables: name, organization, row.
fn statement(
    columns: Vec<(String, String)>,
    id: impl Fn(&str) -> String,
    quote: impl Fn(&[&str]) -> String,
) -> String {
    let tables: BTreeSet<&str> = columns.iter().map(|(table, _)| table.as_str()).collect();
    let selects = tables.into_iter().filter(|table| !PASSED_OVER.contains(table)).map(|table| {
        let names: Vec<&str> = columns
            .iter()
            .filter(|(of, name)| of == table && !PASSED_OVER_COLUMNS.contains(&(table, name)))
            .map(|(_, name)| name.as_str())
            .collect();
        let owner = match table {
            "organizations" => id("t.id"),
            "secrets" => id("(SELECT organization_id FROM keys WHERE id = t.key_id)"),
            _ if names.contains(&"organization_id") => id("t.organization_id"),
            _ => "NULL".to_owned(),
        };
        let owner = format!("CAST({owner} AS TEXT)");
        format!("SELECT CAST('{table}' AS TEXT), {owner}, {} FROM {table} t", quote(&names))
    });
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}

fn quote_on_sqlite(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}=' || quote(t.{name})")).collect();
    quoted.join(" || ', ' || ")
}

fn quote_on_postgres(names: &[&str]) -> String {
    let quoted: Vec<_> =
        names.iter().map(|name| format!("'{name}=' || coalesce(t.{name}::text, 'NULL')")).collect();
    quoted.join(" || ', ' || ")
}
