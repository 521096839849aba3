//! Commands on the permission catalogue.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use wardkey::{Error, Unlisted, VersionedCatalogue, read_catalogue, write_catalogue};

use super::local::{Local, say};
use super::print;

/// What to do with the permission catalogue.
#[derive(Subcommand)]
pub enum PermissionsCommand {
    /// Add the permissions of a file, and give those that are there the file's group, class and label
    ///
    /// The file is of the form that `permissions print --output json` prints. What the catalogue has and the file has not
    /// stays, unless it is pruned.
    Apply {
        /// The file; a hyphen is standard input
        file: PathBuf,
        /// Remove what the file has not. A permission that a role or a key lists is not removed: the command fails then
        #[arg(long)]
        prune: bool,
    },
    /// Print the product's permissions, group by group
    Print,
}

impl PermissionsCommand {
    pub(super) async fn run(self, local: &Local) -> anyhow::Result<()> {
        let catalogue = match self {
            Self::Print => local.deployment("wardkey permissions print").await?.catalogue().await?,
            Self::Apply { file, prune } => {
                let name = file.display();
                let listed = read_catalogue(&read(&file)?).with_context(|| name.to_string())?;
                let unlisted = if prune { Unlisted::Removed } else { Unlisted::Kept };
                let deployment = local.deployment("wardkey permissions apply").await?;
                deployment.apply_catalogue(&listed, unlisted).await.map_err(|error| match error {
                    Error::VersionMismatch { .. } => {
                        anyhow::anyhow!("somebody else has changed the catalogue meanwhile: try again")
                    }
                    error => say(error, &[]),
                })?
            }
        };
        show(local, &catalogue)
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Groups with their permissions below them; or the form of the API, which is that of the file.
fn show(local: &Local, catalogue: &VersionedCatalogue) -> anyhow::Result<()> {
    let VersionedCatalogue { catalogue, version: _ } = catalogue;
    if !local.is_for_people() {
        return print(&format!("{}\n", write_catalogue(catalogue)));
    }
    let width =
        catalogue.permissions().map(|permission| permission.name.as_str().len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in &catalogue.groups {
        text.push_str(&group.label);
        text.push('\n');
        for permission in &group.permissions {
            let (name, class) = (permission.name.as_str(), permission.class.as_str());
            text.push_str(&format!("  {name:width$}  {class:5}  {}\n", permission.label));
        }
    }
    print(&text)
}
