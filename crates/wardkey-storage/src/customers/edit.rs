//! Editing and deleting a customer.

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{CustomerId, OrganizationId, Subject};

use super::{Customer, CustomerEdit, CustomerRow, load_customer_row};
use crate::audit::{Done, describe_change, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::organizations::lock_organization;
use crate::schema::customers;
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Gives a customer new values. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn update_customer(
        &self,
        act: &Act,
        organization: OrganizationId,
        customer: CustomerId,
        version: i64,
        edit: CustomerEdit,
    ) -> Result<Customer, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, customer, Some(version)).await?;
                if before.to_edit() == edit {
                    return Ok(before);
                }
                let CustomerEdit { name, external_id } = edit;
                let row = on!(conn, c => diesel::update(customers::table.find((Stored(organization), Stored(customer))))
                    .set((
                        customers::name.eq(&name),
                        customers::external_id.eq(&external_id),
                        customers::version.eq(customers::version + 1),
                        customers::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(CustomerRow::as_returning())
                    .get_result(c))?;
                let after = Customer::from(row);
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "customer.update",
                        target: customer.to_string(),
                        details: describe_change(before.describe(), after.describe()),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(after)
            }
            .boxed()
        })
        .await
    }

    /// Deletes a customer. Keys that name it go on naming it, to no effect.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn delete_customer(
        &self,
        act: &Act,
        organization: OrganizationId,
        customer: CustomerId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, customer, version).await?;
                on!(conn, c => diesel::delete(customers::table.find((Stored(organization), Stored(customer))))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "customer.delete",
                        target: customer.to_string(),
                        details: json!({"before": before.describe()}),
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

impl Customer {
    /// Its values that may be edited.
    fn to_edit(&self) -> CustomerEdit {
        CustomerEdit { name: self.name.clone(), external_id: self.external_id.clone() }
    }
}

/// The customer of this organization, which must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    customer: CustomerId,
    version: Option<i64>,
) -> Result<Customer, StorageError> {
    let found = load_customer_row(conn, organization, customer).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != found.version => {
            Err(StorageError::VersionMismatch { current: found.version })
        }
        _ => Ok(found),
    }
}
