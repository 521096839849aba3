//! What is asked for when workspaces are created, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use wardkey::{PageRequest, Tenant, WorkspaceFilter, WorkspacePatch};
use wardkey_core::{IpNetwork, WorkspaceId};

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, ExternalId, Name, Search};
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use crate::problem::Refusal;

/// What a workspace has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateWorkspaceRequest",
    check: |_| Vec::new(),
    immutable: &["id", "organization_id", "version", "created_at", "updated_at"],
}];

/// A workspace to be created.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateWorkspaceRequest {
    /// What people call it.
    pub(super) name: Text<Name>,
    /// The id that your backend gives it; no other workspace of the organization has the same.
    pub(super) external_id: Option<Text<ExternalId>>,
    /// From where it may be reached, within what the organization allows; empty is from everywhere.
    #[oai(default, validator(max_items = 100, unique_items))]
    pub(super) ip_allowlist: Vec<Text<IpNetwork>>,
}

impl Example for CreateWorkspaceRequest {
    fn example() -> Self {
        Self {
            name: Name("Europe".to_owned()).into(),
            external_id: Some(ExternalId("eu-1".to_owned()).into()),
            ip_allowlist: Vec::new(),
        }
    }
}

/// What shall be different about a workspace; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateWorkspaceRequest {
    /// What people call it.
    name: Option<Text<Name>>,
    /// The id that your backend gives it; `null` takes it away.
    #[oai(nullable)]
    external_id: MaybeUndefined<Text<ExternalId>>,
    /// The whole new list; empty is from everywhere.
    #[oai(validator(max_items = 100, unique_items))]
    ip_allowlist: Option<Vec<Text<IpNetwork>>>,
}

impl UpdateWorkspaceRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> WorkspacePatch {
        let Self { name, external_id, ip_allowlist } = self;
        WorkspacePatch {
            name: name.map(|name| name.0.0),
            external_id: match external_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(Some(id.0.0)),
            },
            ip_allowlist: ip_allowlist.map(|list| list.into_iter().map(|network| network.0).collect()),
        }
    }
}

impl Example for UpdateWorkspaceRequest {
    fn example() -> Self {
        Self { name: None, external_id: MaybeUndefined::Undefined, ip_allowlist: Some(vec![Text::example()]) }
    }
}

/// Which workspaces are listed.
#[derive(Debug, Object)]
pub(super) struct WorkspaceQuery {
    /// Only the workspace to which your backend gave this id.
    external_id: Option<Text<ExternalId>>,
    /// Only those that have this text in their name, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl WorkspaceQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { external_id, search, limit: _, cursor: _ } = self;
        List::of("list_workspaces")
            .by(Some(tenant.organization_id()))
            .by(external_id.as_ref().map(|id| &id.0.0))
            .by(search.as_ref().map(|search| &search.0.0))
    }

    /// Filter and page.
    ///
    /// # Errors
    /// If the cursor was not made for this list.
    pub(super) fn split(
        self,
        list: &List,
        cursors: &CursorKey,
    ) -> Result<(WorkspaceFilter, PageRequest<WorkspaceId>), Refusal> {
        let Self { external_id, search, limit, cursor } = self;
        let filter = WorkspaceFilter {
            only: None,
            external_id: external_id.map(|id| id.0.0),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
