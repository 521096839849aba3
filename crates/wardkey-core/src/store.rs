//! What the verifier asks of whoever keeps the keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::ids::{CustomerId, InstanceId, KeyId, OrganizationId, PrincipalId, Reference, SecretId};
use crate::permission::Catalogue;
use crate::record::KeyRecord;
use crate::scope::{Environment, EnvironmentName};
use crate::secret::Digest;
use crate::time::Timestamp;

/// What a store's methods return: boxed, so that a verifier can hold any store. None of them runs on the hot path.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where keys are kept: a database (crate `wardkey`), or memory (feature `testing`).
///
/// Not found is `Ok(None)` and nothing else; whatever keeps a store from knowing is a [`StoreError`], from which no
/// denial is ever made.
pub trait KeyStore: Send + Sync + 'static {
    /// The key that has a secret with this digest, for a verifier of this environment.
    fn find<'a>(
        &'a self,
        environment: &'a EnvironmentName,
        digest: Digest,
    ) -> StoreFuture<'a, Result<At<Option<FoundKey>>, StoreError>>;

    /// The customer of this organization that is meant.
    fn find_customer<'a>(
        &'a self,
        organization: OrganizationId,
        customer: &'a Reference<CustomerId>,
    ) -> StoreFuture<'a, Result<At<Option<CustomerId>>, StoreError>>;

    /// What all keys of the deployment have in common.
    fn deployment(&self) -> StoreFuture<'_, Result<At<Deployment>, StoreError>>;

    /// What has changed after this position; without one, where the feed stands now.
    fn changes(&self, after: Option<Position>) -> StoreFuture<'_, Result<Changes, StoreError>>;

    /// Resolves when something has probably changed. It may resolve without cause and may miss a change: the caller
    /// polls besides. A store that cannot tell never resolves.
    fn wait_for_change(&self) -> StoreFuture<'_, ()>;

    /// Takes note of how far an instance has got and what was used.
    fn report<'a>(&'a self, report: &'a Report) -> StoreFuture<'a, Result<(), StoreError>>;
}

/// A value and the position of the feed that was current when, or before, it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// Every change up to here is in the value.
    pub position: Position,
    /// What was read.
    pub value: T,
}

/// What a lookup by digest found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKey {
    /// A key of the verifier's environment, whatever its status.
    Record(Box<KeyRecord>),
    /// A key of another environment, of which no more is said.
    Elsewhere {
        /// The environment of that key.
        environment: EnvironmentName,
        /// The key, so that a change of it is noticed.
        key: KeyId,
    },
}

/// A point in the feed of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the database.
    pub epoch: i64,
    /// How many changes have been committed in it.
    pub number: i64,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// All changes after the given position, in order, and where the feed stands now.
    Since {
        /// The changes.
        changes: Vec<Change>,
        /// The position after the last of them.
        position: Position,
    },
    /// The given position is of another life of the database, ahead of it, or forgotten: everything may have changed.
    Reset {
        /// Where the feed stands now.
        position: Position,
    },
}

/// One committed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Its number, ascending in the order of commits.
    pub number: i64,
    /// What it touched.
    pub subject: Subject,
}

/// What a change touched. A record depends on its digest, key, principal and organization; whatever is cached that
/// depends on the subject is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A secret appeared: a digest that was unknown may be known now.
    Digest(Digest),
    /// A key or one of its secrets.
    Key(KeyId),
    /// A user or a service account.
    Principal(PrincipalId),
    /// An organization, or anything in it that a record is made of: roles, teams, grants, workspaces, customers,
    /// policies.
    Organization(OrganizationId),
    /// The permission catalogue.
    Catalogue,
    /// Environments, prefixes: everything.
    Deployment,
}

/// What all keys of a deployment have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The prefixes of secrets that are accepted: the current one first, then the retired ones.
    pub secret_prefixes: Vec<String>,
    /// Every environment.
    pub environments: Vec<Environment>,
    /// The product's permissions.
    pub catalogue: Catalogue,
}

impl Deployment {
    /// The environment of this name.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }
}

/// What a verifier tells its store every few seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who tells.
    pub instance: InstanceId,
    /// For which environment it verifies.
    pub environment: EnvironmentName,
    /// Which report of this instance it is. One that was not answered is sent again as it was: a store that has
    /// taken this number from this instance already counts nothing again.
    pub sequence: u64,
    /// When it tells.
    pub at: Timestamp,
    /// Every change up to here has taken effect in it.
    pub applied: Position,
    /// Until when it may still answer by what it knows, should it hear nothing more; it tells in time that it goes on.
    pub serves_until: Timestamp,
    /// What was used since the last report that arrived. A secret may appear more than once.
    pub usage: Vec<Usage>,
}

/// How often a secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The key.
    pub key: KeyId,
    /// Its secret.
    pub secret: SecretId,
    /// Granted verifications since the last report.
    pub verifications: u64,
    /// When the last of them was granted.
    pub last_used_at: Timestamp,
}

/// The store cannot answer. The cause is for the log, never for a client.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// An error with its cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// The whole chain of causes, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// An error with the whole chain of its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key store does not answer")
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
