//! What can go wrong, by what a caller does about it.

use diesel::result::DatabaseErrorKind;
use wardkey_core::StoreError;

use crate::PermissionUse;

/// Why a read or a write did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database does not answer, not in time, or not as expected. The cause is for the log, never for a client.
    /// A write that ends so has usually not happened; only when the connection breaks during the commit it may have.
    #[error("the database does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is named does not exist in this organization.
    #[error("there is no such object in this organization")]
    NotFound,
    /// The object has changed since the caller read it.
    #[error("the object is at version {current} by now")]
    VersionMismatch {
        /// The version that it has.
        current: i64,
    },
    /// The state of things does not allow it.
    #[error(transparent)]
    Conflict(Conflict),
    /// Keys or roles list permissions that would be gone.
    #[error("keys or roles list {} permissions that would be gone", .0.len())]
    PermissionsInUse(Vec<PermissionUse>),
}

/// What stands in the way of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The organization has as many keys as it may.
    #[error("the organization has {count} keys and may have {limit}")]
    KeyLimitReached {
        /// Keys that take a place: active and disabled ones.
        count: u32,
        /// How many may.
        limit: u32,
    },
    /// Two secrets of the key are live already.
    #[error("the key has two live secrets: its last rotation is not over")]
    RotationInProgress,
    /// The key is revoked, for ever.
    #[error("the key is revoked")]
    KeyRevoked,
    /// The key has expired.
    #[error("the key has expired")]
    KeyExpired,
    /// Without this secret the key would have none.
    #[error("it is the key's last live secret")]
    LastSecret,
    /// Another secret has this digest.
    #[error("the digest is in use")]
    DigestInUse,
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used with another request")]
    IdempotencyMismatch,
    /// The organization has as many workspaces as a record can carry.
    #[error("the organization has {limit} workspaces, and no more are possible")]
    WorkspaceLimitReached {
        /// How many are possible.
        limit: u32,
    },
    /// Another user has this e-mail address.
    #[error("the e-mail address is in use")]
    EmailInUse,
    /// Another object of this kind has this external id.
    #[error("the external id is in use")]
    ExternalIdInUse,
    /// The user is a member already.
    #[error("the user is a member already")]
    AlreadyMember,
    /// The person has a password, or one alone would let them in somewhere: the link leads to logging in only.
    #[error("the link leads to logging in only")]
    PasswordIsSet,
    /// What allowed it is no more: the key has ended, the session is over, or somebody has gained or lost roles meanwhile.
    #[error("what allowed it has changed meanwhile")]
    RightsChanged,
    /// The organization would be left without an owner.
    #[error("the organization would be left without an owner")]
    LastOwner,
    /// Another object of this kind has this name.
    #[error("the name is in use")]
    NameInUse,
    /// Members or teams hold the role.
    #[error("{members} members and {teams} teams hold the role")]
    RoleInUse {
        /// How many members hold it directly.
        members: u32,
        /// How many teams hold it.
        teams: u32,
    },
    /// Keys of the environment exist.
    #[error("keys of the environment exist")]
    EnvironmentInUse,
    /// It is one of those that every deployment has.
    #[error("it is built in")]
    BuiltIn,
    /// The operator organization can be neither suspended nor deleted.
    #[error("the operator organization can be neither suspended nor deleted")]
    OperatorOrganization,
    /// The organization has as many of these as it may.
    #[error("there are {limit} already, and no more are possible")]
    TooMany {
        /// How many are possible.
        limit: u32,
    },
    /// The deployment exists already.
    #[error("the deployment is bootstrapped already")]
    AlreadyBootstrapped,
}

/// A row holds what no version of Wardkey writes there.
#[derive(Debug, thiserror::Error)]
#[error("unknown content in {0}")]
pub(crate) struct Corrupt(pub(crate) &'static str);

/// Nobody has bootstrapped the database.
#[derive(Debug, thiserror::Error)]
#[error("the database holds no deployment yet")]
pub(crate) struct NotBootstrapped;

impl From<Corrupt> for StorageError {
    fn from(cause: Corrupt) -> Self {
        Self::unavailable(cause)
    }
}

impl From<NotBootstrapped> for StorageError {
    fn from(cause: NotBootstrapped) -> Self {
        Self::unavailable(cause)
    }
}

/// What a caller may have caused, by the constraint that it violates; everything else is unexpected.
impl From<diesel::result::Error> for StorageError {
    fn from(error: diesel::result::Error) -> Self {
        if let diesel::result::Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) = &error {
            // PostgreSQL names the index, SQLite the columns; both are in these words.
            let violated = info.constraint_name().unwrap_or_else(|| info.message());
            let conflicts = [
                ("digest", Conflict::DigestInUse),
                ("folded_email", Conflict::EmailInUse),
                ("external_id", Conflict::ExternalIdInUse),
                ("roles_name", Conflict::NameInUse),
                ("roles.name", Conflict::NameInUse),
                ("environments", Conflict::NameInUse),
            ];
            if let Some((_, conflict)) = conflicts.into_iter().find(|(column, _)| violated.contains(column)) {
                return conflict.into();
            }
        }
        Self::unavailable(error)
    }
}

impl StorageError {
    /// Takes a row that refers to nothing for a request that names nothing.
    pub(crate) fn of_reference(error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::NotFound,
            other => other.into(),
        }
    }

    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl From<Conflict> for StorageError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(cause) => Self::new(cause),
            other => Self::new(other),
        }
    }
}

/// Why a database cannot be used. The messages say what to do and never hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no database that is known here.
    #[error("unknown kind of database{}: give sqlite:<path>, postgres://… or postgresql://…", scheme.as_ref().map(|s| format!(" {s:?}")).unwrap_or_default())]
    UnknownScheme {
        /// The part before the colon, if there is one.
        scheme: Option<String>,
    },
    /// The URL is of a known kind and cannot be honoured.
    #[error("the database URL cannot be used: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// No database answers there.
    #[error("cannot connect to the database")]
    Connect {
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is missing; its folder must exist before one is made.
    #[error("there is no database at {path}: create it with `wardkey migrate`")]
    Missing {
        /// The path of the file.
        path: String,
    },
    /// The database is empty.
    #[error("the database holds no Wardkey schema: apply it with `wardkey migrate`")]
    NotMigrated,
    /// The schema is older than this version of Wardkey understands.
    #[error(
        "the database's schema is {found} and this version needs at least {wanted}: run `wardkey migrate`"
    )]
    SchemaTooOld {
        /// The schema that was found.
        found: String,
        /// The oldest that is understood.
        wanted: String,
    },
    /// The schema is newer than this version of Wardkey understands.
    #[error("the database's schema is {found} and this version knows {wanted} at most: run a newer Wardkey")]
    SchemaTooNew {
        /// The schema that was found.
        found: String,
        /// The newest that is understood.
        wanted: String,
    },
    /// A migration failed.
    #[error("the database could not be migrated")]
    Migration {
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
