//! A deployment in a database of its own, with the clock in hand.

use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use wardkey::core::testing::{FixedClock, SeededRandom};
use wardkey::core::{
    AuditEventId, BuiltInRole, Catalogue, Code, EnvironmentName, Level, OrganizationId, OsRandom,
    PermissionName, PrincipalId, Random as _, Requirement, Secret, Standing, UserId, Verification, Verifier,
    VerifierConfig,
};
use wardkey::{
    ActiveSession, AddMember, Bootstrapped, Caller, DeploymentHandle, Error, Expiry, ExpiryPreset, Grant,
    IssueKey, IssuedKey, IssuedLink, MemberPatch, OpenConfig, PasswordHash, PrincipalRef, RoleRef, Tenant,
    Visitor, Wardkey,
};
use wardkey_storage::{Act, Actor, AuditEvent, AuditFilter, MemberEdit, NewLink, NewMember, Page, Storage};

/// The permissions of the demo catalogue.
pub(crate) const PRODUCT: [&str; 4] =
    ["connections:read", "connections:write", "pipelines:read", "pipelines:run"];

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct World {
    pub(crate) wardkey: Wardkey,
    /// Stands still until a test moves it.
    pub(crate) clock: FixedClock,
    /// The same database past every rule: for what no operation does yet, and to see what became of things.
    pub(crate) storage: Storage,
    pub(crate) first: Bootstrapped,
    pub(crate) url: String,
    seeds: AtomicU64,
    database: Database,
}

/// A database that is there, and nothing in it.
pub(crate) struct EmptyDatabase {
    pub(crate) url: String,
    database: Database,
}

enum Database {
    File { _folder: TempDir },
    Server { name: String },
}

impl EmptyDatabase {
    fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}/wardkey.db", folder.path().display());
        Self { url, database: Database::File { _folder: folder } }
    }

    async fn on_postgres() -> Self {
        let mut random = [0; 8];
        OsRandom.fill(&mut random);
        let name = format!("wardkey_test_{:016x}", u64::from_le_bytes(random));
        on_server(&format!("CREATE DATABASE {name}")).await;
        Self { url: in_database(&server_url(), &name), database: Database::Server { name } }
    }

    pub(crate) async fn drop_database(&self) {
        self.database.drop_database().await;
    }
}

impl Database {
    /// A file goes with its folder.
    async fn drop_database(&self) {
        if let Self::Server { name } = self {
            on_server(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        Self::on(EmptyDatabase::on_sqlite()).await
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::on(EmptyDatabase::on_postgres().await).await
    }

    /// Another database of the same kind, without a schema.
    pub(crate) async fn empty_neighbour(&self) -> EmptyDatabase {
        match &self.database {
            Database::File { .. } => EmptyDatabase::on_sqlite(),
            Database::Server { .. } => EmptyDatabase::on_postgres().await,
        }
    }

    async fn on(EmptyDatabase { url, database }: EmptyDatabase) -> Self {
        Wardkey::migrate(&url).await.unwrap();
        let clock = FixedClock::new("2026-11-20T08:00:00Z".parse().unwrap());
        let wardkey = open(&url, &clock, patient(), 1).await;
        let first = wardkey.bootstrap([7; 32]).await.unwrap().unwrap();
        let storage = Storage::open(&url, small_pool()).await.unwrap();
        Self { wardkey, clock, storage, first, url, seeds: AtomicU64::new(2), database }
    }

    /// Keeps a promise in this world and takes the world down, whatever became of the promise.
    pub(crate) async fn keep(self, promise: impl AsyncFnOnce(&Self)) {
        let outcome = {
            let mut kept = pin!(promise(&self));
            poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| kept.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
                Err(panic) => Poll::Ready(Err(panic)),
            })
            .await
        };
        self.database.drop_database().await;
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    /// Another handle on the same database, as another process has it.
    pub(crate) async fn open_again(&self) -> Wardkey {
        open(&self.url, &self.clock, patient(), self.seeds.fetch_add(1, Ordering::Relaxed)).await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Server { .. })
    }

    pub(crate) fn verifier(&self) -> Verifier {
        self.wardkey.verifier(&production())
    }

    /// The demo organization, entered by someone on the database.
    pub(crate) async fn demo(&self) -> Tenant {
        self.enter_locally(self.first.demo_organization).await
    }

    /// The operator organization, entered by someone on the database.
    pub(crate) async fn operator(&self) -> Tenant {
        self.enter_locally(self.first.operator_key.key.organization).await
    }

    pub(crate) async fn enter_locally(&self, organization: OrganizationId) -> Tenant {
        self.wardkey.enter(&Caller::local("test"), &organization.into()).await.unwrap()
    }

    pub(crate) async fn deployment(&self) -> DeploymentHandle {
        self.wardkey.enter_deployment(&Caller::local("test")).await.unwrap()
    }

    pub(crate) async fn create_organization(&self, name: &str, external_id: Option<&str>) -> Tenant {
        let organization = self
            .deployment()
            .await
            .create_organization(name.to_owned(), external_id.map(str::to_owned), None)
            .await
            .unwrap()
            .into_inner();
        self.enter_locally(organization.id).await
    }

    /// Replaces the permission catalogue, whatever its version.
    pub(crate) async fn replace_catalogue(&self, catalogue: &Catalogue) {
        let deployment = self.deployment().await;
        let version = deployment.catalogue().await.unwrap().version;
        deployment.replace_catalogue(version, catalogue).await.unwrap();
    }

    /// A key of the demo service account that lists these permissions and lives a year.
    pub(crate) fn service_input(&self, listed: &[&str]) -> IssueKey {
        let mut input = IssueKey::named("service");
        input.principal = Some(PrincipalRef::ServiceAccount(self.first.demo_service_account.into()));
        input.permissions = permissions(listed);
        input.workspaces = Some(wardkey::core::Access::All);
        input.expiry = Expiry::In(ExpiryPreset::OneYear);
        input
    }

    /// A key of the operator organization that lists these permissions.
    pub(crate) fn operator_input(&self, listed: &[&str]) -> IssueKey {
        let PrincipalId::ServiceAccount(account) = self.first.operator_key.key.principal else {
            panic!("the first key is a service account's")
        };
        IssueKey {
            principal: Some(PrincipalRef::ServiceAccount(account.into())),
            ..self.service_input(listed)
        }
    }

    pub(crate) async fn service_key(&self, listed: &[&str]) -> IssuedKey {
        self.demo().await.issue_key(self.service_input(listed)).await.unwrap()
    }

    /// A service key that makes keys and holds every product permission.
    pub(crate) async fn admin_key(&self) -> IssuedKey {
        let listed: Vec<_> = ["admin:keys", "keys:write"].into_iter().chain(PRODUCT).collect();
        self.service_key(&listed).await
    }

    /// A person with these roles in the whole demo organization.
    pub(crate) async fn member(&self, name: &str, roles: &[BuiltInRole]) -> UserId {
        let user = self.person(name).await;
        self.set_member(&self.demo().await, user, grants(roles)).await.unwrap();
        user
    }

    pub(crate) async fn set_password(&self, user: UserId, hash: &str) {
        self.storage.set_password(&self.act(), user, PasswordHash::new(hash)).await.unwrap();
    }

    /// Suspends a user everywhere.
    pub(crate) async fn suspend(&self, user: UserId) {
        self.storage.set_user_state(&self.act(), user, None, Standing::Inactive, None).await.unwrap();
    }

    /// Suspends the demo organization, or lets it work again.
    pub(crate) async fn set_organization_state(&self, state: Standing) {
        let (act, demo) = (self.act(), self.first.demo_organization);
        self.storage.set_organization_state(&act, demo, None, state, None).await.unwrap();
    }

    /// Logs a person in from somewhere, giving them a password if they have none.
    pub(crate) async fn log_in(&self, user: UserId) -> ActiveSession {
        let found = self.storage.find_user(&user.into()).await.unwrap().unwrap();
        let sign_in = self.wardkey.sign_in(Visitor::default());
        let mut attempt = sign_in.begin_login(&found.email).await.unwrap();
        if attempt.credential.is_none() {
            self.set_password(user, &format!("hash of {}", found.name)).await;
            attempt = sign_in.begin_login(&found.email).await.unwrap();
        }
        sign_in.open_session(&attempt.credential.unwrap(), random_digest()).await.unwrap().session
    }

    /// The caller that this person is in a browser.
    pub(crate) async fn in_browser(&self, user: UserId) -> Caller {
        Caller::session(self.log_in(user).await)
    }

    /// The person accepts to be a member by this link, past every rule.
    pub(crate) async fn accept(&self, user: UserId, link: &IssuedLink) {
        let digest = Sha256::digest(link.token.expose()).into();
        self.storage.accept_link(&self.act(), user, digest).await.unwrap();
    }

    /// Has the tenant's caller give a user exactly these roles, of which the person becomes a member in full if they are none.
    pub(crate) async fn set_member(
        &self,
        tenant: &Tenant,
        user: UserId,
        grants: Vec<Grant>,
    ) -> Result<(), Error> {
        let grants = grants.into_iter().map(Into::into).collect();
        let found = self.storage.find_member(tenant.organization_id(), user).await.unwrap();
        if let Some(member) = found {
            let patch = MemberPatch { name: None, grants: Some(grants) };
            tenant.update_member(&user.into(), member.version, patch).await?;
            return Ok(());
        }
        let email = self.deployment().await.get_user(&user.into()).await?.email;
        let added = tenant.add_member(AddMember { email, name: None, grants }).await?;
        self.accept(user, &added.link.unwrap()).await;
        Ok(())
    }

    /// The same past every rule.
    pub(crate) async fn place_member(&self, organization: OrganizationId, user: UserId, grants: Vec<Grant>) {
        if let Some(member) = self.storage.find_member(organization, user).await.unwrap() {
            let edit = MemberEdit { name: member.name, grants };
            let act = self.act();
            self.storage.update_member(&act, organization, user, member.version, edit).await.unwrap();
            return;
        }
        let email = self.storage.find_user(&user.into()).await.unwrap().unwrap().email;
        let mut digest = [0; 32];
        OsRandom.fill(&mut digest);
        let held = self.storage.resolve_grants(organization, &grants).await.unwrap();
        let held = held.into_iter().flatten().collect();
        let link = NewLink { digest, ends_at: self.now().saturating_add(DAY), held };
        let new = NewMember { user, email, name: "Mem".to_owned(), grants, link };
        self.storage.add_member(&self.act(), organization, new, None).await.unwrap();
        self.storage.accept_link(&self.act(), user, digest).await.unwrap();
    }

    /// A person who is a member of nothing yet.
    pub(crate) async fn person(&self, name: &str) -> UserId {
        let deployment = self.deployment().await;
        deployment
            .create_user(format!("{name}@example.com"), name.to_owned(), None)
            .await
            .unwrap()
            .into_inner()
            .id
    }

    /// A key of this user, made by someone on the database: level all, making keys listed, a year.
    pub(crate) async fn user_key(&self, user: UserId) -> IssuedKey {
        self.demo().await.issue_key(user_input(user, Level::All, &["keys:write"])).await.unwrap()
    }

    /// The caller that this key is, in its own organization.
    pub(crate) async fn as_key(&self, key: &IssuedKey) -> Tenant {
        let caller = self.caller(key).await;
        self.wardkey.enter(&caller, &key.key.organization.into()).await.unwrap()
    }

    pub(crate) async fn caller(&self, key: &IssuedKey) -> Caller {
        Caller::key(self.verify(key).await.unwrap())
    }

    /// Verifies the key in its environment.
    pub(crate) async fn verify(&self, key: &IssuedKey) -> Result<Verification, Code> {
        self.verify_secret(key.secret.as_ref().unwrap(), &key.key.environment).await
    }

    pub(crate) async fn verify_secret(
        &self,
        secret: &Secret,
        environment: &EnvironmentName,
    ) -> Result<Verification, Code> {
        verify_with(&self.wardkey.verifier(environment), secret, None).await
    }

    /// What stands in the audit log of an organization, the newest first.
    pub(crate) async fn audit(&self, organization: OrganizationId) -> Vec<AuditEvent> {
        let mut events: Vec<AuditEvent> = Vec::new();
        loop {
            let after: Option<AuditEventId> = events.last().map(|event| event.id);
            let page = Page { after, limit: 100 };
            let page =
                self.storage.list_audit_events(organization, &AuditFilter::default(), page).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// The one event of this action on this object. Events of one millisecond stand in no order.
    pub(crate) async fn event(&self, action: &str, target: impl ToString) -> AuditEvent {
        let target = target.to_string();
        let mut events = self.audit(self.first.demo_organization).await;
        events.retain(|event| event.action == action && event.target == target);
        assert_eq!(events.len(), 1, "{action} of {target}: {events:?}");
        events.remove(0)
    }

    /// How many events stand in the audit log of the demo organization.
    pub(crate) async fn audited(&self) -> usize {
        self.audit(self.first.demo_organization).await.len()
    }

    /// How many keys of the demo organization take a place.
    pub(crate) async fn counted_keys(&self) -> u32 {
        self.storage.count_keys(self.first.demo_organization, self.now()).await.unwrap()
    }

    pub(crate) fn now(&self) -> wardkey::core::Timestamp {
        use wardkey::core::Clock as _;
        self.clock.now()
    }

    /// What stands in the books for what a test does past every rule.
    pub(crate) fn act(&self) -> Act {
        let random = SeededRandom::new(1_000_000 + self.seeds.fetch_add(1, Ordering::Relaxed));
        Act {
            actor: Actor::Local { why: "test".to_owned() },
            acting_for: None,
            request_id: None,
            address: None,
            now: self.now(),
            audit_id: AuditEventId::mint(self.now(), &random),
            rests_on: Vec::new(),
        }
    }
}

/// Opens a deployment by this clock, with randomness of its own.
pub(crate) async fn open(url: &str, clock: &FixedClock, verifiers: VerifierConfig, seed: u64) -> Wardkey {
    let random = Arc::new(SeededRandom::new(seed));
    Wardkey::open_with(url, small_pool(), verifiers, Arc::new(clock.clone()), random).await.unwrap()
}

/// Tests run side by side and share the server's connections.
pub(crate) fn small_pool() -> OpenConfig {
    OpenConfig { max_connections: 4, ..OpenConfig::default() }
}

/// Tests let months pass in an instant: knowledge does not grow stale by that.
fn patient() -> VerifierConfig {
    VerifierConfig { max_stale: 10_000 * DAY, ..VerifierConfig::default() }
}

/// Whatever is told apart by 32 bytes.
pub(crate) fn random_digest() -> [u8; 32] {
    let mut digest = [0; 32];
    OsRandom.fill(&mut digest);
    digest
}

pub(crate) fn production() -> EnvironmentName {
    environment("production")
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

pub(crate) fn permissions(names: &[&str]) -> Vec<PermissionName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn grants(roles: &[BuiltInRole]) -> Vec<Grant> {
    roles.iter().map(|role| Grant { workspace: None, role: RoleRef::BuiltIn(*role) }).collect()
}

/// A user's key that lives a year.
pub(crate) fn user_input(user: UserId, level: Level, listed: &[&str]) -> IssueKey {
    let mut input = IssueKey::named("user");
    input.principal = Some(PrincipalRef::User(user.into()));
    input.level = Some(level);
    input.permissions = permissions(listed);
    input.expiry = Expiry::In(ExpiryPreset::OneYear);
    input
}

pub(crate) async fn verify_with(
    verifier: &Verifier,
    secret: &Secret,
    address: Option<IpAddr>,
) -> Result<Verification, Code> {
    verifier
        .verify(secret.expose().as_bytes(), address, &Requirement::NONE)
        .await
        .map_err(|error| error.code())
}

/// Waits until something holds, and fails when it does not within the time that is promised.
pub(crate) async fn within(promised: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while !holds().await {
            look.tick().await;
        }
    };
    if tokio::time::timeout(promised, waiting).await.is_err() {
        panic!("{what}: not within {promised:?}");
    }
}

/// Where tests may make databases.
pub(crate) fn server_url() -> String {
    std::env::var("WARDKEY_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// The same server, another database.
pub(crate) fn in_database(url: &str, name: &str) -> String {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let server = address.rsplit_once('/').expect("the server's URL names a database").0;
    format!("{server}/{name}{options}")
}

/// Connects past the storage.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap_or_else(|error| {
        panic!(
            "no PostgreSQL for tests at {url}: {error}. Start one there, or name another in \
             WARDKEY_TEST_POSTGRES_URL"
        )
    });
    tokio::spawn(connection);
    client
}

async fn on_server(statement: &str) {
    connect(&server_url()).await.batch_execute(statement).await.unwrap();
}
