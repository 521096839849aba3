//! Schemathesis: requests made up from the document against a running server; what the server answers must be what the
//! document says.

use anyhow::Result;

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
    // By the environment: a command line is printed.
    let result = process::run(schemathesis.env("WARDKEY_KEY", server.operator_key()?));
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
