//! Teams: groups of members, and the roles that they hold together.

mod membership;

use std::collections::HashMap;

use diesel::EscapeExpressionMethods as _;
use diesel::{
    ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{OrganizationId, Reference, Subject, TeamId, Timestamp};

use self::membership::load_user_ids;
pub use self::membership::{TEAM_MEMBER_LIMIT, TeamMember};
use crate::audit::{Done, describe_change, describe_ids, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::grants::{count_owners, describe_grants, keep_an_owner, load_team_grants, replace_team_grants};
use crate::idempotency::claim;
use crate::keys::contains_pattern;
use crate::organizations::lock_organization;
use crate::schema::{lower, teams};
use crate::{Act, Conflict, Grant, Idempotency, Once, Page, Storage, StorageError};

/// How many teams an organization may have.
pub const TEAM_LIMIT: u32 = 1_000;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// The organization to which it belongs.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gave it; unique in the organization.
    pub external_id: Option<String>,
    /// The roles that each of its members holds through it.
    pub grants: Vec<Grant>,
    /// Moves with each edit; not with who is in it.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

/// A team to be made, with nobody in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    /// Its id, minted by the caller.
    pub id: TeamId,
    /// What it is to be.
    pub values: TeamEdit,
}

/// What can be edited of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamEdit {
    /// What people call it.
    pub name: String,
    /// The id that the product's backend gives it.
    pub external_id: Option<String>,
    /// The roles that each of its members is to hold.
    pub grants: Vec<Grant>,
}

/// Which teams are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamFilter {
    /// Only the one with this external id.
    pub external_id: Option<String>,
    /// Only those that have this text in their name, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// Makes a team.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if a workspace or a role does not exist there. Conflicts:
    /// [`ExternalIdInUse`](Conflict::ExternalIdInUse), [`TooMany`](Conflict::TooMany),
    /// [`IdempotencyMismatch`](Conflict::IdempotencyMismatch).
    pub async fn create_team(
        &self,
        act: &Act,
        organization: OrganizationId,
        new: NewTeam,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<Team>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    return Ok(Once::Replayed(require_team(conn, organization, first).await?));
                }
                let locked = lock_organization(conn, organization, &act).await?;
                let count = on!(conn, c => teams::table
                    .filter(teams::organization_id.eq(Stored(organization)))
                    .count()
                    .get_result::<i64>(c))?;
                if count >= TEAM_LIMIT.into() {
                    return Err(Conflict::TooMany { limit: TEAM_LIMIT }.into());
                }
                let team = insert_team(conn, organization, new, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "team.create",
                        target: team.id.to_string(),
                        details: json!({"after": describe(&team.to_edit())}),
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(Once::Done(team))
            }
            .boxed()
        })
        .await
    }

    /// The team of this organization that is meant, if there is one.
    pub async fn find_team(
        &self,
        organization: OrganizationId,
        team: &Reference<TeamId>,
    ) -> Result<Option<Team>, StorageError> {
        let team = team.clone();
        self.read_snapshot(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let query = teams::table
                        .filter(teams::organization_id.eq(Stored(organization)))
                        .select(TeamRow::as_select())
                        .into_boxed();
                    match &team {
                        Reference::Id(id) => query.filter(teams::id.eq(Stored(*id))),
                        Reference::External(id) => query.filter(teams::external_id.eq(id)),
                    }
                    .load(c)
                })?;
                Ok(with_grants(conn, organization, rows).await?.into_iter().next())
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's teams that pass the filter.
    pub async fn list_teams(
        &self,
        organization: OrganizationId,
        filter: &TeamFilter,
        page: Page<TeamId>,
    ) -> Result<Vec<Team>, StorageError> {
        let TeamFilter { external_id, search } = filter.clone();
        let pattern = search.as_deref().map(contains_pattern);
        self.read_snapshot(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = teams::table
                        .filter(teams::organization_id.eq(Stored(organization)))
                        .order(teams::id.desc())
                        .limit(page.limit.into())
                        .select(TeamRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(teams::id.lt(Stored(after)));
                    }
                    if let Some(external_id) = &external_id {
                        query = query.filter(teams::external_id.eq(external_id));
                    }
                    if let Some(pattern) = &pattern {
                        query = query.filter(lower(teams::name).like(pattern).escape('\\'));
                    }
                    query.load(c)
                })?;
                with_grants(conn, organization, rows).await
            }
            .boxed()
        })
        .await
    }

    /// Gives a team new values, and thereby everybody in it. Equal ones change nothing, not even the version.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) also if a workspace or a role does not exist there;
    /// [`VersionMismatch`](StorageError::VersionMismatch). Conflicts:
    /// [`ExternalIdInUse`](Conflict::ExternalIdInUse), [`LastOwner`](Conflict::LastOwner).
    pub async fn update_team(
        &self,
        act: &Act,
        organization: OrganizationId,
        team: TeamId,
        version: i64,
        edit: TeamEdit,
    ) -> Result<Team, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, team, version).await?.to_edit();
                if before == edit {
                    return require_team(conn, organization, team).await;
                }
                let details = describe_change(describe(&before), describe(&edit));
                let TeamEdit { name, external_id, grants } = edit;
                on!(conn, c => diesel::update(teams::table.find((Stored(organization), Stored(team))))
                    .set((
                        teams::name.eq(&name),
                        teams::external_id.eq(&external_id),
                        teams::version.eq(teams::version + 1),
                        teams::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                if before.grants != grants {
                    let owners = count_owners(conn, organization).await?;
                    replace_team_grants(conn, organization, team, &grants).await?;
                    keep_an_owner(conn, organization, owners).await?;
                }
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "team.update",
                        target: team.to_string(),
                        details,
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                require_team(conn, organization, team).await
            }
            .boxed()
        })
        .await
    }

    /// Deletes a team: whoever was in it holds its roles no more, unless from elsewhere.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`LastOwner`](Conflict::LastOwner).
    pub async fn delete_team(
        &self,
        act: &Act,
        organization: OrganizationId,
        team: TeamId,
        version: i64,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, team, version).await?;
                let mut details = json!({"before": describe(&before.to_edit())});
                let users = load_user_ids(conn, organization, team).await?;
                details["before"]["members"] = describe_ids(&users);
                let owners = count_owners(conn, organization).await?;
                // Who was in it and what it granted goes with the row.
                on!(conn, c => diesel::delete(teams::table.find((Stored(organization), Stored(team)))).execute(c))?;
                keep_an_owner(conn, organization, owners).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "team.delete",
                        target: team.to_string(),
                        details,
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

async fn require_team(
    conn: &mut Conn,
    organization: OrganizationId,
    team: TeamId,
) -> Result<Team, StorageError> {
    let rows = on!(conn, c => teams::table
        .find((Stored(organization), Stored(team)))
        .select(TeamRow::as_select())
        .load(c))?;
    with_grants(conn, organization, rows).await?.into_iter().next().ok_or(StorageError::NotFound)
}

/// The team, which must be at this version.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    team: TeamId,
    version: i64,
) -> Result<Team, StorageError> {
    let team = require_team(conn, organization, team).await?;
    if team.version == version {
        Ok(team)
    } else {
        Err(StorageError::VersionMismatch { current: team.version })
    }
}

async fn insert_team(
    conn: &mut Conn,
    organization: OrganizationId,
    new: NewTeam,
    now: Timestamp,
) -> Result<Team, StorageError> {
    let NewTeam { id, values: TeamEdit { name, external_id, grants } } = new;
    let row = TeamRow {
        organization_id: Stored(organization),
        id: Stored(id),
        name,
        external_id,
        version: 1,
        created_at: Stored(now),
        updated_at: Stored(now),
    };
    on!(conn, c => diesel::insert_into(teams::table).values(&row).execute(c))?;
    replace_team_grants(conn, organization, id, &grants).await?;
    Ok(row.into_team(grants))
}

/// The teams of these rows, in their order.
async fn with_grants(
    conn: &mut Conn,
    organization: OrganizationId,
    rows: Vec<TeamRow>,
) -> Result<Vec<Team>, StorageError> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
    let mut grants: HashMap<TeamId, Vec<Grant>> = HashMap::new();
    for (team, grant) in load_team_grants(conn, organization, &ids).await? {
        grants.entry(team).or_default().push(grant);
    }
    let with_own = |row: TeamRow| {
        let own = grants.remove(&row.id.0).unwrap_or_default();
        row.into_team(own)
    };
    Ok(rows.into_iter().map(with_own).collect())
}

/// A team as an audit event shows it.
fn describe(team: &TeamEdit) -> Value {
    let TeamEdit { name, external_id, grants } = team;
    json!({"name": name, "external_id": external_id, "grants": describe_grants(grants)})
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = teams, treat_none_as_default_value = false)]
struct TeamRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<TeamId>,
    name: String,
    external_id: Option<String>,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl TeamRow {
    fn into_team(self, grants: Vec<Grant>) -> Team {
        let Self { organization_id, id, name, external_id, version, created_at, updated_at } = self;
        Team {
            id: id.0,
            organization: organization_id.0,
            name,
            external_id,
            grants,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        }
    }
}

impl Team {
    /// What can be edited of it, as it is.
    pub fn to_edit(&self) -> TeamEdit {
        TeamEdit {
            name: self.name.clone(),
            external_id: self.external_id.clone(),
            grants: self.grants.clone(),
        }
    }
}
