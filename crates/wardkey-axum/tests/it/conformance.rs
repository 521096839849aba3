use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use wardkey_axum::{All, ApiKey, CustomerId, KeyLayer, OneOf, Refusal, Verifier, WorkspaceId, require};
use wardkey_testkit::{
    Fixture, LEGACY_DOCS_URL, LEGACY_REALM, PipelinesRead, PipelinesRun, describe_key, legacy_carriers,
    list_workspaces, trusted_proxies,
};

fn describe<P>(key: &ApiKey<P>) -> String {
    describe_key(&key.key(), key.environment(), key.admission().address())
}

async fn any_key(key: ApiKey) -> String {
    describe(&key)
}

async fn optional_key(key: Option<ApiKey>) -> String {
    key.map_or_else(|| "nobody".to_owned(), |key| describe(&key))
}

async fn list_pipelines(key: ApiKey<PipelinesRead>) -> String {
    list_workspaces(key.workspaces())
}

async fn list_pipelines_in(key: ApiKey<PipelinesRead>, Path(id): Path<String>) -> Result<String, Refusal> {
    let workspace: WorkspaceId = key.in_workspace(id)?;
    Ok(workspace.to_string())
}

async fn run_in(key: ApiKey<PipelinesRun>, Path(id): Path<String>) -> Result<String, Refusal> {
    Ok(key.in_workspace(id)?.to_string())
}

async fn customer(key: ApiKey, Path(id): Path<String>) -> Result<String, Refusal> {
    let customer: CustomerId = key.in_customer(id).await?;
    Ok(customer.to_string())
}

async fn objects(key: ApiKey) -> Refusal {
    key.not_found()
}

async fn named(key: ApiKey, Path(permission): Path<String>) -> Result<String, Refusal> {
    key.require_named(&permission)?;
    Ok(permission)
}

async fn all(_: ApiKey<All<(PipelinesRead, PipelinesRun)>>) -> &'static str {
    "all"
}

async fn one(_: ApiKey<OneOf<(PipelinesRead, PipelinesRun)>>) -> &'static str {
    "one"
}

async fn optional_pipelines(key: Option<ApiKey<PipelinesRead>>) -> &'static str {
    if key.is_some() { "somebody" } else { "nobody" }
}

async fn needed(_: ApiKey) -> &'static str {
    "somebody"
}

fn app(verifier: &Verifier) -> Router {
    let layer = || KeyLayer::new(verifier.clone());
    let required =
        Router::new().route("/required", get(async || "required").layer(require::<PipelinesRun>()));
    let strict = Router::new()
        .merge(required.clone())
        .route("/key", get(any_key).options(any_key))
        .route("/pipelines", get(list_pipelines))
        .route("/workspaces/{id}/pipelines", get(list_pipelines_in))
        .route("/workspaces/{id}/runs", get(run_in))
        .route("/customers/{id}", get(customer))
        .route("/objects", get(objects))
        .route("/named/{permission}", get(named))
        .route("/all", get(all))
        .route("/one", get(one))
        .layer(layer());
    let optional = Router::new()
        .route("/key", get(optional_key))
        .route("/pipelines", get(optional_pipelines))
        .route("/needed", get(needed))
        .layer(layer().optional());
    let shown = Router::new().route("/key", get(any_key));
    let legacy =
        layer().with_carriers(legacy_carriers()).with_realm(LEGACY_REALM).with_docs_url(LEGACY_DOCS_URL);
    Router::new()
        .nest("/strict", strict)
        .nest("/optional", optional)
        .nest("/proxied", shown.clone().layer(layer().with_trusted_proxies(trusted_proxies())))
        .nest("/legacy", shown.clone().layer(legacy))
        .nest("/forgotten", shown.merge(required))
}

async fn serve(verifier: &Verifier) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let app = app(verifier).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_table_is_given() {
    let fixture = Fixture::new();
    let address = serve(&fixture.verifier()).await;
    tokio::task::spawn_blocking(move || wardkey_testkit::run(&fixture, address)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_always_fails_is_503_and_never_a_denial() {
    let fixture = Fixture::new();
    let address = serve(&fixture.verifier()).await;
    tokio::task::spawn_blocking(move || wardkey_testkit::run_without_store(&fixture, address)).await.unwrap();
}
