//! Workspaces: the parts of an organization.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::{OrganizationId, Timestamp, WorkspaceId};

use super::Tag;
use super::answer::Answer;
use super::credentials::InOrganization;
use super::cursor::List;
use super::kinds::{Cursor, ExternalId, Name};
use super::pages::{PageQuery, next};
use super::parameters::InQuery;
use super::text::Text;

pub(super) struct Workspaces;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Workspaces")]
impl Workspaces {
    /// List workspaces
    ///
    /// The organization's workspaces that the calling key sees, the newest first.
    #[oai(
        path = "/organizations/:organization_id/workspaces",
        method = "get",
        operation_id = "list_workspaces"
    )]
    async fn list_workspaces(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
        page: InQuery<PageQuery>,
    ) -> Answer<Json<WorkspacePage>> {
        let list = List::of("list_workspaces").by(Some(caller.tenant.organization_id()));
        let cursors = &caller.app.cursors;
        let request = page.0.of(&list, cursors)?;
        let page = caller.tenant.list_workspaces(request).await?;
        let next_cursor = next(&page, |workspace| workspace.id, &list, cursors);
        Ok(Json(WorkspacePage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }
}

/// A workspace: a part of an organization, where resources live.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct Workspace {
    /// Its id.
    id: Text<WorkspaceId>,
    /// The organization of which it is a part.
    organization_id: Text<OrganizationId>,
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// Moves with each edit.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::Workspace> for Workspace {
    fn from(workspace: wardkey::Workspace) -> Self {
        let wardkey::Workspace { id, organization, name, external_id, version, created_at, updated_at } =
            workspace;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for Workspace {
    fn example() -> Self {
        Self {
            id: Text::example(),
            organization_id: Text::example(),
            name: Name("Europe".to_owned()).into(),
            external_id: Some(ExternalId("eu-1".to_owned()).into()),
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of workspaces.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct WorkspacePage {
    /// The workspaces, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<Workspace>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for WorkspacePage {
    fn example() -> Self {
        Self { items: vec![Workspace::example()], next_cursor: None }
    }
}
