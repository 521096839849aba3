//! A deployment whose records are made up when they are asked for, so that a million of them take no room.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use wardkey_core::testing::SeededRandom;
use wardkey_core::{
    Access, At, Catalogue, Changes, CustomerId, Deployment, Digest, Environment, EnvironmentName, FoundKey,
    Id, KeyId, KeyRecord, KeyState, KeyStore, Level, OrganizationId, OrganizationKind, OrganizationRecord,
    Position, PrincipalKind, PrincipalRecord, Random, RateLimits, Reference, Report, Requirement, SecretId,
    SecretStart, ServiceAccountId, Standing, StoreError, StoreFuture, SystemClock, Verifier, VerifierConfig,
    WorkspaceId, WorkspaceRecord,
};

wardkey_core::permissions! {
    "Pipelines" {
        pub PipelinesRead = "pipelines:read", read, "See pipelines";
        pub PipelinesRun = "pipelines:run", write, "Run pipelines";
    }
    "Connections" {
        pub ConnectionsRead = "connections:read", read, "See connections"
    }
}

const KEYS_OF_AN_ORGANIZATION: usize = 10;
const WORKSPACES: usize = 4;
const START: &str = "wk_live_";
const SECRET_LEN: usize = START.len() + 43 + 6;

/// From where every request comes.
pub(crate) const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)));

/// A secret, and the workspace that its request is about.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    secret: Box<[u8; SECRET_LEN]>,
    place: Reference<WorkspaceId>,
}

impl Request {
    pub(crate) fn secret(&self) -> &[u8] {
        &*self.secret
    }

    pub(crate) fn place(&self) -> &Reference<WorkspaceId> {
        &self.place
    }

    /// The same with a slip in its last character.
    pub(crate) fn mistyped(&self) -> Self {
        let mut mistyped = self.clone();
        mistyped.secret[SECRET_LEN - 1] = if self.secret[SECRET_LEN - 1] == b'0' { b'1' } else { b'0' };
        mistyped
    }
}

/// Keys of organizations with ten keys and four workspaces each. A key belongs to a service account of its own, is
/// restricted to listed permissions, expires some day, and comes from its organization's network.
pub(crate) struct World {
    store: Arc<MadeUp>,
    secrets: Vec<[u8; SECRET_LEN]>,
    random: SeededRandom,
}

struct MadeUp {
    numbers: HashMap<Digest, usize>,
    environment: EnvironmentName,
}

impl World {
    pub(crate) fn new(keys: usize) -> Self {
        let random = SeededRandom::new(keys as u64);
        let generated = generate(&random, keys);
        let numbers = generated.iter().enumerate().map(|(number, (_, digest))| (*digest, number)).collect();
        let environment = "production".parse().expect("a literal slug");
        let secrets = generated.into_iter().map(|(secret, _)| secret).collect();
        Self { store: Arc::new(MadeUp { numbers, environment }), secrets, random }
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let config = VerifierConfig {
            capacity: self.secrets.len(),
            remember_unknown: Duration::from_secs(3600),
            max_stale: Duration::from_secs(3600),
            ..VerifierConfig::default()
        };
        let store = Arc::clone(&self.store) as Arc<dyn KeyStore>;
        let (environment, clock) = (self.store.environment.clone(), Arc::new(SystemClock::new()));
        Verifier::with_clock(store, environment, config, clock, &self.random)
    }

    /// A verifier that has seen every key.
    pub(crate) fn filled_verifier(&self) -> Verifier {
        let verifier = self.verifier();
        self.fill(&verifier);
        verifier
    }

    pub(crate) fn fill(&self, verifier: &Verifier) {
        let nothing = Requirement::NONE;
        for secret in &self.secrets {
            let mut verification = pin!(verifier.verify(secret, ADDRESS, &nothing));
            let mut context = Context::from_waker(Waker::noop());
            while verification.as_mut().poll(&mut context).is_pending() {}
        }
        assert_eq!(verifier.cached_keys(), self.secrets.len(), "every key is cached");
    }

    /// A request with each of the keys, in random order: neighbours here are no neighbours in memory there, and neither
    /// are their secrets.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let request = |(number, secret): (usize, &[u8; SECRET_LEN])| {
            let workspace = workspace_id(number / KEYS_OF_AN_ORGANIZATION, number % WORKSPACES);
            Request { secret: Box::new(*secret), place: Reference::Id(workspace) }
        };
        let mut requests: Vec<_> = self.secrets.iter().enumerate().map(request).collect();
        // Fisher and Yates.
        for last in (1..requests.len()).rev() {
            let mut bytes = [0; 8];
            self.random.fill(&mut bytes);
            requests.swap(last, (u64::from_le_bytes(bytes) % (last as u64 + 1)) as usize);
        }
        requests
    }

    /// Requests with well-formed secrets that belong to no key.
    pub(crate) fn unknown_requests(&self, count: usize) -> Vec<Request> {
        let request =
            |(secret, _)| Request { secret: Box::new(secret), place: Reference::Id(workspace_id(0, 0)) };
        generate(&self.random, count).into_iter().map(request).collect()
    }
}

fn generate(random: &SeededRandom, count: usize) -> Vec<([u8; SECRET_LEN], Digest)> {
    let start = SecretStart::new("wk", "live").expect("a literal start");
    let one = || {
        let secret = start.generate(random);
        let text = secret.expose().as_bytes().try_into().expect("secrets of one start are of one length");
        (text, secret.digest())
    };
    (0..count).map(|_| one()).collect()
}

fn workspace_id(organization: usize, workspace: usize) -> WorkspaceId {
    WorkspaceId::from_bytes((((organization as u128) << 64) | workspace as u128).to_be_bytes())
}

impl MadeUp {
    fn record(&self, number: usize) -> KeyRecord {
        let id = (number as u128).to_be_bytes();
        let organization = number / KEYS_OF_AN_ORGANIZATION;
        let workspaces = (0..WORKSPACES).map(|at| WorkspaceRecord {
            id: workspace_id(organization, at),
            external_id: Some(format!("workspace-{at}")),
            networks: Vec::new(),
        });
        let permissions: &[&str] = match number % 3 {
            0 => &["pipelines:read"],
            1 => &["pipelines:read", "pipelines:run"],
            _ => &["pipelines:read", "connections:read"],
        };
        // All of these contain the one address, and no two of them are equal by chance.
        let own = Ipv4Addr::from_bits(u32::try_from(organization).expect("there are not so many"));
        let networks = ["10.0.0.0/8", &own.to_string()];
        KeyRecord {
            key: KeyId::from_bytes(id),
            secret: SecretId::from_bytes(id),
            secret_ends_at: None,
            environment: self.environment.as_str().parse().expect("it was one before"),
            state: KeyState::Active,
            expires_at: "2099-01-01T00:00:00Z".parse().ok(),
            organization: OrganizationRecord {
                id: OrganizationId::from_bytes((organization as u128).to_be_bytes()),
                external_id: Some(format!("customer-{organization}")),
                kind: OrganizationKind::Tenant,
                state: Standing::Active,
                workspaces: workspaces.collect(),
            },
            principal: PrincipalRecord {
                external_id: None,
                state: Standing::Active,
                kind: PrincipalKind::ServiceAccount { id: ServiceAccountId::from_bytes(id) },
            },
            level: Level::Restricted,
            permissions: permissions.iter().map(|name| name.parse().expect("a literal permission")).collect(),
            workspaces: Access::All,
            customers: Access::All,
            networks: vec![networks.iter().map(|network| network.parse().expect("a network")).collect()],
            rate_limits: RateLimits::NONE,
        }
    }
}

const POSITION: Position = Position { epoch: 1, number: 0 };

fn answer<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, Result<At<T>, StoreError>> {
    Box::pin(std::future::ready(Ok(At { position: POSITION, value })))
}

impl KeyStore for MadeUp {
    fn find<'a>(
        &'a self,
        _: &'a EnvironmentName,
        digest: Digest,
    ) -> StoreFuture<'a, Result<At<Option<FoundKey>>, StoreError>> {
        let number = self.numbers.get(&digest);
        answer(number.map(|number| FoundKey::Record(Box::new(self.record(*number)))))
    }

    fn find_customer<'a>(
        &'a self,
        _: OrganizationId,
        _: &'a Reference<CustomerId>,
    ) -> StoreFuture<'a, Result<At<Option<CustomerId>>, StoreError>> {
        answer(None)
    }

    fn deployment(&self) -> StoreFuture<'_, Result<At<Deployment>, StoreError>> {
        answer(Deployment {
            secret_prefixes: vec!["wk".to_owned()],
            environments: vec![Environment { name: self.environment.clone(), tag: "live".to_owned() }],
            catalogue: Catalogue::declared(CATALOGUE),
        })
    }

    fn changes(&self, _: Option<Position>) -> StoreFuture<'_, Result<Changes, StoreError>> {
        Box::pin(std::future::ready(Ok(Changes::Since { changes: Vec::new(), position: POSITION })))
    }

    fn wait_for_change(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn report<'a>(&'a self, _: &'a Report) -> StoreFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
