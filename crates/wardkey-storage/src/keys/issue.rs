//! Issuing a key.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{
    Access, CustomerId, KeyId, KeyState, KeyStatus, OrganizationId, PrincipalId, Subject, Timestamp,
    WorkspaceId,
};

use super::list::count_places;
use super::row::{
    KeyRow, load_key, write_access, write_creator, write_list, write_metadata, write_principal,
};
use super::{Key, NewKey, NewSecret};
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::customers::has_customers;
use crate::idempotency::claim;
use crate::members::is_member;
use crate::organizations::{LockedOrganization, lock_organization};
use crate::schema::{keys, secrets};
use crate::words::{read_key_state, write_key_state};
use crate::workspaces::has_workspaces;
use crate::{Act, Actor, Conflict, Idempotency, Once, Storage, StorageError};

impl Storage {
    /// Issues a key. A key that takes a place takes one of the organization's limited number.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if organization, environment, principal, a workspace or a customer does
    /// not exist there. Conflicts: [`KeyLimitReached`](crate::Conflict::KeyLimitReached),
    /// [`DigestInUse`](crate::Conflict::DigestInUse), [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn issue_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewKey,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Key>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    return Ok(Once::Replayed(find_replayed(conn, organization, first).await?));
                }
                let locked = lock_organization(conn, organization, act.now).await?;
                check_actor(conn, &act, organization, locked.now).await?;
                check_principal(conn, organization, new.principal).await?;
                check_scope(conn, organization, &new.workspaces, &new.customers).await?;
                if KeyStatus::at(locked.now, KeyState::Active, new.expires_at).counts_towards_limit() {
                    take_place(conn, &locked).await?;
                }
                let (id, secret, digest) = (new.id, new.secret.id, new.secret.digest);
                insert_key(conn, &act, organization, new, locked.now).await?;
                let key = load_key(conn, organization, id).await?.ok_or(StorageError::NotFound)?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "key.issue",
                        target: id.to_string(),
                        details: json!({
                            "name": key.name,
                            "principal": key.principal.to_string(),
                            "environment": key.environment.as_str(),
                            "secret": secret.to_string(),
                        }),
                        subjects: &[Subject::Digest(digest), Subject::Key(id)],
                    },
                )
                .await?;
                Ok(Once::Done(key))
            }
            .boxed()
        })
        .await
    }
}

/// The key that an earlier call issued or rotated; one that has been deleted since is not found.
pub(super) async fn find_replayed(
    conn: &mut Conn,
    organization: OrganizationId,
    key: KeyId,
) -> Result<Key, StorageError> {
    load_key(conn, organization, key).await?.ok_or(StorageError::NotFound)
}

/// Refuses a key more than the organization may have.
pub(super) async fn take_place(conn: &mut Conn, locked: &LockedOrganization) -> Result<(), StorageError> {
    let limit = locked.organization.key_limit;
    let count = count_places(conn, locked.organization.id, locked.now).await?;
    if count >= limit { Err(Conflict::KeyLimitReached { count, limit }.into()) } else { Ok(()) }
}

/// A key that makes keys must work at the instant at which it does: it may have been revoked since it was verified. A
/// key of another organization, an operator's, is not under this one's lock.
pub(super) async fn check_actor(
    conn: &mut Conn,
    act: &Act,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<(), StorageError> {
    let Actor::Key { key, .. } = &act.actor else { return Ok(()) };
    let found = on!(conn, c => keys::table
        .filter(keys::id.eq(Stored(*key)))
        .filter(keys::organization_id.eq(Stored(organization)))
        .select((keys::state, keys::expires_at))
        .first::<(String, Option<Stored<Timestamp>>)>(c))
    .optional()?;
    let Some((state, expires_at)) = found else { return Ok(()) };
    match KeyStatus::at(now, read_key_state(&state)?, expires_at.map(|at| at.0)) {
        KeyStatus::Active => Ok(()),
        KeyStatus::Disabled | KeyStatus::Expired | KeyStatus::Revoked => Err(StorageError::NotFound),
    }
}

/// A user must be a member. A service account's row is what the key's row refers to.
async fn check_principal(
    conn: &mut Conn,
    organization: OrganizationId,
    principal: PrincipalId,
) -> Result<(), StorageError> {
    match principal {
        PrincipalId::User(user) if !is_member(conn, organization, user).await? => Err(StorageError::NotFound),
        PrincipalId::User(_) | PrincipalId::ServiceAccount(_) => Ok(()),
    }
}

/// Workspaces and customers must be the organization's own.
pub(super) async fn check_scope(
    conn: &mut Conn,
    organization: OrganizationId,
    workspaces: &Access<WorkspaceId>,
    customers: &Access<CustomerId>,
) -> Result<(), StorageError> {
    let known = match workspaces {
        Access::All => true,
        Access::Specific(ids) => has_workspaces(conn, organization, ids).await?,
    } && match customers {
        Access::All => true,
        Access::Specific(ids) => has_customers(conn, organization, ids).await?,
    };
    if known { Ok(()) } else { Err(StorageError::NotFound) }
}

/// Rows for a new key and its first secret. An environment or a service account that does not exist is not found.
pub(crate) async fn insert_key(
    conn: &mut Conn,
    act: &Act,
    organization: OrganizationId,
    new: NewKey,
    now: Timestamp,
) -> Result<(), StorageError> {
    let NewKey {
        id,
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
        expires_at,
        secret,
    } = new;
    let (user_id, service_account_id) = write_principal(principal);
    let row = KeyRow {
        id: Stored(id),
        organization_id: Stored(organization),
        environment: environment.as_str().to_owned(),
        user_id,
        service_account_id,
        name,
        description,
        metadata: write_metadata(&metadata),
        level: level.as_str().to_owned(),
        permissions: write_list(&permissions),
        workspaces: write_access(&workspaces),
        customers: write_access(&customers),
        ip_allowlist: write_list(&ip_allowlist),
        expires_at: expires_at.map(Stored),
        state: write_key_state(KeyState::Active).to_owned(),
        version: 1,
        created_at: Stored(now),
        created_by_key: write_creator(&act.actor),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(keys::table).values(&row).execute(c))
        .map_err(StorageError::of_reference)?;
    insert_secret(conn, id, secret, now).await
}

/// A row for a new secret.
pub(super) async fn insert_secret(
    conn: &mut Conn,
    key: KeyId,
    secret: NewSecret,
    now: Timestamp,
) -> Result<(), StorageError> {
    let NewSecret { id, digest, hint } = secret;
    on!(conn, c => diesel::insert_into(secrets::table)
        .values((
            secrets::key_id.eq(Stored(key)),
            secrets::id.eq(Stored(id)),
            secrets::digest.eq(&digest.as_bytes()[..]),
            secrets::hint.eq(hint.as_str()),
            secrets::created_at.eq(Stored(now)),
        ))
        .execute(c))?;
    Ok(())
}
