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

mod audit;
mod bootstrap;
mod caller;
mod catalogue;
mod customers;
mod deployment;
mod doors;
mod environments;
mod error;
mod expiry;
mod grant;
mod grants;
mod keys;
mod links;
mod members;
mod organizations;
mod own;
mod page;
mod passwords;
mod propagation;
mod roles;
mod rules;
mod service_accounts;
mod session_policies;
mod sign_in;
mod teams;
mod tenant;
mod users;
mod wardkey;
mod workspaces;

pub use wardkey_core as core;
pub use wardkey_storage::{
    ATTEMPTS_WINDOW, ActionFilter, Actor, ActorFilter, AuditEvent, AuditFilter, Backend, Conflict, Creator,
    CustomRole, Customer, CustomerFilter, DeploymentEnvironment, EndlessKeys, Grant, Key, KeyFilter,
    KeySecret, LAST_USED_STEP, Link, LinkPurpose, MOST_ATTEMPTS, MOST_SESSIONS, MemberFilter, Membership,
    Migrated, Once, OpenConfig, OpenError, Organization, OrganizationFilter, PasswordHash, PermissionUse,
    REFRESH_GRACE, ROLE_LIMIT, RoleRef, SESSION_IDLE, SESSION_LIFE, SIGNING_KEYS_KEPT, ServiceAccount,
    ServiceAccountFilter, Session, SessionPolicy, SigningKey, TEAM_LIMIT, TEAM_MEMBER_LIMIT, Team,
    TeamFilter, TeamMember, USUAL_KEY_LIFE, User, UserFilter, VersionedCatalogue, Workspace, WorkspaceFilter,
};

pub use self::bootstrap::{Bootstrapped, OPERATOR_KEY_LIFE};
pub use self::caller::{ActiveSession, Caller};
pub use self::catalogue::{
    InvalidCatalogue, MAX_GROUPS, MAX_PERMISSIONS, Unlisted, read_catalogue, write_catalogue,
};
pub use self::customers::CustomerPatch;
pub use self::deployment::DeploymentHandle;
pub use self::error::Error;
pub use self::expiry::{Expiry, ExpiryPreset};
pub use self::grants::GrantChoice;
pub use self::keys::{IssueKey, IssuedKey, KeyPatch, LONGEST_OVERLAP, PrincipalRef, RateLimitInput};
pub use self::links::{IssuedLink, LINK_LIFE, LinkToken};
pub use self::members::{AddMember, AddedMember, MemberPatch};
pub use self::organizations::{MAX_KEY_LIMIT, OrganizationPatch};
pub use self::own::{Me, Own, Via};
pub use self::page::{PageOf, PageRequest};
pub use self::propagation::{LONGEST_WAIT, PendingVerifier, Propagation};
pub use self::roles::{AnyRole, CreateRole, RolePatch};
pub use self::rules::{MAX_DESCRIPTION, MAX_LIST, MAX_METADATA, MAX_NAME, MAX_REASON};
pub use self::service_accounts::ServiceAccountPatch;
pub use self::session_policies::{MAX_KEY_LIFE_DAYS, SessionPolicyPatch, ShuttingOut};
pub use self::sign_in::{Credential, LoginAttempt, OpenedSession, Refreshed, SignIn, Visitor};
pub use self::teams::{CreateTeam, TeamPatch};
pub use self::tenant::Tenant;
pub use self::users::UserPatch;
pub use self::wardkey::{OpenVerifierError, Wardkey};
pub use self::workspaces::WorkspacePatch;
