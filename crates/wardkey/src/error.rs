//! What can go wrong, by what a caller does about it.

use std::time::Duration;

use wardkey_core::{Denial, FieldError, StoreError};
use wardkey_storage::{Conflict, PermissionUse, StorageError};

/// Why an operation did not happen. Nothing was changed, unless an outage came in the middle of a commit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database does not answer. The source is for the log, never for a client.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not exist, or is not accessible: the two are not told apart.
    #[error("not found")]
    NotFound,
    /// The caller lacks permissions.
    #[error("missing permission: {}", missing.join(", "))]
    Forbidden {
        /// Which ones; any of them would do if there are several that serve the purpose.
        missing: Vec<String>,
    },
    /// The organization cannot be entered now, or from here, though the caller belongs to it.
    #[error("denied: {}", .0.code().as_str())]
    Denied(Denial),
    /// What is asked for goes beyond what the caller holds, and nobody grants what they do not hold.
    #[error("beyond the caller's own rights")]
    ExceedsOwnRights(Vec<FieldError>),
    /// The input breaks a rule.
    #[error("invalid input: {}", .0.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The object has changed since the caller read it.
    #[error("the object is at version {current} by now")]
    VersionMismatch {
        /// The version that it has.
        current: i64,
    },
    /// Too many attempts to log in by one address, of which none succeeded.
    #[error("too many attempts to log in")]
    TooManyAttempts {
        /// How long until there may be another.
        retry_after: Duration,
    },
    /// The state of things does not allow it.
    #[error(transparent)]
    Conflict(Conflict),
    /// Keys or roles list permissions that would be gone.
    #[error("keys or roles list: {}", .0.iter().map(|used| used.name.to_string()).collect::<Vec<_>>().join(", "))]
    PermissionsInUse(Vec<PermissionUse>),
    /// The policy would let nobody in from where its author is.
    #[error("the policy shuts out its author")]
    PolicyShutsOutCaller,
    /// The database was made with another seal.
    #[error("the database was made with another seal")]
    SealMismatch,
}

impl Error {
    pub(crate) fn invalid(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { pointer: pointer.into(), code, detail: detail.into() }])
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::NotFound,
            StorageError::VersionMismatch { current } => Self::VersionMismatch { current },
            StorageError::Conflict(conflict) => Self::Conflict(conflict),
            StorageError::PermissionsInUse(uses) => Self::PermissionsInUse(uses),
            // Whatever else storage may say one day is an outage until it is taught here: never a denial.
            unavailable => Self::Unavailable(Box::new(unavailable)),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::InsufficientPermissions { missing } => Self::Forbidden { missing },
            Denial::NotFound => Self::NotFound,
            other => Self::Denied(other),
        }
    }
}
