//! The business of the whole deployment.

use std::collections::HashSet;
use std::net::IpAddr;

use wardkey_core::permission::{OperatorCatalogue, OperatorOrganizations, OperatorUsers, OperatorVerify};
use wardkey_core::{
    Catalogue, Deployment, OrganizationId, Requirement, Requires, UserId, Verification, VerifyError,
};
use wardkey_storage::{NewOrganization, NewUser, Organization, User};

use crate::caller::Caller;
use crate::error::Error;
use crate::page::{PageOf, PageRequest};
use crate::rules::Findings;
use crate::wardkey::Wardkey;

/// The deployment as a whole, entered by one caller. Each operation needs its `operator:…` permission.
#[derive(Debug, Clone)]
pub struct DeploymentHandle {
    wardkey: Wardkey,
    caller: Caller,
}

impl DeploymentHandle {
    pub(crate) fn new(wardkey: Wardkey, caller: Caller) -> Self {
        Self { wardkey, caller }
    }

    /// Whether the caller holds `P`. Someone on the database holds everything.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require<P: Requires>(&self) -> Result<(), Error> {
        match self.caller.verification() {
            None => Ok(()),
            Some(verification) => {
                let held = verification.rights.rights.organization_wide();
                if P::is_met_by(held) {
                    return Ok(());
                }
                let mut missing = Vec::new();
                P::list_missing(held, &mut missing);
                Err(Error::Forbidden { missing: missing.into_iter().map(str::to_owned).collect() })
            }
        }
    }

    /// Every organization; needs `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn list_organizations(
        &self,
        page: PageRequest<OrganizationId>,
    ) -> Result<PageOf<Organization>, Error> {
        self.require::<OperatorOrganizations>()?;
        let items = self.wardkey.storage().list_organizations(page.with_one_more()).await?;
        Ok(PageOf::cut(items, &page))
    }

    /// Creates an organization; needs `operator:organizations`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if the external id is in use, [`Error::Unavailable`].
    pub async fn create_organization(
        &self,
        name: String,
        external_id: Option<String>,
    ) -> Result<Organization, Error> {
        self.require::<OperatorOrganizations>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.external_id::<OrganizationId>(external_id.as_deref());
        findings.into_result()?;
        let act = self.wardkey.act(&self.caller);
        let id = OrganizationId::mint(act.now, self.wardkey.random());
        let new = NewOrganization { id, name, external_id };
        let organization = self.wardkey.storage().create_organization(&act, new).await?;
        self.wardkey.publish().await;
        Ok(organization)
    }

    /// Creates a user, who is a member of no organization yet; needs `operator:users`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], a conflict if e-mail address or external id is in use,
    /// [`Error::Unavailable`].
    pub async fn create_user(
        &self,
        email: String,
        name: String,
        external_id: Option<String>,
    ) -> Result<User, Error> {
        self.require::<OperatorUsers>()?;
        let mut findings = Findings::default();
        findings.name(&name);
        findings.email(&email);
        findings.external_id::<UserId>(external_id.as_deref());
        findings.into_result()?;
        let new = NewUser { id: UserId::mint(self.wardkey.random()), email, name, external_id };
        let user = self.wardkey.storage().create_user(&self.wardkey.act(&self.caller), new).await?;
        self.wardkey.publish().await;
        Ok(user)
    }

    /// Prefixes, environments and the permission catalogue; needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn describe(&self) -> Result<Deployment, Error> {
        Ok(self.wardkey.storage().load_deployment().await?)
    }

    /// Replaces the permission catalogue; needs `operator:catalogue`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`] for a name that is reserved or stands there twice,
    /// [`Error::Unavailable`].
    pub async fn replace_catalogue(&self, catalogue: &Catalogue) -> Result<(), Error> {
        self.require::<OperatorCatalogue>()?;
        check_catalogue(catalogue)?;
        let act = self.wardkey.act(&self.caller);
        self.wardkey.storage().replace_catalogue(&act, catalogue).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// Verifies a secret on behalf of a backend that cannot do it itself; needs `operator:verify`. It acts in the
    /// calling key's environment.
    ///
    /// # Errors
    /// The outer error concerns the caller; the inner one the secret that is asked about.
    pub async fn verify(
        &self,
        secret: &[u8],
        address: Option<IpAddr>,
        requirement: &Requirement,
    ) -> Result<Result<Verification, VerifyError>, Error> {
        self.require::<OperatorVerify>()?;
        let caller = self.caller.verification().ok_or(Error::NotFound)?;
        let verifier = self.wardkey.verifier(&caller.rights.environment);
        Ok(verifier.verify(secret, address, requirement).await)
    }
}

fn check_catalogue(catalogue: &Catalogue) -> Result<(), Error> {
    let mut findings = Findings::default();
    let mut seen = HashSet::new();
    for (at, group) in catalogue.groups.iter().enumerate() {
        findings.label(&format!("/groups/{at}/label"), &group.label);
        for (within, permission) in group.permissions.iter().enumerate() {
            let pointer = format!("/groups/{at}/permissions/{within}");
            findings.label(&format!("{pointer}/label"), &permission.label);
            if permission.name.is_reserved() {
                findings.add(format!("{pointer}/name"), "reserved", "is one of Wardkey's own resources");
            }
            if !seen.insert(&permission.name) {
                findings.add(format!("{pointer}/name"), "duplicate", "stands here twice");
            }
        }
    }
    findings.into_result()
}
