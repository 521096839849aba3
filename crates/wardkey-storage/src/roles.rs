//! Roles that an organization made: named sets of permissions.

use std::collections::HashSet;

use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{OrganizationId, PermissionName, RoleId, Subject, TeamId, Timestamp, UserId};

use crate::audit::{Done, describe_change, record};
use crate::catalogue::check_listed;
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::grants::read_names;
use crate::idempotency::claim;
use crate::organizations::lock_organization;
use crate::schema::{member_grants, roles, team_grants};
use crate::{Act, Conflict, Idempotency, Once, Storage, StorageError};

/// How many roles of its own an organization may have.
pub const ROLE_LIMIT: u32 = 100;

/// A role that an organization made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRole {
    /// Its id.
    pub id: RoleId,
    /// The organization to which it belongs.
    pub organization: OrganizationId,
    /// What people call it; unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives.
    pub permissions: Vec<PermissionName>,
    /// Moves with each edit.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

/// A role to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// Its id, minted by the caller.
    pub id: RoleId,
    /// What it is to be.
    pub values: RoleEdit,
}

/// What can be edited of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEdit {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives.
    pub permissions: Vec<PermissionName>,
}

impl Storage {
    /// Makes a role.
    ///
    /// # Errors
    /// [`NameInUse`](Conflict::NameInUse), [`TooMany`](Conflict::TooMany),
    /// [`IdempotencyMismatch`](Conflict::IdempotencyMismatch).
    pub async fn create_role(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewRole,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<CustomRole>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    return Ok(Once::Replayed(require_role(conn, organization, first).await?));
                }
                let locked = lock_organization(conn, organization, &act).await?;
                let count = on!(conn, c => roles::table
                    .filter(roles::organization_id.eq(Stored(organization)))
                    .count()
                    .get_result::<i64>(c))?;
                if count >= ROLE_LIMIT.into() {
                    return Err(Conflict::TooMany { limit: ROLE_LIMIT }.into());
                }
                check_listed(conn, &new.values.permissions).await?;
                let role = insert_role(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "role.create",
                        target: role.id.to_string(),
                        details: json!({"after": describe(&role.to_edit())}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(Once::Done(role))
            }
            .boxed()
        })
        .await
    }

    /// The role of this organization, if there is one.
    pub async fn find_role(
        &self,
        organization: OrganizationId,
        role: RoleId,
    ) -> Result<Option<CustomRole>, StorageError> {
        self.read(move |conn| load_role(conn, organization, role).boxed()).await
    }

    /// Every role that the organization made, the newest first.
    pub async fn list_roles(&self, organization: OrganizationId) -> Result<Vec<CustomRole>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => roles::table
                    .filter(roles::organization_id.eq(Stored(organization)))
                    .order(roles::id.desc())
                    .select(RoleRow::as_select())
                    .load(c))?;
                Ok(rows.into_iter().map(CustomRole::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// Gives a role new values, and thereby everybody who holds it. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`NameInUse`](Conflict::NameInUse).
    pub async fn update_role(
        &self,
        act: &Act,
        organization: OrganizationId,
        role: RoleId,
        version: i64,
        edit: RoleEdit,
    ) -> Result<CustomRole, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, role, Some(version)).await?;
                let was = before.to_edit();
                if was == edit {
                    return Ok(before);
                }
                let anew = edit.permissions.iter().filter(|name| !was.permissions.contains(name));
                check_listed(conn, &anew.cloned().collect::<Vec<_>>()).await?;
                let details = describe_change(describe(&was), describe(&edit));
                let RoleEdit { name, description, permissions } = edit;
                let row = on!(conn, c => diesel::update(roles::table.find((Stored(organization), Stored(role))))
                    .set((
                        roles::name.eq(&name),
                        roles::description.eq(&description),
                        roles::permissions.eq(write_names(&permissions)),
                        roles::version.eq(roles::version + 1),
                        roles::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(RoleRow::as_returning())
                    .get_result(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "role.update",
                        target: role.to_string(),
                        details,
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

    /// Deletes a role that nobody holds.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`RoleInUse`](Conflict::RoleInUse).
    pub async fn delete_role(
        &self,
        act: &Act,
        organization: OrganizationId,
        role: RoleId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, role, version).await?;
                check_unused(conn, organization, role).await?;
                on!(conn, c => diesel::delete(roles::table.find((Stored(organization), Stored(role)))).execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "role.delete",
                        target: role.to_string(),
                        details: json!({"before": describe(&before.to_edit())}),
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

/// Refuses to delete what somebody holds. Whoever gives a role holds the organization's lock, as this transaction does; and
/// the rows of grants refer to that of the role.
async fn check_unused(
    conn: &mut Conn,
    organization: OrganizationId,
    role: RoleId,
) -> Result<(), StorageError> {
    let members = on!(conn, c => member_grants::table
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::role_id.eq(Stored(role)))
        .select(member_grants::user_id)
        .load::<Stored<UserId>>(c))?;
    let teams = on!(conn, c => team_grants::table
        .filter(team_grants::organization_id.eq(Stored(organization)))
        .filter(team_grants::role_id.eq(Stored(role)))
        .select(team_grants::team_id)
        .load::<Stored<TeamId>>(c))?;
    // One may hold it in several workspaces.
    let members = members.into_iter().map(|id| id.0).collect::<HashSet<_>>().len();
    let teams = teams.into_iter().map(|id| id.0).collect::<HashSet<_>>().len();
    if members == 0 && teams == 0 {
        return Ok(());
    }
    let count = |number: usize| u32::try_from(number).map_err(StorageError::unavailable);
    Err(Conflict::RoleInUse { members: count(members)?, teams: count(teams)? }.into())
}

async fn load_role(
    conn: &mut Conn,
    organization: OrganizationId,
    role: RoleId,
) -> Result<Option<CustomRole>, StorageError> {
    let row = on!(conn, c => roles::table
        .find((Stored(organization), Stored(role)))
        .select(RoleRow::as_select())
        .first(c))
    .optional()?;
    Ok(row.map(CustomRole::try_from).transpose()?)
}

async fn require_role(
    conn: &mut Conn,
    organization: OrganizationId,
    role: RoleId,
) -> Result<CustomRole, StorageError> {
    load_role(conn, organization, role).await?.ok_or(StorageError::NotFound)
}

/// The role, which must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    role: RoleId,
    version: Option<i64>,
) -> Result<CustomRole, StorageError> {
    let role = require_role(conn, organization, role).await?;
    match version {
        Some(version) if version != role.version => {
            Err(StorageError::VersionMismatch { current: role.version })
        }
        _ => Ok(role),
    }
}

async fn insert_role(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewRole,
    now: Timestamp,
) -> Result<CustomRole, StorageError> {
    let NewRole { id, values: RoleEdit { name, description, permissions } } = new;
    let row = RoleRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        description,
        permissions: write_names(&permissions),
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(roles::table).values(&row).execute(c))?;
    Ok(row.try_into()?)
}

/// A role as an audit event shows it.
fn describe(role: &RoleEdit) -> Value {
    let RoleEdit { name, description, permissions } = role;
    json!({"name": name, "description": description, "permissions": write_names(permissions).0})
}

fn write_names(permissions: &[PermissionName]) -> Json<Vec<String>> {
    Json(permissions.iter().map(ToString::to_string).collect())
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = roles, treat_none_as_default_value = false)]
struct RoleRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<RoleId>,
    name: String,
    description: Option<String>,
    permissions: Json<Vec<String>>,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl TryFrom<RoleRow> for CustomRole {
    type Error = Corrupt;

    fn try_from(row: RoleRow) -> Result<Self, Corrupt> {
        let RoleRow { organization_id, id, name, description, permissions, version, created_at, updated_at } =
            row;
        Ok(Self {
            id: id.0,
            organization: organization_id.0,
            name,
            description,
            permissions: read_names(&permissions.0)?,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        })
    }
}

impl CustomRole {
    /// What can be edited of it, as it is.
    pub fn to_edit(&self) -> RoleEdit {
        RoleEdit {
            name: self.name.clone(),
            description: self.description.clone(),
            permissions: self.permissions.clone(),
        }
    }
}
