//! Verification inside the process: a hash, a lookup, a few comparisons.

mod cache;
mod ends;
mod entry;
mod feed;
mod fill;
mod generations;
mod limits;
mod usage;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

pub use entry::SharedRights;

use cache::Cache;
use ends::SeenEnds;
use entry::CachedKey;
use feed::Reports;
use fill::Flights;
use limits::CELLS_PER_CACHED_KEY;

use crate::decide::{KeySummary, decide};
use crate::denial::{Denial, Unavailable, VerifyError};
use crate::ids::{CustomerId, InstanceId, Reference};
use crate::interner::SharedParts;
use crate::permission::PermissionGroup;
use crate::random::{OsRandom, Random};
use crate::rate_limit::{Cells, SharedLimits};
use crate::requirement::Requirement;
use crate::scope::EnvironmentName;
use crate::secret::{Digest, Presented};
use crate::store::{Deployment, KeyStore, StoreError};
use crate::time::{Clock, Glance, SystemClock};

/// How late a glance at the clock may be, with much to spare. A key that ends sooner than that is judged by the exact
/// time, so that it ends on time.
const GLANCE_MAY_LAG: Duration = Duration::from_secs(1);

/// Verifies keys of one environment, from memory.
///
/// A record is read from the store when its key is first seen and then kept; [`follow`](Self::follow) hears of
/// changes and drops what they touch. A verification that is answered from memory waits for nothing, locks nothing
/// and writes nothing but a counter. Only where a key has rate limits, requests with the same key take turns for the
/// few instructions that charge them; with shared limits they ask the limiter once.
///
/// Clones share everything.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

/// How a verifier behaves. Every duration is a promise that operators can read.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// How many keys are remembered at most, and likewise how many unknown digests, keys of other environments, and
    /// customers, each apart: strangers displace no key. 100 000 by default.
    ///
    /// A key takes about 300 bytes, and its organization about 60 and 70 for each workspace, shared by its keys; a
    /// digest that belongs to none takes about 70. By default that is some 40 MB if all of it is full.
    /// What keys with rate limits have spent is remembered for eight times as many, at about 200 bytes each.
    pub capacity: usize,
    /// For how long a digest that belongs to no key is remembered as such, unless the key appears; 30 s by default.
    pub remember_unknown: Duration,
    /// How old the knowledge of changes may be. Beyond it every well-formed key is answered 503; 60 s by default. It is
    /// measured as exactly as the clock can be glanced at: to ten milliseconds.
    pub max_stale: Duration,
    /// How often to ask for changes when no hint comes; 1 s by default, 10 ms at least.
    pub poll_interval: Duration,
    /// How often usage and the applied position are reported when nothing changes; 5 s by default, and half of `max_stale`
    /// at most, so that the instance does not count as gone while it still serves.
    pub report_interval: Duration,
    /// How long to wait for an answer of the store; 2 s by default.
    pub lookup_timeout: Duration,
    /// How many keys and customers may be looked up in the store at the same time; 4 by default. Keep it below the
    /// store's number of connections, so that no flood of unknown keys can cut the verifier off from the changes.
    pub max_lookups: usize,
    /// Where rate limits are charged together with other nodes; by default each node counts by itself.
    pub shared_limits: Option<SharedLimits>,
}

impl Default for VerifierConfig {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            remember_unknown: Duration::from_secs(30),
            max_stale: Duration::from_secs(60),
            poll_interval: Duration::from_secs(1),
            report_interval: Duration::from_secs(5),
            lookup_timeout: Duration::from_secs(2),
            max_lookups: 4,
            shared_limits: None,
        }
    }
}

/// A granted request.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The ids of the key.
    pub key: KeySummary,
    /// What it may do, shared by all verifications of the key.
    pub rights: SharedRights,
}

/// Why a verifier cannot serve yet, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The key store does not answer.
    #[error("the key store does not answer")]
    Store(#[source] StoreError),
    /// The verifier was built for an environment that the deployment does not have.
    #[error("the deployment has no environment {0}")]
    UnknownEnvironment(EnvironmentName),
    /// The deployment's catalogue lacks permissions that the program was compiled with.
    #[error("the deployment's catalogue lacks {}", .0.join(", "))]
    MissingPermissions(Vec<&'static str>),
    /// What is known of the keys is too old. Is `follow()` spawned, and does the store answer?
    #[error("changes were last heard of {} s ago", .0.as_secs())]
    Stale(Duration),
}

/// What it means that the deployment's catalogue lacks a permission that a program was compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingPermissions {
    /// A warning in the log: nobody holds it, and what needs it is refused.
    Tolerated,
    /// That too, and the program is not ready.
    NotReady,
}

struct Inner {
    store: Arc<dyn KeyStore>,
    environment: EnvironmentName,
    config: VerifierConfig,
    clock: Arc<dyn Clock>,
    instance: InstanceId,
    cache: Cache,
    parts: SharedParts,
    flights: Flights,
    seen_ends: SeenEnds,
    cells: Cells,
    lookups: Semaphore,
    loading_deployment: tokio::sync::Mutex<()>,
    reporting: tokio::sync::Mutex<Reports>,
    catching_up: tokio::sync::Mutex<()>,
    /// Tells that changes have taken effect.
    moved_on: Arc<Notify>,
    /// The age at which the last successful poll for changes began; negative before the first.
    fresh_at_micros: AtomicI64,
}

impl Verifier {
    /// A verifier of this environment's keys, by the system's clock and randomness.
    pub fn new(store: Arc<dyn KeyStore>, environment: EnvironmentName, config: VerifierConfig) -> Self {
        Self::with_clock(store, environment, config, Arc::new(SystemClock::new()), &OsRandom)
    }

    /// A verifier with its own clock and randomness, as tests need it.
    pub fn with_clock(
        store: Arc<dyn KeyStore>,
        environment: EnvironmentName,
        config: VerifierConfig,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Self {
        let inner = Inner {
            store,
            environment,
            cache: Cache::new(config.capacity),
            instance: InstanceId::mint(clock.now(), random),
            cells: Cells::new(config.capacity.saturating_mul(CELLS_PER_CACHED_KEY), Arc::clone(&clock)),
            clock,
            parts: SharedParts::default(),
            flights: Flights::default(),
            seen_ends: SeenEnds::default(),
            lookups: Semaphore::new(config.max_lookups.max(1)),
            loading_deployment: tokio::sync::Mutex::new(()),
            reporting: tokio::sync::Mutex::default(),
            catching_up: tokio::sync::Mutex::new(()),
            moved_on: Arc::default(),
            fresh_at_micros: AtomicI64::new(-1),
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The environment whose keys are verified.
    pub fn environment(&self) -> &EnvironmentName {
        &self.inner.environment
    }

    /// Verifies a presented secret for a request from this address.
    ///
    /// # Errors
    /// [`VerifyError::Denied`] with the first reason to refuse; [`VerifyError::Unavailable`] when it cannot be
    /// decided, which is never a denial.
    pub async fn verify(
        &self,
        secret: &[u8],
        address: Option<IpAddr>,
        requirement: &Requirement,
    ) -> Result<Verification, VerifyError> {
        let presented = Presented::parse(secret).ok_or(Denial::InvalidKey)?;
        let digest = presented.digest();
        let inner = &self.inner;
        let answer = match inner.answer_from_memory(&digest, address, requirement) {
            Some(answer) => answer,
            None => inner.answer_from_store(digest, presented.prefix(), address, requirement).await,
        };
        match answer {
            Ok(verification) if inner.is_to_be_settled(&verification.rights.0, requirement) => {
                self.settle(&verification, requirement).await?;
                Ok(verification)
            }
            answer => answer,
        }
    }

    /// The id of the customer, if the key reaches it.
    ///
    /// # Errors
    /// [`Denial::NotFound`] if it is out of the key's scope or does not exist in its organization: the two are not
    /// told apart.
    pub async fn find_customer(
        &self,
        verification: &Verification,
        customer: &Reference<CustomerId>,
    ) -> Result<CustomerId, VerifyError> {
        let found = self.inner.look_up_customer(verification.key.organization, customer).await?;
        let reached = |id: &CustomerId| verification.rights.rights.customers().includes(id);
        found.filter(reached).ok_or(VerifyError::Denied(Denial::NotFound))
    }

    /// What all keys have in common, as last read: prefixes, environments, catalogue.
    ///
    /// # Errors
    /// If it is not known and the store does not answer.
    pub async fn deployment(&self) -> Result<Deployment, StoreError> {
        self.inner.start_feed().await?;
        Ok(self.inner.load_deployment().await?.deployment.clone())
    }

    /// Whether requests can be verified: the store has answered, recently, and has the environment.
    ///
    /// # Errors
    /// What is missing.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        let deployment = self.deployment().await.map_err(NotReady::Store)?;
        if deployment.environment(self.environment()).is_none() {
            return Err(NotReady::UnknownEnvironment(self.environment().clone()));
        }
        let age = self.staleness();
        if age > self.inner.config.max_stale { Err(NotReady::Stale(age)) } else { Ok(()) }
    }

    /// Compares the permissions that the program was compiled with to the deployment's catalogue. A permission that is not
    /// in there is held by nobody: better said at the start than found out by those who are refused. What is missing goes
    /// to the log as a warning, with the file that `wardkey --local permissions apply` takes.
    ///
    /// ```
    /// use wardkey_core::{MissingPermissions, testing::TestKeys};
    ///
    /// wardkey_core::permissions! { "Pipelines" { pub PipelinesRead = "pipelines:read", read, "See pipelines" } }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let verifier = TestKeys::new(CATALOGUE, &[]).verifier();
    /// verifier.check_permissions(CATALOGUE, MissingPermissions::NotReady).await?;
    /// # Ok::<(), wardkey_core::NotReady>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotReady::Store`] if the catalogue is not known and the store does not answer;
    /// [`NotReady::MissingPermissions`] if that is asked for.
    pub async fn check_permissions(
        &self,
        declared: &[PermissionGroup],
        on_missing: MissingPermissions,
    ) -> Result<(), NotReady> {
        let deployment = self.deployment().await.map_err(NotReady::Store)?;
        let names = declared.iter().flat_map(|group| group.permissions).map(|(name, ..)| *name);
        let missing = deployment.catalogue.missing(names);
        if missing.is_empty() {
            return Ok(());
        }
        let (names, file) = (missing.join(", "), PermissionGroup::catalogue_file(declared));
        tracing::warn!(
            missing = names,
            file,
            "the deployment's catalogue lacks permissions; apply this file"
        );
        match on_missing {
            MissingPermissions::Tolerated => Ok(()),
            MissingPermissions::NotReady => Err(NotReady::MissingPermissions(missing)),
        }
    }

    /// How old the knowledge of changes is. Whatever was committed longer ago than this takes effect here.
    pub fn staleness(&self) -> Duration {
        let age = self.inner.clock.monotonic();
        self.inner.fresh_at().map_or(Duration::MAX, |fresh_at| age.saturating_sub(fresh_at))
    }

    /// How many keys are remembered.
    pub fn cached_keys(&self) -> usize {
        self.inner.cache.len()
    }
}

impl Inner {
    /// The answer that can be given at once, if any. This is the path of nearly every verification: it waits for
    /// nothing, and stays out of the state of a future, in which each value would be moved about.
    fn answer_from_memory(
        &self,
        digest: &Digest,
        address: Option<IpAddr>,
        requirement: &Requirement,
    ) -> Option<Result<Verification, VerifyError>> {
        let glance = self.clock.glance();
        if let Err(stale) = self.check_fresh(self.fresh_at()?, glance.monotonic) {
            return Some(Err(stale));
        }
        let decided = self.cache.with(digest, |key| {
            key.touch();
            self.decide(key, address, requirement, glance)
        });
        let refused = || {
            let unknown = self.cache.is_unknown(digest, glance.monotonic);
            unknown.then(|| Err(Denial::InvalidKey.into()))
        };
        decided.or_else(refused)
    }

    /// The answer for a key that is seen for the first time in a while. The very first of all reads where the feed stands,
    /// before anything is read that must be coherent with it.
    async fn answer_from_store(
        &self,
        digest: Digest,
        prefix: &[u8],
        address: Option<IpAddr>,
        requirement: &Requirement,
    ) -> Result<Verification, VerifyError> {
        if self.fresh_at().is_none() {
            self.start_feed().await?;
        }
        self.check_fresh(self.fresh_at().unwrap_or_default(), self.clock.monotonic())?;
        let key = self.look_up(digest, prefix).await?;
        self.decide(&key, address, requirement, self.look_at_clocks())
    }

    /// Decides on a key, at an instant that a glance at the clock gave, and charges and counts what is granted, unless it
    /// has yet to be [settled](Self::is_to_be_settled).
    fn decide(
        &self,
        cached: &Arc<CachedKey>,
        address: Option<IpAddr>,
        requirement: &Requirement,
        glance: Glance,
    ) -> Result<Verification, VerifyError> {
        let key = &cached.key;
        // All that is needed of the key is fetched before the first counter, for which the processor would wait.
        let (ids, end) = (key.summary(), key.first_end());
        let near_its_end = end.is_some_and(|end| glance.now.saturating_add(GLANCE_MAY_LAG) >= end);
        let now = cached.not_before_end(if near_its_end { self.clock.now() } else { glance.now });
        decide(key, &self.environment, address, requirement, now).inspect_err(|denial| {
            if let (Denial::KeyExpired | Denial::SecretEnded, Some(end)) = (denial, end)
                && cached.note_end()
            {
                self.seen_ends.note(ids.secret, end);
            }
        })?;
        if !self.is_to_be_settled(cached, requirement) {
            cached.limits().map_or(Ok(()), |limits| limits.charge(glance.monotonic))?;
            cached.count(now);
        }
        Ok(Verification { key: ids, rights: SharedRights(Arc::clone(cached)) })
    }

    /// Both clocks as they are now.
    fn look_at_clocks(&self) -> Glance {
        Glance { now: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// Whether what is known is fresh enough to decide by, at this age of the process's clock.
    fn check_fresh(&self, fresh_at: Duration, age: Duration) -> Result<(), VerifyError> {
        let age = age.saturating_sub(fresh_at);
        if age > self.config.max_stale {
            return Err(VerifyError::Unavailable(Unavailable::Stale { age }));
        }
        Ok(())
    }

    /// The age at which the last successful poll for changes began.
    fn fresh_at(&self) -> Option<Duration> {
        u64::try_from(self.fresh_at_micros.load(Ordering::Acquire)).ok().map(Duration::from_micros)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("environment", &self.inner.environment)
            .field("cached_keys", &self.cached_keys())
            .finish_non_exhaustive()
    }
}
