#![cfg_attr(feature = "testing", doc = include_str!("../README.md"))]
// The front page is a test, which needs keys without a database.
#![cfg_attr(not(feature = "testing"), doc = "Verify Wardkey API keys in axum.")]

mod extract;
mod layer;
mod refusal;
mod require;

pub use axum;
pub use extract::{ApiKey, admission};
pub use layer::{KeyLayer, KeyService};
pub use refusal::Refusal;
pub use require::{Require, RequireService, require};
#[cfg(feature = "testing")]
pub use wardkey_core::testing;
pub use wardkey_core::{
    Admission, All, Carrier, Carriers, Code, CustomerId, EnvironmentName, Guard, Id, InvalidId, IpNetwork,
    KeyId, KeySummary, MissingPermissions, OneOf, OrganizationId, Permission, PermissionGroup, Principal,
    PrincipalId, RateLimit, RateLimitStanding, Reference, RenderedProblem, Requires, SecretId,
    ServiceAccountId, SharedLimiter, SharedLimits, TrustedProxies, UserId, Verification, Verifier,
    VerifierConfig, WhenAway, WorkspaceId, permissions,
};
