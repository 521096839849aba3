//! A request that was let in, and what its handler may ask. Adapters wrap these types; they add no rule.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::decide::KeySummary;
use crate::denial::{Denial, VerifyError};
use crate::guard::Guard;
use crate::ids::{CustomerId, OrganizationId, Reference, WorkspaceId};
use crate::permission::{PermissionName, Requires};
use crate::problem::{Problem, RenderedProblem};
use crate::rate_limit::rate_limit_fields;
use crate::rights::{Principal, Rights};
use crate::scope::EnvironmentName;
use crate::verifier::Verification;

/// A request that a [`Guard`] let in. Clones share everything.
#[derive(Clone)]
pub struct Admission {
    inner: Arc<Inner>,
}

struct Inner {
    guard: Arc<Guard>,
    /// Drawn only if somebody asks: most requests are granted and answered without it.
    request_id: OnceLock<String>,
    address: Option<IpAddr>,
    verification: Option<Verification>,
}

impl Admission {
    pub(crate) fn new(
        guard: Arc<Guard>,
        incoming_request_id: Option<&str>,
        address: Option<IpAddr>,
        verification: Option<Verification>,
    ) -> Self {
        let request_id = incoming_request_id.map(|id| OnceLock::from(id.to_owned())).unwrap_or_default();
        Self { inner: Arc::new(Inner { guard, request_id, address, verification }) }
    }

    /// The guard that let the request in.
    pub fn guard(&self) -> &Guard {
        &self.inner.guard
    }

    /// The request's id, incoming or new; the same for each clone.
    pub fn request_id(&self) -> &str {
        self.inner.request_id.get_or_init(|| self.inner.guard.mint_request_id())
    }

    /// Where the request came from, as far as it can be trusted.
    pub fn address(&self) -> Option<IpAddr> {
        self.inner.address
    }

    /// The verified key; absent only where absence is allowed and nothing was presented.
    pub fn verification(&self) -> Option<&Verification> {
        self.inner.verification.as_ref()
    }

    /// The header fields that tell the client its rate limits, names in lower case: an adapter adds them to whatever
    /// answer the request gets. None, if the key has no limits.
    pub fn rate_limit_fields(&self) -> Vec<(&'static str, String)> {
        self.verification().map(|verified| rate_limit_fields(&verified.rate_limits())).unwrap_or_default()
    }

    /// The key, if `P` is held somewhere.
    ///
    /// # Errors
    /// The answer to the client: `missing_credentials` if no key was presented, `insufficient_permissions` if `P` is
    /// held nowhere.
    pub fn key<P: Requires>(&self) -> Result<AdmittedKey<P>, RenderedProblem> {
        self.optional_key()?.ok_or_else(|| self.refuse(Denial::MissingCredentials))
    }

    /// The key, if one was presented and `P` is held somewhere; `None` if none was presented.
    ///
    /// # Errors
    /// The answer to the client: `insufficient_permissions` if a key was presented and `P` is held nowhere.
    pub fn optional_key<P: Requires>(&self) -> Result<Option<AdmittedKey<P>>, RenderedProblem> {
        let Some(verification) = self.verification() else { return Ok(None) };
        verification.rights.rights.require::<P>().map_err(|denial| self.refuse(denial))?;
        Ok(Some(AdmittedKey { admission: self.clone(), permission: PhantomData }))
    }

    /// The answer when a later check refuses the request after all; logged once, here.
    pub fn refuse(&self, error: impl Into<VerifyError>) -> RenderedProblem {
        self.inner.guard.refuse(&error.into(), self.request_id())
    }

    /// Renders any problem as the guard renders its own.
    pub fn render(&self, problem: &Problem) -> RenderedProblem {
        self.inner.guard.render(problem, self.request_id())
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("request_id", &self.inner.request_id.get())
            .field("address", &self.inner.address)
            .field("key", &self.verification().map(|verification| verification.key))
            .finish_non_exhaustive()
    }
}

/// The verified key of a request, for a handler that needs `P`, which is held somewhere. Each question about a place
/// is answered *for `P` there*: nothing here yields a workspace apart from a permission.
///
/// Every error is the answer to the client, ready to be sent.
pub struct AdmittedKey<P = ()> {
    admission: Admission,
    permission: PhantomData<fn() -> P>,
}

impl<P: Requires> AdmittedKey<P> {
    /// The id of the workspace, if `P` is held there; it may be named by the backend's own id.
    ///
    /// # Errors
    /// `not_found` if the key cannot see the workspace, be it another organization's, out of scope, or absent;
    /// `ip_not_allowed` if it can and the workspace is not to be reached from where the request came;
    /// `insufficient_permissions` if it is and `P` is not held there.
    pub fn in_workspace(
        &self,
        workspace: impl Into<Reference<WorkspaceId>>,
    ) -> Result<WorkspaceId, RenderedProblem> {
        let address = self.admission.address();
        self.rights()
            .require_in_workspace::<P>(&workspace.into(), address)
            .map_err(|denial| self.refuse(denial))
    }

    /// The workspaces where `P` is held and which the request may reach, in ascending order of id.
    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> {
        self.rights().workspaces_with::<P>(self.admission.address())
    }

    /// The id of the customer, if the key reaches it; it may be named by the backend's own id. A customer that was
    /// not asked for lately is looked up in the store.
    ///
    /// # Errors
    /// `not_found` if the customer is out of the key's scope or absent, `verifier_unavailable` if it cannot be
    /// looked up.
    pub async fn in_customer(
        &self,
        customer: impl Into<Reference<CustomerId>>,
    ) -> Result<CustomerId, RenderedProblem> {
        let verifier = self.admission.guard().verifier();
        let customer = customer.into();
        verifier.find_customer(self.verification(), &customer).await.map_err(|error| self.refuse(error))
    }
}

impl<P> AdmittedKey<P> {
    /// The ids of the key.
    pub fn key(&self) -> KeySummary {
        self.verification().key
    }

    /// The organization to which the key belongs.
    pub fn organization(&self) -> OrganizationId {
        self.verification().key.organization
    }

    /// The id that the product's backend gave the organization.
    pub fn organization_external_id(&self) -> Option<&str> {
        self.rights().organization_external_id()
    }

    /// On whose behalf the key acts, for the backend's own rules about its objects.
    pub fn principal(&self) -> &Principal {
        &self.verification().rights.principal
    }

    /// The environment to which the key is bound.
    pub fn environment(&self) -> &EnvironmentName {
        &self.verification().rights.environment
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        self.admission.request_id()
    }

    /// The request that the key came with.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Requires a permission that is known by its name only, in at least one place. A name that no catalogue lists is
    /// held by nobody.
    ///
    /// # Errors
    /// `insufficient_permissions` if it is held nowhere.
    pub fn require_named(&self, permission: &str) -> Result<(), RenderedProblem> {
        if self.rights().anywhere().contains_name(permission) {
            return Ok(());
        }
        // What is no name is not repeated: it may have come with the request.
        let missing = permission.parse::<PermissionName>().map(|name| name.to_string()).into_iter().collect();
        Err(self.refuse(Denial::InsufficientPermissions { missing }))
    }

    /// The answer for an object that does not exist, or that its owner's rules hide: byte for byte the answer for a
    /// workspace that the key cannot see.
    pub fn not_found(&self) -> RenderedProblem {
        self.refuse(Denial::NotFound)
    }

    /// The answer when a later check refuses the request after all.
    pub fn refuse(&self, error: impl Into<VerifyError>) -> RenderedProblem {
        self.admission.refuse(error)
    }

    /// The verification that granted the request.
    pub fn verification(&self) -> &Verification {
        self.admission.verification().expect("only a verified key becomes an admitted one")
    }

    fn rights(&self) -> &Rights {
        &self.verification().rights.rights
    }
}

impl<P> Clone for AdmittedKey<P> {
    fn clone(&self) -> Self {
        Self { admission: self.admission.clone(), permission: PhantomData }
    }
}

impl<P> fmt::Debug for AdmittedKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.admission.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestKeys;

    #[test]
    fn a_request_keeps_the_id_that_it_is_given_or_draws_one_for_all_clones() {
        let guard = Arc::new(Guard::new(TestKeys::new(&[], &[]).verifier()).optional());
        let given = Admission::new(Arc::clone(&guard), Some("given"), None, None);
        assert_eq!(given.request_id(), "given");

        let drawn = Admission::new(guard, None, None, None);
        let clone = drawn.clone();
        assert!(clone.request_id().starts_with("req_"));
        assert_eq!(drawn.request_id(), clone.request_id());
        let refusal = drawn.key::<()>().expect_err("there is no key");
        assert_eq!(refusal.code, "missing_credentials");
        assert!(refusal.headers.contains(&("x-request-id", drawn.request_id().to_owned())));
    }
}
