//! Issuing a key.

use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{
    CustomerId, KeyId, KeyState, KeyStatus, OrganizationId, PrincipalId, Subject, Timestamp, WorkspaceId,
};

use super::describe::describe_key;
use super::list::count_places;
use super::row::{
    KeyRow, load_key, write_access, write_creator, write_limits, write_list, write_metadata, write_principal,
};
use super::{Key, NewKey, NewSecret};
use crate::audit::{Done, record};
use crate::catalogue::check_listed;
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::customers::has_customers;
use crate::idempotency::claim;
use crate::members::is_member;
use crate::organizations::{LockedOrganization, lock_organization};
use crate::schema::{keys, secrets};
use crate::service_accounts::load_service_account;
use crate::words::write_key_state;
use crate::workspaces::has_workspaces;
use crate::{Act, Conflict, Idempotency, Once, Storage, StorageError};

impl Storage {
    /// Issues a key. A key that takes a place takes one of the organization's limited number.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if organization, environment, principal, a workspace, a customer or a listed
    /// permission does not exist there. Conflicts: [`KeyLimitReached`](crate::Conflict::KeyLimitReached),
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
                let locked = lock_organization(conn, organization, &act).await?;
                check_principal(conn, organization, new.principal).await?;
                check_scope(conn, organization, new.workspaces.named(), new.customers.named()).await?;
                check_listed(conn, &new.permissions).await?;
                if KeyStatus::at(locked.now, KeyState::Active, new.expires_at).counts_towards_limit() {
                    take_place(conn, &locked).await?;
                }
                let (id, digest) = (new.id, new.secret.digest);
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
                        details: json!({"after": describe_key(&key)}),
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

/// A user must be a member. A service account that is deleted keeps its row, so that its keys have something to refer to,
/// and gets no further ones.
async fn check_principal(
    conn: &mut Conn,
    organization: OrganizationId,
    principal: PrincipalId,
) -> Result<(), StorageError> {
    let exists = match principal {
        PrincipalId::User(user) => is_member(conn, organization, user).await?,
        PrincipalId::ServiceAccount(account) => {
            load_service_account(conn, organization, account).await?.is_some()
        }
    };
    if exists { Ok(()) } else { Err(StorageError::NotFound) }
}

/// Workspaces and customers must be the organization's own.
pub(super) async fn check_scope(
    conn: &mut Conn,
    organization: OrganizationId,
    workspaces: &[WorkspaceId],
    customers: &[CustomerId],
) -> Result<(), StorageError> {
    let known = has_workspaces(conn, organization, workspaces).await?
        && has_customers(conn, organization, customers).await?;
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
        rate_limits,
        expires_at,
        secret,
    } = new;
    let (user_id, service_account_id) = write_principal(principal);
    let (created_by_key, created_by_user) = write_creator(&act.actor);
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
        created_by_key,
        updated_at: Stored(now),
        created_by_user,
        rate_limits: write_limits(&rate_limits),
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
