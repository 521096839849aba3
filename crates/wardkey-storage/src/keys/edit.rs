//! Editing a key.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{Access, KeyId, KeyState, KeyStatus, OrganizationId, Subject, Timestamp};

use super::describe::describe_changes;
use super::issue::{check_scope, take_place};
use super::row::{load_key, write_access, write_limits, write_list, write_metadata};
use super::{Key, KeyEdit};
use crate::audit::{Done, record};
use crate::catalogue::check_listed;
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::organizations::lock_organization;
use crate::schema::keys;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Gives a key new values. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) also for a workspace, a customer or a permission that the edit names anew and
    /// that does not exist there;
    /// [`VersionMismatch`](StorageError::VersionMismatch). Conflicts: [`KeyRevoked`](crate::Conflict::KeyRevoked);
    /// [`KeyLimitReached`](crate::Conflict::KeyLimitReached) if a key that takes no place would take one again.
    pub async fn update_key(
        &self,
        act: &Act,
        organization: OrganizationId,
        key: KeyId,
        version: i64,
        edit: KeyEdit,
    ) -> Result<Key, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, key, Some(version)).await?;
                if before.state == KeyState::Revoked {
                    return Err(Conflict::KeyRevoked.into());
                }
                let current = before.to_edit();
                if current == edit {
                    return Ok(before);
                }
                let details = describe_changes(&current, &edit);
                // What the key names already may have been deleted since; that stops no other edit.
                let workspaces = newly_named(&before.workspaces, &edit.workspaces);
                let customers = newly_named(&before.customers, &edit.customers);
                check_scope(conn, organization, &workspaces, &customers).await?;
                let anew = edit.permissions.iter().filter(|name| !before.permissions.contains(name));
                check_listed(conn, &anew.cloned().collect::<Vec<_>>()).await?;
                let places =
                    |expires_at| KeyStatus::at(locked.now, before.state, expires_at).counts_towards_limit();
                if places(edit.expires_at) && !before.takes_place(locked.now) {
                    take_place(conn, &locked).await?;
                }
                write_edit(conn, key, edit, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "key.update",
                        target: key.to_string(),
                        details,
                        subjects: &[Subject::Key(key)],
                    },
                )
                .await?;
                load_key(conn, organization, key).await?.ok_or(StorageError::NotFound)
            }
            .boxed()
        })
        .await
    }
}

/// The key of this organization, which must be at `version` if one is given.
pub(super) async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    key: KeyId,
    version: Option<i64>,
) -> Result<Key, StorageError> {
    let key = load_key(conn, organization, key).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != key.version => {
            Err(StorageError::VersionMismatch { current: key.version })
        }
        _ => Ok(key),
    }
}

/// What the second names and the first does not.
fn newly_named<I: Copy + Ord>(before: &Access<I>, after: &Access<I>) -> Vec<I> {
    let known = before.named();
    after.named().iter().filter(|id| known.binary_search(id).is_err()).copied().collect()
}

async fn write_edit(conn: &mut Conn, key: KeyId, edit: KeyEdit, now: Timestamp) -> Result<(), StorageError> {
    let KeyEdit {
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
    } = edit;
    on!(conn, c => diesel::update(keys::table.find(Stored(key)))
        .set((
            keys::name.eq(&name),
            keys::description.eq(&description),
            keys::metadata.eq(write_metadata(&metadata)),
            keys::level.eq(level.as_str()),
            keys::permissions.eq(write_list(&permissions)),
            keys::workspaces.eq(write_access(&workspaces)),
            keys::customers.eq(write_access(&customers)),
            keys::ip_allowlist.eq(write_list(&ip_allowlist)),
            keys::rate_limits.eq(write_limits(&rate_limits)),
            keys::expires_at.eq(expires_at.map(Stored)),
            keys::version.eq(keys::version + 1),
            keys::updated_at.eq(Stored(now)),
        ))
        .execute(c))?;
    Ok(())
}
