use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::routing::get;
use tower::ServiceExt as _;
use wardkey_axum::{ApiKey, KeyLayer};
use wardkey_core::testing::TestKeys;
use wardkey_testkit::{CATALOGUE, PipelinesRead};

/// How often a served request allocates, from the second one on.
fn allocations(app: &Router, secret: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let request = || {
        let request = Request::get("/").header("authorization", format!("Bearer {secret}"));
        let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
        request.extension(peer).body(Body::empty()).expect("a request of literals")
    };
    let serve = |request: Request<Body>| {
        let response = runtime.block_on(app.clone().oneshot(request)).expect("a response");
        assert_eq!(response.status(), 200);
    };
    serve(request());
    let request = request();
    allocation_counter::measure(|| serve(request)).count_total
}

#[test]
fn a_verified_request_allocates_four_times_more_than_one_through_an_idle_layer() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let secret = keys.issue(&["pipelines:read"]);
    let protected = KeyLayer::new(keys.verifier());
    let idle = tower::layer::util::Identity::new();

    let unprotected = Router::new().route("/", get(async || "ok")).layer(idle);
    let layer_only = Router::new().route("/", get(async || "ok")).layer(protected.clone());
    let extracted = Router::new().route("/", get(async |_: ApiKey<PipelinesRead>| "ok")).layer(protected);

    let before = allocations(&unprotected, secret.expose());
    // The future with its clone of the inner service, the admission, and its place among the request's extensions.
    assert_eq!(allocations(&layer_only, secret.expose()), before + 4);
    assert_eq!(allocations(&extracted, secret.expose()), before + 4, "an extractor hands out what is there");
}
