//! Somebody presents keys that do not exist, each a new one.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use wardkey_core::{Clock as _, OsRandom, SecretStart, SystemClock};

use super::client::{Client, Verdict};
use super::load::{Load, Question};
use super::nodes::{Cluster, Node, Plan};
use super::site::{NEEDED, Site, done};
use super::{DEADLINE, describe, soaking, within};

/// By how much the memory of a node may grow, in MiB, however many unknown keys it is shown: it remembers 100 000 of them.
const MEMORY: usize = 64;

/// How many connections present keys.
const CONNECTIONS: usize = 4;

/// How many keys in all: few here, as each is looked up by a server that is not optimised.
fn keys() -> usize {
    if soaking() { 10_000_000 } else { 4_000 }
}

/// Memory is bounded, the feed has its connection, and a good key is not refused. How long it waits is measured and, in the
/// soak, held to twice what it waits when the others present good keys too.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_costs_bounded_memory_and_neither_good_keys_nor_the_feed() {
    let cluster = Cluster::start(Plan { verifiers: 1, ..Plan::default() }).await;
    let clock = SystemClock::new();
    let mut admin = cluster.admin();
    let site = Site::make(&mut admin, clock).await;
    let (_, good) = site.issue(&mut admin).await;
    let (id, revoked) = site.issue(&mut admin).await;
    let node = &cluster.verifiers()[0];

    let usual = Load::on(node, &cluster.key, clock, 1);
    usual.add(1, Question { secret: good.clone(), permissions: NEEDED });
    flood(node, &cluster.key, keys() / 4, Presented::One(good.clone())).await;
    let before = node.server.resident_mib();
    let usual = usual.heard(1).took;

    let load = Load::on(node, &cluster.key, clock, 1);
    for (number, secret) in [(1, &good), (2, &revoked)] {
        load.add(number, Question { secret: secret.clone(), permissions: NEEDED });
    }
    within(DEADLINE, "a good key is granted", async || load.heard(2).settled_on(&Verdict::Granted)).await;
    let flooding = flood(node, &cluster.key, keys(), Presented::Unknown);
    let revoking = async {
        within(DEADLINE, "the flood has begun", async || load.heard(1).took.len() > 100).await;
        done(&mut admin, "POST", &format!("{}/keys/{id}/revoke", site.path), &json!({})).await;
        let acknowledged = clock.monotonic();
        within(DEADLINE, "a change is heard in a flood", async || {
            load.heard(2).settled_on(&Verdict::refused("key_revoked"))
        })
        .await;
        load.heard(2).last_granted.unwrap().asked.saturating_sub(acknowledged)
    };
    let (undecided, heard) = tokio::join!(flooding, revoking);
    let after = node.server.resident_mib();

    let good = load.heard(1);
    assert!(good.settled_on(&Verdict::Granted) && good.took.len() == good.repeated, "a good key was refused");
    assert!(heard <= Duration::from_secs(1), "a change was heard after {heard:?}");
    assert!(after <= before + MEMORY, "{after} MiB, before {before} MiB");
    let ratio = p99(&good.took).as_secs_f64() / p99(&usual).as_secs_f64();
    println!(
        "{} unknown keys, {undecided} of them undecided: memory {before} to {after} MiB; good keys beside good keys {}, \
         beside unknown ones {}: p99 {ratio:.2} times; a revocation was heard after {heard:?}",
        keys(),
        describe(usual),
        describe(good.took)
    );
    assert!(!soaking() || ratio <= 2.0, "{ratio:.2}");
}

#[derive(Clone)]
enum Presented {
    /// The same good key all the time.
    One(String),
    /// Another unknown one each time.
    Unknown,
}

/// Presents so many keys; how many of them got no decision.
async fn flood(node: &Node, key: &str, count: usize, presented: Presented) -> usize {
    let presenting: Vec<JoinHandle<usize>> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(present(node.client(key), count / CONNECTIONS, presented.clone())))
        .collect();
    let mut undecided = 0;
    for presenting in presenting {
        undecided += presenting.await.unwrap();
    }
    undecided
}

async fn present(mut client: Client, count: usize, presented: Presented) -> usize {
    let start = SecretStart::new("wk", "live").unwrap();
    let mut undecided = 0;
    for _ in 0..count {
        let (secret, expected) = match &presented {
            Presented::One(secret) => (secret.clone(), Verdict::Granted),
            Presented::Unknown => {
                (start.generate(&OsRandom).expose().to_owned(), Verdict::refused("invalid_key"))
            }
        };
        match client.verify(&secret, &[]).await {
            Some(Verdict::Unavailable) => undecided += 1,
            verdict => assert_eq!(verdict, Some(expected)),
        }
    }
    undecided
}

fn p99(took: &[Duration]) -> Duration {
    let mut took = took.to_vec();
    took.sort_unstable();
    took[took.len() * 99 / 100]
}
