//! The dependency tree against deny.toml: licences, bans with their version floors, sources.
//!
//! The same file serves `cargo deny`; the rules in it are enforced here, so that no further program has to be built.

use anyhow::{Context as _, Result, bail};
use cargo_metadata::semver::{Version, VersionReq};
use cargo_metadata::{Metadata, Package};

use super::licence;

/// What deny.toml says.
#[derive(Debug)]
pub(super) struct Policy {
    licences: Vec<String>,
    bans: Vec<Ban>,
}

/// A crate that may not stand in the tree: some versions or all, or only below certain others.
#[derive(Debug)]
struct Ban {
    name: String,
    versions: VersionReq,
    wrappers: Vec<String>,
    reason: String,
}

impl Policy {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let document: toml::Value = toml::from_str(text).context("deny.toml is not TOML")?;
        let list = |section: &str, key: &str| {
            let list =
                document.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
            list.with_context(|| format!("deny.toml has no list {section}.{key}"))
        };
        Ok(Self {
            licences: texts(list("licenses", "allow")?),
            bans: list("bans", "deny")?.iter().map(Ban::parse).collect::<Result<_>>()?,
        })
    }
}

impl Ban {
    fn parse(entry: &toml::Value) -> Result<Self> {
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str);
        let (Some(spec), Some(reason)) = (text("crate"), text("reason")) else {
            bail!("deny.toml: a ban names its `crate` and its `reason`: {entry}");
        };
        let (name, versions) = spec.split_once('@').unwrap_or((spec, "*"));
        let versions =
            VersionReq::parse(versions).with_context(|| format!("deny.toml: versions of {spec}"))?;
        let wrappers =
            entry.get("wrappers").and_then(toml::Value::as_array).map_or_else(Vec::new, |list| texts(list));
        Ok(Self { name: name.to_owned(), versions, wrappers, reason: reason.to_owned() })
    }

    fn covers(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.versions.matches(version)
    }
}

fn texts(list: &[toml::Value]) -> Vec<String> {
    list.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

pub(super) fn faults(metadata: &Metadata, policy: &Policy) -> Vec<String> {
    metadata.packages.iter().flat_map(|package| package_faults(metadata, package, policy)).collect()
}

fn package_faults(metadata: &Metadata, package: &Package, policy: &Policy) -> Vec<String> {
    let mut faults = Vec::new();
    let (name, version) = (package.name.as_str(), &package.version);
    if metadata.workspace_members.contains(&package.id) {
        return faults;
    }
    if package.source.as_ref().is_none_or(|source| !source.is_crates_io()) {
        faults.push(format!("{name} {version} does not come from the public registry"));
    }
    let licence = package.license.as_deref().unwrap_or_default();
    if !licence::is_allowed(licence, &policy.licences) {
        faults.push(format!("{name} {version} has the licence `{licence}`, which deny.toml does not allow"));
    }
    for ban in policy.bans.iter().filter(|ban| ban.covers(name, version)) {
        let users = users_of(metadata, package);
        if ban.wrappers.is_empty() || users.iter().any(|user| !ban.wrappers.contains(user)) {
            faults.push(format!("{name} {version}, used by {}, is banned: {}", users.join(", "), ban.reason));
        }
    }
    faults
}

fn users_of(metadata: &Metadata, package: &Package) -> Vec<String> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let users = nodes.filter(|node| node.dependencies.contains(&package.id));
    users.map(|node| metadata[&node.id].name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use cargo_metadata::semver::Version;

    fn banned(policy: &Policy, name: &str, version: &str) -> bool {
        policy.bans.iter().any(|ban| ban.covers(name, &Version::parse(version).unwrap()))
    }

    #[test]
    fn the_version_floors_of_deny_toml_hold() {
        let policy = Policy::parse(include_str!("../../../deny.toml")).unwrap();
        for (name, refused, accepted) in
            [("diesel", "2.3.9", "2.3.10"), ("jsonwebtoken", "10.2.0", "10.3.0"), ("h2", "0.4.3", "0.4.4")]
        {
            assert!(banned(&policy, name, refused), "{name} {refused}");
            assert!(!banned(&policy, name, accepted), "{name} {accepted}");
        }
        assert!(banned(&policy, "rsa", "0.9.8"));
    }

    #[test]
    fn a_ban_without_a_reason_is_refused() {
        let text = "licenses.allow = []\nbans.deny = [{ crate = \"rsa\" }]";
        assert!(Policy::parse(text).unwrap_err().to_string().contains("its `reason`"));
    }
}
