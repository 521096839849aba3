//! What tests of several crates need: a PostgreSQL server of a test's own ([`OwnPostgres`]) and a link to it ([`Relay`])
//! that fail on demand, and the conformance table of the adapters: requests in raw bytes, and the answer that each adapter
//! must give to them.
//!
//! For the table, an adapter's test serves one small app on `127.0.0.1`, with a layer around each group of routes:
//!
//! | group | layer |
//! |---|---|
//! | `/strict` | as it comes |
//! | `/optional` | optional |
//! | `/proxied` | trusts [`trusted_proxies`] |
//! | `/legacy` | reads [`legacy_carriers`], realm [`LEGACY_REALM`], documentation at [`LEGACY_DOCS_URL`] |
//! | `/forgotten` | none |
//!
//! Every route answers `GET` with plain text, and `/strict/key` also `OPTIONS`:
//!
//! | route | handler | text |
//! |---|---|---|
//! | `/strict/key`, `/proxied/key`, `/legacy/key`, `/forgotten/key` | any key | [`describe_key`] |
//! | `/strict/pipelines` | key with [`PipelinesRead`] | [`list_workspaces`] of the workspaces where it is held |
//! | `/strict/workspaces/{id}/pipelines` | key with [`PipelinesRead`] there | the workspace's id |
//! | `/strict/workspaces/{id}/runs` | key with [`PipelinesRun`] there | the workspace's id |
//! | `/strict/customers/{id}` | any key, in that customer | the customer's id |
//! | `/strict/objects` | any key; refuses with its `not_found` | |
//! | `/strict/named/{permission}` | any key; requires the permission by its name | the name |
//! | `/strict/all` | key with `All<(PipelinesRead, PipelinesRun)>` | `all` |
//! | `/strict/one` | key with `OneOf<(PipelinesRead, PipelinesRun)>` | `one` |
//! | `/strict/required`, `/forgotten/required` | a handler without arguments behind `require::<PipelinesRun>()` | `required` |
//! | `/optional/key` | any key, or none | [`describe_key`], or `nobody` |
//! | `/optional/pipelines` | key with [`PipelinesRead`], or none | `somebody`, or `nobody` |
//! | `/optional/needed` | any key | `somebody` |

mod answer;
mod client;
mod fixture;
mod postgres;
mod relay;
mod request;
mod table;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

use wardkey_core::{Carrier, Carriers, EnvironmentName, KeySummary, TrustedProxies, permissions};

pub use fixture::Fixture;
pub use postgres::{OwnPostgres, Snapshot};
pub use relay::{Link, Protocol, Relay};

permissions! {
    "Pipelines" {
        pub PipelinesRead = "pipelines:read", read, "See pipelines";
        pub PipelinesRun = "pipelines:run", write, "Run pipelines"
    }
}

/// The realm of the group `/legacy`.
pub const LEGACY_REALM: &str = "pipelines";

/// Where the group `/legacy` documents its problems.
pub const LEGACY_DOCS_URL: &str = "https://docs.example/problems/";

/// The carriers of the group `/legacy`: one header, of another name than usual.
pub fn legacy_carriers() -> Carriers {
    Carriers::new([Carrier::Header("X-Legacy-Key".to_owned())])
}

/// The proxies of the group `/proxied`: whoever connects to the test's server.
pub fn trusted_proxies() -> TrustedProxies {
    TrustedProxies::new(["127.0.0.0/8".parse().expect("a literal network")])
}

/// What the routes answer that show who was verified.
pub fn describe_key(key: &KeySummary, environment: &EnvironmentName, address: Option<IpAddr>) -> String {
    let address = address.map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
    format!("{} of {} and {} in {environment} from {address}", key.key, key.organization, key.principal)
}

/// What the routes answer that list places.
pub fn list_workspaces(workspaces: impl Iterator<Item = impl Display>) -> String {
    workspaces.map(|workspace| workspace.to_string()).collect::<Vec<_>>().join(" ")
}

/// Sends the whole table to the app at `address`, which verifies with the fixture's verifier, and compares each answer.
/// Blocks; afterwards the fixture's store is out of order.
///
/// # Panics
/// With every answer that differs, if any does.
pub fn run(fixture: &Fixture, address: SocketAddr) {
    compare(address, &table::usual(fixture));
    let found = fixture.keys.store().finds();
    compare(address, &table::decided_without_storage(fixture));
    assert_eq!(fixture.keys.store().finds(), found, "what cannot be a key is looked up");

    fixture.keys.store().set_failing(true);
    compare(address, &table::outage(fixture));
    fixture.keys.clock().advance(table::BEYOND_MAX_STALE);
    compare(address, &table::stale(fixture));
}

/// Sends what an app is asked whose store has never answered.
///
/// # Panics
/// With every answer that differs, if any does.
pub fn run_without_store(fixture: &Fixture, address: SocketAddr) {
    fixture.keys.store().set_failing(true);
    compare(address, &table::never_answered(fixture));
    compare(address, &table::decided_without_storage(fixture));
}

fn compare(address: SocketAddr, cases: &[table::Case]) {
    let differing: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let answer = client::send(address, &case.request);
            (answer != case.expected)
                .then(|| format!("{}\n--- expected\n{}\n--- answered\n{answer}", case.promise, case.expected))
        })
        .collect();
    assert!(differing.is_empty(), "{} answers differ:\n\n{}", differing.len(), differing.join("\n\n"));
}
