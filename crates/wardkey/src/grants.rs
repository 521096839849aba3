//! Grants: which roles are given to members and teams, and who may give and take them.

use wardkey_core::{BuiltInRole, PrincipalId, Reference, Rights, Role, RoleGrant, WorkspaceId};
use wardkey_storage::{Grant, RoleRef};

use crate::error::Error;
use crate::grant::exceeds;
use crate::rules::{Findings, MAX_LIST};
use crate::tenant::{CallerStanding, Tenant};

/// A role that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantChoice {
    /// Which role.
    pub role: RoleRef,
    /// In this workspace, or in the whole organization.
    pub workspace: Option<Reference<WorkspaceId>>,
}

impl From<Grant> for GrantChoice {
    fn from(grant: Grant) -> Self {
        let Grant { workspace, role } = grant;
        Self { role, workspace: workspace.map(Reference::Id) }
    }
}

/// Grants whose roles and workspaces exist, and what each amounts to.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckedGrants {
    pub(crate) grants: Vec<Grant>,
    pub(crate) roles: Vec<RoleGrant>,
}

impl Tenant {
    /// Checks grants as they are asked for: each role and workspace exists in the organization, none stands there twice,
    /// and `owner` and `admin` are held in the whole organization or not at all. What breaks a rule is noted below
    /// `/grants` and left out.
    pub(crate) async fn check_grants(
        &self,
        wanted: Vec<GrantChoice>,
        findings: &mut Findings,
    ) -> Result<CheckedGrants, Error> {
        if wanted.len() > MAX_LIST {
            findings.add("/grants", "too_many", format!("must hold at most {MAX_LIST} entries"));
            return Ok(CheckedGrants::default());
        }
        let organization = self.wardkey.organization_record(self.find_organization().await?).await?;
        let named: Vec<_> =
            wanted.iter().map(|choice| Grant { workspace: None, role: choice.role }).collect();
        let storage = self.wardkey.storage();
        let resolved = storage.resolve_grants(self.organization_id(), &named).await?;
        let mut checked = CheckedGrants::default();
        for (at, (GrantChoice { role, workspace }, resolved)) in wanted.into_iter().zip(resolved).enumerate()
        {
            let found = workspace.as_ref().map(|wanted| {
                organization.workspaces.iter().find(|known| match wanted {
                    Reference::Id(id) => known.id == *id,
                    Reference::External(text) => known.external_id.as_ref() == Some(text),
                })
            });
            if matches!(found, Some(None)) {
                findings.add(format!("/grants/{at}/workspace_id"), "not_found", "names no workspace");
            }
            if resolved.is_none() {
                findings.add(format!("/grants/{at}/role"), "not_found", "names no role of the organization");
            }
            let wide_only = matches!(role, RoleRef::BuiltIn(BuiltInRole::Owner | BuiltInRole::Admin));
            if wide_only && workspace.is_some() {
                let detail = "is held in the whole organization, not in one workspace";
                findings.add(format!("/grants/{at}/role"), "organization_only", detail);
                continue;
            }
            let (Some(RoleGrant { workspace: _, role: amount }), None | Some(Some(_))) = (resolved, found)
            else {
                continue;
            };
            let workspace = found.flatten().map(|workspace| workspace.id);
            let grant = Grant { workspace, role };
            if checked.grants.contains(&grant) {
                findings.add(format!("/grants/{at}"), "duplicate", "stands here twice");
                continue;
            }
            checked.grants.push(grant);
            checked.roles.push(RoleGrant { workspace, role: amount });
        }
        Ok(checked)
    }

    /// Whether the caller may give these roles: nobody gives what they do not hold, and only owners make owners.
    ///
    /// # Errors
    /// [`Error::ExceedsOwnRights`] at `/grants`.
    pub(crate) async fn check_gives(&self, roles: &[RoleGrant]) -> Result<(), Error> {
        let detail = "gives more than the caller holds, or makes an owner, which only an owner does";
        self.check_covers(roles, "/grants", detail).await
    }

    /// Whether the caller may change or remove somebody who holds these roles: nobody changes those above them, and only
    /// owners change owners.
    ///
    /// # Errors
    /// [`Error::ExceedsOwnRights`], which points at no field.
    pub(crate) async fn check_changes(&self, held: &[RoleGrant]) -> Result<(), Error> {
        let detail = "somebody who holds more than the caller, or is an owner, is changed by an owner only";
        self.check_covers(held, "", detail).await
    }

    /// Whether the caller holds these roles, so that what they give is the caller's to give and to take.
    ///
    /// # Errors
    /// [`Error::ExceedsOwnRights`].
    pub(crate) async fn check_covers(
        &self,
        roles: &[RoleGrant],
        pointer: &str,
        detail: &str,
    ) -> Result<(), Error> {
        let organization = self.wardkey.organization_record(self.find_organization().await?).await?;
        let catalogue = self.wardkey.catalogue_index().await?;
        let beyond = Rights::of_user(&organization, roles, &catalogue).excess_over(self.rights());
        if beyond.is_empty() && (!makes_owner(roles) || self.is_owner().await?) {
            return Ok(());
        }
        Err(Error::ExceedsOwnRights(vec![exceeds(pointer, detail.to_owned())]))
    }

    /// Whether the caller is an owner now: someone on the database, an operator who acts here, or a person, also through
    /// a key of their own, who holds that role in the whole organization. A service account is none, whatever its key
    /// lists.
    pub(crate) async fn is_owner(&self) -> Result<bool, Error> {
        match (&self.standing, self.caller.principal()) {
            (CallerStanding::Owner(_), _) => Ok(true),
            (_, Some(PrincipalId::User(user))) => {
                let member = self.wardkey.storage().find_member(self.organization_id(), user).await?;
                Ok(member.is_some_and(|member| makes_owner(&member.held)))
            }
            (_, Some(PrincipalId::ServiceAccount(_)) | None) => Ok(false),
        }
    }
}

/// Whether whoever holds these roles is an owner.
fn makes_owner(roles: &[RoleGrant]) -> bool {
    let owner =
        |grant: &RoleGrant| grant.workspace.is_none() && grant.role == Role::BuiltIn(BuiltInRole::Owner);
    roles.iter().any(owner)
}
