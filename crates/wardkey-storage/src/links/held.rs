//! What a person was seen to hold when a link was made for them.

use serde::{Deserialize, Serialize};
use wardkey_core::{Role, RoleGrant};

/// A role as a link keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldRole {
    workspace: Option<String>,
    role: HeldAs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeldAs {
    BuiltIn(String),
    /// An organization's own role stands here with its permissions, as it may be widened.
    Custom(Vec<String>),
}

impl From<&RoleGrant> for HeldRole {
    fn from(grant: &RoleGrant) -> Self {
        let RoleGrant { workspace, role } = grant;
        let role = match role {
            Role::BuiltIn(role) => HeldAs::BuiltIn(role.as_str().to_owned()),
            Role::Custom(names) => HeldAs::Custom(names.iter().map(ToString::to_string).collect()),
        };
        Self { workspace: workspace.map(|workspace| workspace.to_string()), role }
    }
}

pub(super) fn describe(held: &[RoleGrant]) -> Vec<HeldRole> {
    held.iter().map(Into::into).collect()
}

/// Whether each of these roles was there before, there or in the whole organization, and gave as much: one that is not may
/// be more than whoever made the link was let make it for. What two roles give together is not added up.
pub(super) fn covers(before: &[HeldRole], now: &[HeldRole]) -> bool {
    now.iter().all(|role| before.iter().any(|known| known.covers(role)))
}

impl HeldRole {
    fn covers(&self, other: &Self) -> bool {
        let place = self.workspace.is_none() || self.workspace == other.workspace;
        place
            && match (&self.role, &other.role) {
                (HeldAs::BuiltIn(known), HeldAs::BuiltIn(role)) => known == role,
                (HeldAs::Custom(known), HeldAs::Custom(names)) => {
                    names.iter().all(|name| known.contains(name))
                }
                (HeldAs::BuiltIn(_), HeldAs::Custom(_)) | (HeldAs::Custom(_), HeldAs::BuiltIn(_)) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use wardkey_core::{BuiltInRole, Id as _, WorkspaceId};

    use super::*;

    fn held(grants: &[(Option<u8>, &[&str])]) -> Vec<HeldRole> {
        let grant = |(workspace, role): &(Option<u8>, &[&str])| RoleGrant {
            workspace: workspace.map(|byte| WorkspaceId::from_bytes([byte; 16])),
            role: match role {
                [one] if !one.contains(':') => Role::BuiltIn(one.parse::<BuiltInRole>().unwrap()),
                names => Role::Custom(names.iter().map(|name| name.parse().unwrap()).collect()),
            },
        };
        describe(&grants.iter().map(grant).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_more_is_what_was_there_before_or_less() {
        let before = held(&[(None, &["viewer"]), (Some(1), &["member"]), (None, &["a:read", "a:write"])]);
        for now in [
            held(&[]),
            held(&[(None, &["viewer"]), (Some(2), &["viewer"])]),
            held(&[(Some(1), &["member"]), (None, &["a:read"]), (Some(2), &["a:write"])]),
            before.clone(),
        ] {
            assert!(covers(&before, &now), "{now:?}");
        }
        for more in [
            held(&[(None, &["owner"])]),
            held(&[(None, &["viewer"]), (None, &["admin"])]),
            held(&[(Some(2), &["member"])]),
            held(&[(None, &["member"])]),
            held(&[(None, &["a:read", "a:write", "b:read"])]),
        ] {
            assert!(!covers(&before, &more), "{more:?}");
            assert!(!covers(&[], &more), "{more:?}");
        }
        assert!(covers(&[], &[]));
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Vec<HeldRole>>(&text).unwrap(), before);
    }
}
