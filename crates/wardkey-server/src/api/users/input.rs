//! What is asked for when users are created, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use wardkey::{PageRequest, UserFilter, UserPatch};
use wardkey_core::UserId;

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, Email, ExternalId, Name, Search};
use super::super::organizations::StandingView;
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use crate::problem::Refusal;

/// What a user has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateUserRequest",
    check: |_| Vec::new(),
    immutable: &["id", "state", "version", "created_at", "updated_at"],
}];

/// A user to be created.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateUserRequest {
    /// The address by which the person is known and logs in. No other user has it, in whatever case.
    pub(super) email: Text<Email>,
    /// What people call the person.
    pub(super) name: Text<Name>,
    /// The id that your backend gives the person; no other user has the same.
    pub(super) external_id: Option<Text<ExternalId>>,
}

impl Example for CreateUserRequest {
    fn example() -> Self {
        Self {
            email: Text::example(),
            name: Name("Ada Lovelace".to_owned()).into(),
            external_id: Some(ExternalId("person-7".to_owned()).into()),
        }
    }
}

/// What shall be different about a user; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateUserRequest {
    /// The address by which the person is known and logs in. Links that were made for another address end.
    email: Option<Text<Email>>,
    /// What people call the person.
    name: Option<Text<Name>>,
    /// The id that your backend gives the person; `null` takes it away.
    #[oai(nullable)]
    external_id: MaybeUndefined<Text<ExternalId>>,
}

impl UpdateUserRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> UserPatch {
        let Self { email, name, external_id } = self;
        UserPatch {
            email: email.map(|email| email.0.0),
            name: name.map(|name| name.0.0),
            external_id: match external_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(Some(id.0.0)),
            },
        }
    }
}

impl Example for UpdateUserRequest {
    fn example() -> Self {
        Self {
            email: None,
            name: Some(Name("Ada King".to_owned()).into()),
            external_id: MaybeUndefined::Undefined,
        }
    }
}

/// Which users are listed.
#[derive(Debug, Object)]
pub(super) struct UserQuery {
    /// Only the user with this address, in any case.
    email: Option<Text<Email>>,
    /// Only the user to whom your backend gave this id.
    external_id: Option<Text<ExternalId>>,
    /// Only those in this state.
    state: Option<StandingView>,
    /// Only those that have this text in name or address, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl UserQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self) -> List {
        let Self { email, external_id, state, search, limit: _, cursor: _ } = self;
        List::of("list_users")
            .by(email.as_ref().map(|email| &email.0.0))
            .by(external_id.as_ref().map(|id| &id.0.0))
            .by(state.map(StandingView::as_str))
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
    ) -> Result<(UserFilter, PageRequest<UserId>), Refusal> {
        let Self { email, external_id, state, search, limit, cursor } = self;
        let filter = UserFilter {
            email: email.map(|email| email.0.0),
            external_id: external_id.map(|id| id.0.0),
            state: state.map(Into::into),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
