//! Schemathesis: requests made up from the document against a running server; what the server answers must be what the
//! document says.

use anyhow::{Context as _, Result};

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
    // By the environment: a command line is printed.
    let result = process::run(schemathesis.env("WARDKEY_KEY", key).env("WARDKEY_ORGANIZATION", organization));
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
