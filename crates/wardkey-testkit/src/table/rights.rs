//! What a key may do, and where.

use wardkey_core::{Code, CustomerId, Id as _, WorkspaceId};

use super::{Case, case};
use crate::answer::{granted, lacking, refused};
use crate::fixture::{CUSTOMER_EXTERNAL_ID, Fixture, OWN_EXTERNAL_ID};
use crate::request::get;

/// Permissions without a place.
pub(super) fn permissions(fixture: &Fixture) -> Vec<Case> {
    let named = |name: &str| get(format!("/strict/named/{name}"));
    vec![
        case(
            "any key has no permission",
            get("/strict/key").key(&fixture.powerless),
            granted(fixture.describe("powerless", "127.0.0.1")),
        ),
        case(
            "a permission is needed",
            get("/strict/pipelines").key(&fixture.powerless),
            lacking(&["pipelines:read"]),
        ),
        case("all of several need each", get("/strict/all").key(&fixture.runner), granted("all")),
        case(
            "all of several name what is missing",
            get("/strict/all").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case("one of several is enough", get("/strict/one").key(&fixture.reader), granted("one")),
        case(
            "one of several names each",
            get("/strict/one").key(&fixture.powerless),
            lacking(&["pipelines:read", "pipelines:run"]),
        ),
        case(
            "a route requires without a value",
            get("/strict/required").key(&fixture.runner),
            granted("required"),
        ),
        case(
            "a route refuses without a value",
            get("/strict/required").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "a held permission is found by its name",
            named("pipelines:read").key(&fixture.reader),
            granted("pipelines:read"),
        ),
        case(
            "one that is not held is not",
            named("pipelines:run").key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "an unknown permission is held by nobody",
            named("moons:read").key(&fixture.runner),
            lacking(&["moons:read"]),
        ),
        case(
            "what is no permission is held by nobody and not repeated",
            named("no%22name%0A").key(&fixture.runner),
            lacking(&[]),
        ),
    ]
}

/// Workspaces and customers.
pub(super) fn places(fixture: &Fixture) -> Vec<Case> {
    let nothing = || refused(Code::NotFound);
    let pipelines = |workspace: &str| get(format!("/strict/workspaces/{workspace}/pipelines"));
    let runs = |workspace: WorkspaceId| get(format!("/strict/workspaces/{workspace}/runs"));
    let customer = |customer: &str| get(format!("/strict/customers/{customer}"));
    let [own, other, foreign] = [fixture.own, fixture.other, fixture.foreign].map(|id| id.to_string());
    let nowhere = WorkspaceId::from_bytes([0xEE; 16]).to_string();
    let nobody = CustomerId::from_bytes([0xEE; 16]).to_string();
    let [known, unreached] = [fixture.customer, fixture.other_customer].map(|id| id.to_string());
    let of_customer = &fixture.of_customer;
    vec![
        case("a visible workspace", pipelines(&own).key(&fixture.reader), granted(&own)),
        case("the backend's own name for it", pipelines(OWN_EXTERNAL_ID).key(&fixture.reader), granted(&own)),
        case("an invisible workspace is not found", pipelines(&other).key(&fixture.narrow), nothing()),
        case("a foreign workspace is not found", pipelines(&foreign).key(&fixture.reader), nothing()),
        case("its own organization finds it", pipelines(&foreign).key(&fixture.neighbour), granted(&foreign)),
        case(
            "another organization's name is not found",
            pipelines(OWN_EXTERNAL_ID).key(&fixture.neighbour),
            nothing(),
        ),
        case("an absent workspace is not found", pipelines(&nowhere).key(&fixture.reader), nothing()),
        case("an id of another kind is not found", pipelines(&known).key(&fixture.reader), nothing()),
        case(
            "an object that the backend hides is not found",
            get("/strict/objects").key(&fixture.reader),
            nothing(),
        ),
        case("a permission held here", runs(fixture.own).key(&fixture.member), granted(&own)),
        case(
            "a permission held elsewhere only",
            runs(fixture.other).key(&fixture.member),
            lacking(&["pipelines:run"]),
        ),
        case(
            "what is visible with another permission",
            pipelines(&other).key(&fixture.member),
            granted(&other),
        ),
        case(
            "a permission held nowhere",
            runs(fixture.foreign).key(&fixture.reader),
            lacking(&["pipelines:run"]),
        ),
        case(
            "the workspaces of a key",
            get("/strict/pipelines").key(&fixture.reader),
            granted(format!("{own} {other}")),
        ),
        case("the workspaces of a narrow key", get("/strict/pipelines").key(&fixture.narrow), granted(&own)),
        case(
            "a visible workspace that is reached from elsewhere only",
            pipelines(&own).key(&fixture.narrowed),
            refused(Code::IpNotAllowed),
        ),
        case(
            "another one is reached from everywhere",
            pipelines(&other).key(&fixture.narrowed),
            granted(&other),
        ),
        case(
            "an invisible one is not found, from wherever it is reached",
            pipelines(&own).key(&fixture.narrowed_elsewhere),
            nothing(),
        ),
        case(
            "the workspaces of a key are those that can be reached from here",
            get("/strict/pipelines").key(&fixture.narrowed),
            granted(&other),
        ),
        case("a customer in reach", customer(&known).key(of_customer), granted(&known)),
        case(
            "the backend's own name for it",
            customer(CUSTOMER_EXTERNAL_ID).key(of_customer),
            granted(&known),
        ),
        case("a customer out of reach is not found", customer(&unreached).key(of_customer), nothing()),
        case(
            "a key for all customers reaches it",
            customer(&unreached).key(&fixture.reader),
            granted(&unreached),
        ),
        case("an absent customer is not found", customer(&nobody).key(&fixture.reader), nothing()),
        case(
            "another organization's customer is not found",
            customer(&known).key(&fixture.neighbour),
            nothing(),
        ),
    ]
}
