//! `ci`: everything that must hold before a change lands, the README's test command first.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::fuzz::Cases;
use crate::postgres::Postgres;
use crate::process::{cargo, run as run_command};
use crate::test::{Depth, Totals};
use crate::tools::Tools;
use crate::{document, features, fuzz, migration, openapi, process, test, tidy};

pub(crate) fn run(totals: &mut Option<Totals>) -> Result<()> {
    let postgres = Postgres::find()?;
    step("test", || test::run(&postgres, Depth::Usual, totals))?;
    step("fmt", || run_command(cargo().args(["fmt", "--all", "--check"])))?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        run_command(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("docs", || {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        run_command(&mut doc)
    })?;
    step("features", features::check)?;
    step("migration check", || migration::check(&postgres))?;
    step("openapi --check", openapi::check)?;
    let tools = step("tools", Tools::install)?;
    step("document", || document::lint(&tools))?;
    step("fuzz", || fuzz::run(&tools, Cases::Few))?;
    step("examples", run_examples)?;
    println!("\nAll steps passed.");
    Ok(())
}

/// Each example by itself, as its reader builds it; their tests have run with all others. The walk is walked.
fn run_examples() -> Result<()> {
    let metadata = process::metadata()?;
    let examples = metadata.workspace_root.join("examples");
    for package in metadata.workspace_packages() {
        if package.manifest_path.starts_with(&examples) {
            run_command(cargo().args(["build", "--package", &package.name]))?;
        }
    }
    run_command(cargo().args(["build", "--package", "wardkey-server"]))?;
    run_command(&mut Command::new(process::target_directory()?.join("debug/tenancy-walk")))
}

/// Runs one step between its name and its duration; names it when it fails.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n=== {name} ===");
    let (result, took) = timed(work);
    let result = result.with_context(|| format!("step {name} failed after {} s", took.as_secs()))?;
    println!("=== {name}: {} s ===", took.as_secs());
    Ok(result)
}

#[expect(clippy::disallowed_methods, reason = "durations are printed, and nothing depends on them")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}
