//! Each feature alone: a published crate must compile with any one of its features, and with none.

use anyhow::Result;

use crate::process;

pub(crate) fn check() -> Result<()> {
    let metadata = process::metadata()?;
    for package in metadata.workspace_packages() {
        if package.publish.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        check_with(&package.name, None)?;
        for feature in package.features.keys().filter(|feature| *feature != "default") {
            check_with(&package.name, Some(feature))?;
        }
    }
    Ok(())
}

fn check_with(package: &str, feature: Option<&str>) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["clippy", "--quiet", "--package", package, "--no-deps", "--no-default-features"]);
    if let Some(feature) = feature {
        cargo.args(["--features", feature]);
    }
    process::run(cargo.args(["--", "-D", "warnings"]))
}
