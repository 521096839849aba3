//! A deployment of several processes: one that administers and others that verify, each on a link of its own to one
//! PostgreSQL.

#![expect(clippy::print_stdout, reason = "what was measured is for whoever looks")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::NoTls;
use wardkey_testkit::{Link, OwnPostgres, Protocol, Relay};

use super::client::Client;
use crate::shell::process::{Server, command_in};

/// They measure time, and several at once would measure each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// What the nodes connect with.
const PASSWORD: &str = "first-password";

pub(super) struct Cluster {
    /// The first one administers.
    pub(super) nodes: Vec<Node>,
    pub(super) postgres: OwnPostgres,
    /// The first operator key.
    pub(super) key: String,
    settings: &'static [&'static str],
    _folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// A process, and its link to the database.
pub(super) struct Node {
    pub(super) server: Server,
    pub(super) link: Relay,
    folder: PathBuf,
    arguments: Vec<String>,
}

/// How a deployment is made.
pub(super) struct Plan {
    /// How many verify besides the one that administers.
    pub(super) verifiers: usize,
    /// How old the knowledge of changes may be.
    pub(super) max_stale_seconds: u64,
    /// Settings of the database.
    pub(super) postgres: &'static [&'static str],
}

impl Default for Plan {
    fn default() -> Self {
        Self { verifiers: 3, max_stale_seconds: 60, postgres: &["fsync=off"] }
    }
}

impl Cluster {
    pub(super) async fn start(plan: Plan) -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let folder = TempDir::new().unwrap();
        let seal = folder.path().join("seal");
        fs::write(&seal, [7; 32]).unwrap();
        fs::set_permissions(&seal, fs::Permissions::from_mode(0o600)).unwrap();

        let postgres = OwnPostgres::new();
        postgres.start_with(plan.postgres);
        superuser(&postgres)
            .await
            .batch_execute(&format!(
                "SET password_encryption = 'scram-sha-256'; CREATE ROLE wardkey LOGIN PASSWORD '{PASSWORD}'"
            ))
            .await
            .unwrap();
        superuser(&postgres).await.batch_execute("CREATE DATABASE wardkey OWNER wardkey").await.unwrap();
        postgres
            .let_in(&["host all postgres 127.0.0.1/32 trust", "host all wardkey 127.0.0.1/32 scram-sha-256"]);

        let start = async |index: usize| Node::start(folder.path(), index, &seal, &postgres, &plan).await;
        // The first one makes the deployment.
        let admin = start(0).await;
        let key = admin.server.operator_key();
        let mut nodes = vec![admin];
        nodes.extend(join_all((1..=plan.verifiers).map(start)).await);
        Self { nodes, postgres, key, settings: plan.postgres, _folder: folder, _alone: alone }
    }

    /// Starts the database anew, as it was started first.
    pub(super) fn start_postgres(&self) {
        self.postgres.start_with(self.settings);
    }

    /// Starts a process anew that has ended, at another address.
    pub(super) async fn restart(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.server = spawn(&node.folder, &node.arguments).await;
    }

    pub(super) fn admin(&self) -> Client {
        self.nodes[0].client(&self.key)
    }

    /// Those that only verify.
    pub(super) fn verifiers(&self) -> &[Node] {
        &self.nodes[1..]
    }

    /// Changes the link of each verifier to the database.
    pub(super) fn switch_verifiers(&self, link: Link) {
        self.verifiers().iter().for_each(|node| node.link.switch(link));
    }

    /// Whoever may do anything with the deployment's database.
    pub(super) async fn superuser(&self) -> tokio_postgres::Client {
        connect(&format!("postgres://postgres@127.0.0.1:{}/wardkey", self.postgres.port())).await.unwrap()
    }

    /// Lets the nodes have so many connections, any number if it is negative, and ends those that they have.
    pub(super) async fn limit_connections(&self, most: i32) {
        let superuser = self.superuser().await;
        let statement = format!("ALTER ROLE wardkey CONNECTION LIMIT {most}");
        superuser.batch_execute(&statement).await.unwrap();
        disconnect_nodes(&superuser).await;
    }

    /// Gives the nodes' role this password, and ends their connections.
    pub(super) async fn change_password(&self, change: PasswordChange) {
        let password = match change {
            PasswordChange::ToAnother => "another-password",
            PasswordChange::Back => PASSWORD,
        };
        let statement = format!("ALTER ROLE wardkey PASSWORD '{password}'");
        let superuser = self.superuser().await;
        superuser.batch_execute(&statement).await.unwrap();
        disconnect_nodes(&superuser).await;
    }
}

impl Drop for Cluster {
    /// A failed test shows what the nodes said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (index, node) in self.nodes.iter().enumerate() {
                println!("--- node {index}\n{}", node.server.said());
            }
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum PasswordChange {
    ToAnother,
    Back,
}

impl Node {
    async fn start(folder: &Path, index: usize, seal: &Path, postgres: &OwnPostgres, plan: &Plan) -> Self {
        let folder = folder.join(format!("node-{index}"));
        fs::create_dir(&folder).unwrap();
        let database = SocketAddr::from(([127, 0, 0, 1], postgres.port()));
        let link = Relay::to(database, Protocol::Postgres).await;
        let (url, max_stale) = (url(link.address()), plan.max_stale_seconds.to_string());
        let arguments = [
            ["--database-url", &url],
            ["--seal-file", seal.to_str().unwrap()],
            ["--max-stale-seconds", &max_stale],
        ];
        let arguments: Vec<_> = arguments.concat().into_iter().map(str::to_owned).collect();
        let server = spawn(&folder, &arguments).await;
        Self { server, link, folder, arguments }
    }

    pub(super) fn client(&self, key: &str) -> Client {
        Client::new(self.server.address, key)
    }
}

async fn spawn(folder: &Path, arguments: &[String]) -> Server {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Server::spawn(folder, command_in(folder, &arguments)).await
}

/// Ends every connection of the nodes' role.
async fn disconnect_nodes(superuser: &tokio_postgres::Client) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'wardkey'";
    superuser.query_one(end, &[]).await.unwrap();
}

/// A connection that ends when it is dropped.
async fn connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn superuser(postgres: &OwnPostgres) -> tokio_postgres::Client {
    connect(&postgres.url()).await.unwrap()
}

fn url(address: SocketAddr) -> String {
    format!("postgres://wardkey:{PASSWORD}@{address}/wardkey?sslmode=disable")
}
