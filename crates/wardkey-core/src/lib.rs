//! The rules of Wardkey: what an API key is, what it may do, and whether a request is let in.

mod admission;
mod base62;
mod carrier;
mod decide;
mod denial;
mod guard;
mod ids;
mod json;
mod network;
pub mod permission;
mod problem;
mod random;
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
    AuditEventId, CustomerId, Id, InstanceId, InvalidId, KeyId, OrganizationId, PrincipalId, Reference,
    SecretId, ServiceAccountId, UserId, WorkspaceId,
};
pub use network::{InvalidIpNetwork, IpNetwork, TrustedProxies};
pub use permission::{
    All, BuiltInRole, Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, InvalidPermissionName,
    Level, OneOf, Permission, PermissionClass, PermissionGroup, PermissionIndex, PermissionName,
    PermissionSet, Requires, UnknownWord,
};
pub use problem::{FieldError, PROBLEM_MEDIA_TYPE, Problem, RenderedProblem};
pub use random::{OsRandom, Random};
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
pub use time::{Clock, InvalidTimestamp, SystemClock, Timestamp};
pub use verifier::{NotReady, Verification, Verifier, VerifierConfig};
