//! What is asked for when service accounts are created, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use wardkey::{PageRequest, ServiceAccountFilter, ServiceAccountPatch, Tenant};
use wardkey_core::ServiceAccountId;

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, ExternalId, Name, Search};
use super::super::organizations::StandingView;
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use crate::problem::Refusal;

/// What a service account has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateServiceAccountRequest",
    check: |_| Vec::new(),
    immutable: &["id", "organization_id", "state", "version", "created_at", "updated_at"],
}];

/// A service account to be created.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateServiceAccountRequest {
    /// What people call it.
    pub(super) name: Text<Name>,
    /// The id that your backend gives it; no other service account of the organization has the same.
    pub(super) external_id: Option<Text<ExternalId>>,
}

impl Example for CreateServiceAccountRequest {
    fn example() -> Self {
        Self { name: Name("Scheduler".to_owned()).into(), external_id: Some(Text::example()) }
    }
}

/// What shall be different about a service account; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateServiceAccountRequest {
    /// What people call it.
    name: Option<Text<Name>>,
    /// The id that your backend gives it; `null` takes it away.
    #[oai(nullable)]
    external_id: MaybeUndefined<Text<ExternalId>>,
}

impl UpdateServiceAccountRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> ServiceAccountPatch {
        let Self { name, external_id } = self;
        ServiceAccountPatch {
            name: name.map(|name| name.0.0),
            external_id: match external_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(Some(id.0.0)),
            },
        }
    }
}

impl Example for UpdateServiceAccountRequest {
    fn example() -> Self {
        Self {
            name: Some(Name("Nightly scheduler".to_owned()).into()),
            external_id: MaybeUndefined::Undefined,
        }
    }
}

/// Which service accounts are listed.
#[derive(Debug, Object)]
pub(super) struct ServiceAccountQuery {
    /// Only the service account to which your backend gave this id.
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

impl ServiceAccountQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { external_id, state, search, limit: _, cursor: _ } = self;
        List::of("list_service_accounts")
            .by(Some(tenant.organization_id()))
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
    ) -> Result<(ServiceAccountFilter, PageRequest<ServiceAccountId>), Refusal> {
        let Self { external_id, state, search, limit, cursor } = self;
        let filter = ServiceAccountFilter {
            external_id: external_id.map(|id| id.0.0),
            state: state.map(Into::into),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
