//! Issue, govern and verify API keys: what may be done, and by whom.
//!
//! A program opens a database and enters an organization as somebody; from there every operation checks what that
//! somebody may do, and none reaches beyond the organization.
//!
//! ```
//! # use wardkey::{Caller, IssueKey, PrincipalRef, Wardkey};
//! # use wardkey::core::{Access, Requirement};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}/wardkey.db", folder.path().display());
//! Wardkey::migrate(&url).await?;
//! let wardkey = Wardkey::open(&url).await?;
//! let first = wardkey.bootstrap([7; 32]).await?.expect("a new database");
//!
//! // Whoever is on the database may do everything, and the audit log says so.
//! let tenant = wardkey.enter(&Caller::local("example"), &first.demo_organization.into()).await?;
//! let mut key = IssueKey::named("CI");
//! key.principal = Some(PrincipalRef::ServiceAccount(first.demo_service_account.into()));
//! key.permissions = vec!["pipelines:read".parse()?];
//! key.workspaces = Some(Access::All);
//! let issued = tenant.issue_key(key).await?;
//! let secret = issued.secret.expect("shown this once");
//!
//! let verifier = wardkey.verifier(&"production".parse()?);
//! assert!(verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.is_ok());
//!
//! // A revocation takes effect in this process before the call returns, and elsewhere within a second.
//! tenant.revoke_key(issued.key.id, None, None).await?;
//! assert!(verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.is_err());
//! # Ok(()) }
//! ```

mod bootstrap;
mod caller;
mod deployment;
mod error;
mod expiry;
mod grant;
mod keys;
mod own;
mod page;
mod rules;
mod structure;
mod tenant;
mod wardkey;

pub use wardkey_core as core;
pub use wardkey_storage::{
    Actor, Backend, Conflict, Creator, Key, KeyFilter, KeySecret, Migrated, OpenConfig, OpenError,
    Organization, ServiceAccount, User, Workspace,
};

pub use self::bootstrap::{Bootstrapped, OPERATOR_KEY_LIFE};
pub use self::caller::Caller;
pub use self::deployment::DeploymentHandle;
pub use self::error::Error;
pub use self::expiry::{Expiry, ExpiryPreset, LONGEST_LIFE};
pub use self::keys::{IssueKey, IssuedKey, KeyPatch, LONGEST_OVERLAP, PrincipalRef};
pub use self::own::{Me, Own};
pub use self::page::{PageOf, PageRequest};
pub use self::rules::{MAX_DESCRIPTION, MAX_LIST, MAX_METADATA, MAX_NAME, MAX_REASON};
pub use self::tenant::Tenant;
pub use self::wardkey::{OpenVerifierError, Wardkey};
