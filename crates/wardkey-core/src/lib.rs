//! The rules of Wardkey: what an API key is, what it may do, and whether a request is let in.
//!
//! Programs meet this crate through an adapter for their framework, which re-exports what they need, and through the
//! crate `wardkey`, which opens the database. Here is what both rest on: a presented secret is read, verified from
//! memory, and asked what it may do in one place.
//!
//! ```
//! use wardkey_core::testing::TestKeys;
//! use wardkey_core::{Denial, Id, Presented, Requirement, WorkspaceId, permissions};
//!
//! permissions! {
//!     "Pipelines" {
//!         pub PipelinesRead = "pipelines:read", read, "See pipelines";
//!         pub PipelinesRun = "pipelines:run", write, "Run pipelines"
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! // Keys in memory and a clock that stands still (feature `testing`); elsewhere the verifier reads a database.
//! let ours = WorkspaceId::from_bytes([1; 16]);
//! let keys = TestKeys::new(CATALOGUE, &[ours]);
//! let verifier = keys.verifier();
//! let secret = keys.issue(&["pipelines:read"]);
//!
//! // A typing error ends at the checksum, before any lookup.
//! assert!(Presented::parse(secret.expose().as_bytes()).is_some());
//! assert!(Presented::parse(&secret.expose().as_bytes()[1..]).is_none());
//!
//! // The first sight of a key reads its record; from then on it is verified from memory.
//! let verified = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await?;
//!
//! // A permission counts in its place. What cannot be seen is absent, what can be seen may be refused.
//! let rights = &verified.rights.rights;
//! assert_eq!(rights.require_in_workspace::<PipelinesRead>(&ours.into(), None)?, ours);
//! assert!(matches!(
//!     rights.require_in_workspace::<PipelinesRun>(&ours.into(), None),
//!     Err(Denial::InsufficientPermissions { .. })
//! ));
//! let theirs = WorkspaceId::from_bytes([2; 16]);
//! assert_eq!(rights.require_in_workspace::<PipelinesRead>(&theirs.into(), None), Err(Denial::NotFound));
//! # Ok::<(), wardkey_core::VerifyError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! - [`decide`] is the one rule: whether a key is usable at an instant. [`Rights`] is what it may do then, and where.
//! - [`Verifier`] keeps compiled records and follows the changes, [`Guard`] is what an adapter does with a request, and
//!   [`Admission`] what its handlers may ask afterwards.
//! - [`KeyStore`] is what a verifier asks of whoever keeps the keys.
//! - [`Code`] is the closed list of answers, and [`Problem`] their form (RFC 9457). An outage is
//!   [`VerifyError::Unavailable`], never a denial.
//! - [`permissions!`] declares a product's permissions as types.
//!
//! # Features
//!
//! - `testing`: keys in memory, a store that can be told to fail, a fixed clock and repeatable randomness. Never for
//!   production.

mod admission;
mod base62;
mod carrier;
mod decide;
mod denial;
mod guard;
mod ids;
mod interner;
mod json;
mod network;
pub mod permission;
mod problem;
mod random;
mod rate_limit;
mod record;
mod requirement;
mod rights;
mod scope;
mod secret;
mod store;
mod time;
mod verifier;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use admission::{Admission, AdmittedKey};
pub use carrier::{CarriedKey, Carrier, Carriers};
pub use decide::{CompiledKey, KeySummary, decide};
pub use denial::{Code, Denial, Unavailable, VerifyError};
pub use guard::{Guard, RequestView};
pub use ids::{
    AuditEventId, CustomerId, Id, InstanceId, InvalidId, KeyId, MAX_EXTERNAL_ID, OrganizationId, PrincipalId,
    Reference, RoleId, SecretId, ServiceAccountId, SessionId, TeamId, UserId, WorkspaceId,
};
pub use network::{InvalidIpNetwork, IpNetwork, TrustedProxies};
pub use permission::{
    All, BuiltInRole, Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, InvalidPermissionName,
    Level, OneOf, Permission, PermissionClass, PermissionGroup, PermissionIndex, PermissionName,
    PermissionSet, Requires, UnknownWord,
};
pub use problem::{FieldError, PROBLEM_MEDIA_TYPE, Problem, RenderedProblem};
pub use random::{OsRandom, Random};
pub use rate_limit::{
    FullAt, InvalidRateLimit, InvalidRateLimits, LimiterError, RateLimit, RateLimitStanding, RateLimits,
    SharedCharge, SharedLimiter, SharedLimits, SharedOutcome, WhenAway, charge_all, rate_limit_fields,
};
pub use record::{
    KeyRecord, KeyState, KeyStatus, OrganizationKind, OrganizationRecord, PrincipalKind, PrincipalRecord,
    Role, RoleGrant, Standing, WorkspaceRecord,
};
pub use requirement::{NeededPermissions, Requirement};
pub use rights::{Excess, KeyRights, Principal, Rights, WorkspaceRights};
pub use scope::{Access, Environment, EnvironmentName, InvalidEnvironmentName};
pub use secret::{Digest, Hint, InvalidSecretStart, Presented, Secret, SecretStart};
pub use store::{
    At, Change, Changes, Deployment, FoundKey, KeyStore, Position, Report, StoreError, StoreFuture, Subject,
    Usage,
};
pub use time::{Clock, Glance, InvalidTimestamp, SystemClock, Timestamp};
pub use verifier::{MissingPermissions, NotReady, SharedRights, Verification, Verifier, VerifierConfig};
