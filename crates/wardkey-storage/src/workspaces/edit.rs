//! Editing and deleting a workspace.

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Subject, TeamId, Timestamp, UserId, WorkspaceId};

use super::{Workspace, WorkspaceEdit, WorkspaceRow, load_workspace};
use crate::audit::{Done, describe_change, describe_ids, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::keys::write_list;
use crate::organizations::lock_organization;
use crate::schema::{member_grants, members, team_grants, teams, workspaces};
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Gives a workspace new values. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn update_workspace(
        &self,
        act: &Act,
        organization: OrganizationId,
        workspace: WorkspaceId,
        version: i64,
        edit: WorkspaceEdit,
    ) -> Result<Workspace, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, workspace, Some(version)).await?;
                if before.to_edit() == edit {
                    return Ok(before);
                }
                let WorkspaceEdit { name, external_id, ip_allowlist } = edit;
                let row = on!(conn, c => diesel::update(workspaces::table.find((Stored(organization), Stored(workspace))))
                    .set((
                        workspaces::name.eq(&name),
                        workspaces::external_id.eq(&external_id),
                        workspaces::ip_allowlist.eq(write_list(&ip_allowlist)),
                        workspaces::version.eq(workspaces::version + 1),
                        workspaces::updated_at.eq(Stored(locked.now)),
                    ))
                    .returning(WorkspaceRow::as_returning())
                    .get_result(c))?;
                let after = Workspace::try_from(row)?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "workspace.update",
                        target: workspace.to_string(),
                        details: describe_change(before.describe(), after.describe()),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(after)
            }
            .boxed()
        })
        .await
    }

    /// Deletes a workspace and every role that was given in it. Keys that name it go on naming it, to no effect.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn delete_workspace(
        &self,
        act: &Act,
        organization: OrganizationId,
        workspace: WorkspaceId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, workspace, version).await?;
                let members = touch_members(conn, organization, workspace, locked.now).await?;
                let teams = touch_teams(conn, organization, workspace, locked.now).await?;
                // The grants go with the row.
                on!(conn, c => diesel::delete(workspaces::table.find((Stored(organization), Stored(workspace))))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "workspace.delete",
                        target: workspace.to_string(),
                        details: json!({
                            "before": before.describe(),
                            "members": describe_ids(&members),
                            "teams": describe_ids(&teams),
                        }),
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

impl Workspace {
    /// Its values that may be edited.
    fn to_edit(&self) -> WorkspaceEdit {
        WorkspaceEdit {
            name: self.name.clone(),
            external_id: self.external_id.clone(),
            ip_allowlist: self.ip_allowlist.clone(),
        }
    }
}

/// The workspace of this organization, which must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    workspace: WorkspaceId,
    version: Option<i64>,
) -> Result<Workspace, StorageError> {
    let found = load_workspace(conn, organization, workspace).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != found.version => {
            Err(StorageError::VersionMismatch { current: found.version })
        }
        _ => Ok(found),
    }
}

/// Moves the version of each member who is about to lose a role in the workspace.
async fn touch_members(
    conn: &mut Conn,
    organization: OrganizationId,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Vec<UserId>, StorageError> {
    let losing = || {
        member_grants::table
            .filter(member_grants::organization_id.eq(Stored(organization)))
            .filter(member_grants::workspace_id.eq(Stored(workspace)))
            .select(member_grants::user_id)
    };
    let touched = on!(conn, c => diesel::update(members::table)
        .filter(members::organization_id.eq(Stored(organization)))
        .filter(members::user_id.eq_any(losing()))
        .set((members::version.eq(members::version + 1), members::updated_at.eq(Stored(now))))
        .returning(members::user_id)
        .get_results::<Stored<UserId>>(c))?;
    Ok(touched.into_iter().map(|user| user.0).collect())
}

/// The same for teams.
async fn touch_teams(
    conn: &mut Conn,
    organization: OrganizationId,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Vec<TeamId>, StorageError> {
    let losing = || {
        team_grants::table
            .filter(team_grants::organization_id.eq(Stored(organization)))
            .filter(team_grants::workspace_id.eq(Stored(workspace)))
            .select(team_grants::team_id)
    };
    let touched = on!(conn, c => diesel::update(teams::table)
        .filter(teams::organization_id.eq(Stored(organization)))
        .filter(teams::id.eq_any(losing()))
        .set((teams::version.eq(teams::version + 1), teams::updated_at.eq(Stored(now))))
        .returning(teams::id)
        .get_results::<Stored<TeamId>>(c))?;
    Ok(touched.into_iter().map(|team| team.0).collect())
}
