//! Nobody grants what they do not hold.

use std::collections::BTreeSet;

use wardkey_core::{
    BuiltInRole, CatalogueIndex, FieldError, Id as _, IpNetwork, KeyId, KeyRecord, KeyState,
    OrganizationRecord, PermissionName, PrincipalKind, PrincipalRecord, RateLimits, Rights, Role, RoleGrant,
    SecretId, Timestamp,
};
use wardkey_storage::KeyEdit;

use crate::error::Error;

/// What a key is to be able to do, from where and until when.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    rights: Rights,
    /// What the rights would be if the key's user held every role: to that they grow when the user rises, and nobody
    /// is asked again.
    potential: Rights,
    listed: Vec<PermissionName>,
    networks: Vec<IpNetwork>,
    expires_at: Option<Timestamp>,
}

/// Within what somebody may grant.
#[derive(Debug, Clone)]
pub(crate) struct Bounds<'a> {
    rights: &'a Rights,
    /// `None`: to grow is no concern.
    potential: Option<&'a Rights>,
    /// Empty: from everywhere.
    networks: &'a [IpNetwork],
    /// `None`: for ever.
    expires_at: Option<Timestamp>,
}

impl Reach {
    /// The reach of a key with these values, computed by the same function that verification uses.
    pub(crate) fn of(
        edit: &KeyEdit,
        organization: &OrganizationRecord,
        principal: &PrincipalRecord,
        environment: &wardkey_core::EnvironmentName,
        catalogue: &CatalogueIndex,
    ) -> Self {
        let mut record = KeyRecord {
            key: KeyId::from_bytes([0; 16]),
            secret: SecretId::from_bytes([0; 16]),
            secret_ends_at: None,
            environment: environment.clone(),
            state: KeyState::Active,
            expires_at: edit.expires_at,
            organization: organization.clone(),
            principal: principal.clone(),
            level: edit.level,
            permissions: edit.permissions.clone(),
            workspaces: edit.workspaces.clone(),
            customers: edit.customers.clone(),
            networks: Vec::new(),
            rate_limits: RateLimits::NONE,
        };
        let rights = Rights::of_key(&record, catalogue);
        if let PrincipalKind::User { grants, .. } = &mut record.principal.kind {
            *grants = vec![RoleGrant { workspace: None, role: Role::BuiltIn(BuiltInRole::Owner) }];
        }
        Self {
            rights,
            potential: Rights::of_key(&record, catalogue),
            listed: record.permissions,
            networks: edit.ip_allowlist.clone(),
            expires_at: edit.expires_at,
        }
    }

    /// This reach as the bounds of another: of what a key makes, or of what it shall be after an edit.
    pub(crate) fn as_bounds(&self) -> Bounds<'_> {
        Bounds {
            rights: &self.rights,
            potential: Some(&self.potential),
            networks: &self.networks,
            expires_at: self.expires_at,
        }
    }

    /// The permissions to administer that the key has, or would have if its user held them.
    fn powers(&self) -> BTreeSet<PermissionName> {
        let held = self.rights.organization_wide().names();
        held.into_iter()
            .chain(self.listed.iter().cloned())
            .filter(|name| matches!(name.resource(), "admin" | "operator"))
            .collect()
    }
}

impl<'a> Bounds<'a> {
    /// The rights alone.
    pub(crate) fn of_rights(rights: &'a Rights) -> Self {
        Self { rights, potential: None, networks: &[], expires_at: None }
    }

    /// Whether the reach stays within.
    pub(crate) fn check(&self, reach: &Reach) -> Result<(), Error> {
        let mut errors = self.excess_rights(reach);
        let mut refuse = |pointer: &str, detail: &str| errors.push(exceeds(pointer, detail.to_owned()));
        let covered = |network: &IpNetwork| self.networks.iter().any(|bound| bound.covers(network));
        let everywhere = reach.networks.is_empty();
        if !self.networks.is_empty() && (everywhere || !reach.networks.iter().all(covered)) {
            refuse("/ip_allowlist", "must stay within the networks of the calling key");
        }
        let ends_later = self.expires_at.is_some_and(|bound| reach.expires_at.is_none_or(|end| end > bound));
        if ends_later {
            refuse("/expires_at", "must not lie after the end of the calling key");
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::ExceedsOwnRights(errors)) }
    }

    fn excess_rights(&self, reach: &Reach) -> Vec<FieldError> {
        let mut excess = reach.rights.excess_over(self.rights);
        if let (true, Some(potential)) = (excess.is_empty(), self.potential) {
            excess = reach.potential.excess_over(potential);
        }
        let mut errors = Vec::new();
        if !excess.permissions.is_empty() {
            let names: Vec<_> = excess.permissions.names().iter().map(ToString::to_string).collect();
            let detail = format!("grants what the caller does not hold there: {}", names.join(", "));
            errors.push(exceeds("/permissions", detail));
        }
        if excess.future_workspaces || !excess.workspaces.is_empty() {
            errors
                .push(exceeds("/workspaces", "reaches workspaces that the caller does not reach".to_owned()));
        }
        if excess.customers {
            errors.push(exceeds("/customers", "reaches customers that the caller does not reach".to_owned()));
        }
        errors
    }
}

pub(crate) fn exceeds(pointer: &str, detail: String) -> FieldError {
    FieldError { pointer: pointer.to_owned(), code: "exceeds_own_rights", detail }
}

/// A key for somebody else never carries the power to administer, and stays within what the caller holds anyway.
pub(crate) fn check_for_another(
    reach: &Reach,
    principal: &PrincipalRecord,
    organization: &OrganizationRecord,
    catalogue: &CatalogueIndex,
    caller: &Rights,
) -> Result<(), Error> {
    if let PrincipalKind::User { grants, .. } = &principal.kind {
        let theirs = Rights::of_user(organization, grants, catalogue);
        if !theirs.excess_over(caller).is_empty() {
            let detail = "the user holds more than the caller: nobody acts as somebody above them";
            return Err(Error::ExceedsOwnRights(vec![exceeds("/principal", detail.to_owned())]));
        }
        let powers: Vec<_> = reach.powers().iter().map(ToString::to_string).collect();
        if !powers.is_empty() {
            let detail = format!("a key for another user never carries {}", powers.join(", "));
            return Err(Error::ExceedsOwnRights(vec![exceeds("/permissions", detail)]));
        }
    }
    Ok(())
}
