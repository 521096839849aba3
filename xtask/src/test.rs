//! `test`: every test of the workspace, and one line of totals.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::postgres::Postgres;
use crate::{process, tools};

/// How deep the tests go.
#[derive(Clone, Copy)]
pub(crate) enum Depth {
    /// Each promise in small.
    Usual,
    /// The long forms, optimised; tests that have one look for WARDKEY_SOAK.
    Soak,
}

/// The sum of every `test result:` line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Totals {
    /// Adds a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; …`; any other line adds nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(kind)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match kind {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

/// Runs every test against `postgres`; `totals` tells what has run, also when this fails.
pub(crate) fn run(postgres: &Postgres, depth: Depth, totals: &mut Option<Totals>) -> Result<()> {
    tools::install_programs_of_tests()?;
    let mut cargo = process::cargo();
    cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if let Depth::Soak = depth {
        cargo.arg("--release").env("WARDKEY_SOAK", "1");
    }
    let tests = postgres.watch(|| run_and_count(postgres.lend_to(&mut cargo), totals));
    let counted = totals.get_or_insert_default();
    if tests.is_err() && counted.failed == 0 {
        // Nothing was counted as failed, yet something did: a build, or a test process that died.
        counted.failed = 1;
    }
    tests?;
    ensure!(counted.failed == 0, "tests failed");
    ensure!(counted.ignored == 0, "{} tests were skipped; none may be", counted.ignored);
    Ok(())
}

/// Runs the tests of one integration binary whose names start with `prefix`; at least one must exist.
pub(crate) fn run_named(postgres: &Postgres, package: &str, prefix: &str) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--package", package, "--all-features", "--test", "it", "--", prefix]);
    let mut totals = None;
    postgres.watch(|| run_and_count(postgres.lend_to(&mut cargo), &mut totals))?;
    ensure!(totals.unwrap_or_default().passed > 0, "{package} has no test named {prefix}…");
    Ok(())
}

fn run_and_count(cargo: &mut Command, totals: &mut Option<Totals>) -> Result<()> {
    println!("$ {}", process::describe(cargo));
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::describe(cargo)))?;
    let totals = totals.get_or_insert_default();
    let mut lines = BufReader::new(child.stdout.take().context("standard output is piped")?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        totals.add(&text);
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed: {status}", process::describe(cargo));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn totals_are_the_sum_of_all_result_lines() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests\n",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s\n",
            "test a_result_line_is_not_any_line ... ok\n",
            "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.25s\n",
        ] {
            totals.add(line);
        }
        assert_eq!(totals, Totals { passed: 15, failed: 2, ignored: 1 });
        assert_eq!(totals.to_string(), "15 passed, 2 failed");
    }
}
