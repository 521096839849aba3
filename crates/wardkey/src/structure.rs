//! What an organization is made of: workspaces, service accounts, members.

use wardkey_core::permission::{AdminMembers, AdminServiceAccounts, AdminWorkspaces};
use wardkey_core::{
    BuiltInRole, FieldError, Rights, Role, RoleGrant, ServiceAccountId, Standing, UserId, WorkspaceId,
};
use wardkey_storage::{NewServiceAccount, NewWorkspace, ServiceAccount, Workspace};

use crate::error::Error;
use crate::rules::Findings;
use crate::tenant::{CallerStanding, Tenant};

impl Tenant {
    /// Creates a workspace; needs `admin:workspaces`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], conflicts (external id in use, too many workspaces),
    /// [`Error::Unavailable`].
    pub async fn create_workspace(
        &self,
        name: String,
        external_id: Option<String>,
    ) -> Result<Workspace, Error> {
        self.require::<AdminWorkspaces>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<WorkspaceId>(external_id.as_deref());
        findings.into_result()?;
        let new =
            NewWorkspace { id: WorkspaceId::mint(self.now(), self.wardkey.random()), name, external_id };
        let storage = self.wardkey.storage();
        let workspace = storage.create_workspace(&self.act(), self.organization_id(), new).await?;
        self.wardkey.publish().await;
        Ok(workspace)
    }

    /// Creates a service account; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if the external id is in use, [`Error::Unavailable`].
    pub async fn create_service_account(
        &self,
        name: String,
        external_id: Option<String>,
    ) -> Result<ServiceAccount, Error> {
        self.require::<AdminServiceAccounts>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<ServiceAccountId>(external_id.as_deref());
        findings.into_result()?;
        let id = ServiceAccountId::mint(self.now(), self.wardkey.random());
        let new = NewServiceAccount { id, name, external_id };
        let storage = self.wardkey.storage();
        let account = storage.create_service_account(&self.act(), self.organization_id(), new).await?;
        self.wardkey.publish().await;
        Ok(account)
    }

    /// Suspends a service account, so that its keys stop working, or lets it act again; needs
    /// `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn set_service_account_state(
        &self,
        account: ServiceAccountId,
        state: Standing,
    ) -> Result<ServiceAccount, Error> {
        self.require::<AdminServiceAccounts>()?;
        let storage = self.wardkey.storage();
        let organization = self.organization_id();
        let account = storage.set_service_account_state(&self.act(), organization, account, state).await?;
        self.wardkey.publish().await;
        Ok(account)
    }

    /// Makes a user a member with exactly these roles, or replaces a member's roles; needs `admin:members`.
    ///
    /// Nobody gives a role that exceeds their own rights, or changes somebody who holds more; only owners make and
    /// change owners.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`],
    /// [`Error::Unavailable`].
    pub async fn set_member(&self, user: UserId, grants: Vec<RoleGrant>) -> Result<(), Error> {
        self.require::<AdminMembers>()?;
        let mut findings = Findings::default();
        for (at, grant) in grants.iter().enumerate() {
            if matches!(grant.role, Role::Custom(_)) {
                findings.add(
                    format!("/grants/{at}/role"),
                    "unknown_role",
                    "names no role of the organization",
                );
            }
            if grants[..at].contains(grant) {
                findings.add(format!("/grants/{at}"), "duplicate", "stands here twice");
            }
        }
        findings.into_result()?;
        let current = self.wardkey.storage().find_member(self.organization_id(), user).await?;
        self.check_grants(&grants).await?;
        if let Some(member) = current {
            self.check_grants(&member.grants).await?;
        }
        let storage = self.wardkey.storage();
        storage.set_member(&self.act(), self.organization_id(), user, grants).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// Ends a membership and revokes that person's keys here; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::ExceedsOwnRights`] for somebody who holds more than the caller,
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn remove_member(&self, user: UserId) -> Result<(), Error> {
        self.require::<AdminMembers>()?;
        let organization = self.organization_id();
        let member = self.wardkey.storage().find_member(organization, user).await?.ok_or(Error::NotFound)?;
        self.check_grants(&member.grants).await?;
        self.wardkey.storage().remove_member(&self.act(), organization, user).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// Whether the caller could hold these roles: an admin holds as much as an owner of a tenant, but is none.
    async fn check_grants(&self, grants: &[RoleGrant]) -> Result<(), Error> {
        let organization = self.wardkey.organization_record(self.find_organization().await?).await?;
        let catalogue = self.wardkey.catalogue_index().await?;
        let granted = Rights::of_user(&organization, grants, &catalogue);
        let owner = grants.iter().any(|grant| grant.role == Role::BuiltIn(BuiltInRole::Owner));
        let beyond = !granted.excess_over(self.rights()).is_empty();
        if beyond || owner && !self.is_owner() {
            let detail = "holds more than the caller, who can neither give nor take it";
            return Err(Error::ExceedsOwnRights(vec![FieldError {
                pointer: "/grants".to_owned(),
                code: "exceeds_own_rights",
                detail: detail.to_owned(),
            }]));
        }
        Ok(())
    }

    /// Whether the caller acts with the rights of an owner.
    fn is_owner(&self) -> bool {
        matches!(self.standing, CallerStanding::Owner(_))
    }
}
