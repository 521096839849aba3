//! The closed list of answers to a request that is not let in.

use std::time::Duration;

use crate::problem::Problem;
use crate::rate_limit::{LimiterError, RateLimitStanding, rate_limit_fields};
use crate::scope::EnvironmentName;
use crate::store::StoreError;

/// A request was not verified: it was refused, or it could not be decided. The two are never mixed up.
#[derive(Debug)]
pub enum VerifyError {
    /// The request is refused.
    Denied(Denial),
    /// It cannot be decided now. This is never a denial: the answer is 503, whatever the key.
    Unavailable(Unavailable),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// No key was presented.
    MissingCredentials,
    /// Two carriers, or one repeated.
    AmbiguousCredentials,
    /// Malformed, unknown, wrong, or of another scheme: nobody is told which.
    InvalidKey,
    /// The key was revoked.
    KeyRevoked,
    /// The key's time is over.
    KeyExpired,
    /// The key is disabled.
    KeyDisabled,
    /// This secret of the key was replaced by another.
    SecretEnded,
    /// The key is bound to another environment.
    EnvironmentMismatch {
        /// Which one. It is not told to the client.
        environment: EnvironmentName,
    },
    /// The user or service account of the key may not act.
    PrincipalInactive,
    /// The organization is suspended.
    OrganizationSuspended,
    /// The request comes from an address that a network rule does not admit.
    IpNotAllowed,
    /// Permissions are missing.
    InsufficientPermissions {
        /// Which ones; none if what was asked for is no permission at all.
        missing: Vec<String>,
    },
    /// A request policy of the backend refused.
    PolicyDenied,
    /// The workspace, customer or object is out of scope, or absent.
    NotFound,
    /// Too many requests.
    RateLimited {
        /// After which time all limits admit a request, if nobody else makes one.
        retry_after: Duration,
        /// Where the key stands with each limit.
        limits: Vec<RateLimitStanding>,
    },
}

/// What kept a request from being decided. The cause goes to the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unavailable {
    /// The key store does not answer.
    Store(StoreError),
    /// The shared rate limits do not answer, and it was chosen not to go on without them.
    Limiter(LimiterError),
    /// What is known of the keys is older than the promised bound.
    Stale {
        /// How old it is.
        age: Duration,
    },
}

/// The codes of all answers but success: what clients match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below says what each means")]
pub enum Code {
    MissingCredentials,
    AmbiguousCredentials,
    InvalidKey,
    KeyRevoked,
    KeyExpired,
    KeyDisabled,
    SecretEnded,
    EnvironmentMismatch,
    PrincipalInactive,
    OrganizationSuspended,
    IpNotAllowed,
    InsufficientPermissions,
    PolicyDenied,
    NotFound,
    RateLimited,
    VerifierUnavailable,
}

/// A line of the table: code on the wire, HTTP status, title, and the detail that people read.
struct Row(Code, &'static str, u16, &'static str, &'static str);

/// The one table of codes. Adapters, verify endpoint, metrics and documentation all read it.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row(Code::MissingCredentials, "missing_credentials", 401, "Missing credentials",
        "This endpoint needs an API key, and the request carries none."),
    Row(Code::AmbiguousCredentials, "ambiguous_credentials", 400, "Ambiguous credentials",
        "The request carries more than one credential. Send exactly one."),
    Row(Code::InvalidKey, "invalid_key", 401, "Invalid key",
        "The API key is not valid."),
    Row(Code::KeyRevoked, "key_revoked", 401, "Key revoked",
        "The API key was revoked. Issue a new one."),
    Row(Code::KeyExpired, "key_expired", 401, "Key expired",
        "The API key has expired. Issue a new one."),
    Row(Code::KeyDisabled, "key_disabled", 401, "Key disabled",
        "The API key is disabled. Enable it to use it again."),
    Row(Code::SecretEnded, "secret_ended", 401, "Secret ended",
        "The API key was rotated, and this secret has ended. Use the newer one."),
    Row(Code::EnvironmentMismatch, "environment_mismatch", 401, "Environment mismatch",
        "The API key belongs to another environment."),
    Row(Code::PrincipalInactive, "principal_inactive", 401, "Principal inactive",
        "The user or service account of the API key is not active in the organization."),
    Row(Code::OrganizationSuspended, "organization_suspended", 403, "Organization suspended",
        "The organization of the API key is suspended."),
    Row(Code::IpNotAllowed, "ip_not_allowed", 403, "Address not allowed",
        "The API key may not be used from this address."),
    Row(Code::InsufficientPermissions, "insufficient_permissions", 403, "Insufficient permissions",
        "The API key lacks a permission that this request needs."),
    Row(Code::PolicyDenied, "policy_denied", 403, "Denied by policy",
        "A policy refuses this request."),
    Row(Code::NotFound, "not_found", 404, "Not found",
        "It does not exist, or it is not accessible with this credential."),
    Row(Code::RateLimited, "rate_limited", 429, "Too many requests",
        "The API key has reached its rate limit. Try again later."),
    Row(Code::VerifierUnavailable, "verifier_unavailable", 503, "Verifier unavailable",
        "The API key cannot be verified right now. Try again shortly."),
];

impl Code {
    /// Every code, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).expect("each code has its line in the table")
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().2
    }

    /// The title, the same for each occurrence.
    pub fn title(self) -> &'static str {
        self.row().3
    }

    /// What people read when nothing more can be said.
    pub fn detail(self) -> &'static str {
        self.row().4
    }

    /// The answer as a problem, without what depends on the occurrence.
    pub fn problem(self) -> Problem {
        Problem::new(self.as_str(), self.status(), self.title(), self.detail())
    }
}

impl Denial {
    /// The code of the reason.
    pub fn code(&self) -> Code {
        match self {
            Self::MissingCredentials => Code::MissingCredentials,
            Self::AmbiguousCredentials => Code::AmbiguousCredentials,
            Self::InvalidKey => Code::InvalidKey,
            Self::KeyRevoked => Code::KeyRevoked,
            Self::KeyExpired => Code::KeyExpired,
            Self::KeyDisabled => Code::KeyDisabled,
            Self::SecretEnded => Code::SecretEnded,
            Self::EnvironmentMismatch { .. } => Code::EnvironmentMismatch,
            Self::PrincipalInactive => Code::PrincipalInactive,
            Self::OrganizationSuspended => Code::OrganizationSuspended,
            Self::IpNotAllowed => Code::IpNotAllowed,
            Self::InsufficientPermissions { .. } => Code::InsufficientPermissions,
            Self::PolicyDenied => Code::PolicyDenied,
            Self::NotFound => Code::NotFound,
            Self::RateLimited { .. } => Code::RateLimited,
        }
    }
}

impl VerifyError {
    /// The code of the answer.
    pub fn code(&self) -> Code {
        match self {
            Self::Denied(denial) => denial.code(),
            Self::Unavailable(_) => Code::VerifierUnavailable,
        }
    }

    /// The answer as a problem (RFC 9457), with the header fields that belong to it: the challenge of RFC 6750,
    /// `Retry-After`, `RateLimit` and `RateLimit-Policy`. The realm names the protected space in the challenge.
    pub fn problem(&self, realm: &str) -> Problem {
        let code = self.code();
        let problem = code.problem();
        let challenge = |error: &str| format!("Bearer realm=\"{realm}\", error=\"{error}\"");
        match self {
            Self::Denied(Denial::MissingCredentials) => {
                problem.header("www-authenticate", format!("Bearer realm=\"{realm}\""))
            }
            Self::Denied(Denial::AmbiguousCredentials) => {
                problem.header("www-authenticate", challenge("invalid_request"))
            }
            Self::Denied(Denial::InsufficientPermissions { missing }) if missing.is_empty() => {
                problem.header("www-authenticate", challenge("insufficient_scope"))
            }
            Self::Denied(Denial::InsufficientPermissions { missing }) => problem
                .header(
                    "www-authenticate",
                    format!("{}, scope=\"{}\"", challenge("insufficient_scope"), missing.join(" ")),
                )
                .texts("missing_permissions", missing.clone()),
            Self::Denied(Denial::RateLimited { retry_after, limits }) => rate_limit_fields(limits)
                .into_iter()
                .fold(problem.retry_after(*retry_after), |problem, (name, value)| {
                    problem.header(name, value)
                }),
            Self::Denied(_) if code.status() == 401 => {
                problem.header("www-authenticate", challenge("invalid_token"))
            }
            Self::Denied(_) => problem,
            Self::Unavailable(_) => problem.retry_after(Duration::from_secs(1)),
        }
    }
}

impl From<Denial> for VerifyError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Unavailable::Store(error))
    }
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code().detail())
    }
}

impl std::error::Error for VerifyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(Unavailable::Store(error)) => Some(error),
            Self::Unavailable(Unavailable::Limiter(error)) => Some(error),
            Self::Denied(_) | Self::Unavailable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_in_the_table() {
        let mut words: Vec<_> = Code::all().map(Code::as_str).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), TABLE.len());
    }

    #[test]
    fn an_outage_is_503_and_no_denial_is() {
        let outage = VerifyError::from(StoreError::new("connection refused"));
        assert_eq!(outage.code().status(), 503);
        assert!(Code::all().filter(|code| code.status() >= 500).eq([Code::VerifierUnavailable]));
    }
}
