//! The caller's own business.

mod links;
mod sessions;

use wardkey_core::{
    KeyId, OrganizationId, OrganizationKind, PrincipalId, Reference, SessionId, SharedRights, Timestamp,
    UserId, Verification,
};
use wardkey_storage::{Acceptance, Key, KeyFilter, Membership, Memberships, Organization, User};

use crate::caller::{ActiveSession, Caller};
use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::Findings;
use crate::wardkey::Wardkey;

/// What a caller may know of and do to itself.
#[derive(Debug, Clone)]
pub struct Own {
    wardkey: Wardkey,
    caller: Caller,
    whose: Whose,
}

/// Whose business it is.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// A key's, within its organization.
    Key(Box<Verification>),
    /// That of a person who is logged in.
    Person(ActiveSession),
    /// That of a person in whose place somebody stands.
    StandIn(UserId),
}

/// Who the caller is and what it may do.
#[derive(Debug, Clone)]
pub struct Me {
    /// Who acts, or on whose behalf the key does.
    pub principal: PrincipalId,
    /// What people call the user or service account.
    pub principal_name: String,
    /// The address by which a user is known.
    pub email: Option<String>,
    /// By what the caller acts.
    pub via: Via,
}

/// By what a caller acts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Via {
    /// By a key.
    Key {
        /// The key.
        key: Box<Key>,
        /// The organization to which it belongs.
        organization: Box<Organization>,
        /// What it may do.
        rights: SharedRights,
    },
    /// In a browser.
    Session {
        /// The session.
        session: SessionId,
    },
    /// As somebody who stands in the person's place.
    StandIn,
}

impl Own {
    pub(crate) fn new(wardkey: Wardkey, caller: Caller, whose: Whose) -> Self {
        Self { wardkey, caller, whose }
    }

    /// The time by which this deployment decides.
    pub fn now(&self) -> Timestamp {
        self.wardkey.now()
    }

    /// Who the caller is and what it may do.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::NotFound`] if the key or the person was deleted this instant.
    pub async fn me(&self) -> Result<Me, Error> {
        match &self.whose {
            Whose::Key(verification) => self.me_by_key(verification).await,
            Whose::Person(session) => self.me_as(session.user, Via::Session { session: session.id }).await,
            Whose::StandIn(user) => self.me_as(*user, Via::StandIn).await,
        }
    }

    async fn me_by_key(&self, verification: &Verification) -> Result<Me, Error> {
        let ids = verification.key;
        let storage = self.wardkey.storage();
        let key = storage.find_key(ids.organization, ids.key).await?.ok_or(Error::NotFound)?;
        let organization = self.organization_of(verification).await?;
        let rights = verification.rights.clone();
        let via = Via::Key { key: Box::new(key), organization: Box::new(organization), rights };
        match ids.principal {
            PrincipalId::User(user) => {
                // What the organization may know of its member, and no other's name for the person.
                let member = storage.find_member(ids.organization, user).await?.ok_or(Error::NotFound)?;
                let Membership { name, email, .. } = member.into();
                Ok(Me { principal: ids.principal, principal_name: name, email: Some(email), via })
            }
            PrincipalId::ServiceAccount(account) => {
                let account = storage.find_service_account(ids.organization, &Reference::Id(account)).await?;
                let principal_name = account.ok_or(Error::NotFound)?.name;
                Ok(Me { principal: ids.principal, principal_name, email: None, via })
            }
        }
    }

    async fn me_as(&self, user: UserId, via: Via) -> Result<Me, Error> {
        let User { id, email, name, .. } = self.require_user(user).await?;
        Ok(Me { principal: PrincipalId::User(id), principal_name: name, email: Some(email), via })
    }

    /// The organizations in which the caller may act, the newest first: for a key its own, for a person every one of
    /// which they have accepted to be a member, for who stands in their place also those that have only invited them. In
    /// the operator organization nobody stands in for anybody.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn organizations(
        &self,
        page: PageRequest<OrganizationId>,
    ) -> Result<PageOf<Organization>, Error> {
        let items = match &self.whose {
            Whose::Key(verification) => {
                let own = self.organization_of(verification).await?;
                let mut items = vec![own];
                items.retain(|own| page.after.is_none_or(|after| own.id < after));
                items
            }
            Whose::Person(ActiveSession { user, .. }) | Whose::StandIn(user) => {
                let storage = self.wardkey.storage();
                storage.list_organizations_of(*user, self.memberships(), page.with_one_more()).await?
            }
        };
        Ok(PageOf::cut(items, &page))
    }

    /// The caller's own keys that pass the filter, the newest first: for a key those of its principal in its
    /// organization, for a person their user keys in every [organization](Self::organizations) of theirs.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_keys(
        &self,
        mut filter: KeyFilter,
        page: PageRequest<KeyId>,
    ) -> Result<PageOf<Key>, Error> {
        let own = match &self.whose {
            Whose::Key(verification) => verification.key.principal,
            Whose::Person(ActiveSession { user, .. }) | Whose::StandIn(user) => PrincipalId::User(*user),
        };
        let foreign = filter.principal.is_some_and(|wanted| wanted != own);
        if foreign || filter.search.as_ref().is_some_and(|text| text.contains('\0')) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        filter.principal = Some(own);
        let (storage, asked) = (self.wardkey.storage(), page.with_one_more());
        let items = match &self.whose {
            Whose::Key(verification) => {
                storage.list_keys(verification.key.organization, &filter, self.now(), asked).await?
            }
            Whose::Person(ActiveSession { user, .. }) | Whose::StandIn(user) => {
                storage.list_keys_of_user(*user, self.memberships(), &filter, self.now(), asked).await?
            }
        };
        Ok(PageOf::cut(items, &page))
    }

    /// Revokes the calling key: any key may end itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no key calls; [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn revoke(&self, reason: Option<String>) -> Result<Key, Error> {
        let Whose::Key(verification) = &self.whose else { return Err(Error::NotFound) };
        let mut findings = Findings::default();
        findings.reason(reason.as_deref());
        findings.into_result()?;
        let ids = verification.key;
        let act = self.wardkey.act(&self.caller);
        let key = self.wardkey.storage().revoke_key(&act, ids.organization, ids.key, None, reason).await?;
        self.wardkey.publish().await;
        Ok(key)
    }

    /// In which of their organizations a person acts: by a session where they have accepted to be a member, and by who
    /// stands in their place, and knows who they are, in every tenant's.
    fn memberships(&self) -> Memberships {
        match self.whose {
            Whose::StandIn(_) => {
                Memberships { kinds: &[OrganizationKind::Tenant], acceptance: Acceptance::NotRequired }
            }
            Whose::Key(_) | Whose::Person(_) => Memberships {
                kinds: &[OrganizationKind::Tenant, OrganizationKind::Operator],
                acceptance: Acceptance::Required,
            },
        }
    }

    async fn organization_of(&self, verification: &Verification) -> Result<Organization, Error> {
        let id = verification.key.organization.into();
        self.wardkey.storage().find_organization(&id).await?.ok_or(Error::NotFound)
    }

    async fn require_user(&self, user: UserId) -> Result<User, Error> {
        self.wardkey.storage().find_user(&user.into()).await?.ok_or(Error::NotFound)
    }
}
