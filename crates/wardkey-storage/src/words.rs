//! The words that stand in columns of a closed list.

use wardkey_core::{KeyState, OrganizationKind, PermissionClass, Standing};

use crate::error::Corrupt;

pub(crate) fn write_standing(state: Standing) -> &'static str {
    match state {
        Standing::Active => "active",
        Standing::Inactive => "inactive",
    }
}

pub(crate) fn read_standing(word: &str) -> Result<Standing, Corrupt> {
    match word {
        "active" => Ok(Standing::Active),
        "inactive" => Ok(Standing::Inactive),
        _ => Err(Corrupt("a state")),
    }
}

pub(crate) fn write_key_state(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Disabled => "disabled",
        KeyState::Revoked => "revoked",
    }
}

pub(crate) fn read_key_state(word: &str) -> Result<KeyState, Corrupt> {
    match word {
        "active" => Ok(KeyState::Active),
        "disabled" => Ok(KeyState::Disabled),
        "revoked" => Ok(KeyState::Revoked),
        _ => Err(Corrupt("keys.state")),
    }
}

pub(crate) fn write_kind(kind: OrganizationKind) -> &'static str {
    match kind {
        OrganizationKind::Tenant => "tenant",
        OrganizationKind::Operator => "operator",
    }
}

pub(crate) fn read_kind(word: &str) -> Result<OrganizationKind, Corrupt> {
    match word {
        "tenant" => Ok(OrganizationKind::Tenant),
        "operator" => Ok(OrganizationKind::Operator),
        _ => Err(Corrupt("organizations.kind")),
    }
}

pub(crate) fn read_class(word: &str) -> Result<PermissionClass, Corrupt> {
    match word {
        "read" => Ok(PermissionClass::Read),
        "write" => Ok(PermissionClass::Write),
        _ => Err(Corrupt("permissions.class")),
    }
}
