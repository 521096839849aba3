//! Grants: which roles a member or a team was given, and what that amounts to.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{
    BuiltInRole, OrganizationId, PermissionName, Role, RoleGrant, RoleId, Standing, TeamId, UserId,
    WorkspaceId,
};

use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::{member_grants, members, roles, team_grants, team_members, users};
use crate::words::write_standing;
use crate::{Conflict, Storage, StorageError};

/// A role as it was given to a member or a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// In this workspace, or in the whole organization.
    pub workspace: Option<WorkspaceId>,
    /// Which role.
    pub role: RoleRef,
}

impl Grant {
    /// A built-in role in the whole organization.
    pub const fn organization_wide(role: BuiltInRole) -> Self {
        Self { workspace: None, role: RoleRef::BuiltIn(role) }
    }
}

/// Which role is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleRef {
    /// One that every organization has.
    BuiltIn(BuiltInRole),
    /// One that the organization made.
    Custom(RoleId),
}

/// A grant's columns.
type GrantRow = (Option<Stored<WorkspaceId>>, Option<String>, Option<Stored<RoleId>>);

/// The same, and the permissions of a role that the organization made.
type HeldRow = (Option<Stored<WorkspaceId>>, Option<String>, Option<Json<Vec<String>>>);

/// The roles that a member was given, in the order in which they were.
pub(crate) async fn load_member_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<Grant>, StorageError> {
    let rows = on!(conn, c => member_grants::table
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::user_id.eq(Stored(user)))
        .order(member_grants::position)
        .select((member_grants::workspace_id, member_grants::role, member_grants::role_id))
        .load::<GrantRow>(c))?;
    Ok(rows.into_iter().map(read_grant).collect::<Result<_, _>>()?)
}

/// The roles that these teams were given, each team's in the order in which they were.
pub(crate) async fn load_team_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    teams: &[TeamId],
) -> Result<Vec<(TeamId, Grant)>, StorageError> {
    let teams: Vec<_> = teams.iter().copied().map(Stored).collect();
    let rows = on!(conn, c => team_grants::table
        .filter(team_grants::organization_id.eq(Stored(organization)))
        .filter(team_grants::team_id.eq_any(&teams))
        .order((team_grants::team_id, team_grants::position))
        .select((
            team_grants::team_id,
            (team_grants::workspace_id, team_grants::role, team_grants::role_id),
        ))
        .load::<(Stored<TeamId>, GrantRow)>(c))?;
    let read = |(team, row): (Stored<TeamId>, GrantRow)| Ok((team.0, read_grant(row)?));
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}

/// The roles that these members were given, each one's in the order in which they were.
pub(crate) async fn load_grants_of_members(
    conn: &mut Conn,
    organization: OrganizationId,
    members: &[Stored<UserId>],
) -> Result<Vec<(UserId, Grant)>, StorageError> {
    let rows = on!(conn, c => member_grants::table
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::user_id.eq_any(members))
        .order((member_grants::user_id, member_grants::position))
        .select((
            member_grants::user_id,
            (member_grants::workspace_id, member_grants::role, member_grants::role_id),
        ))
        .load::<(Stored<UserId>, GrantRow)>(c))?;
    let read = |(user, row): (Stored<UserId>, GrantRow)| Ok((user.0, read_grant(row)?));
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}

/// Every role that a user holds, directly or through a team.
pub(crate) async fn load_held_roles(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<RoleGrant>, StorageError> {
    let mut rows = on!(conn, c => member_grants::table
        .left_join(roles::table.on(roles::organization_id
            .eq(member_grants::organization_id)
            .and(roles::id.nullable().eq(member_grants::role_id))))
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::user_id.eq(Stored(user)))
        .order(member_grants::position)
        .select((member_grants::workspace_id, member_grants::role, roles::permissions.nullable()))
        .load::<HeldRow>(c))?;
    rows.extend(on!(conn, c => team_members::table
        .inner_join(team_grants::table.on(team_grants::organization_id
            .eq(team_members::organization_id)
            .and(team_grants::team_id.eq(team_members::team_id))))
        .left_join(roles::table.on(roles::organization_id
            .eq(team_grants::organization_id)
            .and(roles::id.nullable().eq(team_grants::role_id))))
        .filter(team_members::organization_id.eq(Stored(organization)))
        .filter(team_members::user_id.eq(Stored(user)))
        .order((team_grants::team_id, team_grants::position))
        .select((team_grants::workspace_id, team_grants::role, roles::permissions.nullable()))
        .load::<HeldRow>(c))?);
    let read = |(workspace, built_in, permissions): HeldRow| {
        let role = match (built_in, permissions) {
            (Some(role), None) => Role::BuiltIn(role.parse().map_err(|_| Corrupt("grants.role"))?),
            (None, Some(Json(names))) => Role::Custom(read_names(&names)?),
            _ => return Err(Corrupt("grants.role")),
        };
        Ok(RoleGrant { workspace: workspace.map(|id| id.0), role })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}

impl Storage {
    /// What each of these grants amounts to; `None` where the organization has no such role.
    pub async fn resolve_grants(
        &self,
        organization: OrganizationId,
        grants: &[Grant],
    ) -> Result<Vec<Option<RoleGrant>>, StorageError> {
        let grants = grants.to_vec();
        self.read(move |conn| async move { resolve(conn, organization, &grants).await }.boxed()).await
    }
}

async fn resolve(
    conn: &mut Conn,
    organization: OrganizationId,
    grants: &[Grant],
) -> Result<Vec<Option<RoleGrant>>, StorageError> {
    let mut resolved = Vec::new();
    for Grant { workspace, role } in grants {
        let role = match role {
            RoleRef::BuiltIn(role) => Some(Role::BuiltIn(*role)),
            RoleRef::Custom(id) => {
                let rows = on!(conn, c => roles::table
                    .filter(roles::organization_id.eq(Stored(organization)))
                    .filter(roles::id.eq(Stored(*id)))
                    .select(roles::permissions)
                    .load::<Json<Vec<String>>>(c))?;
                let names = rows.into_iter().next().map(|Json(names)| read_names(&names)).transpose()?;
                names.map(Role::Custom)
            }
        };
        resolved.push(role.map(|role| RoleGrant { workspace: *workspace, role }));
    }
    Ok(resolved)
}

/// Gives a member exactly these roles.
///
/// # Errors
/// [`NotFound`](StorageError::NotFound) if a workspace or a role does not exist there.
pub(crate) async fn replace_member_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
    grants: &[Grant],
) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(member_grants::table
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::user_id.eq(Stored(user))))
        .execute(c))?;
    for (position, grant) in (0i32..).zip(grants) {
        let (workspace, built_in, custom) = write_grant(grant);
        on!(conn, c => diesel::insert_into(member_grants::table)
            .values((
                member_grants::organization_id.eq(Stored(organization)),
                member_grants::user_id.eq(Stored(user)),
                member_grants::position.eq(position),
                member_grants::workspace_id.eq(workspace),
                member_grants::role.eq(built_in),
                member_grants::role_id.eq(custom),
            ))
            .execute(c))
        .map_err(StorageError::of_reference)?;
    }
    Ok(())
}

/// Gives a team exactly these roles.
///
/// # Errors
/// [`NotFound`](StorageError::NotFound) if a workspace or a role does not exist there.
pub(crate) async fn replace_team_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    team: TeamId,
    grants: &[Grant],
) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(team_grants::table
        .filter(team_grants::organization_id.eq(Stored(organization)))
        .filter(team_grants::team_id.eq(Stored(team))))
        .execute(c))?;
    for (position, grant) in (0i32..).zip(grants) {
        let (workspace, built_in, custom) = write_grant(grant);
        on!(conn, c => diesel::insert_into(team_grants::table)
            .values((
                team_grants::organization_id.eq(Stored(organization)),
                team_grants::team_id.eq(Stored(team)),
                team_grants::position.eq(position),
                team_grants::workspace_id.eq(workspace),
                team_grants::role.eq(built_in),
                team_grants::role_id.eq(custom),
            ))
            .execute(c))
        .map_err(StorageError::of_reference)?;
    }
    Ok(())
}

/// How many members are owners, directly or through a team, and may act: who is suspended makes nobody an owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owners {
    /// Those who have accepted to be members.
    accepted: usize,
    /// All of them, those who were only invited included.
    all: usize,
}

pub(crate) async fn count_owners(
    conn: &mut Conn,
    organization: OrganizationId,
) -> Result<Owners, StorageError> {
    let owner = BuiltInRole::Owner.as_str();
    let mut owners = on!(conn, c => member_grants::table
        .inner_join(members::table.on(members::organization_id
            .eq(member_grants::organization_id)
            .and(members::user_id.eq(member_grants::user_id))))
        .inner_join(users::table.on(users::id.eq(member_grants::user_id)))
        .filter(member_grants::organization_id.eq(Stored(organization)))
        .filter(member_grants::workspace_id.is_null())
        .filter(member_grants::role.eq(owner))
        .filter(users::state.eq(write_standing(Standing::Active)))
        .select((members::user_id, members::accepted_at.is_not_null()))
        .load::<(Stored<UserId>, bool)>(c))?;
    owners.extend(on!(conn, c => team_grants::table
        .inner_join(team_members::table.on(team_members::organization_id
            .eq(team_grants::organization_id)
            .and(team_members::team_id.eq(team_grants::team_id))))
        .inner_join(members::table.on(members::organization_id
            .eq(team_members::organization_id)
            .and(members::user_id.eq(team_members::user_id))))
        .inner_join(users::table.on(users::id.eq(team_members::user_id)))
        .filter(team_grants::organization_id.eq(Stored(organization)))
        .filter(team_grants::workspace_id.is_null())
        .filter(team_grants::role.eq(owner))
        .filter(users::state.eq(write_standing(Standing::Active)))
        .select((members::user_id, members::accepted_at.is_not_null()))
        .load::<(Stored<UserId>, bool)>(c))?);
    owners.sort_unstable();
    owners.dedup();
    let accepted = owners.iter().filter(|(_, accepted)| *accepted).count();
    Ok(Owners { accepted, all: owners.len() })
}

/// Refuses what would leave an organization without an owner that had one `before`, or without one who has accepted that
/// had such a one: nobody knows whether who was invited will ever come. The organization's lock is held.
///
/// # Errors
/// [`LastOwner`](Conflict::LastOwner).
pub(crate) async fn keep_an_owner(
    conn: &mut Conn,
    organization: OrganizationId,
    before: Owners,
) -> Result<(), StorageError> {
    let after = count_owners(conn, organization).await?;
    if (before.all > 0 && after.all == 0) || (before.accepted > 0 && after.accepted == 0) {
        return Err(Conflict::LastOwner.into());
    }
    Ok(())
}

pub(crate) fn read_grant((workspace, built_in, custom): GrantRow) -> Result<Grant, Corrupt> {
    let role = match (built_in, custom) {
        (Some(role), None) => RoleRef::BuiltIn(role.parse().map_err(|_| Corrupt("grants.role"))?),
        (None, Some(id)) => RoleRef::Custom(id.0),
        _ => return Err(Corrupt("grants.role")),
    };
    Ok(Grant { workspace: workspace.map(|id| id.0), role })
}

/// A grant's columns, for inserting.
pub(crate) fn write_grant(
    grant: &Grant,
) -> (Option<Stored<WorkspaceId>>, Option<&'static str>, Option<Stored<RoleId>>) {
    let Grant { workspace, role } = grant;
    let (built_in, custom) = match role {
        RoleRef::BuiltIn(role) => (Some(role.as_str()), None),
        RoleRef::Custom(id) => (None, Some(Stored(*id))),
    };
    (workspace.map(Stored), built_in, custom)
}

/// Grants as an audit event shows them.
pub(crate) fn describe_grants(grants: &[Grant]) -> serde_json::Value {
    let describe = |Grant { workspace, role }: &Grant| {
        let role = match role {
            RoleRef::BuiltIn(role) => role.as_str().to_owned(),
            RoleRef::Custom(id) => id.to_string(),
        };
        json!({"role": role, "workspace": workspace.map(|workspace| workspace.to_string())})
    };
    grants.iter().map(describe).collect()
}

pub(crate) fn read_names(names: &[String]) -> Result<Vec<PermissionName>, Corrupt> {
    names.iter().map(|name| name.parse().map_err(|_| Corrupt("roles.permissions"))).collect()
}
