//! The rules of Wardkey: what an API key is, what it may do, and whether a request is let in.

mod base62;
mod carrier;
mod ids;
mod json;
mod network;
pub mod permission;
mod random;
mod record;
mod scope;
mod secret;
mod store;
mod time;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use carrier::{CarriedKey, Carrier, Carriers};
pub use ids::{
    AuditEventId, CustomerId, Id, InstanceId, InvalidId, KeyId, OrganizationId, PrincipalId, Reference, SecretId,
    ServiceAccountId, UserId, WorkspaceId,
};
pub use network::{InvalidIpNetwork, IpNetwork, TrustedProxies};
pub use permission::{
    All, BuiltInRole, Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, InvalidPermissionName, Level,
    OneOf, Permission, PermissionClass, PermissionGroup, PermissionIndex, PermissionName, PermissionSet, Requires,
    UnknownWord,
};
pub use random::{OsRandom, Random};
pub use record::{
    KeyRecord, KeyState, KeyStatus, OrganizationKind, OrganizationRecord, PrincipalKind, PrincipalRecord, Role,
    RoleGrant, Standing, WorkspaceRecord,
};
pub use scope::{Access, Environment, EnvironmentName, InvalidEnvironmentName};
pub use secret::{Digest, Hint, InvalidSecretStart, Presented, Secret, SecretStart};
pub use store::{
    At, Change, Changes, Deployment, FoundKey, KeyStore, Position, Report, StoreError, StoreFuture, Subject, Usage,
};
pub use time::{Clock, InvalidTimestamp, SystemClock, Timestamp};
