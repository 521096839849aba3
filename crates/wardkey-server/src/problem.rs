//! What the server answers when it does not do what it was asked: the codes that verification does not have, and the
//! one error type of handlers.

use std::fmt;
use std::time::Duration;

use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;
use wardkey::{Conflict, Error, PermissionUse};
use wardkey_core::{Denial, FieldError, Problem, RenderedProblem, VerifyError};

/// The name of the protected space in challenges; that of the guard's own.
const REALM: &str = "wardkey";

/// The codes of the server's own answers; those of verification stand in [`wardkey_core::Code`], and no word means two
/// things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Code {
    /// The request is not of the form that the operation expects.
    InvalidRequest,
    /// More is asked for than the caller holds.
    ExceedsOwnRights,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body is too large.
    PayloadTooLarge,
    /// The body is of another media type.
    UnsupportedMediaType,
    /// The object has changed since it was read.
    VersionMismatch,
    /// The request must say which version it changes.
    PreconditionRequired,
    /// The organization has as many keys as it may.
    KeyLimitReached,
    /// Two secrets are live already.
    RotationInProgress,
    /// What is to be changed is revoked for ever.
    KeyIsRevoked,
    /// What is to be changed has expired.
    KeyHasExpired,
    /// The key would be left without a secret.
    LastSecret,
    /// Another secret has this digest.
    DigestInUse,
    /// The organization has as many workspaces as it may.
    WorkspaceLimitReached,
    /// The e-mail address is taken.
    EmailInUse,
    /// The external id is taken.
    ExternalIdInUse,
    /// The user is a member already, or has accepted to be one.
    AlreadyMember,
    /// The link leads to logging in only.
    PasswordIsSet,
    /// What allowed it has changed meanwhile.
    RightsChanged,
    /// The organization would be left without an owner.
    LastOwner,
    /// The name is taken.
    NameInUse,
    /// Members or teams hold the role.
    RoleInUse,
    /// Keys of the environment exist.
    EnvironmentInUse,
    /// Keys or roles list the permission.
    PermissionInUse,
    /// The policy would shut out its author.
    PolicyShutsOutCaller,
    /// It is one of those that every deployment has.
    BuiltIn,
    /// The operator organization can be neither suspended nor deleted.
    OperatorOrganization,
    /// There are as many as possible.
    TooMany,
    /// The state of things does not allow it.
    Conflict,
    /// The idempotency key came with another request before.
    IdempotencyMismatch,
    /// E-mail address and password are not those of anybody who may log in.
    InvalidLogin,
    /// The session is over, or never was.
    SessionEnded,
    /// The session was refreshed a moment ago by another request of the same browser.
    RefreshSuperseded,
    /// Only a person who is logged in does this.
    SessionRequired,
    /// The request may have been made by another site.
    CsrfRefused,
    /// Too many passwords are being hashed.
    Overloaded,
    /// It took too long.
    RequestTimeout,
    /// Something that the operation needs does not answer.
    Unavailable,
    /// A mistake of the server.
    InternalError,
}

/// A line of the table: code on the wire, HTTP status, title, and the detail that people read.
struct Row(Code, &'static str, u16, &'static str, &'static str);

/// The one table of these codes, in the form of the core's.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row(Code::InvalidRequest, "invalid_request", 400, "Invalid request",
        "The request is not of the form that this operation expects."),
    Row(Code::ExceedsOwnRights, "exceeds_own_rights", 403, "Exceeds own rights",
        "The request asks for more than its own credential holds, and nobody grants what they do not hold."),
    Row(Code::MethodNotAllowed, "method_not_allowed", 405, "Method not allowed",
        "There is no operation with this method at this path. The Allow header lists the methods that there are."),
    Row(Code::VersionMismatch, "version_mismatch", 412, "Version mismatch",
        "The object has changed since it was read. Read it again and send its new ETag in If-Match."),
    Row(Code::PayloadTooLarge, "payload_too_large", 413, "Payload too large",
        "The body is too large. At most 64 KiB are read."),
    Row(Code::UnsupportedMediaType, "unsupported_media_type", 415, "Unsupported media type",
        "The body must be JSON, and the request must say so: Content-Type: application/json."),
    Row(Code::PreconditionRequired, "precondition_required", 428, "Precondition required",
        "This operation needs the ETag of what it changes in an If-Match header."),
    Row(Code::KeyLimitReached, "key_limit_reached", 409, "Key limit reached",
        "The organization has as many keys as it may. Revoke one first; a rotation needs no further place."),
    Row(Code::RotationInProgress, "rotation_in_progress", 409, "Rotation in progress",
        "The key has two live secrets already. End the older one first, or wait until it ends."),
    Row(Code::KeyIsRevoked, "key_is_revoked", 409, "The key is revoked",
        "The key is revoked for ever. Issue a new one."),
    Row(Code::KeyHasExpired, "key_has_expired", 409, "The key has expired",
        "The key has expired. Move its expiry first, or issue a new one."),
    Row(Code::LastSecret, "last_secret", 409, "Last secret",
        "It is the key's last live secret. Rotate the key first, or revoke it."),
    Row(Code::DigestInUse, "digest_in_use", 409, "Digest in use",
        "A secret with this digest exists already."),
    Row(Code::WorkspaceLimitReached, "workspace_limit_reached", 409, "Workspace limit reached",
        "The organization has as many workspaces as it may."),
    Row(Code::EmailInUse, "email_in_use", 409, "E-mail address in use",
        "Another user has this e-mail address."),
    Row(Code::ExternalIdInUse, "external_id_in_use", 409, "External id in use",
        "Another object of this kind has this external id."),
    Row(Code::AlreadyMember, "already_member", 409, "Already a member",
        "The person is a member of the organization already: edit the membership, or, before they accept, make another link."),
    Row(Code::PasswordIsSet, "password_is_set", 409, "Password is set",
        "The person has a password, or is a member in full elsewhere: log in, and then accept the link."),
    Row(Code::RightsChanged, "rights_changed", 409, "Rights have changed",
        "Roles on which this rests were given or taken while it was under way, and nothing was changed. Send it again."),
    Row(Code::LastOwner, "last_owner", 409, "Last owner",
        "The organization would be left without an owner. Make somebody else an owner first."),
    Row(Code::NameInUse, "name_in_use", 409, "Name in use",
        "Another object of this kind has this name."),
    Row(Code::RoleInUse, "role_in_use", 409, "Role in use",
        "Members or teams hold the role. Take it from them first."),
    Row(Code::EnvironmentInUse, "environment_in_use", 409, "Environment in use",
        "Keys of this environment exist, be they revoked. It stays."),
    Row(Code::PermissionInUse, "permission_in_use", 409, "Permission in use",
        "Keys or roles list a permission that would be gone. Take it from them first."),
    Row(Code::PolicyShutsOutCaller, "policy_shuts_out_caller", 409, "Policy shuts out its author",
        "The new allowlist is without the address from which this request came. If that is meant, send it with force."),
    Row(Code::BuiltIn, "built_in", 409, "Built in",
        "It is one of those that every deployment has. It stays."),
    Row(Code::OperatorOrganization, "operator_organization", 409, "Operator organization",
        "The organization that runs the deployment can be neither suspended nor deleted."),
    Row(Code::TooMany, "too_many", 409, "Too many",
        "There are as many of these as there may be."),
    Row(Code::Conflict, "conflict", 409, "Conflict",
        "The present state does not allow this."),
    Row(Code::IdempotencyMismatch, "idempotency_mismatch", 422, "Idempotency mismatch",
        "This Idempotency-Key came with another request before. Use a new one for a new request."),
    Row(Code::InvalidLogin, "invalid_login", 401, "Invalid login",
        "E-mail address and password do not belong together, or whose they are may not log in."),
    Row(Code::SessionEnded, "session_ended", 401, "Session ended",
        "The session is over. Refresh it, or log in again."),
    Row(Code::RefreshSuperseded, "refresh_superseded", 409, "Refreshed already",
        "Another request has refreshed the session a moment ago. Go on with the cookies that it was given."),
    Row(Code::SessionRequired, "session_required", 403, "Session required",
        "Only a person who is logged in does this, in a browser. An API key cannot."),
    Row(Code::CsrfRefused, "csrf_refused", 403, "Refused for another site",
        "A browser sent this request and does not say that a page of this server asked for it."),
    Row(Code::InternalError, "internal_error", 500, "Internal error",
        "The server made a mistake. Its log says more under this request's id."),
    Row(Code::Overloaded, "overloaded", 503, "Overloaded",
        "Too many passwords are being checked right now. Try again shortly."),
    Row(Code::RequestTimeout, "request_timeout", 503, "Request timed out",
        "The request could not be completed in time. Try again shortly."),
    Row(Code::Unavailable, "unavailable", 503, "Unavailable",
        "The server cannot serve this request right now. Try again shortly."),
];

impl Code {
    /// Every code, in the order of the table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).expect("each code has its line in the table")
    }

    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        self.row().2
    }

    /// A short name, the same at each occurrence.
    pub(crate) fn title(self) -> &'static str {
        self.row().3
    }

    /// What people read when nothing more precise is said.
    pub(crate) fn detail(self) -> &'static str {
        self.row().4
    }

    /// The problem of this code, as the table has it; one of a passing nature says when to try again, and one of a
    /// credential how to send a better one (RFC 9110, section 15.5.2).
    pub(crate) fn problem(self) -> Problem {
        let problem = Problem::new(self.as_str(), self.status(), self.title(), self.detail());
        match self.status() {
            401 => problem.header("www-authenticate", format!("Bearer realm=\"{REALM}\"")),
            503 => problem.header("retry-after", "1"),
            _ => problem,
        }
    }
}

/// Why a handler or an extractor does not do what it was asked. It becomes an answer at the server's edge, which knows
/// the id of the request, and logs the cause.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    cause: Option<Cause>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Refusal {
    /// A 400 that says what is wrong with which field.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        Code::InvalidRequest.problem().errors(errors).into()
    }

    /// A 429 that says after how long there may be another attempt.
    pub(crate) fn too_many_attempts(retry_after: Duration) -> Self {
        wardkey_core::Code::RateLimited
            .problem()
            .detail("There were too many attempts. Try again later.")
            .retry_after(retry_after)
            .into()
    }

    /// One whose cause goes to the log.
    pub(crate) fn caused(problem: Problem, cause: impl Into<Cause>) -> Self {
        Self { problem: Box::new(problem), cause: Some(cause.into()) }
    }

    /// The answer, not yet rendered.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What stands behind an outage, for the log: the whole chain in one line.
    pub(crate) fn cause(&self) -> Option<String> {
        let first: &(dyn std::error::Error + 'static) = self.cause.as_deref()?;
        let chain = std::iter::successors(Some(first), |error| error.source());
        Some(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), cause: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        code.problem().into()
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        VerifyError::Denied(denial).problem(REALM).into()
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        let problem = error.problem(REALM);
        match error {
            VerifyError::Denied(_) => problem.into(),
            VerifyError::Unavailable(_) => Self::caused(problem, error),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(cause) => Self::caused(Code::Unavailable.problem(), cause),
            Error::NotFound => Denial::NotFound.into(),
            Error::Denied(denial) => denial.into(),
            Error::Forbidden { missing } => Denial::InsufficientPermissions { missing }.into(),
            Error::ExceedsOwnRights(errors) => Code::ExceedsOwnRights.problem().errors(errors).into(),
            Error::Invalid(errors) => Self::invalid(errors),
            Error::VersionMismatch { current } => {
                Code::VersionMismatch.problem().number("current_version", current).into()
            }
            Error::TooManyAttempts { retry_after } => Self::too_many_attempts(retry_after),
            Error::Conflict(conflict) => conflict.into(),
            Error::PermissionsInUse(uses) => in_use(&uses).into(),
            Error::PolicyShutsOutCaller => Code::PolicyShutsOutCaller.into(),
            // A seal is compared at the start and never while requests are served.
            other => Self::caused(Code::InternalError.problem(), other),
        }
    }
}

/// Which permissions are listed, and how often.
fn in_use(uses: &[PermissionUse]) -> Problem {
    let total = |count: fn(&PermissionUse) -> u32| uses.iter().map(|used| i64::from(count(used))).sum();
    let error = |PermissionUse { name, keys, roles }: &PermissionUse| FieldError {
        pointer: "/groups".to_owned(),
        code: Code::PermissionInUse.as_str(),
        detail: format!("{name} is missing; keys that list it: {keys}, roles that list it: {roles}"),
    };
    Code::PermissionInUse
        .problem()
        .number("keys", total(|used| used.keys))
        .number("roles", total(|used| used.roles))
        .errors(uses.iter().map(error).collect())
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::KeyLimitReached { count, limit } => Code::KeyLimitReached
                .problem()
                .number("count", count.into())
                .number("limit", limit.into())
                .into(),
            Conflict::WorkspaceLimitReached { limit } => {
                Code::WorkspaceLimitReached.problem().number("limit", limit.into()).into()
            }
            Conflict::AlreadyMember => Code::AlreadyMember.into(),
            Conflict::PasswordIsSet => Code::PasswordIsSet.into(),
            Conflict::RightsChanged => Code::RightsChanged.into(),
            Conflict::LastOwner => Code::LastOwner.into(),
            Conflict::NameInUse => Code::NameInUse.into(),
            Conflict::RoleInUse { members, teams } => Code::RoleInUse
                .problem()
                .number("members", members.into())
                .number("teams", teams.into())
                .into(),
            Conflict::EnvironmentInUse => Code::EnvironmentInUse.into(),
            Conflict::BuiltIn => Code::BuiltIn.into(),
            Conflict::OperatorOrganization => Code::OperatorOrganization.into(),
            Conflict::TooMany { limit } => Code::TooMany.problem().number("limit", limit.into()).into(),
            Conflict::RotationInProgress => Code::RotationInProgress.into(),
            Conflict::KeyRevoked => Code::KeyIsRevoked.into(),
            Conflict::KeyExpired => Code::KeyHasExpired.into(),
            Conflict::LastSecret => Code::LastSecret.into(),
            Conflict::DigestInUse => Code::DigestInUse.into(),
            Conflict::IdempotencyMismatch => Code::IdempotencyMismatch.into(),
            Conflict::EmailInUse => Code::EmailInUse.into(),
            Conflict::ExternalIdInUse => Code::ExternalIdInUse.into(),
            other => Self::caused(Code::Conflict.problem(), other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {} ({})", self.problem.code(), self.problem.status())
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// The way into [`poem::Error`], out of which the edge takes it again. Were it ever sent without passing there, it
/// would lack nothing but the request's id.
impl ResponseError for Refusal {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        into_response(self.problem.render("", None))
    }
}

/// A rendered problem as poem sends it.
pub(crate) fn into_response(problem: RenderedProblem) -> Response {
    use poem::IntoResponse as _;
    wardkey_poem::Refusal::from(problem).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_means_two_things() {
        let mut words: Vec<_> = Code::all().map(Code::as_str).collect();
        words.extend(wardkey_core::Code::all().map(wardkey_core::Code::as_str));
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn an_outage_tells_the_log_its_cause_and_the_client_nothing() {
        let refusal = Refusal::from(Error::Unavailable("connection to db.internal refused".into()));
        assert_eq!(refusal.cause().as_deref(), Some("connection to db.internal refused"));
        let rendered = refusal.problem().render("req_1", None);
        assert_eq!(rendered.status, 503);
        assert!(!String::from_utf8(rendered.body).unwrap().contains("db.internal"));
        assert!(rendered.headers.contains(&("retry-after", "1".to_owned())));
    }

    #[test]
    fn what_is_absent_and_what_is_hidden_are_the_same_bytes() {
        let absent = Refusal::from(Error::NotFound).problem().render("req_1", None);
        let hidden = Refusal::from(Denial::NotFound).problem().render("req_1", None);
        assert_eq!(absent, hidden);
    }

    #[test]
    fn the_key_limit_says_count_and_limit() {
        let refusal = Refusal::from(Conflict::KeyLimitReached { count: 10, limit: 10 });
        let body = String::from_utf8(refusal.problem().render("req_1", None).body).unwrap();
        assert!(body.contains(r#""count":10,"limit":10"#), "{body}");
    }
}
