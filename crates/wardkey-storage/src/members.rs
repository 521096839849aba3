//! Members: which users act in an organization, and in which roles.

use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Role, RoleGrant, Subject, UserId, WorkspaceId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::keys::revoke_keys_of_user;
use crate::organizations::lock_organization;
use crate::schema::{grants, members, users};
use crate::users::{UserRow, lock_user};
use crate::{Act, Storage, StorageError, User};

/// A user as a member of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: User,
    /// The roles that the user holds directly.
    pub grants: Vec<RoleGrant>,
}

macro_rules! grants_of {
    ($organization:expr, $user:expr) => {
        grants::table
            .filter(grants::organization_id.eq(Stored($organization)))
            .filter(grants::user_id.eq(Stored($user)))
    };
}

impl Storage {
    /// Makes a user a member with exactly these direct grants, or replaces the grants of one who is.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the organization, the user or the workspace of a grant does not
    /// exist. [`Unavailable`](StorageError::Unavailable) for a custom role: only built-in ones are kept.
    pub async fn set_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
        grants: Vec<RoleGrant>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let locked = lock_organization(conn, organization, act.now).await?;
                let is_member = is_member(conn, organization, user).await?;
                if is_member && load_grants(conn, organization, user).await? == grants {
                    return Ok(());
                }
                if !is_member {
                    on!(conn, c => diesel::insert_into(members::table)
                        .values((
                            members::organization_id.eq(Stored(organization)),
                            members::user_id.eq(Stored(user)),
                            members::created_at.eq(Stored(locked.now)),
                        ))
                        .execute(c))?;
                }
                on!(conn, c => diesel::delete(grants_of!(organization, user)).execute(c))?;
                for (position, grant) in (0i32..).zip(&grants) {
                    insert_grant(conn, organization, user, position, grant).await?;
                }
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "member.set",
                        target: user.to_string(),
                        details: json!({"grants": grants.iter().map(describe_grant).collect::<Vec<_>>()}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    /// Ends a membership and revokes that person's keys in the organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user is no member.
    pub async fn remove_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let locked = lock_organization(conn, organization, act.now).await?;
                if !is_member(conn, organization, user).await? {
                    return Err(StorageError::NotFound);
                }
                let revoked = revoke_keys_of_user(conn, organization, user, locked.now).await?;
                // The grants go with the row.
                on!(conn, c => diesel::delete(members::table.find((Stored(organization), Stored(user)))).execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "member.remove",
                        target: user.to_string(),
                        details: json!({"revoked_keys": revoked.iter().map(ToString::to_string).collect::<Vec<_>>()}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    /// The member with its direct grants, if the user is one.
    pub async fn find_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>, StorageError> {
        self.read_snapshot(move |conn| {
            async move {
                let row = on!(conn, c => members::table
                    .inner_join(users::table.on(users::id.eq(members::user_id)))
                    .filter(members::organization_id.eq(Stored(organization)))
                    .filter(members::user_id.eq(Stored(user)))
                    .select(UserRow::as_select())
                    .first(c))
                .optional()?;
                let Some(row) = row else { return Ok(None) };
                let grants = load_grants(conn, organization, user).await?;
                Ok(Some(Member { user: row.try_into()?, grants }))
            }
            .boxed()
        })
        .await
    }
}

/// Whether the user is a member.
pub(crate) async fn is_member(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, StorageError> {
    let count = on!(conn, c => members::table
        .filter(members::organization_id.eq(Stored(organization)))
        .filter(members::user_id.eq(Stored(user)))
        .count()
        .get_result::<i64>(c))?;
    Ok(count > 0)
}

/// The roles that a user holds directly, in the order in which they were given.
pub(crate) async fn load_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<RoleGrant>, StorageError> {
    let rows = on!(conn, c => grants_of!(organization, user)
        .order(grants::position)
        .select((grants::workspace_id, grants::role))
        .load::<(Option<Stored<WorkspaceId>>, String)>(c))?;
    let read = |(workspace, role): (Option<Stored<WorkspaceId>>, String)| {
        let role = role.parse().map_err(|_| Corrupt("grants.role"))?;
        Ok(RoleGrant { workspace: workspace.map(|id| id.0), role: Role::BuiltIn(role) })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}

async fn insert_grant(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
    position: i32,
    grant: &RoleGrant,
) -> Result<(), StorageError> {
    let RoleGrant { workspace, role } = grant;
    let Role::BuiltIn(role) = role else {
        return Err(StorageError::unavailable("a custom role cannot be kept"));
    };
    on!(conn, c => diesel::insert_into(grants::table)
        .values((
            grants::organization_id.eq(Stored(organization)),
            grants::user_id.eq(Stored(user)),
            grants::position.eq(position),
            grants::workspace_id.eq(workspace.map(Stored)),
            grants::role.eq(role.as_str()),
        ))
        .execute(c))
    .map_err(StorageError::of_reference)?;
    Ok(())
}

fn describe_grant(grant: &RoleGrant) -> serde_json::Value {
    let role = match &grant.role {
        Role::BuiltIn(role) => role.as_str(),
        Role::Custom(_) => "custom",
    };
    json!({"role": role, "workspace": grant.workspace.map(|workspace| workspace.to_string())})
}
