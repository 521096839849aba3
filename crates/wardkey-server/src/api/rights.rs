//! What a key may do, and where, as it is shown.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey_core::{PermissionName, PermissionSet, WorkspaceId, WorkspaceRights};

use super::kinds::ExternalId;
use super::text::Text;

/// What a key may do, and where.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct Rights {
    /// What it may do in the organization as a whole.
    permissions: Vec<Text<PermissionName>>,
    /// Whether it reaches every workspace, those made later included.
    all_workspaces: bool,
    /// Every workspace that it reaches, with what it may do there.
    #[oai(validator(max_items = 1000))]
    workspaces: Vec<Place>,
}

impl From<&wardkey_core::Rights> for Rights {
    fn from(rights: &wardkey_core::Rights) -> Self {
        Self {
            permissions: names(rights.organization_wide()),
            all_workspaces: rights.sees_all_workspaces(),
            workspaces: rights.workspaces().map(Into::into).collect(),
        }
    }
}

impl Example for Rights {
    fn example() -> Self {
        Self {
            permissions: vec![Text::example()],
            all_workspaces: true,
            workspaces: vec![Place {
                id: Text::example(),
                external_id: Some(Text::example()),
                permissions: vec![Text::example()],
            }],
        }
    }
}

/// What a key may do in one workspace.
#[derive(Debug, Object)]
#[oai(rename = "WorkspaceRights", skip_serializing_if_is_none)]
struct Place {
    /// The workspace.
    id: Text<WorkspaceId>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// What the key may do there.
    permissions: Vec<Text<PermissionName>>,
}

impl From<WorkspaceRights<'_>> for Place {
    fn from(workspace: WorkspaceRights<'_>) -> Self {
        let WorkspaceRights { id, external_id, held, networks: _ } = workspace;
        Self {
            id: id.into(),
            external_id: external_id.map(|id| ExternalId(id.to_owned()).into()),
            permissions: names(held),
        }
    }
}

/// The names, in their own order rather than in that of this process.
fn names(set: &PermissionSet) -> Vec<Text<PermissionName>> {
    let mut names = set.names();
    names.sort();
    names.into_iter().map(Text).collect()
}
