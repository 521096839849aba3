//! Service accounts: principals that never log in.

mod edit;

use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, PrincipalId, Reference, ServiceAccountId, Standing, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::idempotency::claim;
use crate::keys::contains_pattern;
use crate::organizations::lock_organization;
use crate::schema::{lower, service_accounts};
use crate::words::{read_standing, write_standing};
use crate::{Act, Idempotency, Once, Page, Storage, StorageError};

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

/// Everything of a service account that may be edited, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountEdit {
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

/// Which service accounts a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceAccountFilter {
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those whose keys work, or only those whose keys do not.
    pub state: Option<Standing>,
    /// Only those that have this text in their name, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// Creates a service account.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) also if the call is a repetition and what it made has been deleted since.
    /// Conflicts: [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_service_account(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewServiceAccount,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<ServiceAccount>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    let first = load_service_account(conn, organization, first).await?;
                    return first.map(Once::Replayed).ok_or(StorageError::NotFound);
                }
                let locked = lock_organization(conn, organization, &act).await?;
                let account = insert_service_account(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "service_account.create",
                        target: account.id.to_string(),
                        details: json!({"after": {"name": account.name, "external_id": account.external_id}}),
                        subjects: &[Subject::Principal(PrincipalId::ServiceAccount(account.id))],
                    },
                )
                .await?;
                Ok(Once::Done(account))
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
                        .filter(service_accounts::deleted_at.is_null())
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

    /// A page of the organization's service accounts that pass the filter, deleted ones left out.
    pub async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        filter: &ServiceAccountFilter,
        page: Page<ServiceAccountId>,
    ) -> Result<Vec<ServiceAccount>, StorageError> {
        let ServiceAccountFilter { external_id, state, search } = filter.clone();
        let pattern = search.as_deref().map(contains_pattern);
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = service_accounts::table
                        .filter(service_accounts::organization_id.eq(Stored(organization)))
                        .filter(service_accounts::deleted_at.is_null())
                        .order(service_accounts::id.desc())
                        .limit(page.limit.into())
                        .select(ServiceAccountRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(service_accounts::id.lt(Stored(after)));
                    }
                    if let Some(external_id) = &external_id {
                        query = query.filter(service_accounts::external_id.eq(external_id));
                    }
                    if let Some(state) = state {
                        query = query.filter(service_accounts::state.eq(write_standing(state)));
                    }
                    if let Some(pattern) = &pattern {
                        query = query.filter(lower(service_accounts::name).like(pattern).escape('\\'));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(ServiceAccount::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }
}

/// The service account of this organization, unless it is deleted.
pub(crate) async fn load_service_account(
    conn: &mut Conn,
    organization: OrganizationId,
    account: ServiceAccountId,
) -> Result<Option<ServiceAccount>, StorageError> {
    let row = on!(conn, c => service_accounts::table
        .find((Stored(organization), Stored(account)))
        .filter(service_accounts::deleted_at.is_null())
        .select(ServiceAccountRow::as_select())
        .first(c))
    .optional()?;
    Ok(row.map(ServiceAccount::try_from).transpose()?)
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
