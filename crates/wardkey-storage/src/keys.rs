//! Keys: what is issued, governed and revoked. Their secrets are in here only as digests.

mod describe;
mod edit;
mod issue;
mod list;
mod row;
mod secrets;
mod state;

use wardkey_core::{
    Access, CustomerId, Digest, EnvironmentName, Hint, IpNetwork, KeyId, KeyState, KeyStatus, Level,
    OrganizationId, PermissionName, PrincipalId, RateLimits, SecretId, Timestamp, UserId, WorkspaceId,
};

pub(crate) use issue::insert_key;
pub(crate) use list::contains_pattern;
pub(crate) use row::{RecordRow, read_access, read_limits, read_list, read_principal, write_list};
pub(crate) use state::{revoke_keys_of_organization, revoke_keys_of_service_account, revoke_keys_of_user};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// The organization to which it belongs, for ever.
    pub organization: OrganizationId,
    /// The environment in which it works, for ever.
    pub environment: EnvironmentName,
    /// On whose behalf it acts, for ever.
    pub principal: PrincipalId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whatever the product's backend wants to keep with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Its intent.
    pub level: Level,
    /// What is listed on top of the level.
    pub permissions: Vec<PermissionName>,
    /// Which workspaces it reaches.
    pub workspaces: Access<WorkspaceId>,
    /// Which customers it reaches.
    pub customers: Access<CustomerId>,
    /// From where it may be used; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How many requests it may make, and how fast.
    pub rate_limits: RateLimits,
    /// From when on it is refused; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// What was last done to it by hand.
    pub state: KeyState,
    /// Moves with each edit, with each new and each ended secret; not with the state, not with use.
    pub version: i64,
    /// When it was issued.
    pub created_at: Timestamp,
    /// By whom it was issued.
    pub created_by: Creator,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When one of its secrets was last used, as far as verifiers have reported it.
    pub last_used_at: Option<Timestamp>,
    /// All secrets that it ever had: those without an end first, then those that end last; of equals the newest.
    pub secrets: Vec<KeySecret>,
}

/// By whom a key was issued; who and why exactly stands in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Creator {
    /// By a program with this key.
    Key(KeyId),
    /// By a person who was logged in.
    User(UserId),
    /// By someone on the database itself.
    Local,
}

/// A secret of a key, by what may be shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// Its id.
    pub id: SecretId,
    /// Its displayable ends.
    pub hint: Hint,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused, if its end is set.
    pub ends_at: Option<Timestamp>,
    /// When it was last used, as far as verifiers have reported it.
    pub last_used_at: Option<Timestamp>,
}

/// A key to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id, minted by the caller.
    pub id: KeyId,
    /// The environment in which it works.
    pub environment: EnvironmentName,
    /// On whose behalf it acts: a service account of the organization, or a member.
    pub principal: PrincipalId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whatever the product's backend wants to keep with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Its intent.
    pub level: Level,
    /// What is listed on top of the level.
    pub permissions: Vec<PermissionName>,
    /// Which workspaces it reaches.
    pub workspaces: Access<WorkspaceId>,
    /// Which customers it reaches.
    pub customers: Access<CustomerId>,
    /// From where it may be used; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How many requests it may make, and how fast.
    pub rate_limits: RateLimits,
    /// From when on it is refused; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Its first secret.
    pub secret: NewSecret,
}

/// A secret to be kept: never its plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// Its id, minted by the caller.
    pub id: SecretId,
    /// By which it is looked up.
    pub digest: Digest,
    /// Its displayable ends.
    pub hint: Hint,
}

/// Everything of a key that may be edited, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEdit {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whatever the product's backend wants to keep with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Its intent.
    pub level: Level,
    /// What is listed on top of the level.
    pub permissions: Vec<PermissionName>,
    /// Which workspaces it reaches.
    pub workspaces: Access<WorkspaceId>,
    /// Which customers it reaches.
    pub customers: Access<CustomerId>,
    /// From where it may be used; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How many requests it may make, and how fast.
    pub rate_limits: RateLimits,
    /// From when on it is refused; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// Which keys a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only keys of this principal.
    pub principal: Option<PrincipalId>,
    /// Only keys of this environment.
    pub environment: Option<EnvironmentName>,
    /// Only keys of one of these statuses; empty is any.
    pub statuses: Vec<KeyStatus>,
    /// Only keys that have this text in their name or in the hint of a secret, in any case.
    pub search: Option<String>,
}
