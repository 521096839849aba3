//! Members: who acts in an organization, and in which roles.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use wardkey::Membership;
use wardkey_core::permission::AdminMembers;
use wardkey_core::{Reference, Timestamp, UserId};

pub(super) use self::input::RULES;
use self::input::{AddMemberRequest, MemberQuery, UpdateMemberRequest};
use super::Tag;
use super::answer::{Answer, Refusals};
use super::credentials::InOrganization;
use super::grants::Grant;
use super::kinds::{Cursor, Email, Name};
use super::links::Link;
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch, etag};
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Members;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Members")]
impl Members {
    /// List members
    ///
    /// The organization's members, in no order that means anything.
    #[oai(path = "/organizations/:organization_id/members", method = "get", operation_id = "list_members")]
    async fn list_members(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        query: InQuery<MemberQuery>,
    ) -> Answer<Json<MemberPage>> {
        let InOrganization { tenant, app, .. } = admin;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_members(filter, request).await?;
        let next_cursor = next(&page, |member| member.user, &list, &app.cursors);
        Ok(Json(MemberPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Add a member
    ///
    /// By e-mail address. The answer is the same whether or not the person is known to the deployment, and always has a link,
    /// for you to send: nobody else is told. The link leads a person who has no password to choosing the first one, and
    /// everybody else to logging in; by either they accept. It is good for 7 days, and once; `create_member_link` makes another.
    ///
    /// Until the person accepts they are `pending`: no session of theirs enters the organization or hears of it, whoever else
    /// has invited them. They hold their roles all the same, so that keys can be issued for them and your backend can act for
    /// them; of the owners they are the last one only where nobody else is one.
    ///
    /// Nobody gives a role that exceeds their own rights, and only owners make owners.
    #[oai(path = "/organizations/:organization_id/members", method = "post", operation_id = "add_member")]
    async fn add_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same member, without the link.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The person to be added.
        body: Strict<AddMemberRequest>,
    ) -> Answer<AddedAnswer, Adding> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let added = tenant.add_member(value.into()).await?;
        let (base, organization, user) = (&app.base_url, tenant.organization_id(), added.member.user);
        let location = format!("{base}/v1/organizations/{organization}/members/{user}");
        let (etag, replayed) = (etag(added.member.version), added.link.is_none().then(|| "true".to_owned()));
        let link = added.link.map(|link| Link::new(link, base));
        let body = Json(AddedMember { member: added.member.into(), link });
        Ok(AddedAnswer::Created(body, location, etag, NO_STORE.to_owned(), replayed))
    }

    /// Get a member
    ///
    /// By the id of the user, or by the id that your backend gave the person.
    #[oai(
        path = "/organizations/:organization_id/members/:user_id",
        method = "get",
        operation_id = "get_member"
    )]
    async fn get_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>>,
    ) -> Answer<MemberAnswer> {
        Ok(admin.tenant.get_member(&user_id.0).await?.into())
    }

    /// Update a member
    ///
    /// Members of the body that are left out stay as they are; `grants` replaces the whole list. Nobody gives a role that
    /// exceeds their own rights, or changes somebody who holds more than they do; only owners make and change owners. The last
    /// owner stays one.
    #[oai(
        path = "/organizations/:organization_id/members/:user_id",
        method = "patch",
        operation_id = "update_member"
    )]
    async fn update_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>>,
        /// The `ETag` of the member as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateMemberRequest>,
    ) -> Answer<MemberAnswer, Changing> {
        let patch = body.value.into();
        Ok(admin.tenant.update_member(&user_id.0, if_match.0, patch).await?.into())
    }

    /// Remove a member
    ///
    /// Ends the membership and revokes the person's keys in the organization, for ever and at once. In other organizations
    /// nothing changes. Nobody removes somebody who holds more than they do; only owners remove owners, and the last one stays.
    #[oai(
        path = "/organizations/:organization_id/members/:user_id",
        method = "delete",
        operation_id = "remove_member"
    )]
    async fn remove_member(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminMembers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>>,
        /// The `ETag` of the member as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Removed, Changing> {
        admin.tenant.remove_member(&user_id.0, if_match.0).await?;
        Ok(Removed::Done)
    }
}

/// What keeps a link out of every cache on its way.
const NO_STORE: &str = "no-store";

/// What can stand in the way of a new member.
struct Adding;

impl Refusals for Adding {
    const CODES: &'static [Code] = &[Code::ExceedsOwnRights, Code::AlreadyMember];
}

/// What can stand in the way of an edit, and of leaving.
struct Changing;

impl Refusals for Changing {
    const CODES: &'static [Code] = &[Code::ExceedsOwnRights, Code::LastOwner];
}

#[derive(ApiResponse)]
enum MemberAnswer {
    /// The member.
    #[oai(status = 200)]
    Ok(
        Json<Member>,
        /// The member's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<Membership> for MemberAnswer {
    fn from(member: Membership) -> Self {
        let etag = etag(member.version);
        Self::Ok(Json(member.into()), etag)
    }
}

#[derive(ApiResponse)]
enum AddedAnswer {
    /// The person is a member, and has not accepted yet.
    #[oai(status = 201)]
    Created(
        Json<AddedMember>,
        /// Where the member can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The member's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// Always `no-store`: the answer holds a link that works for whoever has it.
        #[oai(header = "Cache-Control")]
        String,
        /// `true` if the request repeats an earlier one; the member is then that one's, and the link is not shown again.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Removed {
    /// The person is no member any more, and their keys here are revoked.
    #[oai(status = 204)]
    Done,
}

/// A member: a person as an organization knows them. Nothing in here tells what the person is elsewhere.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct Member {
    /// The id of the user.
    id: Text<UserId>,
    /// The address by which the person is known and logs in, in lower case.
    email: Text<Email>,
    /// What the organization calls the person.
    name: Text<Name>,
    /// The roles that the person holds directly; those of teams are the teams'.
    #[oai(validator(max_items = 100))]
    grants: Vec<Grant>,
    /// Moves with each edit; the `ETag`, without quotes.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When the person was added.
    created_at: Text<Timestamp>,
    /// When the member was last edited.
    updated_at: Text<Timestamp>,
    /// Whether the person has accepted.
    state: MemberState,
    /// When the person accepted; absent as long as they have not.
    accepted_at: Option<Text<Timestamp>>,
}

/// `pending`: was added, and has not accepted by the link yet; no session of theirs enters the organization. `accepted`: a
/// member in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum MemberState {
    Pending,
    Accepted,
}

impl From<Membership> for Member {
    fn from(member: Membership) -> Self {
        let Membership { user, email, name, grants, version, created_at, updated_at, accepted_at } = member;
        Self {
            id: user.into(),
            email: Email(email).into(),
            name: Name(name).into(),
            grants: grants.into_iter().map(Into::into).collect(),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
            state: if accepted_at.is_some() { MemberState::Accepted } else { MemberState::Pending },
            accepted_at: accepted_at.map(Into::into),
        }
    }
}

impl Example for Member {
    fn example() -> Self {
        Self {
            id: Text::example(),
            email: Text::example(),
            name: Name("Ada Lovelace".to_owned()).into(),
            grants: vec![Grant::example()],
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
            state: MemberState::Accepted,
            accepted_at: Some(Text::example()),
        }
    }
}

/// A new member, and the link that leads the person in.
#[derive(Object)]
#[oai(skip_serializing_if_is_none, example)]
struct AddedMember {
    /// The member.
    member: Member,
    /// The link to be sent to the person, shown this once; absent if the request repeats an earlier one.
    link: Option<Link>,
}

impl Example for AddedMember {
    fn example() -> Self {
        Self { member: Member::example(), link: Some(Link::example()) }
    }
}

/// A page of members.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct MemberPage {
    /// The members, in no order that means anything.
    #[oai(validator(max_items = 100))]
    items: Vec<Member>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for MemberPage {
    fn example() -> Self {
        Self { items: vec![Member::example()], next_cursor: None }
    }
}
