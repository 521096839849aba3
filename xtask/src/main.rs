//! The chores of this repository: `cargo xtask <verb>`, a module per verb.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

mod bench;
mod ci;
mod document;
mod features;
mod fuzz;
mod migration;
mod openapi;
mod postgres;
mod process;
mod server;
mod soak;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::postgres::Postgres;
use crate::test::Totals;

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Run every test, on SQLite and PostgreSQL, and end with one line of totals.
    ///
    /// The PostgreSQL server is the one that WARDKEY_TEST_POSTGRES_URL names; else one that lets us in on the default
    /// local port; else a throw-away one from installed programs; else the package is installed (Debian and Ubuntu, as
    /// root). Tests make their own databases, named `wardkey_test_<random>`, and drop them.
    Test,
    /// Everything that must hold before a change lands; `test` comes first.
    Ci,
    /// The long forms of the tests, written down in SOAK.md with their commit.
    ///
    /// A test with a long form takes it when WARDKEY_SOAK is set, and holds the same promise in small when not.
    Soak,
    /// Write openapi/wardkey.json from the server's own answer.
    Openapi {
        /// Only compare, and fail if they differ.
        #[arg(long)]
        check: bool,
    },
    /// Make or check migrations.
    #[command(subcommand)]
    Migration(migration::Verb),
    /// Check what the compiler cannot: who may depend on whom, inherited lints, licences, version floors.
    Tidy,
    /// Run the benchmarks and print their tables.
    Bench,
}

fn main() -> ExitCode {
    let mut totals = None;
    let result = run(Verb::parse(), &mut totals);
    if let Err(error) = &result {
        eprintln!("\nxtask: {error:#}");
    }
    // The last line, whatever happened before it.
    if let Some(totals) = totals {
        println!("{totals}");
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `totals` is filled as soon as tests have run, so that they are known even when something fails later.
fn run(verb: Verb, totals: &mut Option<Totals>) -> Result<()> {
    process::enter_root()?;
    match verb {
        Verb::Test => test::run(&Postgres::find()?, test::Depth::Usual, totals),
        Verb::Ci => ci::run(totals),
        Verb::Soak => soak::run(totals),
        Verb::Openapi { check: false } => openapi::write(),
        Verb::Openapi { check: true } => openapi::check(),
        Verb::Migration(verb) => migration::run(verb),
        Verb::Tidy => tidy::run(),
        Verb::Bench => bench::run(),
    }
}
