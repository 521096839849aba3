use std::net::IpAddr;
use std::sync::Arc;

use poem::http::{HeaderMap, HeaderName, HeaderValue};
use poem::{Endpoint, Error, IntoResponse, Middleware, Request, Response, Result};
use wardkey_core::{Carriers, Guard, RequestView, TrustedProxies, Verifier};

use crate::Refusal;

/// Verifies the key of every request before the endpoint sees it, and answers those that it does not let in.
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

impl<E: Endpoint> Middleware<E> for KeyLayer {
    type Output = KeyEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        KeyEndpoint { guard: Arc::clone(&self.guard), inner }
    }
}

/// The endpoint that [`KeyLayer`] makes of another.
#[derive(Debug)]
pub struct KeyEndpoint<E> {
    guard: Arc<Guard>,
    inner: E,
}

impl<E: Endpoint> Endpoint for KeyEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let peer = request.remote_addr().as_socket_addr().map(|address| address.ip());
        let view = View { headers: request.headers(), peer };
        match Arc::clone(&self.guard).admit(&view).await {
            Ok(admission) => {
                let limits = admission.rate_limit_fields();
                request.set_data(admission);
                let answered = self.inner.call(request).await.map(IntoResponse::into_response);
                if limits.is_empty() { answered } else { add_fields(answered, limits) }
            }
            // A response and no error: what renders errors outside leaves it alone.
            Err(problem) => Ok(Refusal::from(problem).into_response()),
        }
    }
}

/// Adds to what the routes have set themselves, as lists allow. An error that is to be rendered further out stays one,
/// and does not tell the limits.
fn add_fields(answered: Result<Response>, fields: Vec<(&'static str, String)>) -> Result<Response> {
    let add = |mut response: Response| {
        for (name, value) in fields {
            // Names of limits are slugs, so this is always a value.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    };
    match answered {
        Ok(response) => Ok(add(response)),
        Err(error) if error.is_from_response() => Err(Error::from_response(add(error.into_response()))),
        Err(error) => Err(error),
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
