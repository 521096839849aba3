//! Organizations: the tenants, and the one that runs the deployment.

use diesel::dsl::case_when;
use diesel::{
    ExpressionMethods as _, Insertable, IntoSql as _, OptionalExtension as _, QueryDsl as _, Queryable,
    Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, OrganizationKind, Reference, Standing, Subject, Timestamp};

use crate::audit::{Done, record};
use crate::columns::{Stored, UtcTime};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::organizations;
use crate::words::{read_kind, read_standing, write_kind, write_standing};
use crate::{Act, Page, Storage, StorageError};

/// How many keys an organization may have unless another number is set.
pub const DEFAULT_KEY_LIMIT: u32 = 10;

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Tenant, or the operator organization.
    pub kind: OrganizationKind,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gave it; unique in the deployment.
    pub external_id: Option<String>,
    /// Whether its keys work at all.
    pub state: Standing,
    /// How many active and disabled keys it may have.
    pub key_limit: u32,
    /// Moves with each edit.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// An organization to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its id, minted by the caller.
    pub id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

impl Storage {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn create_organization(
        &self,
        act: &Act,
        new: NewOrganization,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let organization = insert_organization(conn, new, OrganizationKind::Tenant, act.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: organization.id,
                        at: act.now,
                        action: "organization.create",
                        target: organization.id.to_string(),
                        details: json!({"name": organization.name, "external_id": organization.external_id}),
                        subjects: &[Subject::Organization(organization.id)],
                    },
                )
                .await?;
                Ok(organization)
            }
            .boxed()
        })
        .await
    }

    /// The organization that is meant, if there is one.
    pub async fn find_organization(
        &self,
        organization: &Reference<OrganizationId>,
    ) -> Result<Option<Organization>, StorageError> {
        let organization = organization.clone();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let query = organizations::table.select(OrganizationRow::as_select()).into_boxed();
                    match &organization {
                        Reference::Id(id) => query.filter(organizations::id.eq(Stored(*id))),
                        Reference::External(id) => query.filter(organizations::external_id.eq(id)),
                    }
                    .load(c)
                })?;
                Ok(rows.into_iter().next().map(Organization::try_from).transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of all organizations.
    pub async fn list_organizations(
        &self,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = organizations::table
                        .order(organizations::id.desc())
                        .limit(page.limit.into())
                        .select(OrganizationRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(organizations::id.lt(Stored(after)));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Organization::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// Suspends an organization, or lets it work again. Its keys stay as they are.
    pub async fn set_organization_state(
        &self,
        act: &Act,
        organization: OrganizationId,
        state: Standing,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                if locked.organization.state == state {
                    return Ok(locked.organization);
                }
                let row = on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set((organizations::state.eq(write_standing(state)), organizations::updated_at.eq(Stored(locked.now))))
                    .returning(OrganizationRow::as_returning())
                    .get_result(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "organization.set_state",
                        target: organization.to_string(),
                        details: json!({"state": write_standing(state)}),
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

    /// Sets how many keys an organization may have; `None` is the [usual number](DEFAULT_KEY_LIMIT). A lower one
    /// revokes nothing: it refuses new keys until there are fewer.
    pub async fn set_key_limit(
        &self,
        act: &Act,
        organization: OrganizationId,
        limit: Option<u32>,
    ) -> Result<Organization, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                if locked.key_limit_override == limit {
                    return Ok(locked.organization);
                }
                let row = on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
                    .set((
                        organizations::key_limit.eq(limit.map(i64::from)),
                        organizations::version.eq(organizations::version + 1),
                        organizations::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(OrganizationRow::as_returning())
                    .get_result(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "organization.set_key_limit",
                        target: organization.to_string(),
                        details: json!({"key_limit": limit}),
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
}

/// An organization whose row this transaction holds.
pub(crate) struct LockedOrganization {
    /// When the transaction happens: never before what was decided under an earlier lock.
    pub(crate) now: Timestamp,
    pub(crate) organization: Organization,
    key_limit_override: Option<u32>,
}

/// Takes the organization's lock, which every write to it holds to its end, and the time, which does not step back.
pub(crate) async fn lock_organization(
    conn: &mut Conn,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<LockedOrganization, StorageError> {
    let later = case_when(organizations::decided_at.lt(Stored(now)), Stored(now).into_sql::<UtcTime>())
        .otherwise(organizations::decided_at);
    let row = on!(conn, c => diesel::update(organizations::table.find(Stored(organization)))
        .set(organizations::decided_at.eq(later))
        .returning(OrganizationRow::as_returning())
        .get_result(c))
    .optional()?
    .ok_or(StorageError::NotFound)?;
    let now = row.decided_at.0;
    let key_limit_override =
        row.key_limit.map(u32::try_from).transpose().map_err(|_| Corrupt("organizations.key_limit"))?;
    Ok(LockedOrganization { now, organization: row.try_into()?, key_limit_override })
}

/// A row for a new organization.
pub(crate) async fn insert_organization(
    conn: &mut Conn,
    new: NewOrganization,
    kind: OrganizationKind,
    now: Timestamp,
) -> Result<Organization, StorageError> {
    let NewOrganization { id, name, external_id } = new;
    let row = OrganizationRow {
        id: Stored(id),
        kind: write_kind(kind).to_owned(),
        name,
        external_id,
        state: write_standing(Standing::Active).to_owned(),
        key_limit: None,
        decided_at: Stored(now),
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(organizations::table).values(&row).execute(c))?;
    Ok(row.try_into()?)
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = organizations, treat_none_as_default_value = false)]
struct OrganizationRow {
    id: Stored<OrganizationId>,
    kind: String,
    name: String,
    external_id: Option<String>,
    state: String,
    key_limit: Option<i64>,
    decided_at: Stored<Timestamp>,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl TryFrom<OrganizationRow> for Organization {
    type Error = Corrupt;

    fn try_from(row: OrganizationRow) -> Result<Self, Corrupt> {
        let OrganizationRow {
            id,
            kind,
            name,
            external_id,
            state,
            key_limit,
            decided_at: _,
            version,
            created_at,
            updated_at,
        } = row;
        let key_limit = match key_limit {
            None => DEFAULT_KEY_LIMIT,
            Some(limit) => u32::try_from(limit).map_err(|_| Corrupt("organizations.key_limit"))?,
        };
        Ok(Self {
            id: id.0,
            kind: read_kind(&kind)?,
            name,
            external_id,
            state: read_standing(&state)?,
            key_limit,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        })
    }
}
