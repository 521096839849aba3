//! Grants: the roles that a member or a team holds.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::RoleRef;
use wardkey_core::{BuiltInRole, Reference, WorkspaceId};

use super::text::Text;

/// A role that a member or a team holds, in the whole organization or in one workspace.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct Grant {
    /// Which role.
    role: Text<RoleRef>,
    /// The workspace in which it is held; absent: in the whole organization.
    workspace_id: Option<Text<WorkspaceId>>,
}

impl From<wardkey::Grant> for Grant {
    fn from(grant: wardkey::Grant) -> Self {
        let wardkey::Grant { workspace, role } = grant;
        Self { role: role.into(), workspace_id: workspace.map(Text) }
    }
}

impl Example for Grant {
    fn example() -> Self {
        wardkey::Grant::organization_wide(BuiltInRole::Member).into()
    }
}

/// A role to be given, in the whole organization or in one workspace. Nobody gives more than they hold, and only owners
/// make owners. `owner` and `admin` are held in the whole organization only.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct GrantChoice {
    /// Which role.
    role: Text<RoleRef>,
    /// The workspace in which it is to be held; left out: in the whole organization.
    workspace_id: Option<Text<Reference<WorkspaceId>>>,
}

impl From<GrantChoice> for wardkey::GrantChoice {
    fn from(choice: GrantChoice) -> Self {
        let GrantChoice { role, workspace_id } = choice;
        Self { role: role.0, workspace: workspace_id.map(|workspace| workspace.0) }
    }
}

impl Example for GrantChoice {
    fn example() -> Self {
        Self { role: RoleRef::BuiltIn(BuiltInRole::Member).into(), workspace_id: None }
    }
}
