//! Organizations: the tenants, and the one that runs the deployment.

use wardkey_core::permission::{AdminOrganization, OperatorOrganizations};
use wardkey_core::{OrganizationId, Reference, Standing};
use wardkey_storage::{NewOrganization, Once, Organization, OrganizationFilter};

use crate::deployment::DeploymentHandle;
use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_match};
use crate::tenant::Tenant;

/// The highest limit of keys that an organization can be given.
pub const MAX_KEY_LIMIT: u32 = 1_000_000;

/// What shall be different about an organization; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationPatch {
    /// What people call it.
    pub name: Option<String>,
}

impl Tenant {
    /// The organization itself; needs `admin:organization`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn organization(&self) -> Result<Organization, Error> {
        self.require::<AdminOrganization>()?;
        self.find_organization().await
    }

    /// Gives the organization new values; needs `admin:organization`. The backend's id for it, by which requests may find
    /// the wrong tenant, and its key limit are for the operator to set.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn update_organization(
        &self,
        version: i64,
        patch: OrganizationPatch,
    ) -> Result<Organization, Error> {
        self.require::<AdminOrganization>()?;
        let OrganizationPatch { name } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        findings.into_result()?;
        let current = self.find_organization().await?;
        // What is kept is of the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let name = name.unwrap_or(current.name);
        let storage = self.wardkey.storage();
        let organization = storage.rename_organization(&self.act(), current.id, version, name).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }
}

impl DeploymentHandle {
    /// Every organization that passes the filter; needs `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_organizations(
        &self,
        filter: OrganizationFilter,
        page: PageRequest<OrganizationId>,
    ) -> Result<PageOf<Organization>, Error> {
        self.require::<OperatorOrganizations>()?;
        if !can_match(&[&filter.external_id, &filter.search]) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let items = self.wardkey.storage().list_organizations(&filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// Creates an organization, with the usual key limit unless another is given; needs `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if the external id is in use, [`Error::Unavailable`].
    pub async fn create_organization(
        &self,
        name: String,
        external_id: Option<String>,
        key_limit: Option<u32>,
    ) -> Result<Once<Organization>, Error> {
        self.require::<OperatorOrganizations>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<OrganizationId>(external_id.as_deref());
        check_key_limit(key_limit, &mut findings);
        findings.into_result()?;
        let act = self.act();
        let id = OrganizationId::mint(act.now, self.wardkey.random());
        let new = NewOrganization { id, name, external_id, key_limit };
        let idempotency = self.idempotency("create_organization").await?;
        let organization = self.wardkey.storage().create_organization(&act, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }

    /// Suspends an organization, whose keys are refused from now on; needs `operator:organizations`. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict for the
    /// operator organization, [`Error::Unavailable`].
    pub async fn suspend_organization(
        &self,
        organization: &Reference<OrganizationId>,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Organization, Error> {
        self.set_organization_state(organization, version, Standing::Inactive, reason).await
    }

    /// Lets a suspended organization work again; needs `operator:organizations`. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`],
    /// [`Error::Unavailable`].
    pub async fn resume_organization(
        &self,
        organization: &Reference<OrganizationId>,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Organization, Error> {
        self.set_organization_state(organization, version, Standing::Active, reason).await
    }

    async fn set_organization_state(
        &self,
        organization: &Reference<OrganizationId>,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<Organization, Error> {
        self.require::<OperatorOrganizations>()?;
        let mut findings = Findings::default();
        findings.reason(reason.as_deref());
        findings.into_result()?;
        let id = self.wardkey.require_organization(organization).await?.id;
        let storage = self.wardkey.storage();
        let organization = storage.set_organization_state(&self.act(), id, version, state, reason).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }

    /// Sets how many keys an organization may have, at most [`MAX_KEY_LIMIT`]; `None` is the usual number. A lower one
    /// revokes nothing: it refuses new keys until there are fewer. Needs `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`],
    /// [`Error::Unavailable`].
    pub async fn set_key_limit(
        &self,
        organization: &Reference<OrganizationId>,
        version: i64,
        key_limit: Option<u32>,
    ) -> Result<Organization, Error> {
        self.require::<OperatorOrganizations>()?;
        let mut findings = Findings::default();
        check_key_limit(key_limit, &mut findings);
        findings.into_result()?;
        let id = self.wardkey.require_organization(organization).await?.id;
        let storage = self.wardkey.storage();
        let organization = storage.set_key_limit(&self.act(), id, Some(version), key_limit).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }

    /// Gives an organization another id of the product's backend, or none; needs `operator:organizations`, since a tenant
    /// that could choose it could pass for another.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict if the
    /// external id is in use, [`Error::Unavailable`].
    pub async fn set_organization_external_id(
        &self,
        organization: &Reference<OrganizationId>,
        version: i64,
        external_id: Option<String>,
    ) -> Result<Organization, Error> {
        self.require::<OperatorOrganizations>()?;
        let mut findings = Findings::default();
        findings.external_id::<OrganizationId>(external_id.as_deref());
        findings.into_result()?;
        let id = self.wardkey.require_organization(organization).await?.id;
        let storage = self.wardkey.storage();
        let organization =
            storage.set_organization_external_id(&self.act(), id, version, external_id).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }

    /// Deletes an organization: revokes every key of it, for ever, hides it, and gives back its external id; needs
    /// `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict for the operator organization,
    /// [`Error::Unavailable`].
    pub async fn delete_organization(
        &self,
        organization: &Reference<OrganizationId>,
        version: Option<i64>,
    ) -> Result<(), Error> {
        self.require::<OperatorOrganizations>()?;
        let id = self.wardkey.require_organization(organization).await?.id;
        self.wardkey.storage().delete_organization(&self.act(), id, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }
}

fn check_key_limit(key_limit: Option<u32>, findings: &mut Findings) {
    if key_limit.is_some_and(|limit| limit > MAX_KEY_LIMIT) {
        findings.add("/key_limit", "out_of_range", format!("must be at most {MAX_KEY_LIMIT}"));
    }
}
