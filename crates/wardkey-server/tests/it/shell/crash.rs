//! What was acknowledged is there after `kill -9`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::database::Database;
use super::process::Server;

/// Kills per database: a few here, many in the soak.
fn rounds() -> usize {
    if std::env::var_os("WARDKEY_SOAK").is_some() { 40 } else { 3 }
}

/// What the server has acknowledged of a key, by its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledged {
    Issued,
    /// Asked to be revoked, and not answered: either may be true.
    Asked,
    Revoked,
}

type Ledger = Arc<Mutex<HashMap<String, Acknowledged>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_server_is_killed() {
    for database in Database::both().await {
        let ledger = Ledger::default();
        for round in 0..rounds() {
            let mut server = Server::start(&database, &[]).await;
            compare(&server, &ledger).await;
            clear(&server, &ledger).await;
            let demo = server.demo().await;
            let accounts = server.call("GET", &format!("{demo}/service-accounts"), "").await.json();
            let account = accounts["items"][0]["id"].as_str().unwrap().to_owned();
            let (count, mut counted) = watch::channel(0usize);
            let count = Arc::new(count);
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    let writer = Writer {
                        address: server.address,
                        key: server.operator_key(),
                        demo: demo.clone(),
                        account: account.clone(),
                    };
                    tokio::spawn(writer.write(Arc::clone(&ledger), Arc::clone(&count)))
                })
                .collect();
            // Each round is cut off at another point of the stream of writes.
            let enough = 5 + 3 * (round % 7);
            let reached = counted.wait_for(|acknowledged| *acknowledged >= enough);
            tokio::time::timeout(Duration::from_secs(60), reached).await.expect("writes go on").unwrap();
            server.kill().await;
            for writer in writers {
                writer.await.unwrap();
            }
        }
        let server = Server::start(&database, &[]).await;
        compare(&server, &ledger).await;
        assert!(ledger.lock().unwrap().len() >= rounds() * 3, "many keys were issued");
        server.stop().await;
    }
}

/// Whether the server knows what it acknowledged.
async fn compare(server: &Server, ledger: &Ledger) {
    let expected: Vec<_> =
        ledger.lock().unwrap().iter().map(|(secret, state)| (secret.clone(), *state)).collect();
    for (secret, state) in expected {
        let answer = server.call("POST", "/v1/verify", &json!({ "secret": secret }).to_string()).await.json();
        match state {
            Acknowledged::Issued => assert_eq!(answer["valid"], true, "an issued key is gone: {answer}"),
            Acknowledged::Revoked => {
                assert_eq!(answer["code"], "key_revoked", "a revocation is gone: {answer}");
            }
            Acknowledged::Asked => {
                assert!(answer["valid"] == true || answer["code"] == "key_revoked", "{answer}");
            }
        }
    }
}

/// Makes room under the limit of ten: whatever is active is revoked.
async fn clear(server: &Server, ledger: &Ledger) {
    let demo = server.demo().await;
    let keys = server.call("GET", &format!("{demo}/keys?status=active&limit=100"), "").await.json();
    for key in keys["items"].as_array().unwrap() {
        let path = format!("{demo}/keys/{}/revoke", key["id"].as_str().unwrap());
        assert_eq!(server.call("POST", &path, "{}").await.status, 200);
    }
    ledger.lock().unwrap().values_mut().for_each(|state| *state = Acknowledged::Revoked);
}

struct Writer {
    address: SocketAddr,
    key: String,
    demo: String,
    account: String,
}

impl Writer {
    /// Issues and revokes keys until the server is gone.
    async fn write(self, ledger: Ledger, count: Arc<watch::Sender<usize>>) {
        let body = json!({
            "name": "crash",
            "principal": { "type": "service_account", "id": self.account },
            "permissions": ["pipelines:read"],
            "workspaces": { "access": "all" },
        });
        let note = |secret: &str, state| {
            ledger.lock().unwrap().insert(secret.to_owned(), state);
        };
        while let Some(issued) = self.post(&format!("{}/keys", self.demo), &body).await {
            let secret = issued["secret"].as_str().unwrap_or_else(|| panic!("no key but {issued}"));
            note(secret, Acknowledged::Issued);
            count.send_modify(|count| *count += 1);
            let path = format!("{}/keys/{}/revoke", self.demo, issued["key"]["id"].as_str().unwrap());
            note(secret, Acknowledged::Asked);
            if self.post(&path, &json!({})).await.is_none() {
                return;
            }
            note(secret, Acknowledged::Revoked);
            count.send_modify(|count| *count += 1);
        }
    }

    /// The whole answer, or nothing: half an answer acknowledges nothing.
    async fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let (key, body) = (&self.key, body.to_string());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}
