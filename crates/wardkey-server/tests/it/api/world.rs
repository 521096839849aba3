//! The whole server in this process, on a database of its own, with the clock in hand.

use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::http::{HeaderMap, Method, Uri};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint as _, EndpointExt as _, Request, RequestParts, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use wardkey::{
    AddMember, Bootstrapped, Caller, Grant, IssuedLink, OpenConfig, RoleRef, Tenant, Visitor, Wardkey,
};
use wardkey_core::testing::{FixedClock, SeededRandom};
use wardkey_core::{BuiltInRole, OrganizationId, OsRandom, Random as _, UserId, VerifierConfig};
use wardkey_server::config::{Config, Layer};
use wardkey_server::seal::Seal;
use wardkey_server::{openapi, serve};

use super::schema;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct World {
    pub(crate) wardkey: Wardkey,
    /// Stands still until a test moves it.
    pub(crate) clock: FixedClock,
    pub(crate) first: Bootstrapped,
    pub(crate) document: Value,
    pub(crate) url: String,
    server: poem::endpoint::BoxEndpoint<'static, Response>,
    seal: Seal,
    config: Config,
    database: Database,
}

enum Database {
    File { _folder: TempDir },
    Server { name: String },
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The lines of an answer that is JSON line by line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = str::from_utf8(&self.body).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and code; of success there is no code.
    pub(crate) fn problem_or_success(&self) -> (u16, String) {
        if self.status < 400 { (self.status, String::new()) } else { self.problem() }
    }

    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Pointers and codes of the errors of a problem, in order of pointers.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let problem = self.json();
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        let mut faults: Vec<_> =
            errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect();
        faults.sort();
        faults
    }

    /// What comes with success, or the reason why it does not.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// A request that is being put together.
pub(crate) struct Call<'w> {
    world: &'w World,
    request: poem::RequestBuilder,
    address: Option<IpAddr>,
    method: Method,
    path: String,
}

impl Call<'_> {
    pub(crate) fn key(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// From this address.
    pub(crate) fn from(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.finish();
        self.world.serve(request, self.address, &self.method, &self.path).await
    }

    pub(crate) async fn json(self, body: Value) -> Answer {
        self.text(&body.to_string()).await
    }

    /// A header of bytes that need not be text, perhaps beside another of its name.
    pub(crate) fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        self.request = self.request.header(name, poem::http::HeaderValue::from_bytes(value).unwrap());
        self
    }

    /// A body of any bytes, of this media type if it has one.
    pub(crate) async fn bytes(self, media_type: Option<&str>, body: Vec<u8>) -> Answer {
        let request = match media_type {
            Some(media_type) => self.request.content_type(media_type).body(body),
            None => self.request.body(body),
        };
        self.world.serve(request, self.address, &self.method, &self.path).await
    }

    pub(crate) async fn text(self, body: &str) -> Answer {
        let request = self.request.content_type("application/json").body(body.to_owned());
        self.world.serve(request, self.address, &self.method, &self.path).await
    }
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}/wardkey.db", folder.path().display());
        Self::on(&url, Database::File { _folder: folder }).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let mut random = [0; 8];
        OsRandom.fill(&mut random);
        let name = format!("wardkey_test_{:016x}", u64::from_le_bytes(random));
        on_server(&format!("CREATE DATABASE {name}")).await;
        Self::on(&in_database(&server_url(), &name), Database::Server { name }).await
    }

    async fn on(url: &str, database: Database) -> Self {
        Wardkey::migrate(url).await.unwrap();
        let clock = FixedClock::new("2026-11-20T08:00:00Z".parse().unwrap());
        let pool = OpenConfig { max_connections: 4, ..OpenConfig::default() };
        // Tests let months pass in an instant: knowledge does not grow stale by that.
        let verifiers = VerifierConfig { max_stale: 10_000 * DAY, ..VerifierConfig::default() };
        let random = Arc::new(SeededRandom::new(1));
        let wardkey =
            Wardkey::open_with(url, pool, verifiers, Arc::new(clock.clone()), random).await.unwrap();
        let folder = TempDir::new().unwrap();
        let seal = Seal::read_or_create(&folder.path().join("seal"), &SeededRandom::new(2)).unwrap();
        let first = wardkey.bootstrap(seal.fingerprint()).await.unwrap().unwrap();
        let (config, _) = Config::load(Layer::default(), None, std::iter::empty()).unwrap();
        let server = server(&wardkey, &seal, &config, &clock);
        let document = serde_json::from_str(&openapi::document()).unwrap();
        Self { wardkey, clock, first, document, url: url.to_owned(), server, seal, config, database }
    }

    /// Another server of the same deployment, with a memory of its own.
    pub(crate) fn another_server(&self) -> poem::endpoint::BoxEndpoint<'static, Response> {
        server(&self.wardkey, &self.seal, &self.config, &self.clock)
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Keeps a promise in this world and takes the world down, whatever became of the promise.
    pub(crate) async fn keep<F>(self, promise: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let world = Arc::new(self);
        let outcome = tokio::spawn(promise(Arc::clone(&world))).await;
        world.drop_database().await;
        if let Err(failed) = outcome {
            resume_unwind(failed.into_panic());
        }
    }

    /// Takes the database away, under the feet of whoever uses it. A file goes with its folder.
    pub(crate) async fn drop_database(&self) {
        if let Database::Server { name } = &self.database {
            on_server(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub(crate) fn patch(&self, path: &str) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    pub(crate) fn put(&self, path: &str) -> Call<'_> {
        self.call(Method::PUT, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        let uri: Uri = path.parse().unwrap();
        let request = Request::builder().method(method.clone()).uri(uri);
        Call { world: self, request, address: None, method, path: path.to_owned() }
    }

    async fn serve(&self, request: Request, address: Option<IpAddr>, method: &Method, path: &str) -> Answer {
        let request = match address {
            Some(address) => sent_from(request, address),
            None => request,
        };
        let response = self.server.get_response(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().into_vec().await.unwrap();
        let answer = Answer { status, headers, body };
        schema::check_answer(&self.document, method, path, &answer);
        answer
    }

    /// The secret of the operator's first key.
    pub(crate) fn operator(&self) -> &str {
        self.first.operator_key.secret.as_ref().unwrap().expose()
    }

    /// The path of the demo organization, with this behind it.
    pub(crate) fn demo(&self, rest: &str) -> String {
        format!("/v1/organizations/{}{rest}", self.first.demo_organization)
    }

    /// A body that issues a key for the demo service account.
    pub(crate) fn wanted(&self, permissions: &[&str]) -> Value {
        json!({
            "name": "service",
            "principal": { "type": "service_account", "id": self.first.demo_service_account.to_string() },
            "permissions": permissions,
            "workspaces": { "access": "all" },
        })
    }

    /// Issues a key in the demo organization, as the operator.
    pub(crate) async fn issue(&self, body: Value) -> Value {
        self.post(&self.demo("/keys")).key(self.operator()).json(body).await.expect(201).json()
    }

    /// The secret of a new service key with these permissions.
    pub(crate) async fn service_key(&self, permissions: &[&str]) -> String {
        let issued = self.issue(self.wanted(permissions)).await;
        issued["secret"].as_str().unwrap().to_owned()
    }

    /// A key that may make keys, and its secret.
    pub(crate) async fn admin_key(&self) -> String {
        self.service_key(&["admin:keys", "pipelines:read", "pipelines:run"]).await
    }

    /// The demo organization, entered by someone on the database.
    pub(crate) async fn demo_tenant(&self) -> Tenant {
        self.enter_locally(self.first.demo_organization).await
    }

    /// An organization, entered by someone on the database.
    pub(crate) async fn enter_locally(&self, organization: OrganizationId) -> Tenant {
        self.wardkey.enter(&Caller::local("test"), &organization.into()).await.unwrap()
    }

    /// A person with this role in the demo organization.
    pub(crate) async fn member(&self, name: &str, role: BuiltInRole) -> UserId {
        self.member_of(self.first.demo_organization, name, role).await
    }

    /// The same in this organization.
    pub(crate) async fn member_of(
        &self,
        organization: OrganizationId,
        name: &str,
        role: BuiltInRole,
    ) -> UserId {
        let grant = Grant { workspace: None, role: RoleRef::BuiltIn(role) };
        let (email, name) = (format!("{name}@example.com"), Some(name.to_owned()));
        let new = AddMember { email: email.clone(), name, grants: vec![grant.into()] };
        let tenant = self.enter_locally(organization).await;
        let added = tenant.add_member(new).await.unwrap();
        let user = added.member.user;
        match tenant.vouch_for_member(&user.into()).await {
            Err(wardkey::Error::Conflict(wardkey::Conflict::PasswordIsSet)) => {
                self.accept(&email, &added.link.unwrap()).await;
            }
            vouched => vouched.unwrap(),
        }
        user
    }

    /// Whoever has a password logs in, accepts to be a member, and logs out.
    async fn accept(&self, email: &str, link: &IssuedLink) {
        let sign_in = self.wardkey.sign_in(Visitor::default());
        let credential = sign_in.begin_login(email).await.unwrap().credential.unwrap();
        let mut refresh = [0; 32];
        OsRandom.fill(&mut refresh);
        let session = sign_in.open_session(&credential, refresh).await.unwrap().session;
        let own = self.wardkey.enter_self(&Caller::session(session)).await.unwrap();
        own.accept_link(&link.token).await.unwrap();
        sign_in.close_session(&session).await.unwrap();
    }

    /// The secret of a key of this user that may make keys.
    pub(crate) async fn user_key(&self, user: UserId) -> String {
        let mut input = wardkey::IssueKey::named("user");
        input.principal = Some(wardkey::PrincipalRef::User(user.into()));
        input.permissions = vec!["keys:write".parse().unwrap()];
        let issued = self.demo_tenant().await.issue_key(input).await.unwrap();
        issued.secret.unwrap().expose().to_owned()
    }
}

fn server(
    wardkey: &Wardkey,
    seal: &Seal,
    config: &Config,
    clock: &FixedClock,
) -> poem::endpoint::BoxEndpoint<'static, Response> {
    serve::endpoint(wardkey, seal, config, Arc::new(clock.clone()), Arc::new(OsRandom)).boxed()
}

/// The same request, as if it came from this address.
fn sent_from(request: Request, address: IpAddr) -> Request {
    let (given, body) = request.into_parts();
    let (mut parts, ()) = poem::http::Request::new(()).into_parts();
    (parts.method, parts.uri, parts.headers) = (given.method, given.uri, given.headers);
    let remote = RemoteAddr(Addr::SocketAddr(SocketAddr::new(address, 4711)));
    let parts = RequestParts::from((parts, LocalAddr::default(), remote, Scheme::HTTP));
    Request::from_parts(parts, body)
}

/// The text at this place.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

fn server_url() -> String {
    std::env::var("WARDKEY_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// The same server, another database.
fn in_database(url: &str, name: &str) -> String {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let server = address.rsplit_once('/').expect("the server's URL names a database").0;
    format!("{server}/{name}{options}")
}

async fn on_server(statement: &str) {
    let url = server_url();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap_or_else(|error| {
        panic!(
            "no PostgreSQL for tests at {url}: {error}. Start one there, or name another in \
             WARDKEY_TEST_POSTGRES_URL"
        )
    });
    tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
}
