//! Everything under `/v1`, a file for each resource. Handlers authorize, read, make one call, and show what came back.

mod answer;
mod credentials;
pub(crate) mod cursor;
mod environments;
mod keys;
mod kinds;
mod me;
mod metadata;
mod organizations;
mod pages;
mod parameters;
mod permissions;
mod principals;
mod rights;
pub(crate) mod schema;
mod service_accounts;
mod text;
mod verify;
mod workspaces;

use std::sync::Arc;

pub(crate) use answer::STATUS_AND_CODE;
pub(crate) use credentials::{ANY_OF, OWN_ENVIRONMENT};
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt as _, Route};
use poem_openapi::registry::Registry;
use poem_openapi::{OpenApi, OpenApiService, Tags};
use wardkey::Wardkey;
use wardkey_core::{EnvironmentName, Guard};
use wardkey_poem::KeyLayer;

use crate::{docs, openapi};

/// What the handlers work with.
pub(crate) struct App {
    /// The deployment.
    pub(crate) wardkey: Wardkey,
    /// The one environment whose keys administer.
    pub(crate) environment: EnvironmentName,
    /// What authenticates cursors.
    pub(crate) cursors: cursor::CursorKey,
    /// What stands before the paths of this API in the addresses it gives out; empty if it is not known.
    pub(crate) base_url: String,
}

type Operations = (
    keys::Keys,
    organizations::Organizations,
    workspaces::Workspaces,
    service_accounts::ServiceAccounts,
    me::Me,
    verify::Verify,
    permissions::Permissions,
    environments::Environments,
);

const OPERATIONS: Operations = (
    keys::Keys,
    organizations::Organizations,
    workspaces::Workspaces,
    service_accounts::ServiceAccounts,
    me::Me,
    verify::Verify,
    permissions::Permissions,
    environments::Environments,
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
    /// Principals that never log in. A service account's key has exactly the permissions that it is given.
    #[oai(rename = "Service accounts")]
    ServiceAccounts,
    /// What a key may know of itself, and do to itself.
    Me,
    /// Ask whether a presented key is good, from a program that does not verify keys in its own process.
    Verification,
    /// The product's permissions: what may be done.
    Permissions,
    /// Production, staging, development. A key works in one of them, for ever.
    Environments,
}

/// Everything that is documented, without the parts that the document shares.
pub(crate) fn service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(OPERATIONS, "Wardkey", env!("CARGO_PKG_VERSION"))
}

/// Every schema of the API.
fn register(registry: &mut Registry) {
    <Operations as OpenApi>::register(registry);
}

/// The API with the guard before it, its document at `/openapi.json`, and the reference at `/docs`.
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
        .nest_no_strip("/v1", operations)
        .map_to_response()
        .boxed()
}
