//! The server and this API as two processes beside each other, on SQLite and on PostgreSQL: what is done to a key on the
//! one is answered by the other.

mod database;
mod notifications;
mod people;
mod process;
mod world;

use std::time::Duration;

use database::Database;
use serde_json::json;
use world::World;

/// The promise for a change to reach another process.
const HEARD: Duration = Duration::from_secs(2);

/// The same when PostgreSQL's notifications do not come through.
const UNHEARD: Duration = Duration::from_secs(5);

const READ: &str = "pipelines:read";
const RUN: &str = "pipelines:run";

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_its_answer_on_sqlite() {
    every_request_gets_its_answer(World::start(Database::sqlite()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_its_answer_on_postgres() {
    every_request_gets_its_answer(World::start(Database::postgres().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_key_is_heard_on_sqlite() {
    what_is_done_to_a_key_is_heard(World::start(Database::sqlite()).await, HEARD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_key_is_heard_on_postgres() {
    what_is_done_to_a_key_is_heard(World::start(Database::postgres().await).await, HEARD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_people_and_their_organization_is_heard_on_sqlite() {
    what_is_done_to_people_and_their_organization_is_heard(World::start(Database::sqlite()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_people_and_their_organization_is_heard_on_postgres() {
    what_is_done_to_people_and_their_organization_is_heard(World::start(Database::postgres().await).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_key_is_heard_with_notifications_cut() {
    let database = Database::postgres().await;
    let quiet = notifications::cut(&database.url).await;
    let world = World::start_api_on(database, &quiet.url).await;
    what_is_done_to_a_key_is_heard(world, UNHEARD).await;
    assert!(quiet.withheld() > 0, "no notification was sent, so that none was cut");
}

async fn every_request_gets_its_answer(world: World) {
    let runner = world.issue(json!({ "permissions": [READ, RUN] })).await;
    let reader = world.issue(json!({ "permissions": [READ] })).await;
    let staging = world.issue(json!({ "permissions": [READ], "environment": "staging" })).await;
    let pipelines = format!("/workspaces/{}/pipelines", world.workspace);
    let runs = format!("{pipelines}/nightly/runs");

    let all = world.get("/pipelines", &runner.secret).await;
    assert_eq!(all.status, 200);
    assert_eq!(all.json()[0]["workspace_id"], world.workspace);
    assert_eq!(world.get(&pipelines, &reader.secret).await.status, 200);
    let run = world.post(&runs, &runner.secret).await;
    assert_eq!((run.status, run.json()["runs"].as_u64()), (202, Some(1)));

    assert_eq!(world.get(&pipelines, "").await.problem(), (401, "missing_credentials"));
    assert_eq!(world.get(&pipelines, &misspell(&reader.secret)).await.problem(), (401, "invalid_key"));
    assert_eq!(world.post(&runs, &reader.secret).await.problem(), (403, "insufficient_permissions"));
    assert_eq!(world.get(&pipelines, &staging.secret).await.problem(), (401, "environment_mismatch"));
    let unknown_pipeline = format!("{pipelines}/hourly/runs");
    assert_eq!(world.post(&unknown_pipeline, &runner.secret).await.problem(), (404, "not_found"));

    let foreign = format!("/workspaces/{}/pipelines", world.make_foreign_workspace().await);
    let nowhere = "/workspaces/ws_0000000000000000000000/pipelines";
    let foreign = world.get(&foreign, &runner.secret).await;
    assert_eq!(foreign.problem(), (404, "not_found"));
    assert_eq!(foreign, world.get(nowhere, &runner.secret).await, "the same bytes tell nothing");

    world.stop_api().await;
    let used = world.key(&runner.id).await;
    assert!(used["secrets"][0]["last_used_at"].is_string(), "what was used is reported at the end: {used}");
}

async fn what_is_done_to_a_key_is_heard(world: World, promised: Duration) {
    let runs = format!("/workspaces/{}/pipelines/nightly/runs", world.workspace);
    let permissions = json!({ "permissions": [READ, RUN] });

    let key = world.issue(permissions.clone()).await;
    assert_eq!(world.post(&runs, &key.secret).await.status, 202);
    world.act_on(&key.id, "disable").await;
    world.answers_within(promised, &runs, &key.secret, (401, "key_disabled")).await;
    world.act_on(&key.id, "enable").await;
    world.answers_within(promised, &runs, &key.secret, (202, "")).await;
    world.edit(&key.id, json!({ "permissions": [READ] })).await;
    world.answers_within(promised, &runs, &key.secret, (403, "insufficient_permissions")).await;
    world.act_on(&key.id, "revoke").await;
    world.answers_within(promised, &runs, &key.secret, (401, "key_revoked")).await;

    let key = world.issue(permissions.clone()).await;
    assert_eq!(world.post(&runs, &key.secret).await.status, 202);
    let other = world.make_workspace().await;
    let narrow = json!({ "workspaces": { "access": "specific", "ids": [other] } });
    world.edit(&key.id, narrow).await;
    world.answers_within(promised, &runs, &key.secret, (404, "not_found")).await;

    let key = world.issue(permissions).await;
    assert_eq!(world.post(&runs, &key.secret).await.status, 202);
    let successor = world.rotate(&key.id).await;
    world.answers_within(promised, &runs, &key.secret, (401, "secret_ended")).await;
    assert_eq!(world.post(&runs, &successor).await.status, 202, "a new secret works at once");
}

async fn what_is_done_to_people_and_their_organization_is_heard(world: World) {
    let runs = format!("/workspaces/{}/pipelines/nightly/runs", world.workspace);
    // This process is the one that does it, and neither the server nor the API.
    let here = world.people().await;
    let role = here.make_role(&[READ, RUN]).await;
    let (person, secret) = here.make_person(&role).await;
    assert_eq!(world.post(&runs, &secret).await.status, 202);
    here.edit_role(&role, &[READ]).await;
    world.answers_within(HEARD, &runs, &secret, (403, "insufficient_permissions")).await;
    here.edit_role(&role, &[READ, RUN]).await;
    world.answers_within(HEARD, &runs, &secret, (202, "")).await;
    here.suspend(person).await;
    world.answers_within(HEARD, &runs, &secret, (401, "principal_inactive")).await;
    here.resume(person).await;
    world.answers_within(HEARD, &runs, &secret, (202, "")).await;
    here.suspend_organization().await;
    world.answers_within(HEARD, &runs, &secret, (403, "organization_suspended")).await;
    here.resume_organization().await;
    world.answers_within(HEARD, &runs, &secret, (202, "")).await;
    here.remove(person).await;
    world.answers_within(HEARD, &runs, &secret, (401, "key_revoked")).await;
}

/// The same secret with another last character.
fn misspell(secret: &str) -> String {
    let last = if secret.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &secret[..secret.len() - 1])
}
