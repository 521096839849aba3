//! Workspaces: the parts of an organization.

use wardkey_core::permission::AdminWorkspaces;
use wardkey_core::{IpNetwork, Reference, WorkspaceId};
use wardkey_storage::{NewWorkspace, Once, Workspace, WorkspaceEdit, WorkspaceFilter};

use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist, can_match};
use crate::tenant::Tenant;

/// What shall be different about a workspace; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspacePatch {
    /// What people call it.
    pub name: Option<String>,
    /// The id that the product's backend gives it; `Some(None)` takes it away.
    pub external_id: Option<Option<String>>,
    /// The whole new list; empty is from everywhere.
    pub ip_allowlist: Option<Vec<IpNetwork>>,
}

impl Tenant {
    /// The workspaces that the caller sees, as far as they pass the filter; needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_workspaces(
        &self,
        mut filter: WorkspaceFilter,
        page: PageRequest<WorkspaceId>,
    ) -> Result<PageOf<Workspace>, Error> {
        if !can_match(&[&filter.external_id, &filter.search]) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        if !self.rights().sees_all_workspaces() {
            let visible = self.rights().workspaces().map(|workspace| workspace.id);
            let wanted = |id: &WorkspaceId| filter.only.as_ref().is_none_or(|only| only.contains(id));
            filter.only = Some(visible.filter(wanted).collect());
        }
        let storage = self.wardkey.storage();
        let items = storage.list_workspaces(self.organization_id(), &filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// A workspace that the caller sees; needs no permission.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_workspace(&self, workspace: &Reference<WorkspaceId>) -> Result<Workspace, Error> {
        if !can_exist(workspace) {
            return Err(Error::NotFound);
        }
        let rights = self.rights();
        // Whoever sees all of them sees those, too, that were made since the rights were computed.
        if !rights.sees_all_workspaces() && rights.workspace(workspace).is_none() {
            return Err(Error::NotFound);
        }
        let storage = self.wardkey.storage();
        let found =
            storage.find_workspace(self.organization_id(), workspace).await?.ok_or(Error::NotFound)?;
        // An external id may have moved to another one since.
        let visible = rights.sees_all_workspaces() || rights.workspace(&found.id.into()).is_some();
        if visible { Ok(found) } else { Err(Error::NotFound) }
    }

    /// Creates a workspace; needs `admin:workspaces`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], conflicts (external id in use, too many workspaces),
    /// [`Error::Unavailable`].
    pub async fn create_workspace(
        &self,
        name: String,
        external_id: Option<String>,
        ip_allowlist: Vec<IpNetwork>,
    ) -> Result<Once<Workspace>, Error> {
        self.require::<AdminWorkspaces>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<WorkspaceId>(external_id.as_deref());
        findings.networks(&ip_allowlist);
        findings.into_result()?;
        let id = WorkspaceId::mint(self.now(), self.wardkey.random());
        let new = NewWorkspace { id, name, external_id, ip_allowlist };
        let organization = self.organization_id();
        let idempotency = self.caller.idempotency(organization, "create_workspace");
        let storage = self.wardkey.storage();
        let workspace = storage.create_workspace(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(workspace)
    }

    /// Gives a workspace new values; needs `admin:workspaces`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict if the
    /// external id is in use, [`Error::Unavailable`].
    pub async fn update_workspace(
        &self,
        workspace: &Reference<WorkspaceId>,
        version: i64,
        patch: WorkspacePatch,
    ) -> Result<Workspace, Error> {
        self.require::<AdminWorkspaces>()?;
        let WorkspacePatch { name, external_id, ip_allowlist } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        findings.external_id::<WorkspaceId>(external_id.as_ref().and_then(Option::as_deref));
        findings.networks(ip_allowlist.as_deref().unwrap_or_default());
        findings.into_result()?;
        let current = self.get_workspace(workspace).await?;
        // What is kept is of the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let edit = WorkspaceEdit {
            name: name.unwrap_or(current.name),
            external_id: external_id.unwrap_or(current.external_id),
            ip_allowlist: ip_allowlist.unwrap_or(current.ip_allowlist),
        };
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let workspace =
            storage.update_workspace(&self.act(), organization, current.id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(workspace)
    }

    /// Deletes a workspace and every role that was given in it; needs `admin:workspaces`. Keys that name it reach one
    /// workspace less, and those that name no other reach nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn delete_workspace(
        &self,
        workspace: &Reference<WorkspaceId>,
        version: Option<i64>,
    ) -> Result<(), Error> {
        self.require::<AdminWorkspaces>()?;
        let workspace = self.get_workspace(workspace).await?.id;
        let storage = self.wardkey.storage();
        storage.delete_workspace(&self.act(), self.organization_id(), workspace, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }
}
