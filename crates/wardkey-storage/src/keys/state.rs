//! Disabling, enabling, revoking, deleting a key.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{KeyId, KeyState, OrganizationId, ServiceAccountId, Subject, Timestamp, UserId};

use super::Key;
use super::describe::describe_key;
use super::edit::load_version;
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::organizations::lock_organization;
use crate::schema::keys;
use crate::words::write_key_state;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Stops a key until it is enabled again. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`KeyRevoked`](crate::Conflict::KeyRevoked).
    pub async fn disable_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, StorageError> {
        self.set_key_state(act, organization, key, version, KeyState::Disabled, "key.disable", reason).await
    }

    /// Lets a disabled key work again. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`KeyRevoked`](crate::Conflict::KeyRevoked).
    pub async fn enable_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, StorageError> {
        self.set_key_state(act, organization, key, version, KeyState::Active, "key.enable", reason).await
    }

    /// Ends a key for ever; the row and its history stay. Repeating it changes nothing.
    pub async fn revoke_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<Key, StorageError> {
        self.set_key_state(act, organization, key, version, KeyState::Revoked, "key.revoke", reason).await
    }

    /// Revokes a key and hides it: from then on it is found by verification alone, as revoked.
    pub async fn delete_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        reason: Option<String>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let found = load_version(conn, organization, key, version).await?;
                on!(conn, c => diesel::update(keys::table.find(Stored(key)))
                    .set((
                        keys::state.eq(write_key_state(KeyState::Revoked)),
                        keys::deleted_at.eq(Stored(locked.now)),
                        keys::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "key.delete",
                        target: key.to_string(),
                        details: with_reason(json!({"before": describe_key(&found)}), reason),
                        subjects: &[Subject::Key(key)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    #[expect(clippy::too_many_arguments, reason = "what three public methods have in common")]
    async fn set_key_state(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: Option<i64>,
        state: KeyState,
        action: &'static str,
        reason: Option<String>,
    ) -> Result<Key, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let mut found = load_version(conn, organization, key, version).await?;
                if found.state == state {
                    return Ok(found);
                }
                if found.state == KeyState::Revoked {
                    return Err(Conflict::KeyRevoked.into());
                }
                on!(conn, c => diesel::update(keys::table.find(Stored(key)))
                    .set((keys::state.eq(write_key_state(state)), keys::updated_at.eq(Stored(locked.now))))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action,
                        target: key.to_string(),
                        details: with_reason(
                            json!({
                                "before": {"state": write_key_state(found.state)},
                                "after": {"state": write_key_state(state)},
                            }),
                            reason,
                        ),
                        subjects: &[Subject::Key(key)],
                    },
                )
                .await?;
                found.state = state;
                found.updated_at = locked.now;
                Ok(found)
            }
            .boxed()
        })
        .await
    }
}

/// What was changed, and why if that was said.
fn with_reason(mut details: Value, reason: Option<String>) -> Value {
    if let Some(reason) = reason {
        details["reason"] = reason.into();
    }
    details
}

/// Revokes what a user has in an organization that the caller has locked. Returns the keys that this has ended.
pub(crate) async fn revoke_keys_of_user(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<KeyId>, StorageError> {
    let revoked = on!(conn, c => diesel::update(keys::table)
        .filter(keys::organization_id.eq(Stored(organization)))
        .filter(keys::user_id.eq(Stored(user)))
        .filter(keys::state.ne(write_key_state(KeyState::Revoked)))
        .set((keys::state.eq(write_key_state(KeyState::Revoked)), keys::updated_at.eq(Stored(now))))
        .returning(keys::id)
        .get_results::<Stored<KeyId>>(c))?;
    Ok(revoked.into_iter().map(|key| key.0).collect())
}

/// The same for a service account.
pub(crate) async fn revoke_keys_of_service_account(
    conn: &mut Conn,
    organization: OrganizationId,
    account: ServiceAccountId,
    now: Timestamp,
) -> Result<Vec<KeyId>, StorageError> {
    let revoked = on!(conn, c => diesel::update(keys::table)
        .filter(keys::organization_id.eq(Stored(organization)))
        .filter(keys::service_account_id.eq(Stored(account)))
        .filter(keys::state.ne(write_key_state(KeyState::Revoked)))
        .set((keys::state.eq(write_key_state(KeyState::Revoked)), keys::updated_at.eq(Stored(now))))
        .returning(keys::id)
        .get_results::<Stored<KeyId>>(c))?;
    Ok(revoked.into_iter().map(|key| key.0).collect())
}

/// The same for all that an organization has.
pub(crate) async fn revoke_keys_of_organization(
    conn: &mut Conn,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<KeyId>, StorageError> {
    let revoked = on!(conn, c => diesel::update(keys::table)
        .filter(keys::organization_id.eq(Stored(organization)))
        .filter(keys::state.ne(write_key_state(KeyState::Revoked)))
        .set((keys::state.eq(write_key_state(KeyState::Revoked)), keys::updated_at.eq(Stored(now))))
        .returning(keys::id)
        .get_results::<Stored<KeyId>>(c))?;
    Ok(revoked.into_iter().map(|key| key.0).collect())
}
