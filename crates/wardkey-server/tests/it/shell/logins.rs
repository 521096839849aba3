//! Many people log in at once.

use std::time::{Duration, Instant};

use super::database::Database;
use super::process::{Answer, Server};

/// More than there are places, so that the queue is full.
const LOGINS: usize = 100;

/// By how much the memory of the server may grow while passwords are hashed, in MiB for each that is hashed at once; one
/// takes 19.
const MEMORY_FOR_EACH: usize = 24;
/// And by how much for all that waits and is answered, in MiB.
const MEMORY_FOR_ALL: usize = 32;

/// An answer to each login, none a mistake of the server; others are served meanwhile, and memory is bounded. How long
/// others wait is measured and, in the soak, held to twice what they wait when nobody logs in.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_people_who_log_in_at_once_leave_room_for_others() {
    let soak = std::env::var_os("WARDKEY_SOAK").is_some();
    for database in Database::both().await {
        let server = Server::start(&database, &["--trusted-proxy", "127.0.0.1"]).await;
        let idle = median(&measure(&server, if soak { 400 } else { 20 }).await);
        let memory_before = server.resident_mib();

        let logins = async {
            let all = (0..LOGINS).map(|index| login(&server, index));
            futures_util::future::join_all(all).await
        };
        let others = async {
            let mut waits = Vec::new();
            let mut memory = 0;
            for _ in 0..if soak { 20 } else { 2 } {
                waits.extend(measure(&server, 10).await);
                memory = memory.max(server.resident_mib());
            }
            (waits, memory)
        };
        let (answers, (waits, memory)) = tokio::join!(logins, others);

        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&401), "some are looked at");
        for refused in answers.iter().filter(|answer| answer.status == 503) {
            assert_eq!(refused.json()["code"], "overloaded");
            assert!(refused.header("retry-after").is_some());
        }
        let at_once = (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1);
        let most = memory_before + at_once * MEMORY_FOR_EACH + MEMORY_FOR_ALL;
        assert!(memory <= most, "{memory} MiB, before {memory_before} MiB");
        let ratio = median(&waits).as_secs_f64() / idle.as_secs_f64();
        println!(
            "while {LOGINS} people log in, others wait {ratio:.2} times as long; memory {memory_before} to {memory} MiB"
        );
        assert!(!soak || ratio <= 2.0, "{ratio:.2}");
        server.stop().await;
    }
}

/// Somebody whom nobody knows, at an address of their own: the same work as for anybody else.
async fn login(server: &Server, index: usize) -> Answer {
    let body = format!(r#"{{"email": "person{index}@example.com", "password": "seven green bicycles"}}"#);
    server
        .send(format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.{index}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
        .await
}

/// How long so many requests take, one after the other.
#[expect(clippy::disallowed_methods, reason = "what is measured is the time that passes")]
async fn measure(server: &Server, requests: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..requests {
        let start = Instant::now();
        assert_eq!(server.call("GET", "/v1/me", "").await.status, 200);
        waits.push(start.elapsed());
    }
    waits
}

fn median(waits: &[Duration]) -> Duration {
    let mut waits = waits.to_vec();
    waits.sort_unstable();
    waits[waits.len() / 2]
}
