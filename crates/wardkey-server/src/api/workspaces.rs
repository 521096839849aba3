//! Workspaces: the parts of an organization.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::permission::AdminWorkspaces;
use wardkey_core::{IpNetwork, OrganizationId, Reference, Timestamp, WorkspaceId};

pub(super) use self::input::RULES;
use self::input::{CreateWorkspaceRequest, UpdateWorkspaceRequest, WorkspaceQuery};
use super::Tag;
use super::answer::{Answer, Created, Deleted, Refusals, Shown, made};
use super::credentials::InOrganization;
use super::kinds::{Cursor, ExternalId, Name};
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch};
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Workspaces;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Workspaces")]
impl Workspaces {
    /// List workspaces
    ///
    /// The organization's workspaces that the caller sees, the newest first.
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
        query: InQuery<WorkspaceQuery>,
    ) -> Answer<Json<WorkspacePage>> {
        let InOrganization { tenant, app, .. } = caller;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_workspaces(filter, request).await?;
        let next_cursor = next(&page, |workspace| workspace.id, &list, &app.cursors);
        Ok(Json(WorkspacePage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Create a workspace
    ///
    /// An organization has at most 1 000 of them. Whoever reaches all workspaces reaches the new one.
    #[oai(
        path = "/organizations/:organization_id/workspaces",
        method = "post",
        operation_id = "create_workspace"
    )]
    async fn create_workspace(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminWorkspaces>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same workspace.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The workspace to be created.
        body: Strict<CreateWorkspaceRequest>,
    ) -> Answer<Created<Workspace>, Creating> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let CreateWorkspaceRequest { name, external_id, ip_allowlist } = value;
        let (name, external_id) = (name.0.0, external_id.map(|id| id.0.0));
        let networks = ip_allowlist.into_iter().map(|network| network.0).collect();
        let (workspace, replayed) = made(tenant.create_workspace(name, external_id, networks).await?);
        let wardkey::Workspace { id, organization, version, .. } = workspace;
        let location = format!("{}/v1/organizations/{organization}/workspaces/{id}", app.base_url);
        Ok(Created::new(workspace, location, version, replayed))
    }

    /// Get a workspace
    ///
    /// One that the caller sees.
    #[oai(
        path = "/organizations/:organization_id/workspaces/:workspace_id",
        method = "get",
        operation_id = "get_workspace"
    )]
    async fn get_workspace(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        caller: InOrganization<()>,
        /// The workspace, by its id or by the id that your backend gave it.
        workspace_id: InPath<Reference<WorkspaceId>>,
    ) -> Answer<Shown<Workspace>> {
        let workspace = caller.tenant.get_workspace(&workspace_id.0).await?;
        let version = workspace.version;
        Ok(Shown::new(workspace, version))
    }

    /// Update a workspace
    ///
    /// Members that are left out stay as they are; `null` takes the external id away; a list that is given replaces the whole
    /// one.
    #[oai(
        path = "/organizations/:organization_id/workspaces/:workspace_id",
        method = "patch",
        operation_id = "update_workspace"
    )]
    async fn update_workspace(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminWorkspaces>,
        /// The workspace, by its id or by the id that your backend gave it.
        workspace_id: InPath<Reference<WorkspaceId>>,
        /// The `ETag` of the workspace as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateWorkspaceRequest>,
    ) -> Answer<Shown<Workspace>, Naming> {
        let patch = body.value.into_patch();
        let workspace = admin.tenant.update_workspace(&workspace_id.0, if_match.0, patch).await?;
        let version = workspace.version;
        Ok(Shown::new(workspace, version))
    }

    /// Delete a workspace
    ///
    /// Every role that was given in it is gone at once. Keys that name it reach one workspace less; those that name no other
    /// reach nothing.
    #[oai(
        path = "/organizations/:organization_id/workspaces/:workspace_id",
        method = "delete",
        operation_id = "delete_workspace"
    )]
    async fn delete_workspace(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminWorkspaces>,
        /// The workspace, by its id or by the id that your backend gave it.
        workspace_id: InPath<Reference<WorkspaceId>>,
        /// The `ETag` of the workspace as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted> {
        admin.tenant.delete_workspace(&workspace_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }
}

/// What can stand in the way of a new workspace.
struct Creating;

impl Refusals for Creating {
    const CODES: &'static [Code] = &[Code::ExternalIdInUse, Code::WorkspaceLimitReached];
}

/// What can stand in the way of an edit.
struct Naming;

impl Refusals for Naming {
    const CODES: &'static [Code] = &[Code::ExternalIdInUse];
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
    /// Moves with each edit; the `ETag`, without quotes.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
    /// From where it may be reached, within what the organization allows; empty is from everywhere.
    #[oai(validator(max_items = 100))]
    ip_allowlist: Vec<Text<IpNetwork>>,
}

impl From<wardkey::Workspace> for Workspace {
    fn from(workspace: wardkey::Workspace) -> Self {
        let wardkey::Workspace {
            id,
            organization,
            name,
            external_id,
            version,
            created_at,
            updated_at,
            ip_allowlist,
        } = workspace;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
            ip_allowlist: ip_allowlist.into_iter().map(Text).collect(),
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
            ip_allowlist: Vec::new(),
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
