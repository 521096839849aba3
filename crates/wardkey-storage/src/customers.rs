//! Customers: an organization's own customers, to which keys may be restricted.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, Insertable, JoinOnDsl as _,
    NullableExpressionMethods as _, QueryDsl as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{At, CustomerId, OrganizationId, Position, Reference, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::NotBootstrapped;
use crate::organizations::lock_organization;
use crate::schema::{change_counter, customers};
use crate::{Act, Storage, StorageError};

/// A customer of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The organization whose customer it is.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gave it; unique in the organization.
    pub external_id: Option<String>,
    /// Moves with each edit.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// A customer to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCustomer {
    /// Its id, minted by the caller.
    pub id: CustomerId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

impl Storage {
    /// Creates a customer.
    ///
    /// # Errors
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn create_customer(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewCustomer,
    ) -> Result<Customer, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                let customer = insert_customer(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "customer.create",
                        target: customer.id.to_string(),
                        details: json!({"name": customer.name, "external_id": customer.external_id}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(customer)
            }
            .boxed()
        })
        .await
    }

    /// The customer of this organization that is meant, for a verifier: one statement, and so one moment.
    pub(crate) async fn load_customer(
        &self,
        organization: OrganizationId,
        customer: Reference<CustomerId>,
    ) -> Result<At<Option<CustomerId>>, StorageError> {
        let (id, external_id) = match customer {
            Reference::Id(id) => (Some(Stored(id)), None),
            Reference::External(id) => (None, Some(id)),
        };
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => change_counter::table
                    .left_join(customers::table.on(customers::organization_id.eq(Stored(organization)).and(
                        customers::id.nullable().eq(id).or(customers::external_id.eq(&external_id)),
                    )))
                    .select((change_counter::epoch, change_counter::number, customers::id.nullable()))
                    .load::<(i64, i64, Option<Stored<CustomerId>>)>(c))?;
                let (epoch, number, found) = rows.into_iter().next().ok_or(NotBootstrapped)?;
                Ok(At { position: Position { epoch, number }, value: found.map(|id| id.0) })
            }
            .boxed()
        })
        .await
    }
}

/// A row for a new customer.
pub(crate) async fn insert_customer(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewCustomer,
    now: Timestamp,
) -> Result<Customer, StorageError> {
    let NewCustomer { id, name, external_id } = new;
    let row = CustomerRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        external_id,
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(customers::table).values(&row).execute(c))?;
    Ok(row.into())
}

#[derive(Insertable)]
#[diesel(table_name = customers, treat_none_as_default_value = false)]
struct CustomerRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<CustomerId>,
    name: String,
    external_id: Option<String>,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl From<CustomerRow> for Customer {
    fn from(row: CustomerRow) -> Self {
        let CustomerRow { organization_id, id, name, external_id, version, created_at, updated_at } = row;
        Self {
            id: id.0,
            organization: organization_id.0,
            name,
            external_id,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        }
    }
}

/// Whether the organization has all of these customers; each is named once.
pub(crate) async fn has_customers(
    conn: &mut Conn,
    organization: OrganizationId,
    ids: &[CustomerId],
) -> Result<bool, StorageError> {
    let wanted: Vec<_> = ids.iter().copied().map(Stored).collect();
    let found = on!(conn, c => customers::table
        .filter(customers::organization_id.eq(Stored(organization)))
        .filter(customers::id.eq_any(&wanted))
        .count()
        .get_result::<i64>(c))?;
    Ok(usize::try_from(found) == Ok(ids.len()))
}
