//! Wardkey's storage: organizations, keys, their secrets and the feed of changes on SQLite and PostgreSQL, each query
//! written once. The only crate that knows SQL, and the [`KeyStore`](wardkey_core::KeyStore) behind every verifier.
//!
//! It decides nothing about who may do what: that is for `wardkey`, which keeps a [`Storage`] private and lends handles
//! that are bound to a tenant. What it does promise, on both databases:
//!
//! - **A method is a transaction.** A write with its audit event and its changes is committed as a whole or not at all; a
//!   read of several statements sees one state of the database. Only [`Storage::prune`] works in batches.
//! - **A call that is abandoned ends nevertheless.** Every unit of work runs in a task of its own on a multi-thread
//!   runtime, the host's or a small one of the storage's own: dropping a future drops no transaction.
//! - **A write says what it touched.** Each appends its [`Subject`](wardkey_core::Subject)s to the feed, last of all, and
//!   under one counter: numbers are in the order of commits and have no gaps. A write that changes nothing (a repeat,
//!   equal values, a refusal) appends nothing and is not audited.
//! - **An outage is never a denial.** Not found is `Ok(None)` or [`StorageError::NotFound`]; whatever is unexpected, a
//!   time-out included, is [`StorageError::Unavailable`] with its cause.
//! - **A tenant's rows are reached by its id alone.** Every method on them takes the organization first, and rows refer
//!   to each other by organization and id, so that the database itself refuses a foreign one.
//! - **Never more keys than the limit**, and no time that steps back: every write to an organization takes its row first,
//!   and then the later of the clock and the instant of the last write.
//! - **No secret.** What is kept of one is its digest and its displayable ends.
//!
//! Rows are locked in one order in every transaction: idempotency key; user; organization; what belongs to it; audit
//! event; the feed's counter; then nothing but the commit. Reports of usage touch none of these.
//!
//! A SQLite database has one connection that writes and several that read; its write-ahead log is flushed at every
//! commit. A PostgreSQL statement is limited in time by the server, and a unit of work by the storage.
//!
//! ```
//! # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
//! use wardkey_storage::{OpenConfig, Storage};
//!
//! Storage::migrate("sqlite:wardkey-data/wardkey.db").await?;
//! let storage = Storage::open("sqlite:wardkey-data/wardkey.db", OpenConfig::default()).await?;
//! assert_eq!(storage.backend().to_string(), "SQLite");
//! # Ok(())
//! # }
//! ```

mod act;
mod audit;
mod catalogue;
mod changes;
mod columns;
mod connection;
mod customers;
mod deployment;
mod environments;
mod error;
mod feed;
mod grants;
mod idempotency;
mod instances;
mod keys;
mod links;
mod login_attempts;
mod members;
mod migration;
mod organizations;
mod passwords;
mod retention;
mod roles;
mod schema;
mod service_accounts;
mod session_policies;
mod sessions;
mod signing_keys;
mod storage;
mod teams;
mod usage;
mod users;
mod verification;
mod words;
mod workspaces;

pub use act::{Act, Actor, Held, HeldMembership, Idempotency, Once, Page};
pub use audit::{ActionFilter, ActorFilter, AuditEvent, AuditFilter};
pub use catalogue::{PermissionUse, VersionedCatalogue};
pub use customers::{Customer, CustomerEdit, CustomerFilter, NewCustomer};
pub use deployment::{Bootstrap, Bootstrapped};
pub use environments::{BUILT_IN_ENVIRONMENTS, DeploymentEnvironment, ENVIRONMENT_LIMIT};
pub use error::{Conflict, OpenError, StorageError};
pub use grants::{Grant, RoleRef};
pub use instances::Instance;
pub use keys::{Creator, Key, KeyEdit, KeyFilter, KeySecret, NewKey, NewSecret};
pub use links::{Link, LinkPurpose, NewLink};
pub use login_attempts::{ATTEMPTS_WINDOW, CountedAttempt, MOST_ATTEMPTS, StoredCredential};
pub use members::{Acceptance, Member, MemberEdit, MemberFilter, Membership, Memberships, NewMember};
pub use organizations::{DEFAULT_KEY_LIMIT, NewOrganization, Organization, OrganizationFilter};
pub use passwords::PasswordHash;
pub use retention::{Pruned, SIGNING_KEYS_KEPT};
pub use roles::{CustomRole, NewRole, ROLE_LIMIT, RoleEdit};
pub use service_accounts::{NewServiceAccount, ServiceAccount, ServiceAccountEdit, ServiceAccountFilter};
pub use session_policies::{EndlessKeys, SessionPolicy, SessionPolicyEdit, USUAL_KEY_LIFE};
pub use sessions::{
    LAST_USED_STEP, MOST_SESSIONS, NewSession, REFRESH_GRACE, Refreshed, SESSION_IDLE, SESSION_LIFE, Session,
};
pub use signing_keys::SigningKey;
pub use storage::{Backend, Migrated, OpenConfig, Storage};
pub use teams::{NewTeam, TEAM_LIMIT, TEAM_MEMBER_LIMIT, Team, TeamEdit, TeamFilter, TeamMember};
pub use users::{NewUser, User, UserEdit, UserFilter};
pub use workspaces::{NewWorkspace, WORKSPACE_LIMIT, Workspace, WorkspaceEdit, WorkspaceFilter};
