use std::future::Future;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;
use wardkey_core::{Carriers, Guard, RequestView, TrustedProxies, Verifier};

use crate::Refusal;

/// Verifies the key of every request before the routes see it, and answers those that it does not let in.
///
/// What was verified is there for [`ApiKey`](crate::ApiKey), for [`require`](crate::require) and for
/// [`admission`](crate::admission). A whole [`Guard`] becomes a layer by `KeyLayer::from(guard)`.
///
/// A request is charged to the rate limits of its key here, once; whatever answers it says so in `RateLimit` and
/// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone)]
pub struct KeyLayer {
    guard: Arc<Guard>,
}

impl KeyLayer {
    /// Requires a key of the verifier's environment, by `Authorization: Bearer` or `X-API-Key`, and trusts no proxy.
    pub fn new(verifier: Verifier) -> Self {
        Guard::new(verifier).into()
    }

    /// Reads keys from these headers.
    #[must_use]
    pub fn with_carriers(self, carriers: Carriers) -> Self {
        self.map(|guard| guard.with_carriers(carriers))
    }

    /// Believes these proxies about the client's address.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.map(|guard| guard.with_trusted_proxies(proxies))
    }

    /// Names the protected space in challenges (RFC 9110, section 11.5); `wardkey` by default.
    #[must_use]
    pub fn with_realm(self, realm: &str) -> Self {
        self.map(|guard| guard.with_realm(realm))
    }

    /// Points the `type` of problems (RFC 9457) to the documentation of their codes, below this address.
    #[must_use]
    pub fn with_docs_url(self, url: impl Into<String>) -> Self {
        self.map(|guard| guard.with_docs_url(url))
    }

    /// Lets requests pass that carry no key. A key that is presented and bad is refused all the same.
    #[must_use]
    pub fn optional(self) -> Self {
        self.map(Guard::optional)
    }

    fn map(self, change: impl FnOnce(Guard) -> Guard) -> Self {
        change(Arc::unwrap_or_clone(self.guard)).into()
    }
}

impl From<Guard> for KeyLayer {
    fn from(guard: Guard) -> Self {
        Self { guard: Arc::new(guard) }
    }
}

impl<S> Layer<S> for KeyLayer {
    type Service = KeyService<S>;

    fn layer(&self, inner: S) -> KeyService<S> {
        KeyService { guard: Arc::clone(&self.guard), inner }
    }
}

/// The service that [`KeyLayer`] makes of another.
#[derive(Debug, Clone)]
pub struct KeyService<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S, B> Service<Request<B>> for KeyService<S>
where
    S: Service<Request<B>, Response: IntoResponse, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        // The one that is ready is called; the clone takes its place.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
            let admitted = guard.admit(&View { headers: request.headers(), peer }).await;
            match admitted {
                Ok(admission) => {
                    let limits = admission.rate_limit_fields();
                    request.extensions_mut().insert(admission);
                    let mut response = inner.call(request).await?.into_response();
                    add_fields(response.headers_mut(), limits);
                    Ok(response)
                }
                Err(problem) => Ok(Refusal::from(problem).into_response()),
            }
        })
    }
}

/// Adds to what the routes have set themselves, as lists allow.
fn add_fields(headers: &mut HeaderMap, fields: Vec<(&'static str, String)>) {
    for (name, value) in fields {
        // Names of limits are slugs, so this is always a value.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
}

/// What core looks at.
struct View<'r> {
    headers: &'r HeaderMap,
    peer: Option<IpAddr>,
}

impl<'r> RequestView for View<'r> {
    fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'r> {
        self.headers.get_all(name).into_iter().map(|value| value.as_bytes())
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}
