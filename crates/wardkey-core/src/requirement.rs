//! What a request needs.

use std::net::IpAddr;

use crate::denial::Denial;
use crate::ids::{CustomerId, Reference, WorkspaceId};
use crate::permission::{PermissionName, PermissionSet};
use crate::rights::Rights;

/// What a route asks of a key: permissions, a workspace, a customer. The default asks for nothing but a valid key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Which permissions.
    pub permissions: NeededPermissions,
    /// In which workspace. Without one, a permission held in any place is enough.
    pub workspace: Option<Reference<WorkspaceId>>,
    /// For which customer.
    pub customer: Option<Reference<CustomerId>>,
}

/// Which permissions are needed, by name: a name that nobody declared is held by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeededPermissions {
    /// Each of them; of an empty list, none.
    AllOf(Vec<PermissionName>),
    /// At least one of them.
    AnyOf(Vec<PermissionName>),
}

impl Default for NeededPermissions {
    fn default() -> Self {
        Self::AllOf(Vec::new())
    }
}

impl Requirement {
    /// Nothing but a valid key.
    pub const NONE: Self =
        Self { permissions: NeededPermissions::AllOf(Vec::new()), workspace: None, customer: None };

    /// Permissions and workspace; the customer is resolved by the verifier.
    pub(crate) fn check(&self, rights: &Rights, address: Option<IpAddr>) -> Result<(), Denial> {
        // A key that lacks the permission everywhere hears so, whatever workspace it names; that tells nothing about
        // the workspace.
        self.permissions.check(rights.anywhere())?;
        match &self.workspace {
            None => Ok(()),
            Some(workspace) => {
                let workspace = rights.workspace(workspace).ok_or(Denial::NotFound)?;
                if !workspace.admits(address) {
                    return Err(Denial::IpNotAllowed);
                }
                self.permissions.check(workspace.held)
            }
        }
    }
}

impl NeededPermissions {
    fn check(&self, held: &PermissionSet) -> Result<(), Denial> {
        let lacking = |name: &&PermissionName| !held.contains_name(name.as_str());
        let missing: Vec<_> = match self {
            Self::AllOf(names) => names.iter().filter(lacking).collect(),
            Self::AnyOf(names) if names.iter().all(|name| lacking(&name)) => names.iter().collect(),
            Self::AnyOf(_) => return Ok(()),
        };
        if missing.is_empty() && !matches!(self, Self::AnyOf(_)) {
            return Ok(());
        }
        Err(Denial::InsufficientPermissions { missing: missing.iter().map(ToString::to_string).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_needed_or_any_one_will_do() {
        let named = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
        let held = PermissionSet::from_iter(&named(&["pipelines:read"]));
        let both = || named(&["pipelines:read", "pipelines:run"]);
        let neither = || named(&["pipelines:run", "connections:read"]);
        let missing = |needed: NeededPermissions| match needed.check(&held) {
            Ok(()) => Vec::new(),
            Err(Denial::InsufficientPermissions { missing }) => missing,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(missing(NeededPermissions::AllOf(both())), ["pipelines:run"]);
        assert_eq!(missing(NeededPermissions::AllOf(named(&["pipelines:read"]))), [""; 0]);
        assert_eq!(missing(NeededPermissions::AnyOf(both())), [""; 0]);
        assert_eq!(missing(NeededPermissions::AnyOf(neither())), ["pipelines:run", "connections:read"]);
        assert!(NeededPermissions::AnyOf(Vec::new()).check(&held).is_err(), "none of none is none");
    }
}
