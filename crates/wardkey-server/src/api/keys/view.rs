//! Keys as they are shown.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use wardkey::Creator;
use wardkey_core::{
    Access, CustomerId, EnvironmentName, IpNetwork, KeyId, KeyStatus, OrganizationId, PermissionName,
    SecretId, Timestamp, UserId, WorkspaceId,
};

use super::super::kinds::{Cursor, Description, HintText, Name, SecretText};
use super::super::metadata::Metadata;
use super::super::principals::Principal;
use super::super::rate_limits::RateLimit;
use super::super::text::Text;
use super::input::Level;

/// `active`: it works. `disabled`: it works again once it is enabled. `expired`: its time is over. `revoked`: it is ended,
/// for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "KeyStatus", rename_all = "snake_case")]
pub(super) enum Status {
    Active,
    Disabled,
    Expired,
    Revoked,
}

impl From<KeyStatus> for Status {
    fn from(status: KeyStatus) -> Self {
        match status {
            KeyStatus::Active => Self::Active,
            KeyStatus::Disabled => Self::Disabled,
            KeyStatus::Expired => Self::Expired,
            KeyStatus::Revoked => Self::Revoked,
        }
    }
}

impl From<Status> for KeyStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Disabled => Self::Disabled,
            Status::Expired => Self::Expired,
            Status::Revoked => Self::Revoked,
        }
    }
}

/// `all` of the organization's, those made later included, or `specific` ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AccessKind", rename_all = "snake_case")]
pub(super) enum AccessKind {
    All,
    Specific,
}

/// A key, without its secret.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(crate) struct Key {
    /// Its id.
    id: Text<KeyId>,
    /// The organization to which it belongs, for ever.
    organization_id: Text<OrganizationId>,
    /// The environment in which it works, for ever.
    environment: Text<EnvironmentName>,
    /// On whose behalf it acts, for ever.
    principal: Principal,
    /// What people call it.
    name: Text<Name>,
    /// What it is for.
    description: Option<Text<Description>>,
    /// Whatever your backend keeps with it.
    metadata: Metadata,
    /// Whether it works now.
    status: Status,
    /// Its intent, to which `permissions` are added.
    level: Level,
    /// What is listed on top of the level.
    #[oai(validator(max_items = 100))]
    permissions: Vec<Text<PermissionName>>,
    /// Which workspaces it reaches.
    workspaces: WorkspaceScope,
    /// Which of the organization's customers it reaches.
    customers: CustomerScope,
    /// From where it may be used; empty is from everywhere.
    #[oai(validator(max_items = 100))]
    ip_allowlist: Vec<Text<IpNetwork>>,
    /// How many requests it may make, and how fast; empty is as many as one likes.
    #[oai(validator(max_items = 8))]
    rate_limits: Vec<RateLimit>,
    /// From when on it is refused; absent is never.
    expires_at: Option<Text<Timestamp>>,
    /// Every secret that it has had: the live ones first, the newest of them first.
    secrets: Vec<KeySecret>,
    /// When one of its secrets was last used. It may lag behind by some seconds.
    last_used_at: Option<Text<Timestamp>>,
    /// Moves with each edit and each rotation; the `ETag`, without quotes. Status and use do not move it.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was issued.
    created_at: Text<Timestamp>,
    /// The key with which it was issued; absent if it was issued on the server itself.
    created_by_key_id: Option<Text<KeyId>>,
    /// The person who issued it in a browser; absent if a key or a command did.
    created_by_user_id: Option<Text<UserId>>,
    /// When it was last written.
    updated_at: Text<Timestamp>,
}

impl Key {
    /// The key with its status at this instant.
    pub(crate) fn new(key: wardkey::Key, now: Timestamp) -> Self {
        let wardkey::Key {
            id,
            organization,
            environment,
            principal,
            name,
            description,
            metadata,
            level,
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            rate_limits,
            expires_at,
            state,
            version,
            created_at,
            created_by,
            updated_at,
            last_used_at,
            secrets,
        } = key;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            environment: environment.into(),
            principal: principal.into(),
            name: Name(name).into(),
            description: description.map(|text| Description(text).into()),
            metadata: Metadata(metadata),
            status: KeyStatus::at(now, state, expires_at).into(),
            level: level.into(),
            permissions: permissions.into_iter().map(Text).collect(),
            workspaces: workspaces.into(),
            customers: customers.into(),
            ip_allowlist: ip_allowlist.into_iter().map(Text).collect(),
            rate_limits: rate_limits.iter().map(Into::into).collect(),
            expires_at: expires_at.map(Text),
            secrets: secrets.into_iter().map(Into::into).collect(),
            last_used_at: last_used_at.map(Text),
            version,
            created_at: created_at.into(),
            created_by_key_id: match created_by {
                Creator::Key(key) => Some(key.into()),
                _ => None,
            },
            created_by_user_id: match created_by {
                Creator::User(user) => Some(user.into()),
                _ => None,
            },
            updated_at: updated_at.into(),
        }
    }
}

impl Example for Key {
    fn example() -> Self {
        Self {
            id: Text::example(),
            organization_id: Text::example(),
            environment: Text::example(),
            principal: Principal::example(),
            name: Text::example(),
            description: Some(Text::example()),
            metadata: Metadata::default(),
            status: Status::Active,
            level: Level::Restricted,
            permissions: vec![Text::example()],
            workspaces: WorkspaceScope { access: AccessKind::All, ids: Vec::new() },
            customers: CustomerScope { access: AccessKind::All, ids: Vec::new() },
            ip_allowlist: vec![Text::example()],
            rate_limits: vec![RateLimit::example()],
            expires_at: Some(Text::example()),
            secrets: vec![KeySecret::example()],
            last_used_at: None,
            version: 1,
            created_at: Text::example(),
            created_by_key_id: None,
            created_by_user_id: None,
            updated_at: Text::example(),
        }
    }
}

/// Which workspaces a key reaches.
#[derive(Debug, Object)]
#[oai(example)]
struct WorkspaceScope {
    /// All, or some.
    access: AccessKind,
    /// Which ones; empty with `all`.
    #[oai(validator(max_items = 1000))]
    ids: Vec<Text<WorkspaceId>>,
}

impl From<Access<WorkspaceId>> for WorkspaceScope {
    fn from(access: Access<WorkspaceId>) -> Self {
        match access {
            Access::All => Self { access: AccessKind::All, ids: Vec::new() },
            Access::Specific(ids) => {
                Self { access: AccessKind::Specific, ids: ids.into_iter().map(Text).collect() }
            }
        }
    }
}

impl Example for WorkspaceScope {
    fn example() -> Self {
        Self { access: AccessKind::Specific, ids: vec![Text::example()] }
    }
}

/// Which customers a key reaches.
#[derive(Debug, Object)]
#[oai(example)]
struct CustomerScope {
    /// All, or some.
    access: AccessKind,
    /// Which ones; empty with `all`.
    #[oai(validator(max_items = 1000))]
    ids: Vec<Text<CustomerId>>,
}

impl From<Access<CustomerId>> for CustomerScope {
    fn from(access: Access<CustomerId>) -> Self {
        match access {
            Access::All => Self { access: AccessKind::All, ids: Vec::new() },
            Access::Specific(ids) => {
                Self { access: AccessKind::Specific, ids: ids.into_iter().map(Text).collect() }
            }
        }
    }
}

impl Example for CustomerScope {
    fn example() -> Self {
        Self { access: AccessKind::Specific, ids: vec![Text::example()] }
    }
}

/// A secret of a key, by what may be shown of it. A key in rotation has two that work.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct KeySecret {
    /// Its id.
    id: Text<SecretId>,
    /// Its displayable ends.
    hint: Text<HintText>,
    /// When it was made.
    created_at: Text<Timestamp>,
    /// From when on it is refused; absent if it ends with the key.
    ends_at: Option<Text<Timestamp>>,
    /// When it was last used. It may lag behind by some seconds.
    last_used_at: Option<Text<Timestamp>>,
}

impl From<wardkey::KeySecret> for KeySecret {
    fn from(secret: wardkey::KeySecret) -> Self {
        let wardkey::KeySecret { id, hint, created_at, ends_at, last_used_at } = secret;
        Self {
            id: id.into(),
            hint: HintText(hint.as_str().to_owned()).into(),
            created_at: created_at.into(),
            ends_at: ends_at.map(Text),
            last_used_at: last_used_at.map(Text),
        }
    }
}

impl Example for KeySecret {
    fn example() -> Self {
        Self {
            id: Text::example(),
            hint: Text::example(),
            created_at: Text::example(),
            ends_at: None,
            last_used_at: Some(Text::example()),
        }
    }
}

/// A page of keys.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(in super::super) struct KeyPage {
    /// The keys, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<Key>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl KeyPage {
    /// The keys with their status at this instant.
    pub(in super::super) fn new(
        keys: Vec<wardkey::Key>,
        next_cursor: Option<Text<Cursor>>,
        now: Timestamp,
    ) -> Self {
        Self { items: keys.into_iter().map(|key| Key::new(key, now)).collect(), next_cursor }
    }
}

impl Example for KeyPage {
    fn example() -> Self {
        Self { items: vec![Key::example()], next_cursor: Some(Text::example()) }
    }
}

/// A key and its secret, which is shown this once.
#[derive(Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(crate) struct IssuedKey {
    /// The key.
    key: Key,
    /// The secret. Absent in the answer to a repetition, for the first answer has shown it.
    secret: Option<Text<SecretText>>,
}

impl IssuedKey {
    /// The key with its status at this instant, and its secret.
    pub(crate) fn new(issued: wardkey::IssuedKey, now: Timestamp) -> Self {
        let wardkey::IssuedKey { key, secret } = issued;
        Self {
            key: Key::new(key, now),
            secret: secret.map(|secret| SecretText(secret.expose().to_owned()).into()),
        }
    }
}

impl Example for IssuedKey {
    fn example() -> Self {
        Self { key: Key::example(), secret: Some(Text::example()) }
    }
}
