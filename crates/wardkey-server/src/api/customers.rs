//! Customers: an organization's own customers.

mod input;

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::permission::AdminCustomers;
use wardkey_core::{CustomerId, OrganizationId, Reference, Timestamp};

pub(super) use self::input::RULES;
use self::input::{CreateCustomerRequest, CustomerQuery, UpdateCustomerRequest};
use super::Tag;
use super::answer::{Answer, Created, Deleted, Refusals, Shown, made};
use super::credentials::InOrganization;
use super::kinds::{Cursor, ExternalId, Name};
use super::pages::next;
use super::parameters::{IdempotencyKey, IfMatch, InPath, InQuery, OptionalIfMatch};
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Customers;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Customers")]
impl Customers {
    /// List customers
    ///
    /// The organization's customers, the newest first. A key that is restricted to some sees those.
    #[oai(
        path = "/organizations/:organization_id/customers",
        method = "get",
        operation_id = "list_customers"
    )]
    async fn list_customers(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminCustomers>,
        query: InQuery<CustomerQuery>,
    ) -> Answer<Json<CustomerPage>> {
        let InOrganization { tenant, app, .. } = admin;
        let list = query.0.list(&tenant);
        let (filter, request) = query.0.split(&list, &app.cursors)?;
        let page = tenant.list_customers(filter, request).await?;
        let next_cursor = next(&page, |customer| customer.id, &list, &app.cursors);
        Ok(Json(CustomerPage { items: page.items.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Create a customer
    ///
    /// One of the organization's own customers, to which keys may be restricted. Keys that reach all customers reach the new one.
    #[oai(
        path = "/organizations/:organization_id/customers",
        method = "post",
        operation_id = "create_customer"
    )]
    async fn create_customer(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminCustomers>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same customer.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The customer to be created.
        body: Strict<CreateCustomerRequest>,
    ) -> Answer<Created<Customer>, Naming> {
        let Strict { value, digest } = body;
        let InOrganization { tenant, app, .. } = admin;
        let tenant = idempotency_key.once(tenant, digest);
        let CreateCustomerRequest { name, external_id } = value;
        let (name, external_id) = (name.0.0, external_id.map(|id| id.0.0));
        let (customer, replayed) = made(tenant.create_customer(name, external_id).await?);
        let wardkey::Customer { id, organization, version, .. } = customer;
        let location = format!("{}/v1/organizations/{organization}/customers/{id}", app.base_url);
        Ok(Created::new(customer, location, version, replayed))
    }

    /// Get a customer
    ///
    /// A key that is restricted to some customers sees those.
    #[oai(
        path = "/organizations/:organization_id/customers/:customer_id",
        method = "get",
        operation_id = "get_customer"
    )]
    async fn get_customer(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminCustomers>,
        /// The customer, by its id or by the id that your backend gave it.
        customer_id: InPath<Reference<CustomerId>>,
    ) -> Answer<Shown<Customer>> {
        let customer = admin.tenant.get_customer(&customer_id.0).await?;
        let version = customer.version;
        Ok(Shown::new(customer, version))
    }

    /// Update a customer
    ///
    /// Members that are left out stay as they are; `null` takes the external id away.
    #[oai(
        path = "/organizations/:organization_id/customers/:customer_id",
        method = "patch",
        operation_id = "update_customer"
    )]
    async fn update_customer(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminCustomers>,
        /// The customer, by its id or by the id that your backend gave it.
        customer_id: InPath<Reference<CustomerId>>,
        /// The `ETag` of the customer as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateCustomerRequest>,
    ) -> Answer<Shown<Customer>, Naming> {
        let patch = body.value.into_patch();
        let customer = admin.tenant.update_customer(&customer_id.0, if_match.0, patch).await?;
        let version = customer.version;
        Ok(Shown::new(customer, version))
    }

    /// Delete a customer
    ///
    /// Keys that name it reach one customer less; those that name no other reach none.
    #[oai(
        path = "/organizations/:organization_id/customers/:customer_id",
        method = "delete",
        operation_id = "delete_customer"
    )]
    async fn delete_customer(
        &self,
        /// The organization, by its id or by the id that your backend gave it.
        #[oai(name = "organization_id")]
        admin: InOrganization<AdminCustomers>,
        /// The customer, by its id or by the id that your backend gave it.
        customer_id: InPath<Reference<CustomerId>>,
        /// The `ETag` of the customer as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted> {
        admin.tenant.delete_customer(&customer_id.0, if_match.0).await?;
        Ok(Deleted::Done)
    }
}

/// What can stand in the way of a name.
struct Naming;

impl Refusals for Naming {
    const CODES: &'static [Code] = &[Code::ExternalIdInUse];
}

/// A customer of an organization, to which keys may be restricted.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct Customer {
    /// Its id.
    id: Text<CustomerId>,
    /// The organization whose customer it is.
    organization_id: Text<OrganizationId>,
    /// What people call it.
    name: Text<Name>,
    /// The id that your backend gave it.
    external_id: Option<Text<ExternalId>>,
    /// Moves with each edit; the `ETag`, without quotes.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
    /// When it was created.
    created_at: Text<Timestamp>,
    /// When it was last edited.
    updated_at: Text<Timestamp>,
}

impl From<wardkey::Customer> for Customer {
    fn from(customer: wardkey::Customer) -> Self {
        let wardkey::Customer { id, organization, name, external_id, version, created_at, updated_at } =
            customer;
        Self {
            id: id.into(),
            organization_id: organization.into(),
            name: Name(name).into(),
            external_id: external_id.map(|id| ExternalId(id).into()),
            version,
            created_at: created_at.into(),
            updated_at: updated_at.into(),
        }
    }
}

impl Example for Customer {
    fn example() -> Self {
        Self {
            id: Text::example(),
            organization_id: Text::example(),
            name: Name("Example & Co".to_owned()).into(),
            external_id: Some(ExternalId("c-1017".to_owned()).into()),
            version: 1,
            created_at: Text::example(),
            updated_at: Text::example(),
        }
    }
}

/// A page of customers.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct CustomerPage {
    /// The customers, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<Customer>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl Example for CustomerPage {
    fn example() -> Self {
        Self { items: vec![Customer::example()], next_cursor: None }
    }
}
