//! Service accounts: principals that never log in.

use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, PrincipalId, Reference, ServiceAccountId, Standing, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::organizations::lock_organization;
use crate::schema::service_accounts;
use crate::words::{read_standing, write_standing};
use crate::{Act, Page, Storage, StorageError};

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// The organization to which it belongs.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gave it; unique in the organization.
    pub external_id: Option<String>,
    /// Whether its keys work.
    pub state: Standing,
    /// Moves with each edit.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// A service account to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceAccount {
    /// Its id, minted by the caller.
    pub id: ServiceAccountId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

impl Storage {
    /// Creates a service account.
    ///
    /// # Errors
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn create_service_account(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewServiceAccount,
    ) -> Result<ServiceAccount, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                let account = insert_service_account(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "service_account.create",
                        target: account.id.to_string(),
                        details: json!({"name": account.name, "external_id": account.external_id}),
                        subjects: &[Subject::Principal(PrincipalId::ServiceAccount(account.id))],
                    },
                )
                .await?;
                Ok(account)
            }
            .boxed()
        })
        .await
    }

    /// The service account of this organization that is meant, if there is one.
    pub async fn find_service_account(
        &self,
        organization: OrganizationId,
        account: &Reference<ServiceAccountId>,
    ) -> Result<Option<ServiceAccount>, StorageError> {
        let account = account.clone();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let query = service_accounts::table
                        .filter(service_accounts::organization_id.eq(Stored(organization)))
                        .select(ServiceAccountRow::as_select())
                        .into_boxed();
                    match &account {
                        Reference::Id(id) => query.filter(service_accounts::id.eq(Stored(*id))),
                        Reference::External(id) => query.filter(service_accounts::external_id.eq(id)),
                    }
                    .load(c)
                })?;
                Ok(rows.into_iter().next().map(ServiceAccount::try_from).transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's service accounts.
    pub async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: Page<ServiceAccountId>,
    ) -> Result<Vec<ServiceAccount>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = service_accounts::table
                        .filter(service_accounts::organization_id.eq(Stored(organization)))
                        .order(service_accounts::id.desc())
                        .limit(page.limit.into())
                        .select(ServiceAccountRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(service_accounts::id.lt(Stored(after)));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(ServiceAccount::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// Suspends a service account, or lets it act again. Its keys stay as they are.
    pub async fn set_service_account_state(
        &self,
        act: &Act,
        organization: OrganizationId,
        account: ServiceAccountId,
        state: Standing,
    ) -> Result<ServiceAccount, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                let found = on!(conn, c => service_accounts::table
                    .find((Stored(organization), Stored(account)))
                    .select(ServiceAccountRow::as_select())
                    .first(c))
                .optional()?;
                let before = ServiceAccount::try_from(found.ok_or(StorageError::NotFound)?)?;
                if before.state == state {
                    return Ok(before);
                }
                let row = on!(conn, c => diesel::update(service_accounts::table.find((Stored(organization), Stored(account))))
                    .set((
                        service_accounts::state.eq(write_standing(state)),
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
                        action: "service_account.set_state",
                        target: account.to_string(),
                        details: json!({"state": write_standing(state)}),
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
}

/// A row for a new service account.
pub(crate) async fn insert_service_account(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewServiceAccount,
    now: Timestamp,
) -> Result<ServiceAccount, StorageError> {
    let NewServiceAccount { id, name, external_id } = new;
    let row = ServiceAccountRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        external_id,
        state: write_standing(Standing::Active).to_owned(),
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(service_accounts::table).values(&row).execute(c))?;
    Ok(row.try_into()?)
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = service_accounts, treat_none_as_default_value = false)]
struct ServiceAccountRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<ServiceAccountId>,
    name: String,
    external_id: Option<String>,
    state: String,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl TryFrom<ServiceAccountRow> for ServiceAccount {
    type Error = Corrupt;

    fn try_from(row: ServiceAccountRow) -> Result<Self, Corrupt> {
        let ServiceAccountRow {
            organization_id,
            id,
            name,
            external_id,
            state,
            version,
            created_at,
            updated_at,
        } = row;
        Ok(Self {
            id: id.0,
            organization: organization_id.0,
            name,
            external_id,
            state: read_standing(&state)?,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        })
    }
}
