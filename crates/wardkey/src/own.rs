//! The caller's own business.

use std::sync::Arc;

use wardkey_core::{KeyRights, PrincipalId, Reference, Timestamp, Verification};
use wardkey_storage::{Key, Organization};

use crate::caller::Caller;
use crate::error::Error;
use crate::rules::Findings;
use crate::wardkey::Wardkey;

/// What a caller may know of and do to itself.
#[derive(Debug, Clone)]
pub struct Own {
    wardkey: Wardkey,
    caller: Caller,
    verification: Verification,
}

/// Who the caller is and what it may do.
#[derive(Debug, Clone)]
pub struct Me {
    /// The tenant.
    pub organization: Organization,
    /// On whose behalf the key acts.
    pub principal: PrincipalId,
    /// What people call the user or service account.
    pub principal_name: String,
    /// The key.
    pub key: Key,
    /// What it may do.
    pub rights: Arc<KeyRights>,
}

impl Own {
    pub(crate) fn new(wardkey: Wardkey, caller: Caller, verification: Verification) -> Self {
        Self { wardkey, caller, verification }
    }

    /// The time by which this deployment decides.
    pub fn now(&self) -> Timestamp {
        self.wardkey.now()
    }

    /// Who the caller is and what it may do.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::NotFound`] if the key was deleted this instant.
    pub async fn me(&self) -> Result<Me, Error> {
        let ids = self.verification.key;
        let storage = self.wardkey.storage();
        let key = storage.find_key(ids.organization, ids.key).await?.ok_or(Error::NotFound)?;
        let organization = self.organization().await?;
        let principal_name = match ids.principal {
            PrincipalId::User(user) => storage.find_user(&Reference::Id(user)).await?.map(|user| user.name),
            PrincipalId::ServiceAccount(account) => {
                let account = storage.find_service_account(ids.organization, &Reference::Id(account)).await?;
                account.map(|account| account.name)
            }
        };
        Ok(Me {
            organization,
            principal: ids.principal,
            principal_name: principal_name.ok_or(Error::NotFound)?,
            key,
            rights: Arc::clone(&self.verification.rights),
        })
    }

    /// The organizations in which the caller may act: for a key, its own.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        Ok(vec![self.organization().await?])
    }

    /// Revokes the calling key: any key may end itself.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn revoke(&self, reason: Option<String>) -> Result<Key, Error> {
        let mut findings = Findings::default();
        findings.reason(reason.as_deref());
        findings.into_result()?;
        let ids = self.verification.key;
        let act = self.wardkey.act(&self.caller);
        let key = self.wardkey.storage().revoke_key(&act, ids.organization, ids.key, None, reason).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    async fn organization(&self) -> Result<Organization, Error> {
        let id = self.verification.key.organization.into();
        self.wardkey.storage().find_organization(&id).await?.ok_or(Error::NotFound)
    }
}
