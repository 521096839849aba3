//! Who is in a team.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Subject, TeamId, Timestamp, UserId};

use super::require_team;
use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::grants::{count_owners, keep_an_owner};
use crate::organizations::lock_organization;
use crate::schema::{members, team_members};
use crate::{Act, Conflict, Page, Storage, StorageError};

/// How many members a team may have.
pub const TEAM_MEMBER_LIMIT: u32 = 1_000;

/// Somebody in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamMember {
    /// The user.
    pub user: UserId,
    /// What the organization calls the person.
    pub name: String,
    /// Since when.
    pub added_at: Timestamp,
}

impl Storage {
    /// A page of the members of a team, in descending order of their ids.
    pub async fn list_team_members(
        &self,
        organization: OrganizationId,
        team: TeamId,
        page: Page<UserId>,
    ) -> Result<Vec<TeamMember>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = team_members::table
                        .inner_join(members::table.on(members::organization_id
                            .eq(team_members::organization_id)
                            .and(members::user_id.eq(team_members::user_id))))
                        .filter(team_members::organization_id.eq(Stored(organization)))
                        .filter(team_members::team_id.eq(Stored(team)))
                        .order(team_members::user_id.desc())
                        .limit(page.limit.into())
                        .select((team_members::user_id, members::name, team_members::created_at))
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(team_members::user_id.lt(Stored(after)));
                    }
                    query.load::<(Stored<UserId>, String, Stored<Timestamp>)>(c)
                })?;
                Ok(rows
                    .into_iter()
                    .map(|(user, name, added_at)| TeamMember { user: user.0, name, added_at: added_at.0 })
                    .collect())
            }
            .boxed()
        })
        .await
    }

    /// Puts a member of the organization into a team. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such team, or the user is no member of the organization;
    /// [`TooMany`](Conflict::TooMany).
    pub async fn add_team_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        team: TeamId,
        user: UserId,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                require_team(conn, organization, team).await?;
                let inside = load_user_ids(conn, organization, team).await?;
                if inside.contains(&user) {
                    return Ok(());
                }
                if inside.len() >= TEAM_MEMBER_LIMIT as usize {
                    return Err(Conflict::TooMany { limit: TEAM_MEMBER_LIMIT }.into());
                }
                on!(conn, c => diesel::insert_into(team_members::table)
                    .values((
                        team_members::organization_id.eq(Stored(organization)),
                        team_members::team_id.eq(Stored(team)),
                        team_members::user_id.eq(Stored(user)),
                        team_members::created_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))
                .map_err(StorageError::of_reference)?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "team.add_member",
                        target: team.to_string(),
                        details: json!({"user": user.to_string()}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    /// Takes a user out of a team. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such team, [`LastOwner`](Conflict::LastOwner).
    pub async fn remove_team_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        team: TeamId,
        user: UserId,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                require_team(conn, organization, team).await?;
                let owners = count_owners(conn, organization).await?;
                let removed = on!(conn, c => diesel::delete(
                    team_members::table.find((Stored(organization), Stored(team), Stored(user)))
                )
                .execute(c))?;
                if removed == 0 {
                    return Ok(());
                }
                keep_an_owner(conn, organization, owners).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "team.remove_member",
                        target: team.to_string(),
                        details: json!({"user": user.to_string()}),
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

/// Everybody in a team.
pub(super) async fn load_user_ids(
    conn: &mut Conn,
    organization: OrganizationId,
    team: TeamId,
) -> Result<Vec<UserId>, StorageError> {
    let rows = on!(conn, c => team_members::table
        .filter(team_members::organization_id.eq(Stored(organization)))
        .filter(team_members::team_id.eq(Stored(team)))
        .order(team_members::user_id)
        .select(team_members::user_id)
        .load::<Stored<UserId>>(c))?;
    Ok(rows.into_iter().map(|id| id.0).collect())
}
