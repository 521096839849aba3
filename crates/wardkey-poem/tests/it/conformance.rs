use std::net::SocketAddr;

use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::web::Path;
use poem::{Endpoint, EndpointExt as _, Route, Server, get, handler};
use wardkey_poem::{All, ApiKey, KeyLayer, OneOf, OptionalApiKey, Refusal, Verifier, require};
use wardkey_testkit::{
    Fixture, LEGACY_DOCS_URL, LEGACY_REALM, PipelinesRead, PipelinesRun, describe_key, legacy_carriers,
    list_workspaces, trusted_proxies,
};

fn describe(key: &ApiKey) -> String {
    describe_key(&key.key(), key.environment(), key.admission().address())
}

#[handler]
async fn any_key(key: ApiKey) -> String {
    describe(&key)
}

#[handler]
async fn optional_key(key: OptionalApiKey) -> String {
    key.0.map_or_else(|| "nobody".to_owned(), |key| describe(&key))
}

#[handler]
async fn list_pipelines(key: ApiKey<PipelinesRead>) -> String {
    list_workspaces(key.workspaces())
}

#[handler]
async fn list_pipelines_in(key: ApiKey<PipelinesRead>, Path(id): Path<String>) -> Result<String, Refusal> {
    Ok(key.in_workspace(id)?.to_string())
}

#[handler]
async fn run_in(key: ApiKey<PipelinesRun>, Path(id): Path<String>) -> Result<String, Refusal> {
    Ok(key.in_workspace(id)?.to_string())
}

#[handler]
async fn customer(key: ApiKey, Path(id): Path<String>) -> Result<String, Refusal> {
    Ok(key.in_customer(id).await?.to_string())
}

#[handler]
async fn objects(key: ApiKey) -> Refusal {
    key.not_found()
}

#[handler]
async fn named(key: ApiKey, Path(permission): Path<String>) -> Result<String, Refusal> {
    key.require_named(&permission)?;
    Ok(permission)
}

#[handler]
async fn all(_key: ApiKey<All<(PipelinesRead, PipelinesRun)>>) -> &'static str {
    "all"
}

#[handler]
async fn one(_key: ApiKey<OneOf<(PipelinesRead, PipelinesRun)>>) -> &'static str {
    "one"
}

#[handler]
async fn required() -> &'static str {
    "required"
}

#[handler]
async fn optional_pipelines(key: OptionalApiKey<PipelinesRead>) -> &'static str {
    if key.0.is_some() { "somebody" } else { "nobody" }
}

#[handler]
async fn needed(_key: ApiKey) -> &'static str {
    "somebody"
}

fn app(verifier: &Verifier) -> impl Endpoint + 'static {
    let layer = || KeyLayer::new(verifier.clone());
    let strict = Route::new()
        .at("/required", get(required).with(require::<PipelinesRun>()))
        .at("/key", get(any_key).options(any_key))
        .at("/pipelines", get(list_pipelines))
        .at("/workspaces/:id/pipelines", get(list_pipelines_in))
        .at("/workspaces/:id/runs", get(run_in))
        .at("/customers/:id", get(customer))
        .at("/objects", get(objects))
        .at("/named/:permission", get(named))
        .at("/all", get(all))
        .at("/one", get(one))
        .with(layer());
    let optional = Route::new()
        .at("/key", get(optional_key))
        .at("/pipelines", get(optional_pipelines))
        .at("/needed", get(needed))
        .with(layer().optional());
    let shown = || Route::new().at("/key", get(any_key));
    let legacy =
        layer().with_carriers(legacy_carriers()).with_realm(LEGACY_REALM).with_docs_url(LEGACY_DOCS_URL);
    Route::new()
        .nest("/strict", strict)
        .nest("/optional", optional)
        .nest("/proxied", shown().with(layer().with_trusted_proxies(trusted_proxies())))
        .nest("/legacy", shown().with(legacy))
        .nest("/forgotten", shown().at("/required", get(required).with(require::<PipelinesRun>())))
}

async fn serve(verifier: &Verifier) -> SocketAddr {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a free port");
    let address = acceptor.local_addr()[0].as_socket_addr().copied().expect("a bound port");
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app(verifier)));
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
