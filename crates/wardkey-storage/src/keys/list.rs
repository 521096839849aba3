//! Keys, read.

use std::collections::HashMap;

use diesel::EscapeExpressionMethods as _;
use diesel::dsl::exists;
use diesel::sql_types::Bool;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, JoinOnDsl as _, QueryDsl as _,
    SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{KeyId, KeyStatus, OrganizationId, PrincipalId, Timestamp, UserId};

use super::row::{KeyRow, load_key, load_secrets};
use super::{Key, KeyFilter, KeySecret};
use crate::columns::{Stored, escape_pattern};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::{keys, lower, members, organizations, secrets};
use crate::words::write_kind;
use crate::{Acceptance, Memberships, Page, Storage, StorageError};

/// Keys that take a place at an instant: what [`KeyStatus::counts_towards_limit`] says, in SQL.
macro_rules! takes_place {
    ($now:expr) => {
        keys::state.ne("revoked").and(keys::expires_at.is_null().or(keys::expires_at.gt(Stored($now))))
    };
}

impl Storage {
    /// The key of this organization, if there is one that is not deleted.
    pub async fn find_key(
        &self,
        organization: OrganizationId,
        key: KeyId,
    ) -> Result<Option<Key>, StorageError> {
        self.read_snapshot(move |conn| load_key(conn, organization, key).boxed()).await
    }

    /// A page of the organization's keys that pass the filter, deleted ones left out. Statuses are those at `now`.
    pub async fn list_keys(
        &self,
        organization: OrganizationId,
        filter: &KeyFilter,
        now: Timestamp,
        page: Page<KeyId>,
    ) -> Result<Vec<Key>, StorageError> {
        let (filter, within) = (filter.clone(), Within::Organization(organization));
        self.read_snapshot(move |conn| load_page(conn, within, filter, now, page).boxed()).await
    }

    /// A page of the keys of a user that pass the filter, over all organizations in which the user is one of these
    /// members, deleted ones left out. Statuses are those at `now`.
    pub async fn list_keys_of_user(
        &self,
        user: UserId,
        memberships: Memberships,
        filter: &KeyFilter,
        now: Timestamp,
        page: Page<KeyId>,
    ) -> Result<Vec<Key>, StorageError> {
        let filter = KeyFilter { principal: Some(PrincipalId::User(user)), ..filter.clone() };
        let within = Within::MembershipsOf(user, memberships);
        self.read_snapshot(move |conn| load_page(conn, within, filter, now, page).boxed()).await
    }

    /// How many of the organization's keys take a place at `now`.
    pub async fn count_keys(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<u32, StorageError> {
        self.read(move |conn| count_places(conn, organization, now).boxed()).await
    }
}

/// Where keys are looked for.
enum Within {
    /// In one organization.
    Organization(OrganizationId),
    /// In every organization where the user is one of these members.
    MembershipsOf(UserId, Memberships),
}

async fn load_page(
    conn: &mut Conn,
    within: Within,
    filter: KeyFilter,
    now: Timestamp,
    page: Page<KeyId>,
) -> Result<Vec<Key>, StorageError> {
    let KeyFilter { principal, environment, statuses, search } = filter;
    let (user, account) = match principal {
        Some(PrincipalId::User(user)) => (Some(Stored(user)), None),
        Some(PrincipalId::ServiceAccount(account)) => (None, Some(Stored(account))),
        None => (None, None),
    };
    let pattern = search.as_deref().map(contains_pattern);
    let rows = on!(conn, c => {
        let mut query = keys::table
            .filter(keys::deleted_at.is_null())
            .order(keys::id.desc())
            .limit(page.limit.into())
            .select(KeyRow::as_select())
            .into_boxed();
        query = match &within {
            Within::Organization(id) => query.filter(keys::organization_id.eq(Stored(*id))),
            Within::MembershipsOf(user, Memberships { kinds, acceptance }) => {
                let kinds = kinds.iter().copied().map(write_kind);
                let any = (*acceptance == Acceptance::NotRequired).into_sql::<Bool>();
                query.filter(keys::organization_id.eq_any(
                    members::table
                        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
                        .filter(members::user_id.eq(Stored(*user)))
                        .filter(members::accepted_at.is_not_null().or(any))
                        .filter(organizations::deleted_at.is_null())
                        .filter(organizations::kind.eq_any(kinds))
                        .select(members::organization_id),
                ))
            }
        };
        if let Some(after) = page.after {
            query = query.filter(keys::id.lt(Stored(after)));
        }
        if let Some(user) = user {
            query = query.filter(keys::user_id.eq(user));
        }
        if let Some(account) = account {
            query = query.filter(keys::service_account_id.eq(account));
        }
        if let Some(environment) = &environment {
            query = query.filter(keys::environment.eq(environment.as_str()));
        }
        if !statuses.is_empty() {
            // The rule is `KeyStatus::at`; a test compares the two.
            let wanted = |status| statuses.contains(&status).into_sql::<Bool>();
            let unexpired = || keys::expires_at.is_null().or(keys::expires_at.gt(Stored(now)));
            query = query.filter(
                wanted(KeyStatus::Revoked).and(keys::state.eq("revoked"))
                    .or(wanted(KeyStatus::Expired)
                        .and(keys::state.ne("revoked"))
                        .and(keys::expires_at.le(Stored(now))))
                    .or(wanted(KeyStatus::Disabled).and(keys::state.eq("disabled")).and(unexpired()))
                    .or(wanted(KeyStatus::Active).and(keys::state.eq("active")).and(unexpired())),
            );
        }
        if let Some(pattern) = &pattern {
            let hinted = secrets::table
                .filter(secrets::key_id.eq(keys::id))
                .filter(lower(secrets::hint).like(pattern).escape('\\'));
            query = query.filter(lower(keys::name).like(pattern).escape('\\').or(exists(hinted)));
        }
        query.load::<KeyRow>(c)
    })?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut secrets: HashMap<KeyId, Vec<KeySecret>> = HashMap::new();
    for (key, secret) in load_secrets(conn, &ids).await? {
        secrets.entry(key).or_default().push(secret);
    }
    let with_secrets = |row: KeyRow| {
        let own = secrets.remove(&row.id.0).unwrap_or_default();
        row.into_key(own)
    };
    Ok(rows.into_iter().map(with_secrets).collect::<Result<_, Corrupt>>()?)
}

/// How many of the organization's places are taken.
pub(super) async fn count_places(
    conn: &mut Conn,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<u32, StorageError> {
    let count = on!(conn, c => keys::table
        .filter(keys::organization_id.eq(Stored(organization)))
        .filter(takes_place!(now))
        .count()
        .get_result::<i64>(c))?;
    u32::try_from(count).map_err(StorageError::unavailable)
}

/// A pattern for text that contains `text`, in lower case; its escape is the backslash.
pub(crate) fn contains_pattern(text: &str) -> String {
    format!("%{}%", escape_pattern(&text.to_lowercase()))
}
