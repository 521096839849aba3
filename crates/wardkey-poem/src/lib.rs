#![doc = include_str!("../README.md")]

mod extract;
mod layer;
#[cfg(feature = "openapi")]
pub mod openapi;
mod refusal;
mod require;

pub use extract::{ApiKey, OptionalApiKey, admission};
pub use layer::{KeyEndpoint, KeyLayer};
pub use poem;
pub use refusal::Refusal;
pub use require::{Require, RequireEndpoint, require};
#[cfg(feature = "testing")]
pub use wardkey_core::testing;
pub use wardkey_core::{
    Admission, All, Carrier, Carriers, Code, CustomerId, EnvironmentName, Guard, Id, InvalidId, IpNetwork,
    KeyId, KeySummary, OneOf, OrganizationId, Permission, PermissionGroup, Principal, PrincipalId, Reference,
    RenderedProblem, Requires, SecretId, ServiceAccountId, TrustedProxies, UserId, Verification, Verifier,
    VerifierConfig, WorkspaceId, permissions,
};
