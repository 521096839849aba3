//! What others' linters say about the OpenAPI document: nothing, warnings included.

use anyhow::Result;

use crate::openapi::DOCUMENT;
use crate::process;
use crate::tools::Tools;

/// Redocly's rules stand in redocly.yaml, Spectral's in .spectral.yaml; in both a warning fails.
pub(crate) fn lint(tools: &Tools) -> Result<()> {
    process::run(tools.command("redocly").args(["lint", DOCUMENT]))?;
    process::run(tools.command("spectral").args(["lint", "--fail-severity", "hint", DOCUMENT]))
}
