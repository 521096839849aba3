//! Organizations: the tenants, and the one that runs the deployment.

mod edit;
mod lock;

use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, Insertable, JoinOnDsl as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, OrganizationKind, Reference, Standing, Subject, Timestamp, UserId};

use self::lock::check_actor;
pub(crate) use self::lock::{LockedOrganization, lock_organization};
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::idempotency::claim;
use crate::keys::contains_pattern;
use crate::schema::{lower, members, organizations};
use crate::words::{read_kind, read_standing, write_kind, write_standing};
use crate::{Acceptance, Act, Idempotency, Memberships, Once, Page, Storage, StorageError};

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
    /// How many active and disabled keys it may have; `None` is the [usual number](DEFAULT_KEY_LIMIT).
    pub key_limit: Option<u32>,
}

/// Which organizations a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationFilter {
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those whose keys work, or only those whose keys do not.
    pub state: Option<Standing>,
    /// Only those that have this text in their name, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if whoever acts may not any more, or if the call is a repetition and what
    /// it made has been deleted since. Conflicts: [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_organization(
        &self,
        act: &Act,
        new: NewOrganization,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Organization>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    let first = load_organization(conn, &Reference::Id(first)).await?;
                    return first.map(Once::Replayed).ok_or(StorageError::NotFound);
                }
                check_actor(conn, &act, act.now).await?;
                let organization = insert_organization(conn, new, OrganizationKind::Tenant, act.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: organization.id,
                        at: act.now,
                        action: "organization.create",
                        target: organization.id.to_string(),
                        details: json!({"after": {
                            "name": organization.name,
                            "external_id": organization.external_id,
                            "key_limit": organization.key_limit,
                        }}),
                        subjects: &[Subject::Organization(organization.id)],
                    },
                )
                .await?;
                Ok(Once::Done(organization))
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
        self.read(move |conn| async move { load_organization(conn, &organization).await }.boxed()).await
    }

    /// A page of all organizations that pass the filter.
    pub async fn list_organizations(
        &self,
        filter: &OrganizationFilter,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, StorageError> {
        let OrganizationFilter { external_id, state, search } = filter.clone();
        let pattern = search.as_deref().map(contains_pattern);
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = organizations::table
                        .filter(organizations::deleted_at.is_null())
                        .order(organizations::id.desc())
                        .limit(page.limit.into())
                        .select(OrganizationRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(organizations::id.lt(Stored(after)));
                    }
                    if let Some(external_id) = &external_id {
                        query = query.filter(organizations::external_id.eq(external_id));
                    }
                    if let Some(state) = state {
                        query = query.filter(organizations::state.eq(write_standing(state)));
                    }
                    if let Some(pattern) = &pattern {
                        query = query.filter(lower(organizations::name).like(pattern).escape('\\'));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Organization::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of the organizations in which the user is one of these members.
    pub async fn list_organizations_of(
        &self,
        user: UserId,
        memberships: Memberships,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, StorageError> {
        let Memberships { kinds, acceptance } = memberships;
        let kinds: Vec<_> = kinds.iter().copied().map(write_kind).collect();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = organizations::table
                        .inner_join(members::table.on(members::organization_id.eq(organizations::id)))
                        .filter(members::user_id.eq(Stored(user)))
                        .filter(organizations::deleted_at.is_null())
                        .filter(organizations::kind.eq_any(&kinds))
                        .order(organizations::id.desc())
                        .limit(page.limit.into())
                        .select(OrganizationRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(organizations::id.lt(Stored(after)));
                    }
                    if acceptance == Acceptance::Required {
                        query = query.filter(members::accepted_at.is_not_null());
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Organization::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }
}

/// The organization that is meant, if there is one that is not deleted.
async fn load_organization(
    conn: &mut Conn,
    organization: &Reference<OrganizationId>,
) -> Result<Option<Organization>, StorageError> {
    let rows = on!(conn, c => {
        let query = organizations::table
            .filter(organizations::deleted_at.is_null())
            .select(OrganizationRow::as_select())
            .into_boxed();
        match organization {
            Reference::Id(id) => query.filter(organizations::id.eq(Stored(*id))),
            Reference::External(id) => query.filter(organizations::external_id.eq(id)),
        }
        .load(c)
    })?;
    Ok(rows.into_iter().next().map(Organization::try_from).transpose()?)
}

/// A row for a new organization.
pub(crate) async fn insert_organization(
    conn: &mut Conn,
    new: NewOrganization,
    kind: OrganizationKind,
    now: Timestamp,
) -> Result<Organization, StorageError> {
    let NewOrganization { id, name, external_id, key_limit } = new;
    let row = OrganizationRow {
        id: Stored(id),
        kind: write_kind(kind).to_owned(),
        name,
        external_id,
        state: write_standing(Standing::Active).to_owned(),
        key_limit: key_limit.map(i64::from),
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
