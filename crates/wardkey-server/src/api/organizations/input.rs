//! What is asked for when organizations are created, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::{OrganizationFilter, OrganizationPatch, PageRequest};
use wardkey_core::OrganizationId;

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, ExternalId, Name, Search};
use super::super::nullable::Nullable;
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use super::StandingView;
use crate::problem::Refusal;

/// What an organization has that its own edits do not change.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateOrganizationRequest",
    check: |_| Vec::new(),
    immutable: &["id", "external_id", "kind", "state", "key_limit", "version", "created_at", "updated_at"],
}];

/// An organization to be created.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateOrganizationRequest {
    /// What people call it.
    pub(super) name: Text<Name>,
    /// The id that your backend gives it; no other organization has the same.
    pub(super) external_id: Option<Text<ExternalId>>,
    /// How many active and disabled keys it may have. Default: the usual number, 10.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub(super) key_limit: Option<u32>,
}

impl Example for CreateOrganizationRequest {
    fn example() -> Self {
        Self { name: Name("Acme".to_owned()).into(), external_id: Some(Text::example()), key_limit: None }
    }
}

/// What shall be different about an organization; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateOrganizationRequest {
    /// What people call it.
    name: Option<Text<Name>>,
}

impl UpdateOrganizationRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> OrganizationPatch {
        let Self { name } = self;
        OrganizationPatch { name: name.map(|name| name.0.0) }
    }
}

impl Example for UpdateOrganizationRequest {
    fn example() -> Self {
        Self { name: Some(Name("Acme & Co".to_owned()).into()) }
    }
}

/// How many keys an organization may have.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct SetKeyLimitRequest {
    /// Active and disabled keys count; `null` is the usual number, 10.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub(super) key_limit: Nullable<u32>,
}

impl Example for SetKeyLimitRequest {
    fn example() -> Self {
        Self { key_limit: Nullable(Some(50)) }
    }
}

/// The id that a backend gives an organization.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct SetExternalIdRequest {
    /// No other organization has the same; `null` takes it away.
    #[oai(nullable)]
    pub(super) external_id: Nullable<Text<ExternalId>>,
}

impl Example for SetExternalIdRequest {
    fn example() -> Self {
        Self { external_id: Nullable(Some(Text::example())) }
    }
}

/// Which organizations are listed.
#[derive(Debug, Object)]
pub(super) struct OrganizationQuery {
    /// Only the organization to which your backend gave this id.
    external_id: Option<Text<ExternalId>>,
    /// Only those in this state.
    state: Option<StandingView>,
    /// Only those that have this text in their name, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl OrganizationQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self) -> List {
        let Self { external_id, state, search, limit: _, cursor: _ } = self;
        List::of("list_organizations")
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
    ) -> Result<(OrganizationFilter, PageRequest<OrganizationId>), Refusal> {
        let Self { external_id, state, search, limit, cursor } = self;
        let filter = OrganizationFilter {
            external_id: external_id.map(|id| id.0.0),
            state: state.map(Into::into),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
