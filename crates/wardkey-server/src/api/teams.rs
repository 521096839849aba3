//! Teams: groups of members, and the roles that they hold together.

mod input;
mod view;

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use wardkey_core::permission::AdminMembers;
use wardkey_core::{Reference, TeamId, UserId};

pub(super) use self::input::RULES;
use self::input::{CreateTeamRequest, TeamQuery, UpdateTeamRequest};
use self::view::{Team, TeamMemberPage, TeamPage};
use super::Tag;
use super::answer::{Answer, Refusals, made};
use super::credentials::InOrganization;
use super::cursor::List;
use super::pages::{PageQuery, next};
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch, etag};
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Teams;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Teams")]
impl Teams {
    /// List teams
    ///
    /// The organization's teams, the newest first.
    #[oai(path = "/organizations/:organization_id/teams", method = "get", operation_id = "list_teams")]
    async fn list_teams(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        query: InQuery<TeamQuery>,
    ) -> Answer<Json<TeamPage>> {
        let InOrganization { tenant, app, .. } = admin;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_teams(filter, request).await?;
        let next_cursor = next(&page, |team| team.id, &list, &app.cursors);
        Ok(Json(TeamPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Create a team
    ///
    /// Nobody is in it yet. Nobody gives a team more than they hold themselves, and only owners make a team whose members
    /// are owners. An organization has at most 1000 teams.
    #[oai(path = "/organizations/:organization_id/teams", method = "post", operation_id = "create_team")]
    async fn create_team(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same team.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The team to be made.
        body: Strict<CreateTeamRequest>,
    ) -> Answer<CreatedAnswer, Creating> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let (team, replayed) = made(tenant.create_team(value.into()).await?);
        let location = format!("{}/v1/organizations/{}/teams/{}", app.base_url, team.organization, team.id);
        let etag = etag(team.version);
        Ok(CreatedAnswer::Created(Json(team.into()), location, etag, replayed))
    }

    /// Get a team
    ///
    /// Who is in it is a list of its own: `list_team_members`.
    #[oai(path = "/organizations/:organization_id/teams/:team_id", method = "get", operation_id = "get_team")]
    async fn get_team(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
    ) -> Answer<TeamAnswer> {
        Ok(admin.tenant.get_team(&team_id.0).await?.into())
    }

    /// Update a team
    ///
    /// Members that are left out stay as they are; a list that is given replaces the whole one. Everybody in the team holds
    /// what it grants from now on. The caller must hold what the team grants, before and after: so only owners touch a team
    /// whose members are owners.
    #[oai(
        path = "/organizations/:organization_id/teams/:team_id",
        method = "patch",
        operation_id = "update_team"
    )]
    async fn update_team(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
        /// The `ETag` of the team as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateTeamRequest>,
    ) -> Answer<TeamAnswer, Updating> {
        Ok(admin.tenant.update_team(&team_id.0, if_match.0, body.value.into()).await?.into())
    }

    /// Delete a team
    ///
    /// Whoever was in it holds what it granted no more, unless from elsewhere. The caller must hold what the team grants.
    #[oai(
        path = "/organizations/:organization_id/teams/:team_id",
        method = "delete",
        operation_id = "delete_team"
    )]
    async fn delete_team(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
        /// The `ETag` of the team as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Taking> {
        admin.tenant.delete_team(&team_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }

    /// List a team's members
    ///
    /// In an order without meaning, which stays the same.
    #[oai(
        path = "/organizations/:organization_id/teams/:team_id/members",
        method = "get",
        operation_id = "list_team_members"
    )]
    async fn list_team_members(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
        page: InQuery<PageQuery>,
    ) -> Answer<Json<TeamMemberPage>> {
        let InOrganization { tenant, app, .. } = admin;
        let team = tenant.get_team(&team_id.0).await?.id;
        let list = List::of("list_team_members").by(Some(tenant.organization_id())).by(Some(team));
        let request = page.0.of(&list, &app.cursors)?;
        let page = tenant.list_team_members(&team.into(), request).await?;
        let next_cursor = next(&page, |member| member.user, &list, &app.cursors);
        Ok(Json(TeamMemberPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Put a member into a team
    ///
    /// Gives a member of the organization all that the team grants, which the caller must hold. Repeating it changes nothing.
    /// Who is in a team is no part of the team's version, so there is no `If-Match`. A team has at most 1000 members.
    #[oai(
        path = "/organizations/:organization_id/teams/:team_id/members/:user_id",
        method = "put",
        operation_id = "add_team_member"
    )]
    async fn add_team_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
        /// The member of the organization, by the user's id or by the id that your backend gave the user.
        user_id: InPath<Reference<UserId>, 2>,
    ) -> Answer<Added, Adding> {
        admin.tenant.add_team_member(&team_id.0, &user_id.0).await?;
        Ok(Added::Done)
    }

    /// Take a member out of a team
    ///
    /// Takes from a member of the organization what the team grants, which the caller must hold; what is held from elsewhere
    /// stays. Repeating it changes nothing.
    #[oai(
        path = "/organizations/:organization_id/teams/:team_id/members/:user_id",
        method = "delete",
        operation_id = "remove_team_member"
    )]
    async fn remove_team_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The team, by its id or by the id that your backend gave it.
        team_id: InPath<Reference<TeamId>>,
        /// The member of the organization, by the user's id or by the id that your backend gave the user.
        user_id: InPath<Reference<UserId>, 2>,
    ) -> Answer<Removed, Taking> {
        admin.tenant.remove_team_member(&team_id.0, &user_id.0).await?;
        Ok(Removed::Done)
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),+;)+) => {$(
        $(#[$doc])*
        struct $name;

        impl Refusals for $name {
            const CODES: &'static [Code] = &[$(Code::$code),+];
        }
    )+};
}

refusals! {
    /// What can stand in the way of a new team.
    Creating: ExceedsOwnRights, ExternalIdInUse, TooMany;
    /// What can stand in the way of an edit.
    Updating: ExceedsOwnRights, ExternalIdInUse, LastOwner;
    /// What can stand in the way of one more member.
    Adding: ExceedsOwnRights, TooMany;
    /// What can stand in the way of taking what a team grants.
    Taking: ExceedsOwnRights, LastOwner;
}

#[derive(ApiResponse)]
enum TeamAnswer {
    /// The team.
    #[oai(status = 200)]
    Ok(
        Json<Team>,
        /// The team's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<wardkey::Team> for TeamAnswer {
    fn from(team: wardkey::Team) -> Self {
        let etag = etag(team.version);
        Self::Ok(Json(team.into()), etag)
    }
}

#[derive(ApiResponse)]
enum CreatedAnswer {
    /// The team was made.
    #[oai(status = 201)]
    Created(
        Json<Team>,
        /// Where the team can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The team's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// `true` if the request repeats an earlier one; the team is then that one's.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The team is gone, and with it what it granted.
    #[oai(status = 204)]
    Done,
}

#[derive(ApiResponse)]
enum Added {
    /// The member is in the team.
    #[oai(status = 204)]
    Done,
}

#[derive(ApiResponse)]
enum Removed {
    /// The member is not in the team.
    #[oai(status = 204)]
    Done,
}
