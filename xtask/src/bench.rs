//! `bench`: the benchmarks, optimised. Each prints its own table.

use anyhow::Result;

use crate::process;

pub(crate) fn run() -> Result<()> {
    // The glob names bench targets alone: plain `--benches` would run every library's unit tests as well.
    process::run(process::cargo().args(["bench", "--workspace", "--all-features", "--bench", "*"]))
}
