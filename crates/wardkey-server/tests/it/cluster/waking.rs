//! A process that stood still while the world went on.

use std::time::Duration;

use serde_json::json;
use wardkey_core::{Clock as _, SystemClock};

use super::client::Verdict;
use super::nodes::{Cluster, Plan};
use super::site::{NEEDED, Site, done};
use super::{DEADLINE, soaking, within};

/// How many requests wait for the process to wake.
const WAITING: usize = 8;

/// What is known is good for `max_stale`, time in which a process was frozen included: whatever was asked before it woke is
/// refused, if only because nobody knows. A process that stood still for less may be behind by as much, as any other may.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_for_long_grants_nothing_that_was_revoked_meanwhile() {
    let (max_stale_seconds, still) =
        if soaking() { (60, Duration::from_secs(120)) } else { (2, Duration::from_secs(3)) };
    let cluster = Cluster::start(Plan { verifiers: 1, max_stale_seconds, ..Plan::default() }).await;
    let clock = SystemClock::new();
    let mut admin = cluster.admin();
    let site = Site::make(&mut admin, clock).await;
    let (id, secret) = site.issue(&mut admin).await;
    let node = &cluster.verifiers()[0];
    let mut clients: Vec<_> = (0..WAITING).map(|_| node.client(&cluster.key)).collect();
    for client in &mut clients {
        assert_eq!(client.verify(&secret, NEEDED).await, Some(Verdict::Granted));
    }

    node.server.freeze();
    let frozen = clock.monotonic();
    done(&mut admin, "POST", &format!("{}/keys/{id}/revoke", site.path), &json!({})).await;
    within(still + DEADLINE, "time passes", async || clock.monotonic() - frozen > still).await;
    // What the process finds when it wakes is older than what it does first by itself.
    for client in &mut clients {
        client.ask(&secret).await.expect("the system takes it");
    }
    node.server.thaw();
    let mut heard = Vec::new();
    for client in &mut clients {
        heard.push(client.hear().await.expect("the node answers"));
    }
    println!("after {still:?} of standing still: {heard:?}");
    let revoked = Verdict::refused("key_revoked");
    assert!(heard.iter().all(|verdict| [&Verdict::Unavailable, &revoked].contains(&verdict)), "{heard:?}");
    let mut client = node.client(&cluster.key);
    within(Duration::from_secs(2), "it knows again", async || {
        client.verify(&secret, NEEDED).await == Some(revoked.clone())
    })
    .await;
}
