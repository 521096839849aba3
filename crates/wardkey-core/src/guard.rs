//! The way in: what every adapter does with a request before a handler sees it, written once.

use std::net::IpAddr;
use std::sync::Arc;

use crate::admission::Admission;
use crate::carrier::{CarriedKey, Carriers};
use crate::denial::{Denial, Unavailable, VerifyError};
use crate::network::TrustedProxies;
use crate::problem::{Problem, RenderedProblem, harmless_request_id, mint_request_id};
use crate::random::{OsRandom, Random};
use crate::requirement::Requirement;
use crate::scope::EnvironmentName;
use crate::verifier::{Verification, Verifier};

/// A request as core sees it, whatever the framework.
pub trait RequestView {
    /// Every value of the header with this lower-case name, as raw bytes and in order.
    fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a, Self>;

    /// The address of the other end of the connection.
    fn peer(&self) -> Option<IpAddr>;
}

/// Finds the verifier of another environment.
type OtherEnvironments = Arc<dyn Fn(&EnvironmentName) -> Option<Verifier> + Send + Sync>;

/// Decides who comes in, and writes the answer to those who do not.
///
/// Adapters hold one and translate; they add no rule.
#[derive(Clone)]
pub struct Guard {
    verifier: Verifier,
    other_environments: Option<OtherEnvironments>,
    carriers: Carriers,
    vary: String,
    proxies: TrustedProxies,
    realm: String,
    docs_url: Option<String>,
    absence: Absence,
    random: Arc<dyn Random>,
}

/// What it means that a request carries no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    Refused,
    Allowed,
}

impl Guard {
    /// A guard that requires a key of the verifier's environment, in the default carriers, and trusts no proxy.
    pub fn new(verifier: Verifier) -> Self {
        let guard = Self {
            verifier,
            other_environments: None,
            carriers: Carriers::default(),
            vary: String::new(),
            proxies: TrustedProxies::NONE,
            realm: "wardkey".to_owned(),
            docs_url: None,
            absence: Absence::Refused,
            random: Arc::new(OsRandom),
        };
        guard.with_carriers(Carriers::default())
    }

    /// Reads keys from these headers.
    #[must_use]
    pub fn with_carriers(mut self, carriers: Carriers) -> Self {
        self.vary = carriers.iter().map(|carrier| carrier.header_name()).collect::<Vec<_>>().join(", ");
        self.carriers = carriers;
        self
    }

    /// Believes these proxies about the client's address.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Names the protected space in challenges (RFC 9110, section 11.5). Quotes, backslashes and control characters
    /// are left out.
    #[must_use]
    pub fn with_realm(mut self, realm: &str) -> Self {
        self.realm = realm.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        self
    }

    /// Points the `type` of problems to the documentation of their codes.
    #[must_use]
    pub fn with_docs_url(mut self, url: impl Into<String>) -> Self {
        self.docs_url = Some(url.into());
        self
    }

    /// Lets requests pass that carry no key. A key that is presented and bad is refused all the same.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.absence = Absence::Allowed;
        self
    }

    /// Also verifies keys of other environments, each by its own verifier. Whoever asks for this must look at the
    /// environment of what was admitted.
    #[must_use]
    pub fn with_other_environments(
        mut self,
        verifier: impl Fn(&EnvironmentName) -> Option<Verifier> + Send + Sync + 'static,
    ) -> Self {
        self.other_environments = Some(Arc::new(verifier));
        self
    }

    /// Takes the randomness of request ids from elsewhere.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// The verifier behind the guard.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The request's id: the incoming one if it is harmless and the only one, else a new one.
    pub fn request_id(&self, request: &impl RequestView) -> String {
        incoming_request_id(request).map_or_else(|| self.mint_request_id(), ToOwned::to_owned)
    }

    pub(crate) fn mint_request_id(&self) -> String {
        mint_request_id(&*self.random)
    }

    /// Where the request came from, as far as it can be trusted.
    pub fn client_address(&self, request: &impl RequestView) -> Option<IpAddr> {
        let forwarded: Vec<_> = request.header_values("x-forwarded-for").collect();
        self.proxies.client_address(request.peer(), forwarded.into_iter())
    }

    /// Lets a request in, or answers it. The admission keeps the guard, for what is refused later.
    ///
    /// # Errors
    /// The answer, ready to be sent.
    pub async fn admit(self: Arc<Self>, request: &impl RequestView) -> Result<Admission, RenderedProblem> {
        let carried = self.carriers.read(|name| request.header_values(name));
        let address = self.client_address(request);
        let verified = match carried {
            CarriedKey::Absent if self.absence == Absence::Allowed => Ok(None),
            CarriedKey::Absent => Err(Denial::MissingCredentials.into()),
            CarriedKey::Ambiguous => Err(Denial::AmbiguousCredentials.into()),
            CarriedKey::Other => Err(Denial::InvalidKey.into()),
            CarriedKey::One(secret) => self.verify(secret, address).await.map(Some),
        };
        match verified {
            Ok(verification) => Ok(Admission::new(self, incoming_request_id(request), address, verification)),
            Err(error) => Err(self.refuse(&error, &self.request_id(request))),
        }
    }

    async fn verify(&self, secret: &[u8], address: Option<IpAddr>) -> Result<Verification, VerifyError> {
        let verified = self.verifier.verify(secret, address, &Requirement::NONE).await;
        let (Err(VerifyError::Denied(Denial::EnvironmentMismatch { environment })), Some(others)) =
            (&verified, &self.other_environments)
        else {
            return verified;
        };
        match others(environment) {
            Some(verifier) => verifier.verify(secret, address, &Requirement::NONE).await,
            None => verified,
        }
    }

    /// The answer to a request that is not let in, or that a later check refuses; logged once, here.
    pub fn refuse(&self, error: &VerifyError, request_id: &str) -> RenderedProblem {
        match error {
            VerifyError::Denied(denial) => {
                tracing::debug!(code = denial.code().as_str(), request_id, reason = ?denial, "request refused");
            }
            VerifyError::Unavailable(Unavailable::Store(cause)) => {
                let cause = cause.chain();
                tracing::warn!(
                    request_id,
                    cause,
                    "the key store does not answer; the request is answered 503"
                );
            }
            VerifyError::Unavailable(Unavailable::Limiter(cause)) => {
                let cause = cause.chain();
                tracing::warn!(
                    request_id,
                    cause,
                    "the shared rate limits do not answer; the request is answered 503"
                );
            }
            VerifyError::Unavailable(Unavailable::Stale { age }) => {
                let age_seconds = age.as_secs();
                tracing::warn!(
                    request_id,
                    age_seconds,
                    "changes were not heard of for too long (is `follow()` spawned?); the request is answered 503"
                );
            }
        }
        self.render(&error.problem(&self.realm).header("vary", self.vary.clone()), request_id)
    }

    /// Renders any problem as this guard renders its own.
    pub fn render(&self, problem: &Problem, request_id: &str) -> RenderedProblem {
        problem.render(request_id, self.docs_url.as_deref())
    }

    /// The answer when the guard itself was forgotten: a handler asks for a key, and no layer has verified one. The
    /// developer finds the remedy in the log.
    pub fn refuse_unguarded(remedy: &str) -> RenderedProblem {
        tracing::error!(remedy, "a handler asks for an API key, but no layer verifies any");
        let detail = "The server is misconfigured. Its log says how.";
        Problem::new("internal_error", 500, "Internal error", detail)
            .render(&mint_request_id(&OsRandom), None)
    }
}

/// The incoming `X-Request-Id`, if it is harmless and the only one.
fn incoming_request_id(request: &impl RequestView) -> Option<&str> {
    let mut values = request.header_values("x-request-id");
    match (values.next(), values.next()) {
        (Some(id), None) => harmless_request_id(id),
        _ => None,
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("verifier", &self.verifier)
            .field("carriers", &self.carriers)
            .field("proxies", &self.proxies)
            .field("absence", &self.absence)
            .finish_non_exhaustive()
    }
}
