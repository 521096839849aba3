//! A key as rows.

use std::cmp::Reverse;
use std::str::FromStr;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, Insertable, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wardkey_core::{
    Access, Hint, Id, KeyId, KeyStatus, OrganizationId, PrincipalId, RateLimit, RateLimits, SecretId,
    ServiceAccountId, Timestamp, UserId,
};

use super::{Creator, Key, KeyEdit, KeySecret};
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::{keys, last_used, secrets};
use crate::words::read_key_state;
use crate::{Actor, StorageError};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = keys, treat_none_as_default_value = false)]
pub(super) struct KeyRow {
    pub(super) id: Stored<KeyId>,
    pub(super) organization_id: Stored<OrganizationId>,
    pub(super) environment: String,
    pub(super) user_id: Option<Stored<UserId>>,
    pub(super) service_account_id: Option<Stored<ServiceAccountId>>,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) metadata: Option<Json<Map<String, Value>>>,
    pub(super) level: String,
    pub(super) permissions: Option<Json<Vec<String>>>,
    pub(super) workspaces: Option<Json<Vec<String>>>,
    pub(super) customers: Option<Json<Vec<String>>>,
    pub(super) ip_allowlist: Option<Json<Vec<String>>>,
    pub(super) expires_at: Option<Stored<Timestamp>>,
    pub(super) state: String,
    pub(super) version: i64,
    pub(super) created_at: Stored<Timestamp>,
    pub(super) created_by_key: Option<Stored<KeyId>>,
    pub(super) updated_at: Stored<Timestamp>,
    pub(super) created_by_user: Option<Stored<UserId>>,
    pub(super) rate_limits: Option<Json<Vec<LimitDocument>>>,
}

/// Of a key's row what a verification needs.
#[derive(Queryable, Selectable)]
#[diesel(table_name = keys)]
pub(crate) struct RecordRow {
    pub(crate) id: Stored<KeyId>,
    pub(crate) organization_id: Stored<OrganizationId>,
    pub(crate) environment: String,
    pub(crate) user_id: Option<Stored<UserId>>,
    pub(crate) service_account_id: Option<Stored<ServiceAccountId>>,
    pub(crate) level: String,
    pub(crate) permissions: Option<Json<Vec<String>>>,
    pub(crate) workspaces: Option<Json<Vec<String>>>,
    pub(crate) customers: Option<Json<Vec<String>>>,
    pub(crate) ip_allowlist: Option<Json<Vec<String>>>,
    pub(crate) expires_at: Option<Stored<Timestamp>>,
    pub(crate) state: String,
    pub(crate) rate_limits: Option<Json<Vec<LimitDocument>>>,
}

/// A rate limit as it stands in the column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LimitDocument {
    name: String,
    limit: u32,
    window_seconds: u32,
}

/// A list as texts; an empty one is an absent column.
pub(crate) fn write_list<T: ToString>(values: &[T]) -> Option<Json<Vec<String>>> {
    (!values.is_empty()).then(|| Json(values.iter().map(T::to_string).collect()))
}

/// The inverse of [`write_list`].
pub(crate) fn read_list<T: FromStr>(
    column: Option<Json<Vec<String>>>,
    name: &'static str,
) -> Result<Vec<T>, Corrupt> {
    let texts = column.map_or_else(Vec::new, |texts| texts.0);
    texts.iter().map(|text| text.parse().map_err(|_| Corrupt(name))).collect()
}

/// Rate limits as a document; none are an absent column.
pub(super) fn write_limits(limits: &RateLimits) -> Option<Json<Vec<LimitDocument>>> {
    let document = |limit: &RateLimit| LimitDocument {
        name: limit.name().to_owned(),
        limit: limit.limit(),
        window_seconds: limit.window_seconds(),
    };
    (!limits.is_empty()).then(|| Json(limits.iter().map(document).collect()))
}

/// The inverse of [`write_limits`].
pub(crate) fn read_limits(column: Option<Json<Vec<LimitDocument>>>) -> Result<RateLimits, Corrupt> {
    let corrupt = || Corrupt("keys.rate_limits");
    let documents = column.map_or_else(Vec::new, |documents| documents.0);
    let limits = documents.iter().map(|LimitDocument { name, limit, window_seconds }| {
        RateLimit::new(name, *limit, *window_seconds).map_err(|_| corrupt())
    });
    RateLimits::new(limits.collect::<Result<_, _>>()?).map_err(|_| corrupt())
}

/// Specific ids as texts; an absent column is everything.
pub(super) fn write_access<I: Id>(access: &Access<I>) -> Option<Json<Vec<String>>> {
    match access {
        Access::All => None,
        Access::Specific(ids) => Some(Json(ids.iter().map(I::to_string).collect())),
    }
}

/// The inverse of [`write_access`].
pub(crate) fn read_access<I: Id>(
    column: Option<Json<Vec<String>>>,
    name: &'static str,
) -> Result<Access<I>, Corrupt> {
    match column {
        None => Ok(Access::All),
        some => read_list(some, name).map(Access::specific),
    }
}

/// The principal, out of the two columns of which one is filled.
pub(crate) fn read_principal(
    user: Option<Stored<UserId>>,
    account: Option<Stored<ServiceAccountId>>,
) -> Result<PrincipalId, Corrupt> {
    match (user, account) {
        (Some(user), None) => Ok(PrincipalId::User(user.0)),
        (None, Some(account)) => Ok(PrincipalId::ServiceAccount(account.0)),
        _ => Err(Corrupt("keys.user_id")),
    }
}

/// The inverse of [`read_principal`].
pub(super) fn write_principal(
    principal: PrincipalId,
) -> (Option<Stored<UserId>>, Option<Stored<ServiceAccountId>>) {
    match principal {
        PrincipalId::User(user) => (Some(Stored(user)), None),
        PrincipalId::ServiceAccount(account) => (None, Some(Stored(account))),
    }
}

/// Who issues a key, as far as its row says.
pub(super) fn write_creator(actor: &Actor) -> (Option<Stored<KeyId>>, Option<Stored<UserId>>) {
    match actor {
        Actor::Key { key, .. } => (Some(Stored(*key)), None),
        Actor::Session { user, .. } | Actor::Link { user } => (None, Some(Stored(*user))),
        Actor::Local { .. } => (None, None),
    }
}

/// Metadata as a document; empty ones are an absent column.
pub(super) fn write_metadata(metadata: &Map<String, Value>) -> Option<Json<Map<String, Value>>> {
    (!metadata.is_empty()).then(|| Json(metadata.clone()))
}

impl KeyRow {
    /// The key with its secrets, which come in any order.
    pub(super) fn into_key(self, mut secrets: Vec<KeySecret>) -> Result<Key, Corrupt> {
        let Self {
            id,
            organization_id,
            environment,
            user_id,
            service_account_id,
            name,
            description,
            metadata,
            level,
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            expires_at,
            state,
            version,
            created_at,
            created_by_key,
            updated_at,
            created_by_user,
            rate_limits,
        } = self;
        let created_by = match (created_by_key, created_by_user) {
            (Some(key), _) => Creator::Key(key.0),
            (None, Some(user)) => Creator::User(user.0),
            (None, None) => Creator::Local,
        };
        // Without an end first; then by the later end; then the newer.
        secrets.sort_by_key(|secret| {
            Reverse((secret.ends_at.is_none(), secret.ends_at, secret.created_at, secret.id))
        });
        Ok(Key {
            id: id.0,
            organization: organization_id.0,
            environment: environment.parse().map_err(|_| Corrupt("keys.environment"))?,
            principal: read_principal(user_id, service_account_id)?,
            name,
            description,
            metadata: metadata.map_or_else(Map::new, |metadata| metadata.0),
            level: level.parse().map_err(|_| Corrupt("keys.level"))?,
            permissions: read_list(permissions, "keys.permissions")?,
            workspaces: read_access(workspaces, "keys.workspaces")?,
            customers: read_access(customers, "keys.customers")?,
            ip_allowlist: read_list(ip_allowlist, "keys.ip_allowlist")?,
            rate_limits: read_limits(rate_limits)?,
            expires_at: expires_at.map(|at| at.0),
            state: read_key_state(&state)?,
            version,
            created_at: created_at.0,
            created_by,
            updated_at: updated_at.0,
            last_used_at: secrets.iter().filter_map(|secret| secret.last_used_at).max(),
            secrets,
        })
    }
}

impl Key {
    /// Whether the key takes a place at `now`.
    pub(super) fn takes_place(&self, now: Timestamp) -> bool {
        KeyStatus::at(now, self.state, self.expires_at).counts_towards_limit()
    }

    /// Its values that may be edited.
    pub(super) fn to_edit(&self) -> KeyEdit {
        KeyEdit {
            name: self.name.clone(),
            description: self.description.clone(),
            metadata: self.metadata.clone(),
            level: self.level,
            permissions: self.permissions.clone(),
            workspaces: self.workspaces.clone(),
            customers: self.customers.clone(),
            ip_allowlist: self.ip_allowlist.clone(),
            rate_limits: self.rate_limits.clone(),
            expires_at: self.expires_at,
        }
    }
}

/// The key of this organization that is not deleted.
pub(super) async fn load_key(
    conn: &mut Conn,
    organization: OrganizationId,
    key: KeyId,
) -> Result<Option<Key>, StorageError> {
    let row = on!(conn, c => keys::table
        .filter(keys::id.eq(Stored(key)))
        .filter(keys::organization_id.eq(Stored(organization)))
        .filter(keys::deleted_at.is_null())
        .select(KeyRow::as_select())
        .first(c))
    .optional()?;
    let Some(row) = row else { return Ok(None) };
    let secrets = load_secrets(conn, &[row.id]).await?.into_iter().map(|(_, secret)| secret).collect();
    Ok(Some(row.into_key(secrets)?))
}

/// The secrets of these keys.
pub(super) async fn load_secrets(
    conn: &mut Conn,
    keys: &[Stored<KeyId>],
) -> Result<Vec<(KeyId, KeySecret)>, StorageError> {
    type Row = (
        Stored<KeyId>,
        Stored<SecretId>,
        String,
        Stored<Timestamp>,
        Option<Stored<Timestamp>>,
        Option<Stored<Timestamp>>,
    );
    let used = last_used::key_id.eq(secrets::key_id).and(last_used::secret_id.eq(secrets::id));
    let rows = on!(conn, c => secrets::table
        .left_join(last_used::table.on(used))
        .filter(secrets::key_id.eq_any(keys))
        .select((
            secrets::key_id,
            secrets::id,
            secrets::hint,
            secrets::created_at,
            secrets::ends_at,
            last_used::at.nullable(),
        ))
        .load::<Row>(c))?;
    Ok(rows
        .into_iter()
        .map(|(key, id, hint, created_at, ends_at, last_used_at)| {
            let secret = KeySecret {
                id: id.0,
                hint: Hint::from_stored(hint),
                created_at: created_at.0,
                ends_at: ends_at.map(|at| at.0),
                last_used_at: last_used_at.map(|at| at.0),
            };
            (key.0, secret)
        })
        .collect())
}
