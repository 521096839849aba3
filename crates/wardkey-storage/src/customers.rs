//! Customers: an organization's own customers, to which keys may be restricted.

mod edit;

use diesel::{
    BoolExpressionMethods as _, EscapeExpressionMethods as _, ExpressionMethods as _, Insertable,
    JoinOnDsl as _, NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{At, CustomerId, OrganizationId, Position, Reference, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::NotBootstrapped;
use crate::idempotency::claim;
use crate::keys::contains_pattern;
use crate::organizations::lock_organization;
use crate::schema::{change_counter, customers, lower};
use crate::{Act, Idempotency, Once, Page, Storage, StorageError};

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

/// Everything of a customer that may be edited, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerEdit {
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

/// Which customers a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// Only those among these.
    pub only: Option<Vec<CustomerId>>,
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those that have this text in their name, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// Creates a customer.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) also if the call is a repetition and what it made has been deleted since.
    /// Conflicts: [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_customer(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewCustomer,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Customer>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    let first = load_customer_row(conn, organization, first).await?;
                    return first.map(Once::Replayed).ok_or(StorageError::NotFound);
                }
                let locked = lock_organization(conn, organization, &act).await?;
                let customer = insert_customer(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "customer.create",
                        target: customer.id.to_string(),
                        details: json!({"after": customer.describe()}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(Once::Done(customer))
            }
            .boxed()
        })
        .await
    }

    /// The customer of this organization that is meant, if there is one.
    pub async fn find_customer(
        &self,
        organization: OrganizationId,
        customer: &Reference<CustomerId>,
    ) -> Result<Option<Customer>, StorageError> {
        let found = self.find_customers(organization, std::slice::from_ref(customer)).await?;
        Ok(found.into_iter().next())
    }

    /// Those customers of this organization that are meant and exist, in no order; at most a thousand are asked for.
    pub async fn find_customers(
        &self,
        organization: OrganizationId,
        customers: &[Reference<CustomerId>],
    ) -> Result<Vec<Customer>, StorageError> {
        let (mut ids, mut external_ids) = (Vec::new(), Vec::new());
        for customer in customers {
            match customer {
                Reference::Id(id) => ids.push(Stored(*id)),
                Reference::External(id) => external_ids.push(id.clone()),
            }
        }
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => customers::table
                    .filter(customers::organization_id.eq(Stored(organization)))
                    .filter(customers::id.eq_any(&ids).or(customers::external_id.eq_any(&external_ids)))
                    .select(CustomerRow::as_select())
                    .load(c))?;
                Ok(rows.into_iter().map(Customer::from).collect())
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's customers that pass the filter.
    pub async fn list_customers(
        &self,
        organization: OrganizationId,
        filter: &CustomerFilter,
        page: Page<CustomerId>,
    ) -> Result<Vec<Customer>, StorageError> {
        let CustomerFilter { only, external_id, search } = filter.clone();
        let only: Option<Vec<_>> = only.map(|ids| ids.into_iter().map(Stored).collect());
        let pattern = search.as_deref().map(contains_pattern);
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = customers::table
                        .filter(customers::organization_id.eq(Stored(organization)))
                        .order(customers::id.desc())
                        .limit(page.limit.into())
                        .select(CustomerRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(customers::id.lt(Stored(after)));
                    }
                    if let Some(only) = &only {
                        query = query.filter(customers::id.eq_any(only));
                    }
                    if let Some(external_id) = &external_id {
                        query = query.filter(customers::external_id.eq(external_id));
                    }
                    if let Some(pattern) = &pattern {
                        query = query.filter(lower(customers::name).like(pattern).escape('\\'));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Customer::from).collect())
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

impl Customer {
    /// What may be edited, as the audit log shows it.
    fn describe(&self) -> serde_json::Value {
        let Self { name, external_id, .. } = self;
        json!({"name": name, "external_id": external_id})
    }
}

/// The customer of this organization.
async fn load_customer_row(
    conn: &mut Conn,
    organization: OrganizationId,
    customer: CustomerId,
) -> Result<Option<Customer>, StorageError> {
    let row = on!(conn, c => customers::table
        .find((Stored(organization), Stored(customer)))
        .select(CustomerRow::as_select())
        .first(c))
    .optional()?;
    Ok(row.map(Customer::from))
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

#[derive(Queryable, Selectable, Insertable)]
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
    if ids.is_empty() {
        return Ok(true);
    }
    let wanted: Vec<_> = ids.iter().copied().map(Stored).collect();
    let found = on!(conn, c => customers::table
        .filter(customers::organization_id.eq(Stored(organization)))
        .filter(customers::id.eq_any(&wanted))
        .count()
        .get_result::<i64>(c))?;
    Ok(usize::try_from(found) == Ok(ids.len()))
}
