//! What was acknowledged is there after `kill -9`, be it of the server or of PostgreSQL.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wardkey_core::SystemClock;

use super::client::{Client, Verdict};
use super::nodes::{Cluster, Plan};
use super::site::Site;
use super::{DEADLINE, soaking};
use crate::shell::database::Database;
use crate::shell::process::Server;

/// How many write at once.
const WRITERS: usize = 50;

/// Kills per database: a few here, many in the soak.
fn rounds() -> usize {
    if soaking() { 100 } else { 5 }
}

/// What the server has acknowledged of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    Issued,
    /// Asked to be revoked, and not answered: either may be true.
    Asked,
    Revoked,
}

impl Acknowledged {
    fn allows(self, verdict: &Verdict) -> bool {
        let (granted, revoked) = (*verdict == Verdict::Granted, *verdict == Verdict::refused("key_revoked"));
        match self {
            Self::Issued => granted,
            Self::Revoked => revoked,
            Self::Asked => granted || revoked,
        }
    }
}

/// By secret.
type Ledger = Arc<Mutex<HashMap<String, Acknowledged>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_server_on_sqlite_is_killed() {
    let database = Database::sqlite();
    let mut server = Server::start(&database, &[]).await;
    let key = server.operator_key();
    let site = Site::make(&mut Client::new(server.address, &key), SystemClock::new()).await;
    let mut all = HashMap::new();
    for round in 0..rounds() {
        let mut writing = Writing::begin(server.address, &key, &site, round).await;
        server.kill().await;
        let written = writing.end().await;
        server = Server::start(&database, &[]).await;
        compare(server.address, &key, &written).await;
        all.extend(written);
    }
    compare(server.address, &key, &all).await;
    println!("SQLite: {} keys written over {} kills, none lost", all.len(), rounds());
    server.stop().await;
}

/// The server and PostgreSQL are killed in turn. A server that outlives PostgreSQL is compared too: it must not go on by
/// what it remembers.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_server_or_postgres_is_killed() {
    let plan = Plan { verifiers: 1, postgres: &["fsync=on"], ..Plan::default() };
    let mut cluster = Cluster::start(plan).await;
    let site = Site::make(&mut cluster.admin(), SystemClock::new()).await;
    let mut all = HashMap::new();
    for round in 0..rounds() {
        let address = cluster.nodes[0].server.address;
        let mut writing = Writing::begin(address, &cluster.key, &site, round).await;
        if round % 2 == 0 {
            cluster.postgres.kill();
            cluster.start_postgres();
        } else {
            cluster.nodes[0].server.kill().await;
        }
        let written = writing.end().await;
        if round % 2 == 1 {
            cluster.restart(0).await;
        }
        for node in &cluster.nodes {
            compare(node.server.address, &cluster.key, &written).await;
        }
        all.extend(written);
    }
    // By a process that remembers nothing.
    cluster.nodes[1].server.kill().await;
    cluster.restart(1).await;
    compare(cluster.nodes[1].server.address, &cluster.key, &all).await;
    println!("PostgreSQL: {} keys written over {} kills, none lost", all.len(), rounds());
}

/// Whether the server knows what was acknowledged.
async fn compare(address: SocketAddr, key: &str, ledger: &HashMap<String, Acknowledged>) {
    let mut client = Client::new(address, key);
    for (secret, acknowledged) in ledger {
        let verdict = async {
            loop {
                match client.verify(secret, &[]).await {
                    // The database has just come back.
                    Some(Verdict::Unavailable) | None => tokio::task::yield_now().await,
                    Some(verdict) => return verdict,
                }
            }
        };
        let verdict = timeout(DEADLINE, verdict).await.expect("a verdict");
        assert!(acknowledged.allows(&verdict), "{acknowledged:?} and acknowledged, and now {verdict:?}");
    }
}

/// Many who write at once.
struct Writing {
    ledger: Ledger,
    writers: JoinSet<()>,
}

impl Writing {
    /// Returns when they have written for a while: each round is cut off at another point of the stream of writes.
    async fn begin(address: SocketAddr, key: &str, site: &Site, round: usize) -> Self {
        let ledger = Ledger::default();
        let (count, mut counted) = watch::channel(0usize);
        let count = Arc::new(count);
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let writer = Writer {
                client: Client::new(address, key),
                path: format!("{}/keys", site.path),
                body: site.key_body(),
                ledger: Arc::clone(&ledger),
                count: Arc::clone(&count),
            };
            writers.spawn(writer.write());
        }
        let enough = 20 + 13 * (round % 7);
        let reached = counted.wait_for(|acknowledged| *acknowledged >= enough);
        timeout(DEADLINE, reached).await.expect("writes go on").unwrap();
        Self { ledger, writers }
    }

    /// What was acknowledged until everybody met an end.
    async fn end(&mut self) -> HashMap<String, Acknowledged> {
        let all = async { while self.writers.join_next().await.is_some_and(|writer| writer.is_ok()) {} };
        timeout(DEADLINE, all).await.expect("everybody meets an end");
        assert!(self.writers.is_empty(), "a writer met something else");
        std::mem::take(&mut *self.ledger.lock().unwrap())
    }
}

struct Writer {
    client: Client,
    path: String,
    body: Value,
    ledger: Ledger,
    count: Arc<watch::Sender<usize>>,
}

impl Writer {
    /// Issues and revokes keys until something is not acknowledged.
    async fn write(mut self) {
        loop {
            let (path, body) = (self.path.clone(), self.body.clone());
            let Some(issued) = self.post(&path, &body).await else { return };
            let secret = issued["secret"].as_str().unwrap_or_else(|| panic!("no key but {issued}"));
            self.note(secret, Acknowledged::Issued);
            self.count.send_modify(|count| *count += 1);
            let revoke = format!("{path}/{}/revoke", issued["key"]["id"].as_str().unwrap());
            self.note(secret, Acknowledged::Asked);
            if self.post(&revoke, &json!({})).await.is_none() {
                return;
            }
            self.note(secret, Acknowledged::Revoked);
            self.count.send_modify(|count| *count += 1);
        }
    }

    async fn post(&mut self, path: &str, body: &Value) -> Option<Value> {
        let answer = self.client.call("POST", path, body).await?;
        let acknowledged = (200..300).contains(&answer.status);
        // An outage acknowledges nothing; anything else would be a mistake of the server.
        assert!(acknowledged || answer.status == 503, "{answer:?}");
        acknowledged.then(|| answer.json())
    }

    fn note(&self, secret: &str, acknowledged: Acknowledged) {
        self.ledger.lock().unwrap().insert(secret.to_owned(), acknowledged);
    }
}
