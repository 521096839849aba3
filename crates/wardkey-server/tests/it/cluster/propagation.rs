//! How long a node goes on granting what was taken away: the time from the acknowledgement of a change to the last success
//! at each node, each node under load.
//!
//! A success was decided between the moment when it was asked for and the moment when its answer had come. What is shown
//! counts to the latter, so that it holds the slowness of whoever measures too; what is asserted counts to the former: a
//! success beyond the promise is one that was *asked for* after it, however busy the machine is.

#![expect(clippy::print_stdout, reason = "what was measured is for whoever looks")]

use std::time::Duration;

use wardkey_core::{Clock as _, SystemClock};
use wardkey_testkit::Link;

use super::client::Verdict;
use super::load::{Load, Question};
use super::nodes::{Cluster, Plan};
use super::site::{Kind, NEEDED, Site, Subject};
use super::{DEADLINE, describe, soaking, within};

const HEARD: Duration = Duration::from_secs(1);
const POLLED: Duration = Duration::from_secs(5);
/// For a database that does not answer. The server's usual 60 s would only make this longer.
const MAX_STALE: Duration = Duration::from_secs(3);

/// Changes that are made one right after the other.
const BATCH: usize = 16;

fn batches() -> usize {
    if soaking() { 32 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_by_every_node_within_a_second() {
    let mut stage = Stage::set(60).await;
    stage.measure("with NOTIFY", Link::Whole, HEARD).await;
    stage.measure_creation("with NOTIFY", HEARD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_by_every_node_within_five_seconds_without_notifications() {
    let mut stage = Stage::set(60).await;
    stage.cluster.switch_verifiers(Link::WithoutNotifications);
    stage.measure("without NOTIFY", Link::WithoutNotifications, POLLED).await;
    stage.measure_creation("without NOTIFY", POLLED).await;
    for node in stage.cluster.verifiers() {
        assert!(node.link.withheld() > 0, "no notification was sent, so that none was lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_is_frozen_grants_nothing_beyond_max_stale() {
    let mut stage = Stage::set(MAX_STALE.as_secs()).await;
    stage.measure("with the database frozen", Link::Frozen, MAX_STALE).await;
}

struct Stage {
    cluster: Cluster,
    clock: SystemClock,
    loads: Vec<Load>,
    /// The number of the next question.
    next: usize,
}

impl Stage {
    async fn set(max_stale_seconds: u64) -> Self {
        let cluster = Cluster::start(Plan { max_stale_seconds, ..Plan::default() }).await;
        let clock = SystemClock::new();
        let loads = cluster.nodes.iter().map(|node| Load::on(node, &cluster.key, clock, 2)).collect();
        Self { cluster, clock, loads, next: 0 }
    }

    /// Makes changes while the verifiers' links are like this, and holds each node to the promise.
    async fn measure(&mut self, what: &str, link: Link, promise: Duration) {
        let mut site = Site::make(&mut self.cluster.admin(), self.clock).await;
        let (mut shown, mut proved) = (Vec::new(), Vec::new());
        for _ in 0..batches() {
            let measured = self.measure_batch(&mut site, link).await;
            shown.extend(measured.iter().map(|measured| measured.0));
            proved.extend(measured.iter().map(|measured| measured.1));
        }
        println!("{what}: last success after the acknowledgement: {}", describe(shown));
        let most = proved.into_iter().max().unwrap_or_default();
        assert!(most <= promise, "{what}: a success was asked for {most:?} after the acknowledgement");
    }

    /// For each change and verifying node, how long after the acknowledgement the last success was heard, and asked for.
    async fn measure_batch(&mut self, site: &mut Site, link: Link) -> Vec<(Duration, Duration)> {
        let mut admin = self.cluster.admin();
        let mut subjects = Vec::new();
        for index in 0..BATCH {
            let subject = site.prepare(&mut admin, Kind::ALL[index % Kind::ALL.len()]).await;
            subjects.push((self.ask(subject.question()), subject));
        }
        self.settle(&subjects, "a new key is granted", DEADLINE, |_| Verdict::Granted).await;
        for (number, _) in &subjects {
            for load in &self.loads {
                let first = load.heard(*number).first;
                assert_eq!(first, Some(Verdict::Granted), "a key that nobody knew was refused");
            }
        }

        self.cluster.switch_verifiers(link);
        let mut acknowledged = Vec::new();
        for (_, subject) in &subjects {
            acknowledged.push(site.change(&mut admin, subject).await);
        }
        let frozen = link == Link::Frozen;
        let refusal =
            |subject: &Subject| if frozen { Verdict::Unavailable } else { subject.kind().verdict() };
        // The first node administers: its own link is whole.
        for load in &self.loads[1..] {
            settle(load, &subjects, "a change is heard", DEADLINE, refusal).await;
        }
        let measured = subjects.iter().zip(acknowledged).flat_map(|((number, _), acknowledged)| {
            self.loads[1..].iter().map(move |load| {
                let last = load.heard(*number).last_granted.expect("it was granted before");
                (last.heard.saturating_sub(acknowledged), last.asked.saturating_sub(acknowledged))
            })
        });
        let measured = measured.collect();
        if frozen {
            self.cluster.switch_verifiers(Link::Whole);
            self.settle(&subjects, "what was missed is heard", DEADLINE, |subject| subject.kind().verdict())
                .await;
        }
        for (number, _) in subjects {
            self.loads.iter().for_each(|load| load.remove(number));
        }
        measured
    }

    /// How long a digest that is remembered as unknown stays refused after its key has come.
    async fn measure_creation(&mut self, what: &str, promise: Duration) {
        let mut admin = self.cluster.admin();
        let site = Site::make(&mut admin, self.clock).await;
        let (mut shown, mut proved) = (Vec::new(), Vec::new());
        for _ in 0..batches() {
            let (key, secret) = site.issue(&mut admin).await;
            // As nobody can ask for a secret before it is made, the key is taken away and comes again as it came first:
            // with its digest named in the feed.
            self.flip_digest(&key).await;
            let number = self.ask(Question { secret, permissions: NEEDED });
            for load in &self.loads {
                within(DEADLINE, "an unknown key is refused", async || {
                    load.heard(number).settled_on(&Verdict::refused("invalid_key"))
                })
                .await;
            }
            let committed = self.flip_digest(&key).await;
            for load in &self.loads {
                within(DEADLINE, "a key that has come is granted", async || {
                    load.heard(number).settled_on(&Verdict::Granted)
                })
                .await;
                let granted = load.heard(number).granted_since.expect("it is granted");
                shown.push(granted.heard.saturating_sub(committed));
                // It was granted when the answer had come; asking may have been late.
                let slow = granted.heard.saturating_sub(granted.asked);
                proved.push(granted.heard.saturating_sub(committed).saturating_sub(slow));
                load.remove(number);
            }
        }
        println!("{what}: first success of what was remembered as unknown: {}", describe(shown));
        let most = proved.into_iter().max().unwrap_or_default();
        assert!(most <= promise, "{what}: a new key was refused for {most:?}");
    }

    /// Makes a key unknown, or known again, in one transaction of the form that every write has; and says when that was
    /// committed.
    async fn flip_digest(&self, key: &str) -> Duration {
        let id: wardkey_core::KeyId = key.parse().unwrap();
        let id: String = wardkey_core::Id::to_bytes(id).iter().map(|byte| format!("{byte:02x}")).collect();
        let flipped = "set_byte(digest, 0, get_byte(digest, 0) # 255)";
        let statement = format!(
            "BEGIN; UPDATE secrets SET digest = {flipped} WHERE key_id = '{id}';
             SELECT pg_notify('wardkey_changes', '');
             UPDATE change_counter SET number = number + 2;
             INSERT INTO changes SELECT number - 1, 'digest', digest, now() FROM change_counter, secrets
                 WHERE key_id = '{id}';
             INSERT INTO changes SELECT number, 'digest', {flipped}, now() FROM change_counter, secrets
                 WHERE key_id = '{id}';
             COMMIT"
        );
        self.cluster.superuser().await.batch_execute(&statement).await.unwrap();
        self.clock.monotonic()
    }

    /// Has every node asked this.
    fn ask(&mut self, question: Question) -> usize {
        self.next += 1;
        self.loads.iter().for_each(|load| load.add(self.next, question.clone()));
        self.next
    }

    async fn settle(
        &self,
        subjects: &[(usize, Subject)],
        what: &str,
        deadline: Duration,
        verdict: impl Fn(&Subject) -> Verdict,
    ) {
        for load in &self.loads {
            settle(load, subjects, what, deadline, &verdict).await;
        }
    }
}

/// Waits until the node says this of each.
async fn settle(
    load: &Load,
    subjects: &[(usize, Subject)],
    what: &str,
    deadline: Duration,
    verdict: impl Fn(&Subject) -> Verdict,
) {
    for (number, subject) in subjects {
        let wanted = verdict(subject);
        let what = format!("{what}: {:?}", subject.kind());
        within(deadline, &what, async || load.heard(*number).settled_on(&wanted)).await;
    }
}
