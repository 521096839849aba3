//! Service accounts: principals that never log in.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use wardkey_core::permission::AdminServiceAccounts;
use wardkey_core::{OrganizationId, Reference, ServiceAccountId, Standing, Timestamp};

pub(super) use self::input::RULES;
use self::input::{CreateServiceAccountRequest, ServiceAccountQuery, UpdateServiceAccountRequest};
use super::Tag;
use super::answer::{Answer, Refusals, made};
use super::credentials::InOrganization;
use super::keys::Reasoned;
use super::kinds::{Cursor, ExternalId, Name};
use super::organizations::StandingView;
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch, etag};
use super::text::Text;
use crate::json::{Optional, Strict};
use crate::problem::Code;

pub(super) struct ServiceAccounts;

#[OpenApi(prefix_path = "/v1", tag = "Tag::ServiceAccounts")]
impl ServiceAccounts {
    /// List service accounts
    ///
    /// The organization's service accounts, the newest first. Deleted ones are not shown.
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
        query: InQuery<ServiceAccountQuery>,
    ) -> Answer<Json<ServiceAccountPage>> {
        let InOrganization { tenant, app, .. } = admin;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_service_accounts(filter, request).await?;
        let next_cursor = next(&page, |account| account.id, &list, &app.cursors);
        Ok(Json(ServiceAccountPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Create a service account
    ///
    /// A principal for a program. It can do nothing until a key is issued for it, and each of its keys has exactly the
    /// permissions that the key was given.
    #[oai(
        path = "/organizations/:organization_id/service-accounts",
        method = "post",
        operation_id = "create_service_account"
    )]
    async fn create_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same service account.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The service account to be created.
        body: Strict<CreateServiceAccountRequest>,
    ) -> Answer<CreatedAnswer, Naming> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let CreateServiceAccountRequest { name, external_id } = value;
        let external_id = external_id.map(|id| id.0.0);
        let (account, replayed) = made(tenant.create_service_account(name.0.0, external_id).await?);
        let base = &app.base_url;
        let location =
            format!("{base}/v1/organizations/{}/service-accounts/{}", account.organization, account.id);
        let etag = etag(account.version);
        Ok(CreatedAnswer::Created(Json(account.into()), location, etag, replayed))
    }

    /// Get a service account
    ///
    /// By its id, or by the id that your backend gave it.
    #[oai(
        path = "/organizations/:organization_id/service-accounts/:service_account_id",
        method = "get",
        operation_id = "get_service_account"
    )]
    async fn get_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// The service account, by its id or by the id that your backend gave it.
        service_account_id: InPath<Reference<ServiceAccountId>>,
    ) -> Answer<ServiceAccountAnswer> {
        Ok(admin.tenant.get_service_account(&service_account_id.0).await?.into())
    }

    /// Update a service account
    ///
    /// Members that are left out stay as they are; `null` takes the external id away. Its keys and what they may do do not
    /// change.
    #[oai(
        path = "/organizations/:organization_id/service-accounts/:service_account_id",
        method = "patch",
        operation_id = "update_service_account"
    )]
    async fn update_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// The service account, by its id or by the id that your backend gave it.
        service_account_id: InPath<Reference<ServiceAccountId>>,
        /// The `ETag` of the service account as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateServiceAccountRequest>,
    ) -> Answer<ServiceAccountAnswer, Naming> {
        let patch = body.value.into_patch();
        Ok(admin.tenant.update_service_account(&service_account_id.0, if_match.0, patch).await?.into())
    }

    /// Delete a service account
    ///
    /// Revokes its keys, for ever and at once, and hides it. Its audit events and the usage of its keys stay, and its
    /// external id is free again. The operator's first service account stays.
    #[oai(
        path = "/organizations/:organization_id/service-accounts/:service_account_id",
        method = "delete",
        operation_id = "delete_service_account"
    )]
    async fn delete_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// The service account, by its id or by the id that your backend gave it.
        service_account_id: InPath<Reference<ServiceAccountId>>,
        /// The `ETag` of the service account as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Ending> {
        admin.tenant.delete_service_account(&service_account_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }

    /// Suspend a service account
    ///
    /// Its keys stop working at once, until it is resumed. Repeating it changes nothing. The operator's first service
    /// account, for which operator keys are issued, cannot be suspended.
    #[oai(
        path = "/organizations/:organization_id/service-accounts/:service_account_id/suspend",
        method = "post",
        operation_id = "suspend_service_account"
    )]
    async fn suspend_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// The service account, by its id or by the id that your backend gave it.
        service_account_id: InPath<Reference<ServiceAccountId>>,
        /// The `ETag` of the service account as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<ServiceAccountAnswer, Ending> {
        let (account, reason) = (service_account_id.0, body.value.into_reason());
        let suspended =
            admin.tenant.set_service_account_state(&account, if_match.0, Standing::Inactive, reason).await?;
        Ok(suspended.into())
    }

    /// Resume a service account
    ///
    /// Its keys work again, but for those that were ended meanwhile; you must hold what they may do. Repeating it changes
    /// nothing.
    #[oai(
        path = "/organizations/:organization_id/service-accounts/:service_account_id/resume",
        method = "post",
        operation_id = "resume_service_account"
    )]
    async fn resume_service_account(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminServiceAccounts>,
        /// The service account, by its id or by the id that your backend gave it.
        service_account_id: InPath<Reference<ServiceAccountId>>,
        /// The `ETag` of the service account as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
        /// Why; may be left out.
        body: Optional<Reasoned>,
    ) -> Answer<ServiceAccountAnswer, Resuming> {
        let (account, reason) = (service_account_id.0, body.value.into_reason());
        let resumed =
            admin.tenant.set_service_account_state(&account, if_match.0, Standing::Active, reason).await?;
        Ok(resumed.into())
    }
}

/// What can stand in the way of an external id.
struct Naming;

impl Refusals for Naming {
    const CODES: &'static [Code] = &[Code::ExternalIdInUse];
}

/// What can stand in the way of suspending and deleting.
struct Ending;

impl Refusals for Ending {
    const CODES: &'static [Code] = &[Code::BuiltIn];
}

/// What can stand in the way of resuming.
struct Resuming;

impl Refusals for Resuming {
    const CODES: &'static [Code] = &[Code::ExceedsOwnRights];
}

#[derive(ApiResponse)]
enum ServiceAccountAnswer {
    /// The service account.
    #[oai(status = 200)]
    Ok(
        Json<ServiceAccount>,
        /// The service account's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<wardkey::ServiceAccount> for ServiceAccountAnswer {
    fn from(account: wardkey::ServiceAccount) -> Self {
        let etag = etag(account.version);
        Self::Ok(Json(account.into()), etag)
    }
}

#[derive(ApiResponse)]
enum CreatedAnswer {
    /// The service account was created.
    #[oai(status = 201)]
    Created(
        Json<ServiceAccount>,
        /// Where the service account can be read from now on.
        #[oai(header = "Location")]
        String,
        /// The service account's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
        /// `true` if the request repeats an earlier one; the service account is then that one's.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The service account is hidden, and its keys are revoked.
    #[oai(status = 204)]
    Done,
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
