//! Workspaces: the parts of an organization.

use diesel::{
    ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Reference, Subject, Timestamp, WorkspaceId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::organizations::lock_organization;
use crate::schema::workspaces;
use crate::{Act, Conflict, Page, Storage, StorageError};

/// How many workspaces an organization may have: all of them are carried by each of its keys' records.
pub const WORKSPACE_LIMIT: u32 = 1_000;

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// The organization of which it is a part.
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

/// A workspace to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    /// Its id, minted by the caller.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
}

impl Storage {
    /// Creates a workspace.
    ///
    /// # Errors
    /// [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`WorkspaceLimitReached`](crate::Conflict::WorkspaceLimitReached).
    pub async fn create_workspace(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewWorkspace,
    ) -> Result<Workspace, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, act.now).await?;
                let count = on!(conn, c => workspaces::table
                    .filter(workspaces::organization_id.eq(Stored(organization)))
                    .count()
                    .get_result::<i64>(c))?;
                if count >= WORKSPACE_LIMIT.into() {
                    return Err(Conflict::WorkspaceLimitReached { limit: WORKSPACE_LIMIT }.into());
                }
                let workspace = insert_workspace(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "workspace.create",
                        target: workspace.id.to_string(),
                        details: json!({"name": workspace.name, "external_id": workspace.external_id}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(workspace)
            }
            .boxed()
        })
        .await
    }

    /// The workspace of this organization that is meant, if there is one.
    pub async fn find_workspace(
        &self,
        organization: OrganizationId,
        workspace: &Reference<WorkspaceId>,
    ) -> Result<Option<Workspace>, StorageError> {
        let workspace = workspace.clone();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let query = workspaces::table
                        .filter(workspaces::organization_id.eq(Stored(organization)))
                        .select(WorkspaceRow::as_select())
                        .into_boxed();
                    match &workspace {
                        Reference::Id(id) => query.filter(workspaces::id.eq(Stored(*id))),
                        Reference::External(id) => query.filter(workspaces::external_id.eq(id)),
                    }
                    .load(c)
                })?;
                Ok(rows.into_iter().next().map(Workspace::from))
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's workspaces; with `only`, of those among these.
    pub async fn list_workspaces(
        &self,
        organization: OrganizationId,
        only: Option<&[WorkspaceId]>,
        page: Page<WorkspaceId>,
    ) -> Result<Vec<Workspace>, StorageError> {
        let only: Option<Vec<_>> = only.map(|ids| ids.iter().copied().map(Stored).collect());
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = workspaces::table
                        .filter(workspaces::organization_id.eq(Stored(organization)))
                        .order(workspaces::id.desc())
                        .limit(page.limit.into())
                        .select(WorkspaceRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(workspaces::id.lt(Stored(after)));
                    }
                    if let Some(only) = &only {
                        query = query.filter(workspaces::id.eq_any(only));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Workspace::from).collect())
            }
            .boxed()
        })
        .await
    }
}

/// A row for a new workspace.
pub(crate) async fn insert_workspace(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewWorkspace,
    now: Timestamp,
) -> Result<Workspace, StorageError> {
    let NewWorkspace { id, name, external_id } = new;
    let row = WorkspaceRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        external_id,
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(workspaces::table).values(&row).execute(c))?;
    Ok(row.into())
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = workspaces, treat_none_as_default_value = false)]
struct WorkspaceRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<WorkspaceId>,
    name: String,
    external_id: Option<String>,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl From<WorkspaceRow> for Workspace {
    fn from(row: WorkspaceRow) -> Self {
        let WorkspaceRow { organization_id, id, name, external_id, version, created_at, updated_at } = row;
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

/// Whether the organization has all of these workspaces; each is named once.
pub(crate) async fn has_workspaces(
    conn: &mut Conn,
    organization: OrganizationId,
    ids: &[WorkspaceId],
) -> Result<bool, StorageError> {
    let wanted: Vec<_> = ids.iter().copied().map(Stored).collect();
    let found = on!(conn, c => workspaces::table
        .filter(workspaces::organization_id.eq(Stored(organization)))
        .filter(workspaces::id.eq_any(&wanted))
        .count()
        .get_result::<i64>(c))?;
    Ok(usize::try_from(found) == Ok(ids.len()))
}
