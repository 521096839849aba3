//! Editing, suspending, deleting a service account.

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Map, Value, json};
use wardkey_core::{OrganizationId, PrincipalId, ServiceAccountId, Standing, Subject};

use super::{ServiceAccount, ServiceAccountEdit, ServiceAccountRow, load_service_account};
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::operator_service_account;
use crate::keys::revoke_keys_of_service_account;
use crate::organizations::lock_organization;
use crate::schema::service_accounts;
use crate::words::write_standing;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Gives a service account new values. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn update_service_account(
        &self,
        act: &Act,
        organization: OrganizationId,
        account: ServiceAccountId,
        version: i64,
        edit: ServiceAccountEdit,
    ) -> Result<ServiceAccount, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let found = load_version(conn, organization, account, Some(version)).await?;
                let (before, after) = differences(&found, &edit);
                if after.is_empty() {
                    return Ok(found);
                }
                let ServiceAccountEdit { name, external_id } = edit;
                let row = on!(conn, c => diesel::update(service_accounts::table.find((Stored(organization), Stored(account))))
                    .set((
                        service_accounts::name.eq(&name),
                        service_accounts::external_id.eq(&external_id),
                        service_accounts::version.eq(service_accounts::version + 1),
                        service_accounts::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(ServiceAccountRow::as_returning())
                    .get_result(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "service_account.update",
                        target: account.to_string(),
                        details: json!({"before": before, "after": after}),
                        subjects: &[Subject::Principal(PrincipalId::ServiceAccount(account))],
                    },
                )
                .await?;
                Ok(row.try_into()?)
            }
            .boxed()
        })
        .await
    }

    /// Suspends a service account, or lets it act again. Its keys stay as they are. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch);
    /// [`BuiltIn`](crate::Conflict::BuiltIn) for suspending the first one of the operator, for which operator keys are
    /// issued.
    pub async fn set_service_account_state(
        &self,
        act: &Act,
        organization: OrganizationId,
        account: ServiceAccountId,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<ServiceAccount, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let mut found = load_version(conn, organization, account, version).await?;
                let before = found.state;
                if before == state {
                    return Ok(found);
                }
                if state == Standing::Inactive && operator_service_account(conn).await? == account {
                    return Err(Conflict::BuiltIn.into());
                }
                on!(conn, c => diesel::update(service_accounts::table.find((Stored(organization), Stored(account))))
                    .set((
                        service_accounts::state.eq(write_standing(state)),
                        service_accounts::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "service_account.set_state",
                        target: account.to_string(),
                        details: json!({
                            "before": {"state": write_standing(before)},
                            "after": {"state": write_standing(state)},
                            "reason": reason,
                        }),
                        subjects: &[Subject::Principal(PrincipalId::ServiceAccount(account))],
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

    /// Deletes a service account and revokes its keys. Its row stays, for these to refer to, and its external id is free
    /// again.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch);
    /// [`BuiltIn`](crate::Conflict::BuiltIn) for the first one of the operator, for which operator keys are issued.
    pub async fn delete_service_account(
        &self,
        act: &Act,
        organization: OrganizationId,
        account: ServiceAccountId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, account, version).await?;
                if operator_service_account(conn).await? == account {
                    return Err(Conflict::BuiltIn.into());
                }
                let revoked =
                    revoke_keys_of_service_account(conn, organization, account, locked.now).await?;
                on!(conn, c => diesel::update(service_accounts::table.find((Stored(organization), Stored(account))))
                    .set((
                        service_accounts::state.eq(write_standing(Standing::Inactive)),
                        service_accounts::deleted_at.eq(Stored(locked.now)),
                        service_accounts::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "service_account.delete",
                        target: account.to_string(),
                        details: json!({
                            "before": {
                                "name": before.name,
                                "external_id": before.external_id,
                                "state": write_standing(before.state),
                            },
                            "revoked_keys": revoked.iter().map(ToString::to_string).collect::<Vec<_>>(),
                        }),
                        subjects: &[Subject::Principal(PrincipalId::ServiceAccount(account))],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
}

/// The service account of this organization, which must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    account: ServiceAccountId,
    version: Option<i64>,
) -> Result<ServiceAccount, StorageError> {
    let account = load_service_account(conn, organization, account).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != account.version => {
            Err(StorageError::VersionMismatch { current: account.version })
        }
        _ => Ok(account),
    }
}

/// What an edit changes, as it was and as it shall be.
fn differences(
    before: &ServiceAccount,
    after: &ServiceAccountEdit,
) -> (Map<String, Value>, Map<String, Value>) {
    let ServiceAccountEdit { name, external_id } = after;
    let fields = [
        ("name", json!(before.name), json!(name)),
        ("external_id", json!(before.external_id), json!(external_id)),
    ];
    let changed = fields.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(field, before, after)| ((field.to_owned(), before), (field.to_owned(), after))).unzip()
}
