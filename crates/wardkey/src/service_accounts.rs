//! Service accounts: principals that never log in.

use wardkey_core::permission::AdminServiceAccounts;
use wardkey_core::{Reference, ServiceAccountId, Standing};
use wardkey_storage::{NewServiceAccount, Once, ServiceAccount, ServiceAccountEdit, ServiceAccountFilter};

use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist};
use crate::tenant::Tenant;

/// What shall be different about a service account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ServiceAccountPatch {
    /// What people call it.
    pub name: Option<String>,
    /// The id that the product's backend gives it; `Some(None)` takes it away.
    pub external_id: Option<Option<String>>,
}

impl Tenant {
    /// The service accounts that pass the filter, the newest first; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_service_accounts(
        &self,
        filter: ServiceAccountFilter,
        page: PageRequest<ServiceAccountId>,
    ) -> Result<PageOf<ServiceAccount>, Error> {
        self.require::<AdminServiceAccounts>()?;
        if [&filter.external_id, &filter.search].into_iter().flatten().any(|text| text.contains('\0')) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let storage = self.wardkey.storage();
        let items =
            storage.list_service_accounts(self.organization_id(), &filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One service account; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_service_account(
        &self,
        account: &Reference<ServiceAccountId>,
    ) -> Result<ServiceAccount, Error> {
        self.require::<AdminServiceAccounts>()?;
        if !can_exist(account) {
            return Err(Error::NotFound);
        }
        let found = self.wardkey.storage().find_service_account(self.organization_id(), account).await?;
        found.ok_or(Error::NotFound)
    }

    /// Creates a service account; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if the external id is in use, [`Error::Unavailable`].
    pub async fn create_service_account(
        &self,
        name: String,
        external_id: Option<String>,
    ) -> Result<Once<ServiceAccount>, Error> {
        self.require::<AdminServiceAccounts>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<ServiceAccountId>(external_id.as_deref());
        findings.into_result()?;
        let organization = self.organization_id();
        let id = ServiceAccountId::mint(self.now(), self.wardkey.random());
        let new = NewServiceAccount { id, name, external_id };
        let idempotency = self.caller.idempotency(organization, "create_service_account");
        let storage = self.wardkey.storage();
        let created = storage.create_service_account(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(created)
    }

    /// Gives a service account another name or external id; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict if the
    /// external id is in use, [`Error::Unavailable`].
    pub async fn update_service_account(
        &self,
        account: &Reference<ServiceAccountId>,
        version: i64,
        patch: ServiceAccountPatch,
    ) -> Result<ServiceAccount, Error> {
        self.require::<AdminServiceAccounts>()?;
        let ServiceAccountPatch { name, external_id } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        findings.external_id::<ServiceAccountId>(external_id.as_ref().and_then(Option::as_deref));
        findings.into_result()?;
        let current = self.get_service_account(account).await?;
        // What was read is what the edit completes; it must be what is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let edit = ServiceAccountEdit {
            name: name.unwrap_or(current.name),
            external_id: external_id.unwrap_or(current.external_id),
        };
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let account =
            storage.update_service_account(&self.act(), organization, current.id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(account)
    }

    /// Suspends a service account, so that its keys stop working, or lets it act again, if the caller could have issued
    /// every key that works then; needs `admin:service_accounts`. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict for
    /// suspending the operator's first one, [`Error::Unavailable`].
    pub async fn set_service_account_state(
        &self,
        account: &Reference<ServiceAccountId>,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<ServiceAccount, Error> {
        self.require::<AdminServiceAccounts>()?;
        let mut findings = Findings::default();
        findings.reason(reason.as_deref());
        findings.into_result()?;
        let current = self.get_service_account(account).await?;
        let account = current.id;
        if (current.state, state) == (Standing::Inactive, Standing::Active) {
            self.check_gives_back_keys_of(account).await?;
        }
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let account = storage
            .set_service_account_state(&self.act(), organization, account, version, state, reason)
            .await?;
        self.wardkey.publish().await;
        Ok(account)
    }

    /// Deletes a service account and revokes its keys, for ever; needs `admin:service_accounts`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict for the operator's first one,
    /// [`Error::Unavailable`].
    pub async fn delete_service_account(
        &self,
        account: &Reference<ServiceAccountId>,
        version: Option<i64>,
    ) -> Result<(), Error> {
        let account = self.get_service_account(account).await?.id;
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        storage.delete_service_account(&self.act(), organization, account, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }
}
