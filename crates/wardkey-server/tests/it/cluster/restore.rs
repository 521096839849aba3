//! A database that is set back to what it was.

use serde_json::{Value, json};
use wardkey_core::SystemClock;
use wardkey_testkit::Link;

use super::client::Verdict;
use super::load::{Load, Question};
use super::nodes::{Cluster, Plan};
use super::site::{NEEDED, Site, done};
use super::{DEADLINE, within};

/// A node answers by the database that there is, and by nothing that it remembers of another: not when the feed stands
/// earlier than it has heard, not when it is of another life, and not when it has moved on again.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_in_its_place_drops_what_every_node_remembers() {
    let cluster = Cluster::start(Plan { verifiers: 2, ..Plan::default() }).await;
    let clock = SystemClock::new();
    let mut admin = cluster.admin();
    let site = Site::make(&mut admin, clock).await;
    let loads: Vec<_> = cluster.nodes.iter().map(|node| Load::on(node, &cluster.key, clock, 1)).collect();
    let add = |number: usize, secret: &str| {
        let question = Question { secret: secret.to_owned(), permissions: NEEDED };
        loads.iter().for_each(|load| load.add(number, question.clone()));
    };
    let settle = async |what: &str, revoked: Verdict, issued: Verdict| {
        for load in &loads {
            within(DEADLINE, what, async || {
                load.heard(1).settled_on(&revoked) && load.heard(2).settled_on(&issued)
            })
            .await;
        }
    };

    let (id, revoked) = site.issue(&mut admin).await;
    add(1, &revoked);
    cluster.postgres.stop();
    let earlier = cluster.postgres.snapshot();
    cluster.start_postgres();
    recover(&cluster).await;
    done(&mut admin, "POST", &format!("{}/keys/{id}/revoke", site.path), &json!({})).await;
    let (_, issued) = site.issue(&mut admin).await;
    add(2, &issued);
    let now = (Verdict::refused("key_revoked"), Verdict::Granted);
    let then = (Verdict::Granted, Verdict::refused("invalid_key"));
    settle("what is done takes effect", now.0.clone(), now.1.clone()).await;
    cluster.postgres.stop();
    let later = cluster.postgres.snapshot();

    cluster.postgres.restore(&earlier);
    cluster.start_postgres();
    settle("a feed that stands earlier", then.0.clone(), then.1.clone()).await;

    // What was remembered as unknown is known again: the feed has moved on, and names it.
    cluster.postgres.stop();
    cluster.postgres.restore(&later);
    cluster.start_postgres();
    settle("the same feed, later", now.0, now.1).await;

    // Another life of the database, of which nobody can say how far it is behind.
    cluster.postgres.stop();
    cluster.postgres.restore(&earlier);
    cluster.nodes.iter().for_each(|node| node.link.switch(Link::Cut));
    cluster.start_postgres();
    let another = "UPDATE change_counter SET epoch = epoch + 1, number = number + 1000";
    cluster.superuser().await.batch_execute(another).await.unwrap();
    cluster.nodes.iter().for_each(|node| node.link.switch(Link::Whole));
    settle("another epoch", then.0, then.1).await;
}

/// Waits until the first node administers again.
async fn recover(cluster: &Cluster) {
    let mut admin = cluster.admin();
    within(DEADLINE, "it administers again", async || {
        let answer = admin.call("GET", "/v1/organizations", &Value::Null).await;
        answer.is_some_and(|answer| answer.status == 200)
    })
    .await;
}
