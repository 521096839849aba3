//! The lock of an organization, and who may act under it.

use diesel::dsl::case_when;
use diesel::{
    ExpressionMethods as _, IntoSql as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use wardkey_core::{KeyStatus, OrganizationId, Timestamp};

use super::{Organization, OrganizationRow};
use crate::columns::{Stored, UtcTime};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::grants::load_held_roles;
use crate::schema::{keys, members, organizations, sessions};
use crate::words::read_key_state;
use crate::{Act, Actor, Conflict, Held, HeldMembership, StorageError};

/// An organization whose row this transaction holds.
pub(crate) struct LockedOrganization {
    /// When the transaction happens: never before what was decided under an earlier lock.
    pub(crate) now: Timestamp,
    pub(crate) organization: Organization,
    /// The limit that was set, if it is not the usual one.
    pub(super) key_limit_override: Option<u32>,
}

/// Takes the organization's lock, which every write to it holds to its end, and the time, which does not step back. Who
/// acts may have lost the right to since it was verified: a key that has ended or a session that is over changes nothing
/// any more, nor does what was allowed by roles that were given or taken meanwhile.
///
/// # Errors
/// [`NotFound`](StorageError::NotFound) if there is no such organization, or nobody who acts;
/// [`RightsChanged`](Conflict::RightsChanged).
pub(crate) async fn lock_organization(
    conn: &mut Conn,
    organization: OrganizationId,
    act: &Act,
) -> Result<LockedOrganization, StorageError> {
    let now = act.now;
    let later = case_when(organizations::decided_at.lt(Stored(now)), Stored(now).into_sql::<UtcTime>())
        .otherwise(organizations::decided_at);
    let row = on!(conn, c => diesel::update(organizations::table
            .filter(organizations::id.eq(Stored(organization)))
            .filter(organizations::deleted_at.is_null()))
        .set(organizations::decided_at.eq(later))
        .returning(OrganizationRow::as_returning())
        .get_result(c))
    .optional()?
    .ok_or(StorageError::NotFound)?;
    let now = row.decided_at.0;
    check_actor(conn, act, now).await?;
    let key_limit_override =
        row.key_limit.map(u32::try_from).transpose().map_err(|_| Corrupt("organizations.key_limit"))?;
    Ok(LockedOrganization { now, organization: row.try_into()?, key_limit_override })
}

/// Whether whoever acts may still act, and what allowed it still holds.
pub(super) async fn check_actor(conn: &mut Conn, act: &Act, now: Timestamp) -> Result<(), StorageError> {
    let still_acts = match &act.actor {
        Actor::Local { .. } | Actor::Link { .. } => true,
        Actor::Key { key, .. } => {
            let (state, expires_at) = on!(conn, c => keys::table
                .filter(keys::id.eq(Stored(*key)))
                .select((keys::state, keys::expires_at))
                .first::<(String, Option<Stored<Timestamp>>)>(c))
            .optional()?
            .ok_or(StorageError::NotFound)?;
            KeyStatus::at(now, read_key_state(&state)?, expires_at.map(|at| at.0)) == KeyStatus::Active
        }
        Actor::Session { session, .. } => {
            let found = on!(conn, c => sessions::table
                .filter(sessions::id.eq(Stored(*session)))
                .filter(sessions::ends_at.gt(Stored(now)))
                .count()
                .get_result::<i64>(c))?;
            found > 0
        }
    };
    if !still_acts {
        return Err(StorageError::NotFound);
    }
    for held in &act.rests_on {
        check_held(conn, held).await?;
    }
    Ok(())
}

/// Whether a person still holds what they were found to hold, no more and no less.
async fn check_held(conn: &mut Conn, held: &Held) -> Result<(), StorageError> {
    let Held { organization, user, membership } = held;
    let since = on!(conn, c => members::table
        .find((Stored(*organization), Stored(*user)))
        .select(members::created_at)
        .first::<Stored<Timestamp>>(c))
    .optional()?;
    let now = match since {
        Some(since) => {
            let roles = load_held_roles(conn, *organization, *user).await?;
            Some(HeldMembership { since: since.0, roles })
        }
        None => None,
    };
    if now == *membership { Ok(()) } else { Err(Conflict::RightsChanged.into()) }
}
