//! Teams as they are shown.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey_core::{OrganizationId, TeamId, Timestamp, UserId};

use super::super::grants::Grant;
use super::super::kinds::{Cursor, ExternalId, Name};
use super::super::text::Text;

/// A team: members of the organization who hold roles together.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct Team {
    /// Its id.
    id: Text<TeamId>,
    /// The organization to which it belongs.
    organization_id: Text<OrganizationId>,
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// The roles that each of its members holds through it.
    #[oai(validator(max_items = 100))]
    grants: Vec<Grant>,
    /// Moves with each edit; not with who is in it.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was made.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::Team> for Team {
    fn from(team: wardkey::Team) -> Self {
        let wardkey::Team { id, organization, name, external_id, grants, version, created_at, updated_at } =
            team;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            grants: grants.into_iter().map(Into::into).collect(),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for Team {
    fn example() -> Self {
        Self {
            id: Text::example(),
            organization_id: Text::example(),
            name: Name("Data engineering".to_owned()).into(),
            external_id: Some(ExternalId("data-eng".to_owned()).into()),
            grants: vec![Grant::example()],
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of teams.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct TeamPage {
    /// The teams, the newest first.
    #[oai(validator(max_items = 100))]
    pub(super) items: Vec<Team>,
    /// Leads to the next page; absent on the last.
    pub(super) next_cursor: Option<Text<Cursor>>,
}

impl Example for TeamPage {
    fn example() -> Self {
        Self { items: vec![Team::example()], next_cursor: None }
    }
}

/// Somebody in a team.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct TeamMember {
    /// The user.
    user_id: Text<UserId>,
    /// What the organization calls the person.
    name: Text<Name>,
    /// Since when the person is in the team.
    added_at: Text<Timestamp>,
}

impl From<wardkey::TeamMember> for TeamMember {
    fn from(member: wardkey::TeamMember) -> Self {
        let wardkey::TeamMember { user, name, added_at } = member;
        Self { user_id: user.into(), name: Name(name).into(), added_at: added_at.into() }
    }
}

/// A page of a team's members.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct TeamMemberPage {
    /// The members.
    #[oai(validator(max_items = 100))]
    pub(super) items: Vec<TeamMember>,
    /// Leads to the next page; absent on the last.
    pub(super) next_cursor: Option<Text<Cursor>>,
}

impl Example for TeamMemberPage {
    fn example() -> Self {
        let member = TeamMember {
            user_id: Text::example(),
            name: Name("Ada Lovelace".to_owned()).into(),
            added_at: Text::example(),
        };
        Self { items: vec![member], next_cursor: None }
    }
}
