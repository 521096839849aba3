//! What is asked for, and what comes back.

use serde_json::{Map, Value};
use wardkey_core::{
    Access, CustomerId, EnvironmentName, IpNetwork, Level, PermissionName, Reference, Secret,
    ServiceAccountId, UserId, WorkspaceId,
};
use wardkey_storage::{Key, KeyEdit};

use crate::expiry::Expiry;

/// A key to be issued. `IssueKey::named("CI")` is a user's own key with every default; the answer shows each.
#[derive(Debug, Clone)]
pub struct IssueKey {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whatever the product's backend wants to keep with it, 4 KiB of JSON at most.
    pub metadata: Map<String, Value>,
    /// Where it works, for ever. Default: `production`.
    pub environment: Option<EnvironmentName>,
    /// On whose behalf it acts. Default: the caller's user.
    pub principal: Option<PrincipalRef>,
    /// Its intent. Default: all for a user key, restricted for a service-account key.
    pub level: Option<Level>,
    /// What is listed on top of the level.
    pub permissions: Vec<PermissionName>,
    /// Which workspaces it reaches. Default: all for a user key; a service-account key must say.
    pub workspaces: Option<Access<Reference<WorkspaceId>>>,
    /// Which customers it reaches. Default: all.
    pub customers: Option<Access<Reference<CustomerId>>>,
    /// From where it may be used; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
    /// How many requests it may make, and how fast; empty is as many as one likes.
    pub rate_limits: Vec<RateLimitInput>,
    /// When it ends.
    pub expiry: Expiry,
}

impl IssueKey {
    /// A key of this name, with every default.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            metadata: Map::new(),
            environment: None,
            principal: None,
            level: None,
            permissions: Vec::new(),
            workspaces: None,
            customers: None,
            ip_allowlist: Vec::new(),
            rate_limits: Vec::new(),
            expiry: Expiry::default(),
        }
    }
}

/// On whose behalf a key is to act, by Wardkey's id or the backend's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalRef {
    /// A member of the organization.
    User(Reference<UserId>),
    /// One of its service accounts.
    ServiceAccount(Reference<ServiceAccountId>),
}

/// A rate limit that a key shall have, not looked at yet: a bucket of `limit` requests, refilled evenly in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitInput {
    /// What it is called, unique among the limits of the key.
    pub name: String,
    /// How many requests a full bucket admits at once.
    pub limit: u32,
    /// In what time an empty bucket is full again, in seconds.
    pub window_seconds: u32,
}

/// What shall be different about a key; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct KeyPatch {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for; `Some(None)` takes the description away.
    pub description: Option<Option<String>>,
    /// The whole new metadata.
    pub metadata: Option<Map<String, Value>>,
    /// Its intent.
    pub level: Option<Level>,
    /// The whole new list.
    pub permissions: Option<Vec<PermissionName>>,
    /// Which workspaces it reaches.
    pub workspaces: Option<Access<Reference<WorkspaceId>>>,
    /// Which customers it reaches.
    pub customers: Option<Access<Reference<CustomerId>>>,
    /// The whole new list.
    pub ip_allowlist: Option<Vec<IpNetwork>>,
    /// The whole new list. A limit keeps its bucket by its name.
    pub rate_limits: Option<Vec<RateLimitInput>>,
    /// When it ends.
    pub expiry: Option<Expiry>,
}

/// A key and its secret, which is shown this once.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key.
    pub key: Key,
    /// The secret; `None` when the call was a repetition, for the first one has shown it.
    pub secret: Option<Secret>,
}

/// The editable values of a key as they are.
pub(super) fn edit_of(key: &Key) -> KeyEdit {
    KeyEdit {
        name: key.name.clone(),
        description: key.description.clone(),
        metadata: key.metadata.clone(),
        level: key.level,
        permissions: key.permissions.clone(),
        workspaces: key.workspaces.clone(),
        customers: key.customers.clone(),
        ip_allowlist: key.ip_allowlist.clone(),
        rate_limits: key.rate_limits.clone(),
        expires_at: key.expires_at,
    }
}

/// Whether an edit touches what the key can do, from where, or until when.
pub(super) fn moves_reach(before: &KeyEdit, after: &KeyEdit) -> bool {
    let KeyEdit {
        name: _,
        description: _,
        metadata: _,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        // How often is no question of reach: a rule of its own says who may loosen it.
        rate_limits: _,
        expires_at,
    } = before;
    *level != after.level
        || *permissions != after.permissions
        || *workspaces != after.workspaces
        || *customers != after.customers
        || *ip_allowlist != after.ip_allowlist
        || *expires_at != after.expires_at
}
