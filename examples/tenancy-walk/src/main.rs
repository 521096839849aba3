//! A walk over the API, from an empty server to a key that is verified where the backend keeps its own ids: an
//! organization, two workspaces, members with different roles, one of them through a team, who logs in, a service account
//! and its key.
//!
//! It reads like a script: each step says what it does, asks, and fails unless the answer is the expected one. It needs
//! the built server and nothing else:
//!
//! ```sh
//! cargo build --package wardkey-server && cargo run --package tenancy-walk
//! ```

mod api;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use api::{Api, Server};
use clap::Parser;
use reqwest::Method;
use serde_json::{Value, json};

/// Walks over Wardkey's API, from an empty server to a verified key.
#[derive(Parser)]
struct Arguments {
    /// The `wardkey` program [default: the one beside this program]
    #[arg(long, value_name = "PROGRAM")]
    wardkey: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { wardkey } = Arguments::parse();
    let program = match wardkey {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("wardkey"),
    };
    let server = Server::start(&std::path::absolute(program)?).await?;
    say("an empty server, and the operator key of its first start");
    let operator = Api::with_key(&server.url, &server.operator_key()?)?;

    say("the operator makes an organization, with the id that the backend has for it");
    let acme =
        operator.create("/v1/organizations", json!({ "name": "Acme", "external_id": "tenant-42" })).await?;
    // From here on the backend says its own id.
    let acme_path = "/v1/organizations/tenant-42";
    ensure!(operator.get(acme_path).await?["id"] == acme["id"]);

    say("two workspaces: one with an id of the backend's own, one without");
    let workspaces = format!("{acme_path}/workspaces");
    let europe = json!({ "name": "Europe", "external_id": "cluster-eu-1" });
    let europe = operator.create(&workspaces, europe).await?;
    let lab = operator.create(&workspaces, json!({ "name": "Lab" })).await?;

    say("members with different roles, each with a link to begin with, for Wardkey sends no mail");
    let members = format!("{acme_path}/members");
    let invite = async |name: &str, grants: Value| -> Result<Value> {
        let body = json!({ "email": email_of(name), "name": name, "grants": grants });
        operator.create(&members, body).await
    };
    let olga = invite("olga", json!([{ "role": "owner" }])).await?;
    invite("ada", json!([{ "role": "admin" }])).await?;
    let vic = invite("vic", json!([{ "role": "viewer", "workspace_id": lab["id"] }])).await?;
    ensure!(operator.get(&members).await?["items"].as_array().map(Vec::len) == Some(3));

    say("olga accepts by her link, with a first password, and as the last owner stays one");
    let mut browser = Api::browser(&server.url)?;
    let redeem = json!({ "token": token(&olga)?, "password": PASSWORD });
    browser.ask(Method::POST, "/v1/links/redeem", Some(redeem), 204).await?;
    let olga = format!("{members}/{}", text(&olga, "/member/id")?);
    let refused = operator.ask(Method::DELETE, &olga, None, 409).await?;
    ensure!(refused["code"] == "last_owner", "{refused}");

    say("a team, whose members may do everything in Europe");
    let team = json!({
        "name": "Data engineering",
        "external_id": "data-eng",
        "grants": [{ "role": "member", "workspace_id": "cluster-eu-1" }],
    });
    operator.create(&format!("{acme_path}/teams"), team).await?;
    let in_team = format!("{acme_path}/teams/data-eng/members/{}", text(&vic, "/member/id")?);

    say("vic opens the link, chooses a password and logs in");
    let vics = token(&vic)?;
    let opened = browser.ask(Method::POST, "/v1/links/inspect", Some(json!({ "token": vics })), 200).await?;
    ensure!(opened["purpose"] == "set_password", "{opened}");
    let redeem = json!({ "token": vics, "password": PASSWORD });
    browser.ask(Method::POST, "/v1/links/redeem", Some(redeem.clone()), 204).await?;
    // A link is good for once.
    browser.ask(Method::POST, "/v1/links/redeem", Some(redeem), 404).await?;
    browser.log_in(&email_of("vic"), PASSWORD).await?;
    let me = browser.get("/v1/me").await?;
    ensure!(me["principal"]["id"] == vic["member"]["id"] && me["email"] == "vic@acme.example", "{me}");
    // Only now: a link is over once its person is given more than whoever made it saw.
    operator.ask(Method::PUT, &in_team, None, 204).await?;

    say("another organization invites vic, who hears of it by its own link only, whoever knows the password");
    let other = operator.create("/v1/organizations", json!({ "name": "Umbrella" })).await?;
    let other_path = format!("/v1/organizations/{}", text(&other, "/id")?);
    let body = json!({ "email": email_of("vic"), "grants": [{ "role": "viewer" }] });
    let invited = operator.create(&format!("{other_path}/members"), body).await?;
    ensure!(invited["member"]["state"] == "pending", "{invited}");
    let there = format!("{other_path}/workspaces");
    browser.ask(Method::GET, &there, None, 404).await?;
    let accept = json!({ "token": token(&invited)? });
    browser.ask(Method::POST, "/v1/links/accept", Some(accept), 204).await?;
    browser.get(&there).await?;

    say("vic sees the lab by a role of vic's own and Europe by the team's, and governs nothing");
    ensure!(browser.get(&workspaces).await?["items"].as_array().map(Vec::len) == Some(2));
    browser.ask(Method::GET, &members, None, 403).await?;
    // Who leaves the team has the rights of the team no more, from the next request on.
    operator.ask(Method::DELETE, &in_team, None, 204).await?;
    let seen = browser.get(&workspaces).await?;
    ensure!(seen["items"].as_array().map(Vec::len) == Some(1), "{seen}");
    ensure!(seen["items"][0]["id"] == lab["id"], "{seen}");
    browser.ask(Method::DELETE, "/v1/sessions/current", None, 204).await?;
    browser.ask(Method::GET, "/v1/me", None, 401).await?;

    say("a service account, and its key for Europe alone");
    let account = json!({ "name": "Scheduler", "external_id": "scheduler" });
    operator.create(&format!("{acme_path}/service-accounts"), account).await?;
    let key = json!({
        "name": "Nightly export",
        "principal": { "type": "service_account", "id": "scheduler" },
        "permissions": ["pipelines:read", "pipelines:run"],
        "workspaces": { "access": "specific", "ids": ["cluster-eu-1"] },
    });
    let issued = operator.create(&format!("{acme_path}/keys"), key).await?;
    let secret = text(&issued, "/secret")?;

    say("the key is good where it shall be, by the backend's own id, and nowhere else");
    let verify = async |permission: &str, workspace: &Value| {
        let body = json!({ "secret": secret, "permissions": [permission], "workspace_id": workspace });
        operator.ask(Method::POST, "/v1/verify", Some(body), 200).await
    };
    let good = verify("pipelines:run", &"cluster-eu-1".into()).await?;
    ensure!(good["valid"] == true, "{good}");
    ensure!(good["organization"]["external_id"] == "tenant-42", "{good}");
    ensure!(verify("pipelines:run", &europe["id"]).await?["valid"] == true);
    let elsewhere = verify("pipelines:run", &lab["id"]).await?;
    ensure!(elsewhere["valid"] == false && elsewhere["code"] == "not_found", "{elsewhere}");
    let more = verify("connections:write", &"cluster-eu-1".into()).await?;
    ensure!(more["valid"] == false && more["code"] == "insufficient_permissions", "{more}");

    say("the key is revoked, and refused from that moment on");
    let revoke = format!("{acme_path}/keys/{}/revoke", text(&issued, "/key/id")?);
    operator.ask(Method::POST, &revoke, Some(json!({ "reason": "The walk is over." })), 200).await?;
    let over = verify("pipelines:run", &"cluster-eu-1".into()).await?;
    ensure!(over["code"] == "key_revoked", "{over}");

    say("all of this stands in the organization's audit log");
    let log = operator.get(&format!("{acme_path}/audit-events?limit=100")).await?;
    let events = log["items"].as_array().context("a list")?;
    for action in [
        "organization.create",
        "workspace.create",
        "member.add",
        "team.create",
        "service_account.create",
        "key.issue",
        "key.revoke",
    ] {
        ensure!(events.iter().any(|event| event["action"] == action), "no {action} in {log}");
    }
    say("done");
    Ok(())
}

/// What everybody chooses here; people have one each.
const PASSWORD: &str = "the lamp is under the stairs";

/// What stands in the link that came with a new member.
fn token(added: &Value) -> Result<&str> {
    let (_, token) =
        text(added, "/link/url")?.split_once('#').context("the link has its token behind a #")?;
    Ok(token)
}

fn email_of(name: &str) -> String {
    format!("{name}@acme.example")
}

/// The text at this place of an answer.
fn text<'v>(answer: &'v Value, pointer: &str) -> Result<&'v str> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no text at {pointer} of {answer}"))
}

#[expect(clippy::print_stdout, reason = "the walk tells where it is")]
fn say(step: &str) {
    println!("- {step}");
}
