use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::Extensions;
use axum::http::request::Parts;
use wardkey_core::{
    Admission, AdmittedKey, CustomerId, EnvironmentName, Guard, KeySummary, OrganizationId, Principal,
    Reference, Requires, WorkspaceId,
};

use crate::Refusal;

/// What [`KeyLayer`](crate::KeyLayer) found out about the request: for extractors that build on it.
///
/// # Errors
/// A 500 whose remedy stands in the log, if no `KeyLayer` has seen the request.
pub fn admission(extensions: &Extensions) -> Result<&Admission, Refusal> {
    extensions.get().ok_or_else(|| {
        let remedy = "add `.layer(wardkey_axum::KeyLayer::new(verifier))` after the routes";
        Guard::refuse_unguarded(remedy).into()
    })
}

/// The verified key of the request, which holds `P` somewhere. Each question about a place is answered *for `P`
/// there*.
///
/// Needs [`KeyLayer`](crate::KeyLayer) around the route. Without `P` any key will do. Behind [`KeyLayer::optional`] ask
/// for `Option<ApiKey<P>>`: it is `None` only for a request that carries no key. A key that is presented and bad, or
/// that does not hold `P` anywhere, is refused.
///
/// [`KeyLayer::optional`]: crate::KeyLayer::optional
#[derive(Debug)]
pub struct ApiKey<P = ()>(AdmittedKey<P>);

impl<P> Clone for ApiKey<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Requires> ApiKey<P> {
    /// The id of the workspace, if `P` is held there; it may be named by your own id.
    ///
    /// # Errors
    /// 404 `not_found` if the key cannot see the workspace, be it another organization's, out of scope, or absent;
    /// 403 `insufficient_permissions` if it can and `P` is not held there.
    pub fn in_workspace(&self, workspace: impl Into<Reference<WorkspaceId>>) -> Result<WorkspaceId, Refusal> {
        Ok(self.0.in_workspace(workspace)?)
    }

    /// The workspaces where `P` is held, in ascending order of id.
    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceId> {
        self.0.workspaces()
    }

    /// The id of the customer, if the key reaches it; it may be named by your own id.
    ///
    /// # Errors
    /// 404 `not_found` if the customer is out of the key's scope or absent; 503 `verifier_unavailable` if it had to
    /// be looked up and could not be.
    pub async fn in_customer(
        &self,
        customer: impl Into<Reference<CustomerId>>,
    ) -> Result<CustomerId, Refusal> {
        Ok(self.0.in_customer(customer).await?)
    }
}

impl<P> ApiKey<P> {
    /// The ids of the key.
    pub fn key(&self) -> KeySummary {
        self.0.key()
    }

    /// The organization to which the key belongs.
    pub fn organization(&self) -> OrganizationId {
        self.0.organization()
    }

    /// The id that you gave the organization.
    pub fn organization_external_id(&self) -> Option<&str> {
        self.0.organization_external_id()
    }

    /// On whose behalf the key acts, for your own rules about your objects.
    pub fn principal(&self) -> &Principal {
        self.0.principal()
    }

    /// The environment to which the key is bound.
    pub fn environment(&self) -> &EnvironmentName {
        self.0.environment()
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        self.0.request_id()
    }

    /// The request that the key came with.
    pub fn admission(&self) -> &Admission {
        self.0.admission()
    }

    /// Requires a permission that you know by its name only, such as one read from a configuration.
    ///
    /// # Errors
    /// 403 `insufficient_permissions` if it is held nowhere.
    pub fn require_named(&self, permission: &str) -> Result<(), Refusal> {
        Ok(self.0.require_named(permission)?)
    }

    /// The answer for an object that does not exist, or that your own rules hide: byte for byte the answer for a
    /// workspace that the key cannot see.
    pub fn not_found(&self) -> Refusal {
        self.0.not_found().into()
    }
}

impl<S: Sync, P: Requires> FromRequestParts<S> for ApiKey<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self(admission(&parts.extensions)?.key()?))
    }
}

impl<S: Sync, P: Requires> OptionalFromRequestParts<S> for ApiKey<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        Ok(admission(&parts.extensions)?.optional_key()?.map(Self))
    }
}
