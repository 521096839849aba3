//! Everything under `/v1`, a file for each resource. Handlers authorize, read, make one call, and show what came back.

mod answer;
mod audit;
mod credentials;
pub(crate) mod cursor;
mod customers;
mod environments;
mod grants;
mod keys;
mod kinds;
mod links;
mod me;
mod members;
mod metadata;
mod nullable;
mod organizations;
mod pages;
mod parameters;
mod permissions;
mod principals;
mod rate_limits;
mod rights;
mod roles;
pub(crate) mod schema;
mod service_accounts;
mod session_policies;
mod sessions;
mod teams;
mod text;
mod users;
mod verify;
mod workspaces;

use std::sync::Arc;

pub(crate) use answer::STATUS_AND_CODE;
pub(crate) use credentials::{ACT_AS, ANY_OF, OWN_ENVIRONMENT, SESSION_SCHEME};
pub(crate) use parameters::ACT_AS_NAME;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt as _, Route};
use poem_openapi::registry::Registry;
use poem_openapi::{OpenApi, OpenApiService, Tags};
pub(crate) use roles::describe_built_in_roles;
use wardkey::Wardkey;
use wardkey_core::{EnvironmentName, Guard};
use wardkey_poem::KeyLayer;

use crate::passwords::Passwords;
use crate::sessions::Sessions;
use crate::{docs, login, openapi};

/// Objects as they are shown, for whoever shows them outside of an answer.
pub(crate) mod views {
    pub(crate) use super::keys::{IssuedKey, Key};
    pub(crate) use super::organizations::Organization;
    pub(crate) use super::users::User;
}

/// What the handlers work with.
pub(crate) struct App {
    /// The deployment.
    pub(crate) wardkey: Wardkey,
    /// The one environment whose keys administer.
    pub(crate) environment: EnvironmentName,
    /// Hashes passwords.
    pub(crate) passwords: Passwords,
    /// People who use the server in a browser.
    pub(crate) sessions: Sessions,
    /// What authenticates cursors.
    pub(crate) cursors: cursor::CursorKey,
    /// What stands before the paths of this API in the addresses it gives out; empty if it is not known.
    pub(crate) base_url: String,
}

/// What people and programs are, and what is theirs.
type People = (
    members::Members,
    teams::Teams,
    roles::Roles,
    service_accounts::ServiceAccounts,
    sessions::SessionOperations,
    links::Links,
    me::Me,
    users::Users,
);

/// Everything, in two parts: a tuple holds sixteen.
type Operations = (
    (
        keys::Keys,
        organizations::Organizations,
        workspaces::Workspaces,
        customers::Customers,
        session_policies::SessionPolicies,
        verify::Verify,
        permissions::Permissions,
        environments::Environments,
        audit::Audit,
    ),
    People,
);

const OPERATIONS: Operations = (
    (
        keys::Keys,
        organizations::Organizations,
        workspaces::Workspaces,
        customers::Customers,
        session_policies::SessionPolicies,
        verify::Verify,
        permissions::Permissions,
        environments::Environments,
        audit::Audit,
    ),
    (
        members::Members,
        teams::Teams,
        roles::Roles,
        service_accounts::ServiceAccounts,
        sessions::SessionOperations,
        links::Links,
        me::Me,
        users::Users,
    ),
);

/// How the reference is divided.
#[derive(Tags)]
enum Tag {
    /// Issue, list, edit, rotate and end API keys.
    Keys,
    /// The tenants. Every key belongs to one.
    Organizations,
    /// The parts of an organization, where resources live.
    Workspaces,
    /// An organization's own customers, to which keys may be restricted.
    Customers,
    /// The people of an organization, and the roles that they hold there.
    Members,
    /// Groups of members. Who is in a team holds every role that the team was given.
    Teams,
    /// Named sets of permissions, given to members and teams in the whole organization or in one workspace. Four are built in,
    /// and an organization makes its own besides. This is what the built-in ones give:
    Roles,
    /// Principals that never log in. A service account's key has exactly the permissions that it is given.
    #[oai(rename = "Service accounts")]
    ServiceAccounts,
    /// From where an organization is reached, and how long its keys may live.
    #[oai(rename = "Session policy")]
    SessionPolicy,
    /// Log in with a password, in a browser, and log out. A session is told by cookies, and a browser must say that a page
    /// of the server itself makes the requests that change something (`Sec-Fetch-Site`, or `Origin`).
    Sessions,
    /// What a caller may know of itself, and do to itself.
    Me,
    /// Ask whether a presented key is good, from a program that does not verify keys in its own process.
    Verification,
    /// The product's permissions: what may be done.
    Permissions,
    /// Production, staging, development, and others that the operator adds. A key works in one of them, for ever.
    Environments,
    /// Who changed what. Every change of an organization is recorded in the transaction that makes it, and nothing changes
    /// what is recorded.
    Audit,
    /// The people of all organizations, as who runs the deployment sees them.
    Users,
}

/// Everything that is documented, without the parts that the document shares.
pub(crate) fn service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(OPERATIONS, "Wardkey", env!("CARGO_PKG_VERSION"))
}

/// Every schema of the API.
fn register(registry: &mut Registry) {
    <Operations as OpenApi>::register(registry);
}

/// The API with the guard before it, its document at `/openapi.json`, the reference at `/docs`, and the
/// page at `/login`.
///
/// The guard admits keys of every environment and requests without a key; the credentials of each operation look at
/// what was admitted.
pub(crate) fn endpoint(app: App, guard: Guard) -> BoxEndpoint<'static> {
    let document = openapi::document();
    let page = docs::page(&document);
    let operations = service().data(Arc::new(app)).with(KeyLayer::from(guard.optional()));
    Route::new()
        .at("/openapi.json", openapi::endpoint(document))
        .at("/docs", page)
        .at("/login", login::page())
        .nest_no_strip("/v1", operations)
        .map_to_response()
        .boxed()
}
