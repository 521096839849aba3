//! The house as its manifests describe it, reduced to what the rules look at.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, Package};

/// The workspace.
#[derive(Debug, Default)]
pub(super) struct House {
    pub(super) rooms: Vec<Room>,
}

/// A member of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) publication: Publication,
    /// Keys of its manifest that should say `workspace = true` and do not.
    pub(super) not_inherited: Vec<&'static str>,
    pub(super) arrows: Vec<Arrow>,
}

/// The folder in which a room stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Crates,
    Examples,
    Xtask,
    Elsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publication {
    Published,
    Private,
}

/// One room's dependency on a crate.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    pub(super) to: String,
    pub(super) kind: Kind,
    pub(super) features: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Normal or build: part of what others get.
    Normal,
    Dev,
}

/// What every member takes from the workspace; a dot separates tables.
const INHERITED: [&str; 4] = ["lints", "package.edition", "package.rust-version", "package.license"];

pub(super) fn look_at(metadata: &Metadata) -> Result<House> {
    let rooms = metadata.workspace_packages().into_iter().map(|package| room(metadata, package));
    Ok(House { rooms: rooms.collect::<Result<_>>()? })
}

fn room(metadata: &Metadata, package: &Package) -> Result<Room> {
    let path = &package.manifest_path;
    let manifest = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let folder = path.strip_prefix(&metadata.workspace_root).ok().and_then(|path| path.components().next());
    Ok(Room {
        name: package.name.to_string(),
        place: match folder.map(|folder| folder.as_str()) {
            Some("crates") => Place::Crates,
            Some("examples") => Place::Examples,
            Some("xtask") => Place::Xtask,
            _ => Place::Elsewhere,
        },
        publication: match &package.publish {
            Some(registries) if registries.is_empty() => Publication::Private,
            _ => Publication::Published,
        },
        not_inherited: not_inherited(&manifest).with_context(|| format!("cannot understand {path}"))?,
        arrows: package
            .dependencies
            .iter()
            .map(|dependency| Arrow {
                to: dependency.name.clone(),
                kind: if dependency.kind == DependencyKind::Development { Kind::Dev } else { Kind::Normal },
                features: dependency.features.iter().cloned().collect(),
            })
            .collect(),
    })
}

fn not_inherited(manifest: &str) -> Result<Vec<&'static str>> {
    let manifest: toml::Value = toml::from_str(manifest)?;
    let inherits = |key: &&str| {
        let table = key.split('.').try_fold(&manifest, |table, name| table.get(name));
        table.and_then(|table| table.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    Ok(INHERITED.into_iter().filter(|key| !inherits(key)).collect())
}

#[cfg(test)]
mod tests {
    use super::not_inherited;

    #[test]
    fn what_a_manifest_does_not_inherit_is_named() {
        let inherits_all = "
            [package]
            edition.workspace = true
            rust-version.workspace = true
            license.workspace = true
            [lints]
            workspace = true
        ";
        assert!(not_inherited(inherits_all).unwrap().is_empty());
        let own_ideas = "
            [package]
            edition = \"2021\"
            rust-version.workspace = false
            license.workspace = true
        ";
        assert_eq!(not_inherited(own_ideas).unwrap(), ["lints", "package.edition", "package.rust-version"]);
    }
}
