//! `soak`: the long forms, and SOAK.md, which says what the last run found and on which commit.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::ci::{step, timed};
use crate::fuzz::{self, Cases};
use crate::migration::now;
use crate::postgres::Postgres;
use crate::process::{self, capture, cargo};
use crate::test::{self, Depth, Totals};
use crate::tools::Tools;

const RESULTS: &str = "SOAK.md";
const MUTANTS_VERSION: &str = "27.1.0";
/// The code whose every mutant some test of its own package must notice: what is granted to a key that is shown.
const DECISIONS: Mutated = Mutated {
    package: "wardkey-core",
    files: &[
        "crates/wardkey-core/src/decide.rs",
        "crates/wardkey-core/src/network.rs",
        "crates/wardkey-core/src/requirement.rs",
        "crates/wardkey-core/src/rights.rs",
        "crates/wardkey-core/src/rights/held.rs",
        "crates/wardkey-core/src/rights/organization.rs",
    ],
    tests: &[],
};

/// Likewise: who may enter where, and who may give what to whom.
const AUTHORIZATION: Mutated = Mutated {
    package: "wardkey",
    files: &[
        "crates/wardkey/src/caller.rs",
        "crates/wardkey/src/doors.rs",
        "crates/wardkey/src/grant.rs",
        "crates/wardkey/src/grants.rs",
        "crates/wardkey/src/members.rs",
        "crates/wardkey/src/roles.rs",
        "crates/wardkey/src/teams.rs",
        "crates/wardkey/src/tenant.rs",
    ],
    // Who may do what is no matter of the database: the other one would double the time and catch nothing more.
    tests: &["sqlite"],
};

/// What is broken, and whose tests must notice.
struct Mutated {
    package: &'static str,
    files: &'static [&'static str],
    /// What is in the names of the tests that must notice; empty is all of them.
    tests: &'static [&'static str],
}

/// One line of SOAK.md.
struct Row {
    what: &'static str,
    result: Result<String>,
    took: Duration,
}

pub(crate) fn run(totals: &mut Option<Totals>) -> Result<()> {
    let heading = heading()?;
    let rows = [
        row("tests, long forms, optimised, both databases", || {
            let postgres = Postgres::find()?;
            test::run(&postgres, Depth::Soak, totals)?;
            Ok(totals.map(|totals| totals.to_string()).unwrap_or_default())
        }),
        row("schemathesis, 1000 cases for each operation", || {
            fuzz::run(&Tools::install()?, Cases::Many)?;
            Ok("no finding".to_owned())
        }),
        row("mutants of the decision code", || mutants(&DECISIONS)),
        row("mutants of the authorization", || mutants(&AUTHORIZATION)),
    ];
    fs::write(RESULTS, page(&heading, &rows)).with_context(|| format!("cannot write {RESULTS}"))?;
    println!("\n{RESULTS} is written");
    let failed = rows.iter().filter(|row| row.result.is_err()).map(|row| row.what).collect::<Vec<_>>();
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

/// Every step runs, whatever became of the one before.
fn row(what: &'static str, work: impl FnOnce() -> Result<String>) -> Row {
    let (result, took) = timed(|| step(what, work));
    if let Err(error) = &result {
        println!("{error:#}");
    }
    Row { what, result, took }
}

/// What was tested, when and where.
fn heading() -> Result<String> {
    let commit = capture(Command::new("git").args(["rev-parse", "HEAD"]))?;
    let changes = capture(Command::new("git").args(["status", "--porcelain"]))?;
    let rustc = capture(Command::new("rustc").arg("--version"))?;
    let state = if changes.is_empty() { "" } else { ", with uncommitted changes" };
    let cores = thread::available_parallelism()?;
    let date = now().format("%Y-%m-%d %H:%M UTC");
    Ok(format!("Commit `{}`{state}, {date}, {} on {cores} cores.", commit.trim(), rustc.trim()))
}

fn page(heading: &str, rows: &[Row]) -> String {
    let mut page = format!(
        "# Soak\n\nWhat the last run of `cargo xtask soak` found; `cargo xtask test` holds each of these in small.\n\n\
         {heading}\n\n| what | result | took |\n|---|---|---|\n"
    );
    for Row { what, result, took } in rows {
        let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
        let result = match result {
            Ok(result) => result.clone(),
            Err(error) => format!("**failed**: {error:#}").replace(['\n', '|'], " "),
        };
        writeln!(page, "| {what} | {result} | {minutes} min {seconds} s |")
            .expect("a string takes every text");
    }
    page
}

/// Breaks the code in every way that cargo-mutants knows; each break must fail a test.
fn mutants(mutated: &Mutated) -> Result<String> {
    let target = process::target_directory()?;
    let (home, output) = (target.join("tools/cargo"), target.join("mutants").join(mutated.package));
    process::run(
        cargo()
            .args(["install", "--quiet", "--locked", "--version", MUTANTS_VERSION, "cargo-mutants", "--root"])
            .arg(&home),
    )?;

    fs::create_dir_all(&output)?;
    let mut mutants = Command::new(home.join("bin/cargo-mutants"));
    mutants.args(["mutants", "--package", mutated.package, "--all-features", "--output"]).arg(&output);
    for file in mutated.files {
        mutants.args(["--file", file]);
    }
    mutants.arg("--").args(mutated.tests);
    let postgres = Postgres::find()?;
    let ended = postgres.watch(|| process::run(postgres.lend_to(&mut mutants)));

    let outcomes = output.join("mutants.out/outcomes.json");
    let text =
        fs::read_to_string(&outcomes).with_context(|| format!("cannot read {}", outcomes.display()))?;
    let outcomes: Value = serde_json::from_str(&text)?;
    let count = |name: &str| outcomes.get(name).and_then(Value::as_u64).unwrap_or_default();
    let summary = format!(
        "{} mutants: {} caught, {} missed, {} timed out, {} did not compile",
        count("total_mutants"),
        count("caught"),
        count("missed"),
        count("timeout"),
        count("unviable")
    );
    ended.context(summary.clone())?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{AUTHORIZATION, DECISIONS, Row, page};

    /// A file that was renamed would be passed over in silence.
    #[test]
    fn the_files_to_be_broken_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for file in [DECISIONS, AUTHORIZATION].iter().flat_map(|mutated| mutated.files) {
            assert!(root.join(file).is_file(), "{file}");
        }
    }

    #[test]
    fn the_page_names_commit_results_and_failures() {
        let rows = [
            Row { what: "tests", result: Ok("7 passed, 0 failed".to_owned()), took: Duration::from_secs(61) },
            Row {
                what: "mutants",
                result: Err(anyhow::anyhow!("2 missed").context("sad")),
                took: Duration::ZERO,
            },
        ];
        let page = page("Commit `abc`, 2026-11-20.", &rows);
        assert!(page.contains("Commit `abc`, 2026-11-20."));
        assert!(page.contains("| tests | 7 passed, 0 failed | 1 min 1 s |"));
        assert!(page.contains("| mutants | **failed**: sad: 2 missed | 0 min 0 s |"));
    }
}
