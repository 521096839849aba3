//! Roles: the four that every organization has, and those that it makes.

use wardkey_core::permission::AdminMembers;
use wardkey_core::{Access, BuiltInRole, OrganizationKind, PermissionName, PermissionSet, RoleId};
use wardkey_storage::{Conflict, CustomRole, NewRole, Once, RoleEdit, RoleRef};

use crate::error::Error;
use crate::grant::exceeds;
use crate::rules::Findings;
use crate::tenant::Tenant;

/// A role, and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyRole {
    /// One that every organization has.
    BuiltIn {
        /// Which one.
        role: BuiltInRole,
        /// What it gives in this organization under the present catalogue, sorted.
        permissions: Vec<PermissionName>,
    },
    /// One that the organization made.
    Custom(CustomRole),
}

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRole {
    /// What people call it; unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives.
    pub permissions: Vec<PermissionName>,
}

/// What shall be different about a role; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePatch {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for; `Some(None)` takes the description away.
    pub description: Option<Option<String>>,
    /// The whole new list.
    pub permissions: Option<Vec<PermissionName>>,
}

impl Tenant {
    /// Every role of the organization: the built-in ones, then its own, the newest first. Needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_roles(&self) -> Result<Vec<AnyRole>, Error> {
        let catalogue = self.wardkey.catalogue_index().await?;
        let operator = self.is_operator_organization();
        let built_in = BuiltInRole::ALL.map(|role| built_in(role, &catalogue.role(role, operator)));
        let custom = self.wardkey.storage().list_roles(self.organization_id()).await?;
        Ok(built_in.into_iter().chain(custom.into_iter().map(AnyRole::Custom)).collect())
    }

    /// One role; needs no permission.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_role(&self, role: RoleRef) -> Result<AnyRole, Error> {
        match role {
            RoleRef::BuiltIn(role) => {
                let catalogue = self.wardkey.catalogue_index().await?;
                Ok(built_in(role, &catalogue.role(role, self.is_operator_organization())))
            }
            RoleRef::Custom(id) => Ok(AnyRole::Custom(self.find_role(id).await?)),
        }
    }

    /// Makes a role; needs `admin:members`, and every permission that the role is to give, for the whole organization.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], conflicts (name in use, too many, another
    /// request under the same idempotency key), [`Error::Unavailable`].
    pub async fn create_role(&self, input: CreateRole) -> Result<Once<CustomRole>, Error> {
        self.require::<AdminMembers>()?;
        let CreateRole { name, description, permissions } = input;
        let values = RoleEdit { name, description, permissions };
        let mut findings = Findings::default();
        check_words(&values, &mut findings);
        self.check_listed(&values.permissions, &mut findings).await?;
        findings.into_result()?;
        self.check_author(&values.permissions, &[])?;
        let organization = self.organization_id();
        let new = NewRole { id: RoleId::mint(self.now(), self.wardkey.random()), values };
        let idempotency = self.caller.idempotency(organization, "create_role");
        let made = self.wardkey.storage().create_role(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(made)
    }

    /// Gives a role new values, and thereby everybody who holds it; needs `admin:members`. What is added must be held by
    /// the caller for the whole organization, for it is given to all of them; taking away is always allowed.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], [`Error::NotFound`],
    /// [`Error::VersionMismatch`], conflicts (built in, name in use), [`Error::Unavailable`].
    pub async fn update_role(
        &self,
        role: RoleRef,
        version: i64,
        patch: RolePatch,
    ) -> Result<CustomRole, Error> {
        self.require::<AdminMembers>()?;
        let id = made_here(role)?;
        let current = self.find_role(id).await?;
        let RolePatch { name, description, permissions } = patch;
        let mut edit = current.to_edit();
        let mut findings = Findings::default();
        edit.name = name.unwrap_or(edit.name);
        edit.description = description.unwrap_or(edit.description);
        check_words(&edit, &mut findings);
        if let Some(permissions) = permissions {
            self.check_listed(&permissions, &mut findings).await?;
            edit.permissions = permissions;
        }
        findings.into_result()?;
        self.check_author(&edit.permissions, &current.permissions)?;
        // What was checked is the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let storage = self.wardkey.storage();
        let role = storage.update_role(&self.act(), self.organization_id(), id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(role)
    }

    /// Deletes a role that neither a member nor a team holds; needs `admin:members`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], conflicts (built in, role in use),
    /// [`Error::Unavailable`].
    pub async fn delete_role(&self, role: RoleRef, version: Option<i64>) -> Result<(), Error> {
        self.require::<AdminMembers>()?;
        let id = made_here(role)?;
        self.wardkey.storage().delete_role(&self.act(), self.organization_id(), id, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    async fn find_role(&self, role: RoleId) -> Result<CustomRole, Error> {
        self.wardkey.storage().find_role(self.organization_id(), role).await?.ok_or(Error::NotFound)
    }

    fn is_operator_organization(&self) -> bool {
        self.rights().organization_kind() == OrganizationKind::Operator
    }

    async fn check_listed(&self, listed: &[PermissionName], findings: &mut Findings) -> Result<(), Error> {
        let catalogue = self.wardkey.catalogue_index().await?;
        findings.known_permissions(listed, self.rights().organization_kind(), &catalogue);
        Ok(())
    }

    /// Whether the caller holds everywhere what a role is to give that gave `before`: a role never exceeds its author,
    /// wherever it is given.
    fn check_author(&self, permissions: &[PermissionName], before: &[PermissionName]) -> Result<(), Error> {
        let held = self.rights().organization_wide();
        // Who holds the role holds it for all customers.
        let all_customers = *self.rights().customers() == Access::All;
        let held = |name: &PermissionName| all_customers && held.contains_name(name.as_str());
        let beyond = |name: &PermissionName| !before.contains(name) && !held(name);
        let listed = permissions.iter().enumerate().filter(|(_, name)| beyond(name));
        let detail = "is not held by the caller for the whole organization";
        let errors: Vec<_> =
            listed.map(|(at, _)| exceeds(&format!("/permissions/{at}"), detail.to_owned())).collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::ExceedsOwnRights(errors)) }
    }
}

fn built_in(role: BuiltInRole, given: &PermissionSet) -> AnyRole {
    AnyRole::BuiltIn { role, permissions: given.names() }
}

/// The id of a role that the organization made; the others neither change nor go.
fn made_here(role: RoleRef) -> Result<RoleId, Error> {
    match role {
        RoleRef::Custom(id) => Ok(id),
        RoleRef::BuiltIn(_) => Err(Error::Conflict(Conflict::BuiltIn)),
    }
}

/// What people read of a role. Its name must not be taken for another way to say which role is meant.
fn check_words(role: &RoleEdit, findings: &mut Findings) {
    let RoleEdit { name, description, permissions: _ } = role;
    findings.name(name);
    findings.description(description.as_deref());
    let word = name.trim().to_lowercase();
    if word.parse::<BuiltInRole>().is_ok() || name.trim().parse::<RoleId>().is_ok() {
        findings.add("/name", "reserved", "must be neither that of a built-in role nor of the form of an id");
    }
}
