//! Users: people, deployment-wide. Who administers an organization knows them as members only.

use wardkey_core::permission::OperatorUsers;
use wardkey_core::{PermissionSet, Reference, Rights, Standing, UserId};
use wardkey_storage::{Held, NewUser, Once, User, UserEdit, UserFilter};

use crate::deployment::{DeploymentHandle, DeploymentRights};
use crate::error::Error;
use crate::grant::exceeds;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist};

/// What shall be different about a user; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// The address by which the person is known. Links that were made for another end.
    pub email: Option<String>,
    /// What people call the person.
    pub name: Option<String>,
    /// The id that the product's backend gives the person; `Some(None)` takes it away.
    pub external_id: Option<Option<String>>,
}

impl DeploymentHandle {
    /// The users who pass the filter, in an order that tells nothing; needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_users(
        &self,
        filter: UserFilter,
        page: PageRequest<UserId>,
    ) -> Result<PageOf<User>, Error> {
        self.require::<OperatorUsers>()?;
        let UserFilter { email, external_id, state: _, search } = &filter;
        if [email, external_id, search].into_iter().flatten().any(|text| text.contains('\0')) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let items = self.wardkey.storage().list_users(&filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One user; needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_user(&self, user: &Reference<UserId>) -> Result<User, Error> {
        self.require::<OperatorUsers>()?;
        if !can_exist(user) {
            return Err(Error::NotFound);
        }
        self.wardkey.storage().find_user(user).await?.ok_or(Error::NotFound)
    }

    /// Creates a user, who is a member of no organization yet; needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if e-mail address or external id is in use,
    /// [`Error::Unavailable`].
    pub async fn create_user(
        &self,
        email: String,
        name: String,
        external_id: Option<String>,
    ) -> Result<Once<User>, Error> {
        self.require::<OperatorUsers>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.email(&email);
        findings.external_id::<UserId>(external_id.as_deref());
        findings.into_result()?;
        let new = NewUser { id: UserId::mint(self.wardkey.random()), email, name, external_id };
        let idempotency = self.idempotency("create_user").await?;
        let created = self.wardkey.storage().create_user(&self.act(), new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(created)
    }

    /// Gives a user another address, name or external id; needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] for somebody who may do
    /// more with the deployment than the caller, [`Error::VersionMismatch`], a conflict if e-mail address or external id
    /// is in use, [`Error::Unavailable`].
    pub async fn update_user(
        &self,
        user: &Reference<UserId>,
        version: i64,
        patch: UserPatch,
    ) -> Result<User, Error> {
        self.require::<OperatorUsers>()?;
        let UserPatch { email, name, external_id } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        if let Some(email) = &email {
            findings.email(email);
        }
        findings.external_id::<UserId>(external_id.as_ref().and_then(Option::as_deref));
        findings.into_result()?;
        let (current, held) = self.find_changeable(user).await?;
        // What was read is what the edit completes; it must be what is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let edit = UserEdit {
            email: email.unwrap_or(current.email),
            name: name.unwrap_or(current.name),
            external_id: external_id.unwrap_or(current.external_id),
        };
        let act = self.act_on(held);
        let user = self.wardkey.storage().update_user(&act, current.id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(user)
    }

    /// Suspends a user everywhere: every session of that person and every link for them ends, and the person's keys stop working, though they
    /// keep their places. Needs `operator:users`. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] as for
    /// [`update_user`](Self::update_user), [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn suspend_user(
        &self,
        user: &Reference<UserId>,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<User, Error> {
        self.set_user_state(user, version, Standing::Inactive, reason).await
    }

    /// Lets a suspended user act again; needs `operator:users`. Repeating it changes nothing.
    ///
    /// # Errors
    /// As for [`suspend_user`](Self::suspend_user).
    pub async fn resume_user(
        &self,
        user: &Reference<UserId>,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<User, Error> {
        self.set_user_state(user, version, Standing::Active, reason).await
    }

    async fn set_user_state(
        &self,
        user: &Reference<UserId>,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<User, Error> {
        self.require::<OperatorUsers>()?;
        let mut findings = Findings::default();
        findings.reason(reason.as_deref());
        findings.into_result()?;
        let (user, held) = self.find_changeable(user).await?;
        let act = self.act_on(held);
        let user = self.wardkey.storage().set_user_state(&act, user.id, version, state, reason).await?;
        self.wardkey.publish().await;
        Ok(user)
    }

    /// Deletes a user for ever: ends every membership and revokes the person's keys, ends the sessions, forgets password,
    /// address and name. Needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] as for
    /// [`update_user`](Self::update_user), [`Error::VersionMismatch`], a conflict if an organization would be left
    /// without an owner, [`Error::Unavailable`].
    pub async fn delete_user(&self, user: &Reference<UserId>, version: Option<i64>) -> Result<(), Error> {
        self.require::<OperatorUsers>()?;
        let (user, held) = self.find_changeable(user).await?;
        self.wardkey.storage().delete_user(&self.act_on(held), user.id, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// The user, if nobody above the caller: among the people who run the deployment, whoever may do something that the
    /// caller may not is not changed by the caller, who could otherwise become them by a new password. With it, by what it
    /// was decided: what the user holds in the operator organization, where it is enough to be invited.
    pub(crate) async fn find_changeable(&self, user: &Reference<UserId>) -> Result<(User, Held), Error> {
        let found = self.get_user(user).await?;
        let storage = self.wardkey.storage();
        let Some(state) = storage.bootstrap_state().await? else { return Err(Error::NotFound) };
        let operator = state.operator_organization;
        let Some(member) = storage.find_member(operator, found.id).await? else {
            let held = Held::nothing(operator, found.id);
            return Ok((found, held));
        };
        let holds = Held::by(operator, &member);
        let held = match &self.rights {
            DeploymentRights::Everything => return Ok((found, holds)),
            DeploymentRights::Held(held) => held,
            DeploymentRights::Nothing => &PermissionSet::EMPTY,
        };
        let organization = storage.find_organization(&operator.into()).await?.ok_or(Error::NotFound)?;
        let record = self.wardkey.organization_record(organization).await?;
        let theirs = Rights::of_user(&record, &member.held, &self.wardkey.catalogue_index().await?);
        let beyond =
            |name: &wardkey_core::PermissionName| name.is_reserved() && !held.contains_name(name.as_str());
        if theirs.organization_wide().names().iter().any(beyond) {
            let detail =
                "the user may do more with the deployment than the caller: nobody changes those above them";
            return Err(Error::ExceedsOwnRights(vec![exceeds("", detail.to_owned())]));
        }
        Ok((found, holds))
    }
}
