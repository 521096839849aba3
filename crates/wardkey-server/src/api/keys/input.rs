//! What is asked for when keys are issued, edited, rotated and listed.

use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{Enum, Object};
use serde_json::{Map, Value};
use wardkey::{Expiry, ExpiryPreset, IssueKey, KeyFilter, KeyPatch, PageRequest, Tenant};
use wardkey_core::{
    Access, CustomerId, EnvironmentName, IpNetwork, KeyId, PermissionName, PrincipalId, Reference, Timestamp,
    WorkspaceId,
};

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, Description, Name, Reason, Search};
use super::super::metadata::Metadata;
use super::super::pages::{default_limit, request};
use super::super::principals::PrincipalChoice;
use super::super::rate_limits::RateLimit;
use super::super::schema::{Misfit, Rule};
use super::super::text::Text;
use super::view::{AccessKind, Status};
use crate::problem::Refusal;

/// What members of a body mean together, beyond what a schema says of each.
pub(crate) const RULES: &[Rule] = &[
    Rule { schema: "IssueKeyRequest", check: one_expiry, immutable: &[] },
    Rule {
        schema: "UpdateKeyRequest",
        check: one_expiry,
        immutable: &["id", "organization_id", "environment", "principal", "status", "secrets", "version"],
    },
    Rule { schema: "WorkspacesChoice", check: ids_only_if_specific, immutable: &[] },
    Rule { schema: "CustomersChoice", check: ids_only_if_specific, immutable: &[] },
];

fn one_expiry(body: &Map<String, Value>) -> Vec<Misfit> {
    const EXPIRIES: [&str; 3] = ["expires_in", "expires_at", "never_expires"];
    let mut misfits = Vec::new();
    let given: Vec<_> = EXPIRIES.into_iter().filter(|name| body.contains_key(*name)).collect();
    if given.len() > 1 {
        let detail = "give one of expires_in, expires_at and never_expires, not several";
        misfits.extend(given.into_iter().map(|member| Misfit { member, code: "conflicting", detail }));
    }
    if body.get("never_expires") == Some(&Value::Bool(false)) {
        let detail = "must be true, or be left out";
        misfits.push(Misfit { member: "never_expires", code: "unknown_value", detail });
    }
    misfits
}

fn ids_only_if_specific(body: &Map<String, Value>) -> Vec<Misfit> {
    let empty = body.get("ids").is_none_or(|ids| ids.as_array().is_some_and(Vec::is_empty));
    let misfit = |code, detail| vec![Misfit { member: "ids", code, detail }];
    match body.get("access").and_then(Value::as_str) {
        Some("all") if !empty => misfit("conflicting", "must be empty or left out when access is all"),
        Some("specific") if empty => misfit("required", "must name at least one"),
        _ => Vec::new(),
    }
}

/// A key's intent, to which listed permissions are added. `all`: everything that the user may do, or every product
/// permission for a service account; new permissions included. `read_only`: the product permissions that only let look.
/// `restricted`: nothing but what is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum Level {
    All,
    ReadOnly,
    Restricted,
}

impl From<Level> for wardkey_core::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::All => Self::All,
            Level::ReadOnly => Self::ReadOnly,
            Level::Restricted => Self::Restricted,
        }
    }
}

impl From<wardkey_core::Level> for Level {
    fn from(level: wardkey_core::Level) -> Self {
        match level {
            wardkey_core::Level::All => Self::All,
            wardkey_core::Level::ReadOnly => Self::ReadOnly,
            wardkey_core::Level::Restricted => Self::Restricted,
        }
    }
}

/// How long a key lives: 7, 30, 60, 90 or 180 days, or a year of 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum ExpiresIn {
    #[oai(rename = "7d")]
    SevenDays,
    #[oai(rename = "30d")]
    ThirtyDays,
    #[oai(rename = "60d")]
    SixtyDays,
    #[oai(rename = "90d")]
    NinetyDays,
    #[oai(rename = "180d")]
    HalfYear,
    #[oai(rename = "1y")]
    OneYear,
}

impl From<ExpiresIn> for ExpiryPreset {
    fn from(expires_in: ExpiresIn) -> Self {
        match expires_in {
            ExpiresIn::SevenDays => Self::SevenDays,
            ExpiresIn::ThirtyDays => Self::ThirtyDays,
            ExpiresIn::SixtyDays => Self::SixtyDays,
            ExpiresIn::NinetyDays => Self::NinetyDays,
            ExpiresIn::HalfYear => Self::HalfYear,
            ExpiresIn::OneYear => Self::OneYear,
        }
    }
}

/// The one that was given.
fn expiry(
    expires_in: Option<ExpiresIn>,
    expires_at: Option<Text<Timestamp>>,
    never_expires: Option<bool>,
) -> Option<Expiry> {
    expires_in
        .map(|preset| Expiry::In(preset.into()))
        .or(expires_at.map(|at| Expiry::At(at.0)))
        .or(never_expires.filter(|never| *never).map(|_| Expiry::Never))
}

/// Which workspaces a key is to reach.
#[derive(Debug, Object)]
#[oai(example)]
struct WorkspacesChoice {
    /// All, or some.
    access: AccessKind,
    /// Which ones, at least one with `specific`; none with `all`.
    #[oai(default, validator(max_items = 1000, unique_items))]
    ids: Vec<Text<Reference<WorkspaceId>>>,
}

impl From<WorkspacesChoice> for Access<Reference<WorkspaceId>> {
    fn from(choice: WorkspacesChoice) -> Self {
        let WorkspacesChoice { access, ids } = choice;
        match access {
            AccessKind::All => Self::All,
            AccessKind::Specific => Self::Specific(ids.into_iter().map(|id| id.0).collect()),
        }
    }
}

impl Example for WorkspacesChoice {
    fn example() -> Self {
        Self { access: AccessKind::All, ids: Vec::new() }
    }
}

/// Which customers a key is to reach.
#[derive(Debug, Object)]
#[oai(example)]
struct CustomersChoice {
    /// All, or some.
    access: AccessKind,
    /// Which ones, at least one with `specific`; none with `all`.
    #[oai(default, validator(max_items = 1000, unique_items))]
    ids: Vec<Text<Reference<CustomerId>>>,
}

impl From<CustomersChoice> for Access<Reference<CustomerId>> {
    fn from(choice: CustomersChoice) -> Self {
        let CustomersChoice { access, ids } = choice;
        match access {
            AccessKind::All => Self::All,
            AccessKind::Specific => Self::Specific(ids.into_iter().map(|id| id.0).collect()),
        }
    }
}

impl Example for CustomersChoice {
    fn example() -> Self {
        Self { access: AccessKind::Specific, ids: vec![Text::example()] }
    }
}

/// A key to be issued. At most one of `expires_in`, `expires_at` and `never_expires` is given.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct IssueKeyRequest {
    /// What people call it.
    name: Text<Name>,
    /// What it is for.
    description: Option<Text<Description>>,
    /// Whatever your backend wants to keep with it. Default: nothing.
    metadata: Option<Metadata>,
    /// Where it works, for ever. Default: the environment of this API, `production` as a rule.
    environment: Option<Text<EnvironmentName>>,
    /// On whose behalf it acts, for ever. Default: the caller's own user.
    principal: Option<PrincipalChoice>,
    /// Its intent. Default: `all` for a user's key, `restricted` for a service account's.
    level: Option<Level>,
    /// What is listed on top of the level.
    #[oai(default, validator(max_items = 100, unique_items))]
    permissions: Vec<Text<PermissionName>>,
    /// Which workspaces it reaches. Default: all for a user's key; a service account's key must say.
    workspaces: Option<WorkspacesChoice>,
    /// Which of the organization's customers it reaches. Default: all.
    customers: Option<CustomersChoice>,
    /// From where it may be used; empty is from everywhere.
    #[oai(default, validator(max_items = 100, unique_items))]
    ip_allowlist: Vec<Text<IpNetwork>>,
    /// How many requests it may make, and how fast. Each request is charged to all of them or to none; the names differ.
    /// Empty is as many as one likes.
    #[oai(default, validator(max_items = 8))]
    rate_limits: Vec<RateLimit>,
    /// How long it lives, as far as the organization's session policy allows. Default: `90d`, or as long as that allows.
    expires_in: Option<ExpiresIn>,
    /// When it ends, instead: in the future, and as the organization's session policy allows; that is at most 365 days
    /// ahead unless somebody has edited it.
    expires_at: Option<Text<Timestamp>>,
    /// `true`: it never ends. Only where the organization's session policy allows it.
    never_expires: Option<bool>,
}

impl IssueKeyRequest {
    /// What to issue; keys that name no environment are of this one.
    pub(super) fn into_input(self, environment: &EnvironmentName) -> IssueKey {
        let Self {
            name: Text(Name(name)),
            description,
            metadata,
            environment: wanted,
            principal,
            level,
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            rate_limits,
            expires_in,
            expires_at,
            never_expires,
        } = self;
        IssueKey {
            name,
            description: description.map(|text| text.0.0),
            metadata: metadata.unwrap_or_default().0,
            environment: Some(wanted.map_or_else(|| environment.clone(), |wanted| wanted.0)),
            principal: principal.map(Into::into),
            level: level.map(Into::into),
            permissions: permissions.into_iter().map(|name| name.0).collect(),
            workspaces: workspaces.map(Into::into),
            customers: customers.map(Into::into),
            ip_allowlist: ip_allowlist.into_iter().map(|network| network.0).collect(),
            rate_limits: rate_limits.into_iter().map(Into::into).collect(),
            expiry: expiry(expires_in, expires_at, never_expires).unwrap_or_default(),
        }
    }
}

impl Example for IssueKeyRequest {
    fn example() -> Self {
        Self {
            name: Text::example(),
            description: None,
            metadata: None,
            environment: None,
            principal: Some(PrincipalChoice::example()),
            level: None,
            permissions: vec![Text::example()],
            workspaces: Some(WorkspacesChoice::example()),
            customers: None,
            ip_allowlist: Vec::new(),
            rate_limits: vec![RateLimit::example()],
            expires_in: Some(ExpiresIn::NinetyDays),
            expires_at: None,
            never_expires: None,
        }
    }
}

/// What shall be different about a key; what is left out stays. At most one of `expires_in`, `expires_at` and
/// `never_expires` is given.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateKeyRequest {
    /// What people call it.
    name: Option<Text<Name>>,
    /// What it is for; `null` takes the description away.
    #[oai(nullable)]
    description: MaybeUndefined<Text<Description>>,
    /// The whole new metadata.
    metadata: Option<Metadata>,
    /// Its intent.
    level: Option<Level>,
    /// The whole new list.
    #[oai(validator(max_items = 100, unique_items))]
    permissions: Option<Vec<Text<PermissionName>>>,
    /// Which workspaces it reaches.
    workspaces: Option<WorkspacesChoice>,
    /// Which of the organization's customers it reaches.
    customers: Option<CustomersChoice>,
    /// The whole new list; empty is from everywhere.
    #[oai(validator(max_items = 100, unique_items))]
    ip_allowlist: Option<Vec<Text<IpNetwork>>>,
    /// The whole new list; empty is as many requests as one likes. To loosen or remove a limit takes `admin:keys`.
    #[oai(validator(max_items = 8))]
    rate_limits: Option<Vec<RateLimit>>,
    /// How long it lives from now on.
    expires_in: Option<ExpiresIn>,
    /// When it ends, instead: in the future, and as the organization's session policy allows; that is at most 365 days
    /// ahead unless somebody has edited it.
    expires_at: Option<Text<Timestamp>>,
    /// `true`: it never ends. Only where the organization's session policy allows it.
    never_expires: Option<bool>,
}

impl UpdateKeyRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> KeyPatch {
        let Self {
            name,
            description,
            metadata,
            level,
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            rate_limits,
            expires_in,
            expires_at,
            never_expires,
        } = self;
        KeyPatch {
            name: name.map(|name| name.0.0),
            description: match description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(text.0.0)),
            },
            metadata: metadata.map(|metadata| metadata.0),
            level: level.map(Into::into),
            permissions: permissions.map(|names| names.into_iter().map(|name| name.0).collect()),
            workspaces: workspaces.map(Into::into),
            customers: customers.map(Into::into),
            ip_allowlist: ip_allowlist.map(|list| list.into_iter().map(|network| network.0).collect()),
            rate_limits: rate_limits.map(|list| list.into_iter().map(Into::into).collect()),
            expiry: expiry(expires_in, expires_at, never_expires),
        }
    }
}

impl Example for UpdateKeyRequest {
    fn example() -> Self {
        Self {
            name: Some(Text::example()),
            description: MaybeUndefined::Undefined,
            metadata: None,
            level: None,
            permissions: Some(vec![Text::example()]),
            workspaces: None,
            customers: Some(CustomersChoice::example()),
            ip_allowlist: None,
            rate_limits: None,
            expires_in: Some(ExpiresIn::ThirtyDays),
            expires_at: None,
            never_expires: None,
        }
    }
}

/// Why something is done.
#[derive(Debug, Default, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(crate) struct ReasonRequest {
    /// Why; kept in the audit log.
    reason: Option<Text<Reason>>,
}

impl ReasonRequest {
    /// The reason, if one was given.
    pub(crate) fn into_reason(self) -> Option<String> {
        let Self { reason } = self;
        reason.map(|reason| reason.0.0)
    }
}

impl Example for ReasonRequest {
    fn example() -> Self {
        Self { reason: Some(Text::example()) }
    }
}

/// How the old secret of a rotated key ends.
#[derive(Debug, Default, Object)]
#[oai(example)]
pub(super) struct RotateKeyRequest {
    /// For how many seconds the old secret goes on working, at most 7 days. With 0 it ends at once.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "604800")))]
    pub(super) overlap_seconds: u32,
}

impl Example for RotateKeyRequest {
    fn example() -> Self {
        Self { overlap_seconds: 86_400 }
    }
}

/// Which keys are listed.
#[derive(Debug, Object)]
pub(in super::super) struct KeyQuery {
    /// Only keys of this status; several may be given.
    #[oai(default, validator(max_items = 4))]
    status: Vec<Status>,
    /// Only keys of this environment.
    environment: Option<Text<EnvironmentName>>,
    /// Only keys of this user or service account.
    principal: Option<Text<PrincipalId>>,
    /// Only keys that have this text in their name or in the hint of a secret, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl KeyQuery {
    /// The organization's list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        self.list_from(List::of("list_keys").by(Some(tenant.organization_id())))
    }

    /// This list, narrowed by what is asked for.
    pub(in super::super) fn list_from(&self, list: List) -> List {
        let Self { status, environment, principal, search, limit: _, cursor: _ } = self;
        let mut words: Vec<_> =
            status.iter().map(|status| wardkey_core::KeyStatus::from(*status).as_str()).collect();
        words.sort_unstable();
        words.dedup();
        list.by(Some(words.join(" ")))
            .by(environment.as_ref().map(|environment| &environment.0))
            .by(principal.as_ref().map(|principal| &principal.0))
            .by(search.as_ref().map(|search| &search.0.0))
    }

    /// Filter and page.
    ///
    /// # Errors
    /// If the cursor was not made for this list.
    pub(in super::super) fn split(
        self,
        list: &List,
        cursors: &CursorKey,
    ) -> Result<(KeyFilter, PageRequest<KeyId>), Refusal> {
        let Self { status, environment, principal, search, limit, cursor } = self;
        let filter = KeyFilter {
            principal: principal.map(|principal| principal.0),
            environment: environment.map(|environment| environment.0),
            statuses: status.into_iter().map(Into::into).collect(),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
