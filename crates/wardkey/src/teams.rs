//! Teams: groups of members, and the roles that they hold together.

use wardkey_core::permission::AdminMembers;
use wardkey_core::{Reference, TeamId, UserId};
use wardkey_storage::{NewTeam, Once, StorageError, Team, TeamEdit, TeamFilter, TeamMember};

use crate::error::Error;
use crate::grants::GrantChoice;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist};
use crate::tenant::Tenant;

/// A team to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTeam {
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
    /// The roles that each of its members is to hold.
    pub grants: Vec<GrantChoice>,
}

/// What shall be different about a team; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamPatch {
    /// What people call it.
    pub name: Option<String>,
    /// The id that the product's backend gives it; `Some(None)` takes it away.
    pub external_id: Option<Option<String>>,
    /// The whole new list of roles.
    pub grants: Option<Vec<GrantChoice>>,
}

impl Tenant {
    /// The teams that pass the filter, the newest first; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_teams(
        &self,
        filter: TeamFilter,
        page: PageRequest<TeamId>,
    ) -> Result<PageOf<Team>, Error> {
        self.require::<AdminMembers>()?;
        let holds_nul = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains('\0'));
        if holds_nul(&filter.external_id) || holds_nul(&filter.search) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        let storage = self.wardkey.storage();
        let items = storage.list_teams(self.organization_id(), &filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// One team; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_team(&self, team: &Reference<TeamId>) -> Result<Team, Error> {
        self.require::<AdminMembers>()?;
        if !can_exist(team) {
            return Err(Error::NotFound);
        }
        self.wardkey.storage().find_team(self.organization_id(), team).await?.ok_or(Error::NotFound)
    }

    /// Makes a team with nobody in it; needs `admin:members`. Nobody gives a team more than they hold, and only owners
    /// let one make owners.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], conflicts (external id in use, too many,
    /// another request under the same idempotency key), [`Error::Unavailable`].
    pub async fn create_team(&self, input: CreateTeam) -> Result<Once<Team>, Error> {
        self.require::<AdminMembers>()?;
        let CreateTeam { name, external_id, grants } = input;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<TeamId>(external_id.as_deref());
        let checked = self.check_grants(grants, &mut findings).await?;
        findings.into_result()?;
        self.check_gives(&checked.roles).await?;
        let organization = self.organization_id();
        let id = TeamId::mint(self.now(), self.wardkey.random());
        let new = NewTeam { id, values: TeamEdit { name, external_id, grants: checked.grants } };
        let idempotency = self.caller.idempotency(organization, "create_team");
        let made = self.wardkey.storage().create_team(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(made)
    }

    /// Gives a team new values, and thereby everybody in it; needs `admin:members`. The caller must hold what the team
    /// grants, before and after: only owners touch a team that makes owners.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`],
    /// [`Error::VersionMismatch`], conflicts (external id in use, last owner), [`Error::Unavailable`].
    pub async fn update_team(
        &self,
        team: &Reference<TeamId>,
        version: i64,
        patch: TeamPatch,
    ) -> Result<Team, Error> {
        let current = self.get_team(team).await?;
        let TeamPatch { name, external_id, grants } = patch;
        let mut edit = current.to_edit();
        let mut findings = Findings::default();
        edit.name = name.unwrap_or(edit.name);
        findings.name(&edit.name);
        edit.external_id = external_id.unwrap_or(edit.external_id);
        findings.external_id::<TeamId>(edit.external_id.as_deref());
        let checked = match grants {
            Some(grants) => Some(self.check_grants(grants, &mut findings).await?),
            None => None,
        };
        findings.into_result()?;
        if let Some(checked) = checked {
            self.check_gives(&checked.roles).await?;
            edit.grants = checked.grants;
        }
        self.check_covers_team(&current).await?;
        // What was checked is the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let storage = self.wardkey.storage();
        let team =
            storage.update_team(&self.act(), self.organization_id(), current.id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(team)
    }

    /// Deletes a team: whoever was in it holds its roles no more; needs `admin:members`, and what the team grants.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::ExceedsOwnRights`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict
    /// if no owner would be left, [`Error::Unavailable`].
    pub async fn delete_team(&self, team: &Reference<TeamId>, version: Option<i64>) -> Result<(), Error> {
        loop {
            let current = self.get_team(team).await?;
            self.check_covers_team(&current).await?;
            let expected = version.unwrap_or(current.version);
            let storage = self.wardkey.storage();
            match storage.delete_team(&self.act(), self.organization_id(), current.id, expected).await {
                // It has come to grant something else since it was checked.
                Err(StorageError::VersionMismatch { .. }) if version.is_none() => {}
                outcome => {
                    outcome?;
                    self.wardkey.publish().await;
                    return Ok(());
                }
            }
        }
    }

    /// Who is in a team; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn list_team_members(
        &self,
        team: &Reference<TeamId>,
        page: PageRequest<UserId>,
    ) -> Result<PageOf<TeamMember>, Error> {
        let team = self.get_team(team).await?.id;
        let storage = self.wardkey.storage();
        let items = storage.list_team_members(self.organization_id(), team, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// Puts a member of the organization into a team, which gives that person all that the team grants; needs
    /// `admin:members` and all of that. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::ExceedsOwnRights`], [`Error::NotFound`] also if the user is no member of the
    /// organization, a conflict if the team is full, [`Error::Unavailable`].
    pub async fn add_team_member(
        &self,
        team: &Reference<TeamId>,
        user: &Reference<UserId>,
    ) -> Result<(), Error> {
        let (team, user) = self.find_team_and_member(team, user).await?;
        self.check_covers_team(&team).await?;
        let storage = self.wardkey.storage();
        storage.add_team_member(&self.act(), self.organization_id(), team.id, user).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// Takes a member of the organization out of a team, and thereby what the team grants; needs `admin:members` and all
    /// of that. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::ExceedsOwnRights`], [`Error::NotFound`] also if the user is no member of the
    /// organization, a conflict if no owner would be left, [`Error::Unavailable`].
    pub async fn remove_team_member(
        &self,
        team: &Reference<TeamId>,
        user: &Reference<UserId>,
    ) -> Result<(), Error> {
        let (team, user) = self.find_team_and_member(team, user).await?;
        self.check_covers_team(&team).await?;
        let storage = self.wardkey.storage();
        storage.remove_team_member(&self.act(), self.organization_id(), team.id, user).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    async fn find_team_and_member(
        &self,
        team: &Reference<TeamId>,
        user: &Reference<UserId>,
    ) -> Result<(Team, UserId), Error> {
        let team = self.get_team(team).await?;
        if !can_exist(user) {
            return Err(Error::NotFound);
        }
        let storage = self.wardkey.storage();
        let user = storage.find_user(user).await?.ok_or(Error::NotFound)?.id;
        let member = storage.find_member(self.organization_id(), user).await?;
        Ok((team, member.ok_or(Error::NotFound)?.user.id))
    }

    /// Whether the caller holds what the team grants. Should one of its roles be widened meanwhile, it is as if that had
    /// happened a moment later.
    async fn check_covers_team(&self, team: &Team) -> Result<(), Error> {
        let storage = self.wardkey.storage();
        let roles = storage.resolve_grants(self.organization_id(), &team.grants).await?;
        let roles: Vec<_> = roles.into_iter().flatten().collect();
        let detail =
            "the team grants more than the caller holds, or makes owners, whom only an owner touches";
        self.check_covers(&roles, "", detail).await
    }
}
