//! What is asked for when teams are made, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use wardkey::{CreateTeam, PageRequest, TeamFilter, TeamPatch, Tenant};
use wardkey_core::TeamId;

use super::super::cursor::{CursorKey, List};
use super::super::grants::GrantChoice;
use super::super::kinds::{Cursor, ExternalId, Name, Search};
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use crate::problem::Refusal;

/// What a team has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateTeamRequest",
    check: |_| Vec::new(),
    immutable: &["id", "organization_id", "version", "created_at", "updated_at"],
}];

/// A team to be made.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateTeamRequest {
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gives it; no other team of the organization has the same.
    external_id: Option<Text<ExternalId>>,
    /// The roles that each of its members is to hold.
    #[oai(default, validator(max_items = 100))]
    grants: Vec<GrantChoice>,
}

impl From<CreateTeamRequest> for CreateTeam {
    fn from(request: CreateTeamRequest) -> Self {
        let CreateTeamRequest { name, external_id, grants } = request;
        Self {
            name: name.0.0,
            external_id: external_id.map(|id| id.0.0),
            grants: grants.into_iter().map(Into::into).collect(),
        }
    }
}

impl Example for CreateTeamRequest {
    fn example() -> Self {
        Self {
            name: Name("Data engineering".to_owned()).into(),
            external_id: Some(ExternalId("data-eng".to_owned()).into()),
            grants: vec![GrantChoice::example()],
        }
    }
}

/// What shall be different about a team; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateTeamRequest {
    /// What people call it.
    name: Option<Text<Name>>,
    /// The id that your backend gives it; `null` takes it away.
    #[oai(nullable)]
    external_id: MaybeUndefined<Text<ExternalId>>,
    /// The whole new list of roles.
    #[oai(validator(max_items = 100))]
    grants: Option<Vec<GrantChoice>>,
}

impl From<UpdateTeamRequest> for TeamPatch {
    fn from(request: UpdateTeamRequest) -> Self {
        let UpdateTeamRequest { name, external_id, grants } = request;
        Self {
            name: name.map(|name| name.0.0),
            external_id: match external_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(Some(id.0.0)),
            },
            grants: grants.map(|grants| grants.into_iter().map(Into::into).collect()),
        }
    }
}

impl Example for UpdateTeamRequest {
    fn example() -> Self {
        Self {
            name: Some(Name("Data engineering".to_owned()).into()),
            external_id: MaybeUndefined::Undefined,
            grants: Some(vec![GrantChoice::example()]),
        }
    }
}

/// Which teams are listed.
#[derive(Debug, Object)]
pub(super) struct TeamQuery {
    /// Only the team to which your backend gave this id.
    external_id: Option<Text<ExternalId>>,
    /// Only those that have this text in their name, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl TeamQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { external_id, search, limit: _, cursor: _ } = self;
        List::of("list_teams")
            .by(Some(tenant.organization_id()))
            .by(external_id.as_ref().map(|id| &id.0.0))
            .by(search.as_ref().map(|search| &search.0.0))
    }

    /// Filter and page.
    ///
    /// # Errors
    /// If the cursor was not made for this list.
    pub(super) fn split(
        self,
        list: &List,
        cursors: &CursorKey,
    ) -> Result<(TeamFilter, PageRequest<TeamId>), Refusal> {
        let Self { external_id, search, limit, cursor } = self;
        let filter =
            TeamFilter { external_id: external_id.map(|id| id.0.0), search: search.map(|search| search.0.0) };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
