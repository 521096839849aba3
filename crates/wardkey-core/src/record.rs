//! What is known of a key, as plain data.

use crate::ids::{
    CustomerId, KeyId, OrganizationId, PrincipalId, SecretId, ServiceAccountId, UserId, WorkspaceId,
};
use crate::network::IpNetwork;
use crate::permission::{BuiltInRole, Level, PermissionName};
use crate::rate_limit::RateLimits;
use crate::scope::{Access, EnvironmentName};
use crate::time::Timestamp;

/// Everything that a verification needs to know of a key, read in one snapshot. It holds facts; what they add up to
/// at an instant is for [`decide`](crate::decide) to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: KeyId,
    /// The secret whose digest was looked up.
    pub secret: SecretId,
    /// From when on that secret is refused, if its end is set.
    pub secret_ends_at: Option<Timestamp>,
    /// The environment to which the key is bound, for ever.
    pub environment: EnvironmentName,
    /// What was last done to the key.
    pub state: KeyState,
    /// From when on the key is refused; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The tenant.
    pub organization: OrganizationRecord,
    /// On whose behalf the key acts.
    pub principal: PrincipalRecord,
    /// The key's intent.
    pub level: Level,
    /// What is listed on top of the level.
    pub permissions: Vec<PermissionName>,
    /// Which workspaces it reaches.
    pub workspaces: Access<WorkspaceId>,
    /// Which customers it reaches.
    pub customers: Access<CustomerId>,
    /// Lists of networks, each of which must contain the client's address. An absent restriction is no list; an
    /// empty list admits nobody.
    pub networks: Vec<Vec<IpNetwork>>,
    /// How many requests it may make, and how fast.
    pub rate_limits: RateLimits,
}

/// What was last done to a key, by hand. Together with its expiry this makes its [status](KeyStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Issued, or enabled again.
    Active,
    /// Disabled; may be enabled again.
    Disabled,
    /// Revoked, for ever.
    Revoked,
}

/// The status of a key at an instant: revoked before expired before disabled before active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyStatus {
    /// The key works.
    Active,
    /// The key does not work until it is enabled.
    Disabled,
    /// The key's time is over.
    Expired,
    /// The key is ended, for ever.
    Revoked,
}

impl KeyStatus {
    /// The one rule: `now >= expires_at` is expired.
    pub fn at(now: Timestamp, state: KeyState, expires_at: Option<Timestamp>) -> Self {
        match state {
            KeyState::Revoked => Self::Revoked,
            _ if expires_at.is_some_and(|end| now >= end) => Self::Expired,
            KeyState::Disabled => Self::Disabled,
            KeyState::Active => Self::Active,
        }
    }

    /// Whether a key of this status takes one of the organization's places.
    pub fn counts_towards_limit(self) -> bool {
        matches!(self, Self::Active | Self::Disabled)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What a verification needs to know of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRecord {
    /// The organization.
    pub id: OrganizationId,
    /// The id that the product's backend gave it.
    pub external_id: Option<String>,
    /// Tenant, or the operator organization.
    pub kind: OrganizationKind,
    /// Whether its keys work at all.
    pub state: Standing,
    /// Every workspace that it has, in ascending order of id.
    pub workspaces: Vec<WorkspaceRecord>,
}

/// Whether an organization is a tenant or runs the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrganizationKind {
    /// A tenant.
    Tenant,
    /// The one whose people run the deployment.
    Operator,
}

/// Whether an organization or a principal may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In good standing.
    Active,
    /// Suspended, or gone.
    Inactive,
}

/// A workspace by its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRecord {
    /// The workspace.
    pub id: WorkspaceId,
    /// The id that the product's backend gave it.
    pub external_id: Option<String>,
    /// From where it may be reached, within what the organization allows; empty is from everywhere.
    pub networks: Vec<IpNetwork>,
}

/// The principal of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalRecord {
    /// The id that the product's backend gave it.
    pub external_id: Option<String>,
    /// Whether it may act: a user who is no member any more, or is suspended, may not.
    pub state: Standing,
    /// Who it is, and what follows for the rights.
    pub kind: PrincipalKind,
}

/// What kind of principal a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A user, who holds roles: the key never exceeds them.
    User {
        /// The user.
        id: UserId,
        /// Every role that the user holds in the organization, directly or through a team.
        grants: Vec<RoleGrant>,
    },
    /// A service account, which holds nothing: the key has exactly what it is given.
    ServiceAccount {
        /// The service account.
        id: ServiceAccountId,
    },
}

impl PrincipalRecord {
    /// Who it is.
    pub fn id(&self) -> PrincipalId {
        match &self.kind {
            PrincipalKind::User { id, .. } => PrincipalId::User(*id),
            PrincipalKind::ServiceAccount { id } => PrincipalId::ServiceAccount(*id),
        }
    }
}

/// A role that a user holds somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    /// In this workspace, or in the whole organization.
    pub workspace: Option<WorkspaceId>,
    /// Which role.
    pub role: Role,
}

/// A role: built in, or the organization's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// One that every organization has.
    BuiltIn(BuiltInRole),
    /// One that the organization made: exactly these permissions.
    Custom(Vec<PermissionName>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_revoked_before_expired_before_disabled_before_active() {
        let (before, end) = (Timestamp::from_micros(9), Timestamp::from_micros(10));
        let at = |now, state| KeyStatus::at(now, state, Some(end));
        assert_eq!(at(before, KeyState::Active), KeyStatus::Active);
        assert_eq!(at(before, KeyState::Disabled), KeyStatus::Disabled);
        assert_eq!(
            at(end, KeyState::Active),
            KeyStatus::Expired,
            "the instant of expiry is already too late"
        );
        assert_eq!(at(end, KeyState::Disabled), KeyStatus::Expired);
        assert_eq!(at(end, KeyState::Revoked), KeyStatus::Revoked);
        assert_eq!(KeyStatus::at(end, KeyState::Active, None), KeyStatus::Active);
    }
}
