//! Service accounts: principals that never log in.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::permission::AdminServiceAccounts;
use wardkey_core::{OrganizationId, ServiceAccountId, Timestamp};

use super::Tag;
use super::answer::Answer;
use super::credentials::InOrganization;
use super::cursor::List;
use super::kinds::{Cursor, ExternalId, Name};
use super::organizations::StandingView;
use super::pages::{PageQuery, next};
use super::parameters::InQuery;
use super::text::Text;

pub(super) struct ServiceAccounts;

#[OpenApi(prefix_path = "/v1", tag = "Tag::ServiceAccounts")]
impl ServiceAccounts {
    /// List service accounts
    ///
    /// The organization's service accounts, the newest first.
    #[oai(
        path = "/organizations/:organization_id/service-accounts",
        method = "get",
        operation_id = "list_service_accounts"
    )]
    async fn list_service_accounts(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        page: InQuery<PageQuery>,
    ) -> Answer<Json<ServiceAccountPage>> {
        let list = List::of("list_service_accounts").by(Some(admin.tenant.organization_id()));
        let cursors = &admin.app.cursors;
        let request = page.0.of(&list, cursors)?;
        let page = admin.tenant.list_service_accounts(request).await?;
        let next_cursor = next(&page, |account| account.id, &list, cursors);
        Ok(Json(ServiceAccountPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }
}

/// A service account: a principal that never logs in.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct ServiceAccount {
    /// Its id.
    id: Text<ServiceAccountId>,
    /// The organization to which it belongs.
    organization_id: Text<OrganizationId>,
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// Whether its keys work.
    state: StandingView,
    /// Moves with each edit.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::ServiceAccount> for ServiceAccount {
    fn from(account: wardkey::ServiceAccount) -> Self {
        let wardkey::ServiceAccount {
            id,
            organization,
            name,
            external_id,
            state,
            version,
            created_at,
            updated_at,
        } = account;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            state: state.into(),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for ServiceAccount {
    fn example() -> Self {
        Self {
            id: Text::example(),
            organization_id: Text::example(),
            name: Name("Scheduler".to_owned()).into(),
            external_id: None,
            state: StandingView::Active,
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of service accounts.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct ServiceAccountPage {
    /// The service accounts, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<ServiceAccount>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for ServiceAccountPage {
    fn example() -> Self {
        Self { items: vec![ServiceAccount::example()], next_cursor: None }
    }
}
