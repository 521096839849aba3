//! Users: people, deployment-wide.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use wardkey_core::permission::OperatorUsers;
use wardkey_core::{Reference, Timestamp, UserId};

pub(super) use self::input::RULES;
use self::input::{CreateUserRequest, UpdateUserRequest, UserQuery};
use super::Tag;
use super::answer::{Answer, Refusals, made};
use super::credentials::InDeployment;
use super::keys::Reasoned;
use super::kinds::{Cursor, Email, ExternalId, Name};
use super::organizations::StandingView;
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch, etag};
use super::text::Text;
use crate::json::{Optional, Strict};
use crate::problem::Code;

pub(super) struct Users;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Users")]
impl Users {
    /// List users
    ///
    /// The people of all organizations, in no order that means anything. Deleted ones are not shown. For the people who run
    /// the deployment: who administers an organization sees its members.
    #[oai(path = "/users", method = "get", operation_id = "list_users")]
    async fn list_users(
        &self,
        operator: InDeployment<OperatorUsers>,
        query: InQuery<UserQuery>,
    ) -> Answer<Json<UserPage>> {
        let InDeployment { deployment, app, .. } = operator;
        let list = query.0.list();
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = deployment.list_users(filter, request).await?;
        let next_cursor = next(&page, |user| user.id, &list, &app.cursors);
        Ok(Json(UserPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Create a user
    ///
    /// Provisions a person, who is a member of no organization yet and has no password.
    #[oai(path = "/users", method = "post", operation_id = "create_user")]
    async fn create_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The user to be created.
        body: Strict<CreateUserRequest>,
    ) -> Answer<CreatedAnswer, Naming> {
        let Strict { value, digest } = body;
        let InDeployment { deployment, app, .. } = operator;
        let deployment = idempotency_key.once_in_deployment(deployment, digest);
        let CreateUserRequest { email, name, external_id } = value;
        let external_id = external_id.map(|id| id.0.0);
        let (user, replayed) = made(deployment.create_user(email.0.0, name.0.0, external_id).await?);
        let location = format!("{}/v1/users/{}", app.base_url, user.id);
        let etag = etag(user.version);
        Ok(CreatedAnswer::Created(Json(user.into()), location, etag, replayed))
    }

    /// Get a user
    ///
    /// By its id, or by the id that your backend gave the person.
    #[oai(path = "/users/:user_id", method = "get", operation_id = "get_user")]
    async fn get_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
    ) -> Answer<UserAnswer> {
        Ok(operator.deployment.get_user(&user_id.0).await?.into())
    }

    /// Update a user
    ///
    /// Members that are left out stay as they are; `null` takes the external id away. Nobody changes those of the operator
    /// organization who may do more with the deployment than they may.
    #[oai(path = "/users/:user_id", method = "patch", operation_id = "update_user")]
    async fn update_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
        /// The `ETag` of the user as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateUserRequest>,
    ) -> Answer<UserAnswer, Updating> {
        let patch = body.value.into_patch();
        Ok(operator.deployment.update_user(&user_id.0, if_match.0, patch).await?.into())
    }

    /// Delete a user
    ///
    /// Removes the person from every organization, revokes their keys there, ends every session, and forgets password,
    /// address and name. Address and external id are free again. Audit events, which name the person by id, stay. The only
    /// owner of an organization cannot be deleted.
    #[oai(path = "/users/:user_id", method = "delete", operation_id = "delete_user")]
    async fn delete_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
        /// The `ETag` of the user as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Deleting> {
        operator.deployment.delete_user(&user_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }

    /// Suspend a user
    ///
    /// Every session of the person ends at once, and their keys stop working everywhere, until the user is resumed. The keys
    /// keep their places. Repeating it changes nothing.
    #[oai(path = "/users/:user_id/suspend", method = "post", operation_id = "suspend_user")]
    async fn suspend_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
        /// The `ETag` of the user as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<UserAnswer, ChangingState> {
        let reason = body.value.into_reason();
        Ok(operator.deployment.suspend_user(&user_id.0, if_match.0, reason).await?.into())
    }

    /// Resume a user
    ///
    /// The person may log in again, and their keys work again, but for those that were ended meanwhile. Repeating it changes
    /// nothing.
    #[oai(path = "/users/:user_id/resume", method = "post", operation_id = "resume_user")]
    async fn resume_user(
        &self,
        operator: InDeployment<OperatorUsers>,
        /// The user, by its id or by the id that your backend gave it.
        user_id: InPath<Reference<UserId>, 0>,
        /// The `ETag` of the user as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<UserAnswer, ChangingState> {
        let reason = body.value.into_reason();
        Ok(operator.deployment.resume_user(&user_id.0, if_match.0, reason).await?.into())
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
    /// What can stand in the way of a new user.
    Naming: EmailInUse, ExternalIdInUse;
    /// What can stand in the way of an edit.
    Updating: ExceedsOwnRights, EmailInUse, ExternalIdInUse;
    /// What can stand in the way of suspending and resuming.
    ChangingState: ExceedsOwnRights;
    /// What can stand in the way of deleting.
    Deleting: ExceedsOwnRights, LastOwner;
}

#[derive(ApiResponse)]
enum UserAnswer {
    /// The user.
    #[oai(status = 200)]
    Ok(
        Json<User>,
        /// The user's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<wardkey::User> for UserAnswer {
    fn from(user: wardkey::User) -> Self {
        let etag = etag(user.version);
        Self::Ok(Json(user.into()), etag)
    }
}

#[derive(ApiResponse)]
enum CreatedAnswer {
    /// The user was created.
    #[oai(status = 201)]
    Created(
        Json<User>,
        /// Where the user can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The user's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// `true` if the request repeats an earlier one; the user is then that one's.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The user is gone, and so are all memberships and keys of the person.
    #[oai(status = 204)]
    Done,
}

/// A user: a person, who may be a member of several organizations.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(crate) struct User {
    /// Its id.
    id: Text<UserId>,
    /// The address by which the person is known and logs in.
    email: Text<Email>,
    /// What people call the person.
    name: Text<Name>,
    /// The id that your backend gave the person.
    external_id: Option<Text<ExternalId>>,
    /// Whether the person may log in, and whether their keys work.
    state: StandingView,
    /// Moves with each edit.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::User> for User {
    fn from(user: wardkey::User) -> Self {
        let wardkey::User { id, email, name, external_id, state, version, created_at, updated_at } = user;
        Self {
            id: id.into(),
            email: Email(email).into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            state: state.into(),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for User {
    fn example() -> Self {
        Self {
            id: Text::example(),
            email: Text::example(),
            name: Name("Ada Lovelace".to_owned()).into(),
            external_id: Some(ExternalId("person-7".to_owned()).into()),
            state: StandingView::Active,
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of users.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct UserPage {
    /// The users, in no order that means anything.
    #[oai(validator(max_items = 100))]
    items: Vec<User>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for UserPage {
    fn example() -> Self {
        Self { items: vec![User::example()], next_cursor: None }
    }
}
