//! What is asked for when customers are created, edited and listed.

use poem_openapi::Object;
use poem_openapi::types::{Example, MaybeUndefined};
use wardkey::{CustomerFilter, CustomerPatch, PageRequest, Tenant};
use wardkey_core::CustomerId;

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{Cursor, ExternalId, Name, Search};
use super::super::pages::{default_limit, request};
use super::super::schema::Rule;
use super::super::text::Text;
use crate::problem::Refusal;

/// What a customer has that no edit changes.
pub(crate) const RULES: &[Rule] = &[Rule {
    schema: "UpdateCustomerRequest",
    check: |_| Vec::new(),
    immutable: &["id", "organization_id", "version", "created_at", "updated_at"],
}];

/// A customer to be created.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct CreateCustomerRequest {
    /// What people call it.
    pub(super) name: Text<Name>,
    /// The id that your backend gives it; no other customer of the organization has the same.
    pub(super) external_id: Option<Text<ExternalId>>,
}

impl Example for CreateCustomerRequest {
    fn example() -> Self {
        Self {
            name: Name("Example & Co".to_owned()).into(),
            external_id: Some(ExternalId("c-1017".to_owned()).into()),
        }
    }
}

/// What shall be different about a customer; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct UpdateCustomerRequest {
    /// What people call it.
    name: Option<Text<Name>>,
    /// The id that your backend gives it; `null` takes it away.
    #[oai(nullable)]
    external_id: MaybeUndefined<Text<ExternalId>>,
}

impl UpdateCustomerRequest {
    /// What to change.
    pub(super) fn into_patch(self) -> CustomerPatch {
        let Self { name, external_id } = self;
        CustomerPatch {
            name: name.map(|name| name.0.0),
            external_id: match external_id {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(id) => Some(Some(id.0.0)),
            },
        }
    }
}

impl Example for UpdateCustomerRequest {
    fn example() -> Self {
        Self { name: Some(Name("Example Ltd".to_owned()).into()), external_id: MaybeUndefined::Undefined }
    }
}

/// Which customers are listed.
#[derive(Debug, Object)]
pub(super) struct CustomerQuery {
    /// Only the customer to which your backend gave this id.
    external_id: Option<Text<ExternalId>>,
    /// Only those that have this text in their name, in any case.
    search: Option<Text<Search>>,
    /// How many items the page has at most.
    #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
    limit: u32,
    /// The `next_cursor` of the page before; without it, the page is the first.
    cursor: Option<Text<Cursor>>,
}

impl CustomerQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { external_id, search, limit: _, cursor: _ } = self;
        List::of("list_customers")
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
    ) -> Result<(CustomerFilter, PageRequest<CustomerId>), Refusal> {
        let Self { external_id, search, limit, cursor } = self;
        let filter = CustomerFilter {
            only: None,
            external_id: external_id.map(|id| id.0.0),
            search: search.map(|search| search.0.0),
        };
        Ok((filter, request(limit, cursor, list, cursors)?))
    }
}
