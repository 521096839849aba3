//! Workspaces: the parts of an organization.

mod edit;

use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{IpNetwork, OrganizationId, Reference, Subject, Timestamp, WorkspaceId};

use crate::audit::{Done, record};
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::idempotency::claim;
use crate::keys::{contains_pattern, read_list, write_list};
use crate::organizations::lock_organization;
use crate::schema::{lower, workspaces};
use crate::{Act, Conflict, Idempotency, Once, Page, Storage, StorageError};

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
    /// From where it may be reached, within what the organization allows; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
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
    /// From where it may be reached; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
}

/// Everything of a workspace that may be edited, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceEdit {
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
    /// From where it may be reached; empty is from everywhere.
    pub ip_allowlist: Vec<IpNetwork>,
}

/// Which workspaces a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceFilter {
    /// Only those among these.
    pub only: Option<Vec<WorkspaceId>>,
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those that have this text in their name, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// Creates a workspace.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) also if the call is a repetition and what it made has been deleted since.
    /// Conflicts: [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`WorkspaceLimitReached`](crate::Conflict::WorkspaceLimitReached),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_workspace(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewWorkspace,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Workspace>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    let first = load_workspace(conn, organization, first).await?;
                    return first.map(Once::Replayed).ok_or(StorageError::NotFound);
                }
                let locked = lock_organization(conn, organization, &act).await?;
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
                        details: json!({"after": workspace.describe()}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(Once::Done(workspace))
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
                Ok(rows.into_iter().next().map(Workspace::try_from).transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's workspaces that pass the filter.
    pub async fn list_workspaces(
        &self,
        organization: OrganizationId,
        filter: &WorkspaceFilter,
        page: Page<WorkspaceId>,
    ) -> Result<Vec<Workspace>, StorageError> {
        let WorkspaceFilter { only, external_id, search } = filter.clone();
        let only: Option<Vec<_>> = only.map(|ids| ids.into_iter().map(Stored).collect());
        let pattern = search.as_deref().map(contains_pattern);
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
                    if let Some(external_id) = &external_id {
                        query = query.filter(workspaces::external_id.eq(external_id));
                    }
                    if let Some(pattern) = &pattern {
                        query = query.filter(lower(workspaces::name).like(pattern).escape('\\'));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(Workspace::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }
}

impl Workspace {
    /// What may be edited, as the audit log shows it.
    fn describe(&self) -> serde_json::Value {
        let Self { name, external_id, ip_allowlist, .. } = self;
        let networks: Vec<_> = ip_allowlist.iter().map(ToString::to_string).collect();
        json!({"name": name, "external_id": external_id, "ip_allowlist": networks})
    }
}

/// The workspace of this organization.
async fn load_workspace(
    conn: &mut Conn,
    organization: OrganizationId,
    workspace: WorkspaceId,
) -> Result<Option<Workspace>, StorageError> {
    let row = on!(conn, c => workspaces::table
        .find((Stored(organization), Stored(workspace)))
        .select(WorkspaceRow::as_select())
        .first(c))
    .optional()?;
    Ok(row.map(Workspace::try_from).transpose()?)
}

/// A row for a new workspace.
pub(crate) async fn insert_workspace(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewWorkspace,
    now: Timestamp,
) -> Result<Workspace, StorageError> {
    let NewWorkspace { id, name, external_id, ip_allowlist } = new;
    let row = WorkspaceRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        external_id,
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
        ip_allowlist: write_list(&ip_allowlist),
    };
    on!(conn, c => diesel::insert_into(workspaces::table).values(&row).execute(c))?;
    Ok(row.try_into()?)
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
    ip_allowlist: Option<Json<Vec<String>>>,
}

impl TryFrom<WorkspaceRow> for Workspace {
    type Error = Corrupt;

    fn try_from(row: WorkspaceRow) -> Result<Self, Corrupt> {
        let WorkspaceRow {
            organization_id,
            id,
            name,
            external_id,
            version,
            created_at,
            updated_at,
            ip_allowlist,
        } = row;
        Ok(Self {
            id: id.0,
            organization: organization_id.0,
            name,
            external_id,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
            ip_allowlist: read_list(ip_allowlist, "workspaces.ip_allowlist")?,
        })
    }
}

/// Whether the organization has all of these workspaces; each is named once.
pub(crate) async fn has_workspaces(
    conn: &mut Conn,
    organization: OrganizationId,
    ids: &[WorkspaceId],
) -> Result<bool, StorageError> {
    if ids.is_empty() {
        return Ok(true);
    }
    let wanted: Vec<_> = ids.iter().copied().map(Stored).collect();
    let found = on!(conn, c => workspaces::table
        .filter(workspaces::organization_id.eq(Stored(organization)))
        .filter(workspaces::id.eq_any(&wanted))
        .count()
        .get_result::<i64>(c))?;
    Ok(usize::try_from(found) == Ok(ids.len()))
}
