//! A disk that keeps nothing: what it does not keep is not acknowledged.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use wardkey_core::SystemClock;

use super::DEADLINE;
use super::client::Client;
use super::nodes::{Cluster, Plan};
use super::site::Site;
use crate::shell::database::Database;
use crate::shell::process::Server;

/// How many writes are tried.
const WRITES: usize = 5;

/// Makes every attempt of these processes, and of those that they start, to write something to the disk for good fail.
struct BrokenDisk(Child);

impl BrokenDisk {
    async fn under(processes: &[u32]) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "trace=fsync,fdatasync,sync_file_range,msync"]);
        strace.args(["-e", "inject=fsync,fdatasync:error=EIO", "-o", "/dev/null"]);
        for process in processes {
            strace.args(["-p", &process.to_string()]);
        }
        let spawned = strace.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut strace =
            spawned.unwrap_or_else(|error| panic!("this test needs strace (Debian: strace): {error}"));
        // It says of each process when it has hold of it.
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let attached = async {
            while said.iter().filter(|line: &&String| line.contains("attached")).count() < processes.len() {
                said.push(lines.next_line().await.unwrap().expect("strace goes on"));
            }
        };
        let attached = timeout(DEADLINE, attached).await.is_ok();
        assert!(attached, "strace gets no hold of {processes:?}: {said:?}");
        // Whatever else it says must not stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self(strace)
    }

    async fn mend(mut self) {
        // Told so politely, it lets go of the processes.
        let id = self.0.id().expect("strace runs").to_string();
        std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
        timeout(DEADLINE, self.0.wait()).await.expect("strace ends").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_sqlite_could_not_write_to_the_disk() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let mut client = Client::new(server.address, &server.operator_key());
    let site = Site::make(&mut client, SystemClock::new()).await;
    let disk = BrokenDisk::under(&[server.id()]).await;
    refuses_writes(&mut client, &site).await;
    disk.mend().await;
    site.issue(&mut client).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_postgres_could_not_write_to_the_disk() {
    let plan = Plan { verifiers: 0, postgres: &["fsync=on", "wal_sync_method=fdatasync"], ..Plan::default() };
    let cluster = Cluster::start(plan).await;
    let mut client = cluster.admin();
    let site = Site::make(&mut client, SystemClock::new()).await;
    let disk = BrokenDisk::under(&cluster.postgres.processes()).await;
    refuses_writes(&mut client, &site).await;
    disk.mend().await;
}

async fn refuses_writes(client: &mut Client, site: &Site) {
    for _ in 0..WRITES {
        let body = json!({ "name": "Lost" });
        let answer = client.call("POST", &format!("{}/service-accounts", site.path), &body).await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status, 503, "{answer:?}");
    }
}
