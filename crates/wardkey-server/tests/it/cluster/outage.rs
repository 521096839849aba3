//! The database goes away in every way that it can, and comes back.

#![expect(clippy::print_stdout, reason = "what was measured is for whoever looks")]

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use wardkey_core::{Clock as _, OsRandom, SecretStart, SystemClock};
use wardkey_testkit::Link;

use super::client::Verdict;
use super::load::{Load, Question};
use super::nodes::{Cluster, PasswordChange, Plan};
use super::site::{NEEDED, Site};
use super::{DEADLINE, describe, soaking, within};

/// For how long what is known is good. The server's usual 60 s would only make this longer.
const MAX_STALE: Duration = Duration::from_secs(3);

/// How old what is known may be when an outage begins: a poll each second, and it begins before it is answered.
const POLL: Duration = Duration::from_secs(1);

/// How soon everything works again when the database does.
const RECOVERY: Duration = Duration::from_secs(2);

/// How long a decision may take that cannot be made: a place among the few who ask, and an answer, each two seconds.
const UNDECIDED: Duration = Duration::from_secs(4);

/// What is to be allowed for on a machine that does other things as well.
const BUSY: Duration = Duration::from_secs(1);

/// A way in which a database goes away.
#[derive(Debug, Clone, Copy)]
enum Outage {
    Killed,
    Frozen,
    /// The way to it is broken.
    LinkCut,
    /// The way to it leads nowhere.
    LinkFrozen,
    /// It has no connection left for the nodes, and says so by the same code as when it has none for anybody.
    FullOfConnections,
    PasswordChanged,
}

/// What keeps the database away.
struct Away {
    outage: Outage,
    /// When the first node may have lost it.
    since: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_outage_of_the_database_denies_a_key_and_each_is_over_within_two_seconds() {
    let plan = Plan { verifiers: 2, max_stale_seconds: MAX_STALE.as_secs(), ..Plan::default() };
    let cluster = Cluster::start(plan).await;
    let clock = SystemClock::new();
    let usual = [Outage::Killed, Outage::Frozen, Outage::FullOfConnections, Outage::PasswordChanged];
    // A link that fails looks to a node as the database itself does.
    let links = soaking().then_some([Outage::LinkCut, Outage::LinkFrozen]);
    for outage in usual.into_iter().chain(links.into_iter().flatten()) {
        survive(&cluster, clock, outage).await;
    }
}

async fn survive(cluster: &Cluster, clock: SystemClock, outage: Outage) {
    let mut admin = cluster.admin();
    let site = Site::make(&mut admin, clock).await;
    let (_, cached) = site.issue(&mut admin).await;
    let (_, unseen) = site.issue(&mut admin).await;
    let loads: Vec<_> = cluster.nodes.iter().map(|node| Load::on(node, &cluster.key, clock, 1)).collect();
    for load in &loads {
        load.add(1, Question { secret: cached.clone(), permissions: NEEDED });
        within(DEADLINE, "a new key is granted", async || load.heard(1).settled_on(&Verdict::Granted)).await;
    }

    let away = begin(cluster, clock, outage).await;
    let began = clock.monotonic();
    let probes = cluster.nodes.iter().map(async |node| {
        let mut client = node.client(&cluster.key);
        // What is no key at all is refused without asking anybody.
        let malformed = client.verify("wk_live_nonsense", &[]).await;
        assert_eq!(malformed, Some(Verdict::refused("invalid_key")), "{outage:?}");
        let mut took = Vec::new();
        for secret in [&unseen, &unknown()] {
            let asked = clock.monotonic();
            // Never does a node say that there is no such key.
            assert_eq!(client.verify(secret, &[]).await, Some(Verdict::Unavailable), "{outage:?}");
            took.push(clock.monotonic() - asked);
        }
        took
    });
    let undecided = join_all(probes).await.concat();
    let mut lasted = Vec::new();
    let mut cached_took = Vec::new();
    for load in &loads {
        within(DEADLINE, "what is known grows too old", async || {
            load.heard(1).settled_on(&Verdict::Unavailable)
        })
        .await;
        let heard = load.heard(1);
        let last = heard.last_granted.expect("it was granted");
        lasted.push((last.asked.saturating_sub(began), last.heard.saturating_sub(away.since)));
        cached_took.extend(heard.took);
    }
    let longest = undecided.iter().max().copied().unwrap_or_default();
    assert!(longest <= UNDECIDED + BUSY, "{outage:?}: a decision that could not be made took {longest:?}");
    for (asked, heard) in &lasted {
        assert!(*asked <= MAX_STALE, "{outage:?}: granted {asked:?} into the outage");
        assert!(*heard + BUSY >= MAX_STALE - POLL, "{outage:?}: cached keys worked for {heard:?} only");
    }
    let slowest = cached_took.iter().max().copied().unwrap_or_default();
    assert!(slowest <= BUSY, "{outage:?}: a cached key waited {slowest:?}");

    end(cluster, away.outage).await;
    let back = clock.monotonic();
    for (node, load) in cluster.nodes.iter().zip(&loads) {
        within(DEADLINE, "it works again", async || load.heard(1).settled_on(&Verdict::Granted)).await;
        let granted = load.heard(1).granted_since.expect("it is granted");
        let recovered = granted.asked.saturating_sub(back);
        assert!(recovered <= RECOVERY, "{outage:?}: recovered after {recovered:?}");
        // And what was not known.
        let mut client = node.client(&cluster.key);
        assert_eq!(client.verify(&unseen, NEEDED).await, Some(Verdict::Granted), "{outage:?}");
        let refused = client.verify(&unknown(), &[]).await;
        assert_eq!(refused, Some(Verdict::refused("invalid_key")), "{outage:?}");
    }
    let recovered = loads.iter().filter_map(|load| load.heard(1).granted_since);
    let recovered: Vec<_> = recovered.map(|moment| moment.heard.saturating_sub(back)).collect();
    let lasted = lasted.into_iter().map(|lasted| lasted.1).collect();
    println!(
        "{outage:?}: undecided: {}; cached keys worked for: {}; each took: {}; recovery: {}",
        describe(undecided),
        describe(lasted),
        describe(cached_took),
        describe(recovered)
    );
    let issued = admin.call("GET", &format!("{}/keys", site.path), &Value::Null).await;
    assert_eq!(issued.map(|answer| answer.status), Some(200), "{outage:?}: the first node administers again");
}

/// When it returns, no node reaches the database.
async fn begin(cluster: &Cluster, clock: SystemClock, outage: Outage) -> Away {
    let since = clock.monotonic();
    match outage {
        Outage::Killed => cluster.postgres.kill(),
        Outage::Frozen => cluster.postgres.freeze(),
        Outage::LinkCut => cluster.nodes.iter().for_each(|node| node.link.switch(Link::Cut)),
        Outage::LinkFrozen => cluster.nodes.iter().for_each(|node| node.link.switch(Link::Frozen)),
        Outage::FullOfConnections => cluster.limit_connections(0).await,
        Outage::PasswordChanged => cluster.change_password(PasswordChange::ToAnother).await,
    }
    Away { outage, since }
}

async fn end(cluster: &Cluster, outage: Outage) {
    match outage {
        Outage::Killed => cluster.start_postgres(),
        Outage::Frozen => cluster.postgres.thaw(),
        Outage::LinkCut | Outage::LinkFrozen => {
            cluster.nodes.iter().for_each(|node| node.link.switch(Link::Whole));
        }
        Outage::FullOfConnections => cluster.limit_connections(-1).await,
        Outage::PasswordChanged => cluster.change_password(PasswordChange::Back).await,
    }
}

/// A well-formed secret that nobody has.
fn unknown() -> String {
    SecretStart::new("wk", "live").unwrap().generate(&OsRandom).expose().to_owned()
}
