//! Schemathesis: requests made up from the document against a running server; what the server answers must be what the
//! document says.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::openapi::DOCUMENT;
use crate::process;
use crate::server::Server;
use crate::tools::Tools;

/// How many requests are made up for each operation.
#[derive(Clone, Copy)]
pub(crate) enum Cases {
    /// The same ones each time.
    Few,
    /// Other ones each time.
    Many,
}

/// What is checked, and what is left out with its reason, stands in schemathesis.toml.
pub(crate) fn run(tools: &Tools, cases: Cases) -> Result<()> {
    let server = Server::start()?;
    let mut schemathesis = tools.command("schemathesis");
    schemathesis.args(["run", DOCUMENT, "--url", &server.url()]);
    match cases {
        Cases::Few => schemathesis.args(["--max-examples", "25", "--seed", "1"]),
        Cases::Many => schemathesis.args(["--max-examples", "1000"]),
    };
    let key = server.operator_key()?;
    let organization = demo_organization(&server, &key)?;
    let (target, doomed) =
        (issue_key(&server, &key, &organization)?, issue_key(&server, &key, &organization)?);
    schemathesis.env("WARDKEY_ORGANIZATION", organization);
    schemathesis.env("WARDKEY_KEY_ID", text(&target, "/key/id")?);
    schemathesis.env("WARDKEY_SECRET_ID", text(&target, "/key/secrets/0/id")?);
    schemathesis.env("WARDKEY_DOOMED_KEY_ID", text(&doomed, "/key/id")?);
    // By the environment: a command line is printed.
    let result = process::run(schemathesis.env("WARDKEY_KEY", key));
    if result.is_err() {
        println!("The server's log ends:");
        let log = server.log();
        let lines = log.lines().collect::<Vec<_>>();
        for line in &lines[lines.len().saturating_sub(30)..] {
            println!("{line}");
        }
    }
    result
}

/// The organization that a first start makes for trying things out. Requests to made-up ones would all end in the same 404.
fn demo_organization(server: &Server, key: &str) -> Result<String> {
    let organizations = server.list("/v1/organizations", key)?;
    let demo = organizations.iter().find(|organization| organization["name"] == "Demo");
    let id = demo.and_then(|demo| demo["id"].as_str());
    id.map(str::to_owned).context("the operator's key sees no organization named Demo")
}

/// A key of the demo service account, for requests about keys to find one.
fn issue_key(server: &Server, key: &str, organization: &str) -> Result<Value> {
    let accounts = server.list(&format!("/v1/organizations/{organization}/service-accounts"), key)?;
    let account = accounts.first().context("the demo organization has no service account")?;
    let body = json!({
        "name": "for the fuzzer",
        "principal": { "type": "service_account", "id": account["id"] },
        "workspaces": { "access": "all" },
    });
    server.post(&format!("/v1/organizations/{organization}/keys"), key, &body)
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the server's answer has no text at {pointer}"))
}
