//! Editing, suspending and deleting an organization.

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{OrganizationId, OrganizationKind, Standing, Subject};

use super::lock::{LockedOrganization, lock_organization};
use super::{Organization, OrganizationRow};
use crate::audit::{Done, describe_ids, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::find_operator_organization;
use crate::keys::revoke_keys_of_organization;
use crate::links::end_links_of_organization;
use crate::schema::organizations;
use crate::words::write_standing;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Gives an organization another name.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn rename_organization(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: i64,
        name: String,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_version(conn, organization, &act, Some(version)).await?;
                let before = locked.organization.name.clone();
                if before == name {
                    return Ok(locked.organization);
                }
                on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set(organizations::name.eq(&name))
                    .execute(c))?;
                let details = json!({"before": {"name": before}, "after": {"name": name}});
                move_version(conn, &act, &locked, "organization.update", details).await
            }
            .boxed()
        })
        .await
    }

    /// Gives an organization another id of the product's backend, or none.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn set_organization_external_id(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: i64,
        external_id: Option<String>,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_version(conn, organization, &act, Some(version)).await?;
                let before = locked.organization.external_id.clone();
                if before == external_id {
                    return Ok(locked.organization);
                }
                on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set(organizations::external_id.eq(&external_id))
                    .execute(c))?;
                let details =
                    json!({"before": {"external_id": before}, "after": {"external_id": external_id}});
                move_version(conn, &act, &locked, "organization.set_external_id", details).await
            }
            .boxed()
        })
        .await
    }

    /// Sets how many keys an organization may have; `None` is the [usual number](crate::DEFAULT_KEY_LIMIT). A lower one
    /// revokes nothing: it refuses new keys until there are fewer.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn set_key_limit(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: Option<i64>,
        limit: Option<u32>,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_version(conn, organization, &act, version).await?;
                let before = locked.key_limit_override;
                if before == limit {
                    return Ok(locked.organization);
                }
                on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set(organizations::key_limit.eq(limit.map(i64::from)))
                    .execute(c))?;
                let details = json!({"before": {"key_limit": before}, "after": {"key_limit": limit}});
                move_version(conn, &act, &locked, "organization.set_key_limit", details).await
            }
            .boxed()
        })
        .await
    }

    /// Suspends an organization, or lets it work again. Its keys stay as they are, and so does its version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`OperatorOrganization`](crate::Conflict::OperatorOrganization).
    pub async fn set_organization_state(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_version(conn, organization, &act, version).await?;
                if locked.organization.kind == OrganizationKind::Operator && state == Standing::Inactive {
                    return Err(Conflict::OperatorOrganization.into());
                }
                let before = locked.organization.state;
                if before == state {
                    return Ok(locked.organization);
                }
                let row = on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set((
                        organizations::state.eq(write_standing(state)),
                        organizations::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(OrganizationRow::as_returning())
                    .get_result(c))?;
                let action = match state {
                    Standing::Active => "organization.resume",
                    Standing::Inactive => "organization.suspend",
                };
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action,
                        target: organization.to_string(),
                        details: json!({
                            "before": {"state": write_standing(before)},
                            "after": {"state": write_standing(state)},
                            "reason": reason,
                        }),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(row.try_into()?)
            }
            .boxed()
        })
        .await
    }

    /// Deletes an organization: revokes every key and ends every link of it, hides it, and gives back its external id. Since nobody enters it
    /// any more, the event stands in the operator organization's audit log.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`OperatorOrganization`](crate::Conflict::OperatorOrganization).
    pub async fn delete_organization(
        &self,
        act: &Act,
        organization: OrganizationId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let operator = find_operator_organization(conn).await?;
                if operator == organization {
                    lock_version(conn, organization, &act, version).await?;
                    return Err(Conflict::OperatorOrganization.into());
                }
                // Rows of organizations are locked in the order of their ids.
                let (locked, at) = if operator < organization {
                    let at = lock_organization(conn, operator, &act).await?.now;
                    (lock_version(conn, organization, &act, version).await?, at)
                } else {
                    let locked = lock_version(conn, organization, &act, version).await?;
                    (locked, lock_organization(conn, operator, &act).await?.now)
                };
                let revoked = revoke_keys_of_organization(conn, organization, locked.now).await?;
                end_links_of_organization(conn, organization).await?;
                on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set((
                        organizations::state.eq(write_standing(Standing::Inactive)),
                        organizations::deleted_at.eq(Stored(locked.now)),
                        organizations::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                let Organization { name, external_id, state, key_limit, .. } = locked.organization;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator,
                        at,
                        action: "organization.delete",
                        target: organization.to_string(),
                        details: json!({
                            "before": {
                                "name": name,
                                "external_id": external_id,
                                "state": write_standing(state),
                                "key_limit": key_limit,
                            },
                            "revoked_keys": describe_ids(&revoked),
                            "revoked_keys_count": revoked.len(),
                        }),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
}

/// The lock of an organization, which must be at `version` if one is given.
async fn lock_version(
    conn: &mut Conn,
    organization: OrganizationId,
    act: &Act,
    version: Option<i64>,
) -> Result<LockedOrganization, StorageError> {
    let locked = lock_organization(conn, organization, act).await?;
    match version {
        Some(version) if version != locked.organization.version => {
            Err(StorageError::VersionMismatch { current: locked.organization.version })
        }
        _ => Ok(locked),
    }
}

/// Ends an edit of the organization's row: the next version, the event, and the organization as it is now.
async fn move_version(
    conn: &mut Conn,
    act: &Act,
    locked: &LockedOrganization,
    action: &'static str,
    details: Value,
) -> Result<Organization, StorageError> {
    let organization = locked.organization.id;
    let row = on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
        .set((
            organizations::version.eq(organizations::version + 1),
            organizations::updated_at.eq(Stored(locked.now)),
        ))
        .returning(OrganizationRow::as_returning())
        .get_result(c))?;
    record(
        conn,
        act,
        Done {
            organization,
            at: locked.now,
            action,
            target: organization.to_string(),
            details,
            subjects: &[Subject::Organization(organization)],
        },
    )
    .await?;
    Ok(row.try_into()?)
}
