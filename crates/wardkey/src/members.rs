//! Members: which users act in an organization, and in which roles.

use wardkey_core::permission::AdminMembers;
use wardkey_core::{Reference, UserId};
use wardkey_storage::{Held, MemberEdit, MemberFilter, Membership, NewMember, Once};

use crate::caller::Identity;
use crate::error::Error;
use crate::grants::GrantChoice;
use crate::links::{IssuedLink, generate_link};
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist};
use crate::tenant::Tenant;

/// Somebody to be made a member.
#[derive(Debug, Clone)]
pub struct AddMember {
    /// The address by which the person is known.
    pub email: String,
    /// What the organization calls the person; without one, what stands before the `@`.
    pub name: Option<String>,
    /// The roles that are given to the person directly.
    pub grants: Vec<GrantChoice>,
}

/// What shall be different about a member; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct MemberPatch {
    /// What the organization calls the person.
    pub name: Option<String>,
    /// The whole new list of direct grants.
    pub grants: Option<Vec<GrantChoice>>,
}

/// A member who was added, and the link that leads the person in.
#[derive(Debug, Clone)]
pub struct AddedMember {
    /// The member.
    pub member: Membership,
    /// The link, shown this once; none if the call repeats an earlier one.
    pub link: Option<IssuedLink>,
}

impl Tenant {
    /// The members who pass the filter, in an order that tells nothing; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_members(
        &self,
        filter: MemberFilter,
        page: PageRequest<UserId>,
    ) -> Result<PageOf<Membership>, Error> {
        self.require::<AdminMembers>()?;
        if filter.search.as_ref().is_some_and(|text| text.contains('\0')) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let storage = self.wardkey.storage();
        let items = storage.list_members(self.organization_id(), &filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One member; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_member(&self, user: &Reference<UserId>) -> Result<Membership, Error> {
        self.require::<AdminMembers>()?;
        Ok(self.find_member(user).await?.into())
    }

    /// Makes the person with this address a member, whether or not the deployment knows them already: nothing in the
    /// answer tells. They accept by the link, and until then no session of theirs enters. Needs `admin:members`. Nobody gives a role that exceeds their own rights, and only owners make
    /// owners.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], a conflict if the person is a member
    /// already, [`Error::Unavailable`].
    pub async fn add_member(&self, input: AddMember) -> Result<AddedMember, Error> {
        self.require::<AdminMembers>()?;
        let AddMember { email, name, grants } = input;
        let mut findings = Findings::default();
        findings.email(&email);
        let name = name.unwrap_or_else(|| local_part(&email));
        findings.name(&name);
        let checked = self.check_grants(grants, &mut findings).await?;
        findings.into_result()?;
        self.check_gives(&checked.roles).await?;
        let organization = self.organization_id();
        let (issued, link) = generate_link(self.now(), self.wardkey.random(), checked.roles);
        let user = UserId::mint(self.wardkey.random());
        let new = NewMember { user, email, name, grants: checked.grants, link };
        let idempotency = self.caller.idempotency(organization, "add_member");
        let added = self.wardkey.storage().add_member(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(match added {
            Once::Done(member) => AddedMember { member: member.into(), link: Some(issued) },
            Once::Replayed(member) => AddedMember { member: member.into(), link: None },
        })
    }

    /// Gives a member another name or other roles; needs `admin:members`. Nobody gives a role that exceeds their own
    /// rights or changes somebody who holds more; only owners make and change owners.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`],
    /// [`Error::VersionMismatch`], a conflict if nobody would own the organization, [`Error::Unavailable`].
    pub async fn update_member(
        &self,
        user: &Reference<UserId>,
        version: i64,
        patch: MemberPatch,
    ) -> Result<Membership, Error> {
        self.require::<AdminMembers>()?;
        let MemberPatch { name, grants } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        let checked = match grants {
            Some(grants) => Some(self.check_grants(grants, &mut findings).await?),
            None => None,
        };
        findings.into_result()?;
        if let Some(checked) = &checked {
            self.check_gives(&checked.roles).await?;
        }
        let current = self.find_member(user).await?;
        self.check_changes(&current.held).await?;
        // What was checked is what is edited.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let (storage, organization, user) = (self.wardkey.storage(), self.organization_id(), current.user.id);
        let act = self.act_on(Held::by(organization, &current));
        let edit = MemberEdit {
            name: name.unwrap_or(current.name),
            grants: checked.map_or(current.grants, |checked| checked.grants),
        };
        let member = storage.update_member(&act, organization, user, version, edit).await?;
        self.wardkey.publish().await;
        Ok(member.into())
    }

    /// Takes the word of somebody on the database for who a member is, so that the person needs no link to come in.
    /// Repeating it changes nothing. `caller` was [local](crate::Caller::local).
    ///
    /// # Errors
    /// [`Error::NotFound`] for another caller, and if there is no such member; a conflict if the person has a password:
    /// whoever invited them elsewhere may have set it. [`Error::Unavailable`].
    pub async fn vouch_for_member(&self, user: &Reference<UserId>) -> Result<(), Error> {
        if !matches!(self.caller.identity, Identity::Local { .. }) || self.caller.acting_for().is_some() {
            return Err(Error::NotFound);
        }
        let member = self.find_member(user).await?;
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        storage.accept_member(&self.act(), organization, member.user.id).await?;
        Ok(())
    }

    /// Ends a membership and revokes that person's keys here; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::ExceedsOwnRights`] for somebody who holds more than the caller,
    /// [`Error::VersionMismatch`], a conflict if nobody would own the organization, [`Error::Unavailable`].
    pub async fn remove_member(&self, user: &Reference<UserId>, version: Option<i64>) -> Result<(), Error> {
        self.require::<AdminMembers>()?;
        let member = self.find_member(user).await?;
        self.check_changes(&member.held).await?;
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let act = self.act_on(Held::by(organization, &member));
        storage.remove_member(&act, organization, member.user.id, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    pub(crate) async fn find_member(
        &self,
        user: &Reference<UserId>,
    ) -> Result<wardkey_storage::Member, Error> {
        if !can_exist(user) {
            return Err(Error::NotFound);
        }
        let storage = self.wardkey.storage();
        let user = match user {
            Reference::Id(id) => *id,
            named @ Reference::External(_) => storage.find_user(named).await?.ok_or(Error::NotFound)?.id,
        };
        storage.find_member(self.organization_id(), user).await?.ok_or(Error::NotFound)
    }
}

/// What stands before the `@`, as far as a name may be long.
fn local_part(email: &str) -> String {
    email.split('@').next().unwrap_or_default().chars().take(crate::rules::MAX_NAME).collect()
}
