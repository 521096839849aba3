use poem::{Endpoint, EndpointExt as _, Request, Route, get, handler};
use wardkey_core::testing::TestKeys;
use wardkey_poem::{ApiKey, KeyLayer};
use wardkey_testkit::{CATALOGUE, PipelinesRead};

#[handler]
async fn unprotected() -> &'static str {
    "ok"
}

#[handler]
async fn protected(_key: ApiKey<PipelinesRead>) -> &'static str {
    "ok"
}

/// How often a request allocates, from the second one on.
fn allocations(app: &impl Endpoint, secret: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let request =
        || Request::builder().uri_str("/").header("authorization", format!("Bearer {secret}")).finish();
    let serve = |request| assert_eq!(runtime.block_on(app.get_response(request)).status(), 200);
    serve(request());
    let request = request();
    allocation_counter::measure(|| serve(request)).count_total
}

#[test]
fn a_verified_request_allocates_twice_more_than_an_unprotected_one() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let secret = keys.issue(&["pipelines:read"]);
    let layer = KeyLayer::new(keys.verifier());

    let before = allocations(&Route::new().at("/", get(unprotected)), secret.expose());
    // The admission, and its place among the request's extensions.
    let layer_only = Route::new().at("/", get(unprotected)).with(layer.clone());
    assert_eq!(allocations(&layer_only, secret.expose()), before + 2);
    let extracted = Route::new().at("/", get(protected)).with(layer);
    assert_eq!(allocations(&extracted, secret.expose()), before + 2, "an extractor hands out what is there");
}
