//! Customers: an organization's own customers, to which keys may be restricted.

use wardkey_core::permission::AdminCustomers;
use wardkey_core::{Access, CustomerId, Reference};
use wardkey_storage::{Customer, CustomerEdit, CustomerFilter, NewCustomer, Once};

use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::{Findings, can_exist, can_match};
use crate::tenant::Tenant;

/// What shall be different about a customer; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerPatch {
    /// What people call it.
    pub name: Option<String>,
    /// The id that the product's backend gives it; `Some(None)` takes it away.
    pub external_id: Option<Option<String>>,
}

impl Tenant {
    /// The customers that the caller reaches, as far as they pass the filter; needs `admin:customers`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_customers(
        &self,
        mut filter: CustomerFilter,
        page: PageRequest<CustomerId>,
    ) -> Result<PageOf<Customer>, Error> {
        self.require::<AdminCustomers>()?;
        if !can_match(&[&filter.external_id, &filter.search]) {
            return Ok(PageOf { items: Vec::new(), has_more: false });
        }
        if let Access::Specific(reached) = self.rights().customers() {
            let wanted = |id: &&CustomerId| filter.only.as_ref().is_none_or(|only| only.contains(id));
            filter.only = Some(reached.iter().filter(wanted).copied().collect());
        }
        let storage = self.wardkey.storage();
        let items = storage.list_customers(self.organization_id(), &filter, page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// A customer that the caller reaches; needs `admin:customers`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_customer(&self, customer: &Reference<CustomerId>) -> Result<Customer, Error> {
        self.require::<AdminCustomers>()?;
        self.find_customer(customer).await
    }

    /// Creates a customer; needs `admin:customers`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if the external id is in use, [`Error::Unavailable`].
    pub async fn create_customer(
        &self,
        name: String,
        external_id: Option<String>,
    ) -> Result<Once<Customer>, Error> {
        self.require::<AdminCustomers>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<CustomerId>(external_id.as_deref());
        findings.into_result()?;
        let id = CustomerId::mint(self.now(), self.wardkey.random());
        let new = NewCustomer { id, name, external_id };
        let organization = self.organization_id();
        let idempotency = self.caller.idempotency(organization, "create_customer");
        let storage = self.wardkey.storage();
        let customer = storage.create_customer(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(customer)
    }

    /// Gives a customer new values; needs `admin:customers`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`], a conflict if the
    /// external id is in use, [`Error::Unavailable`].
    pub async fn update_customer(
        &self,
        customer: &Reference<CustomerId>,
        version: i64,
        patch: CustomerPatch,
    ) -> Result<Customer, Error> {
        self.require::<AdminCustomers>()?;
        let CustomerPatch { name, external_id } = patch;
        let mut findings = Findings::default();
        if let Some(name) = &name {
            findings.name(name);
        }
        findings.external_id::<CustomerId>(external_id.as_ref().and_then(Option::as_deref));
        findings.into_result()?;
        let current = self.find_customer(customer).await?;
        // What is kept is of the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let edit = CustomerEdit {
            name: name.unwrap_or(current.name),
            external_id: external_id.unwrap_or(current.external_id),
        };
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let customer = storage.update_customer(&self.act(), organization, current.id, version, edit).await?;
        self.wardkey.publish().await;
        Ok(customer)
    }

    /// Deletes a customer; needs `admin:customers`. Keys that name it reach one customer less, and those that name no
    /// other reach none.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::Unavailable`].
    pub async fn delete_customer(
        &self,
        customer: &Reference<CustomerId>,
        version: Option<i64>,
    ) -> Result<(), Error> {
        self.require::<AdminCustomers>()?;
        let customer = self.find_customer(customer).await?.id;
        let storage = self.wardkey.storage();
        storage.delete_customer(&self.act(), self.organization_id(), customer, version).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// One that is out of the caller's scope is not there.
    async fn find_customer(&self, customer: &Reference<CustomerId>) -> Result<Customer, Error> {
        if !can_exist(customer) {
            return Err(Error::NotFound);
        }
        let storage = self.wardkey.storage();
        let found = storage.find_customer(self.organization_id(), customer).await?;
        found.filter(|found| self.rights().customers().includes(&found.id)).ok_or(Error::NotFound)
    }
}
