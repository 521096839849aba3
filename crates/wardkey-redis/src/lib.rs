#![doc = include_str!("../README.md")]

mod circuit;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use circuit::{AfterFailure, Circuit};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisError, Script};
use wardkey_core::{
    Clock, FullAt, KeyId, LimiterError, RateLimits, SharedCharge, SharedLimiter, SharedOutcome, StoreFuture,
    SystemClock,
};

/// How long a request waits for the shared limits at most, connecting included, unless [another
/// time](RedisLimiter::with_budget) is chosen.
pub const BUDGET: Duration = Duration::from_millis(50);

/// How long connecting may take. It goes on while no request waits for it.
const CONNECTING: Duration = Duration::from_secs(1);

/// Rate limits that all nodes with the same Redis or Valkey share. Give it to a verifier by
/// [`SharedLimits`](wardkey_core::SharedLimits).
///
/// Clones share the connection.
#[derive(Clone)]
pub struct RedisLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    prefix: String,
    budget: Duration,
    script: Script,
    connection: Mutex<Option<ConnectionManager>>,
    circuit: Circuit,
    clock: Arc<dyn Clock>,
}

/// A [`RedisLimiter`] cannot be made of this URL.
#[derive(Debug, thiserror::Error)]
#[error("not a URL of a Redis or Valkey server, such as rediss://user:password@host:6379/0")]
pub struct InvalidRedisUrl(#[source] RedisError);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("not asked, since it did not answer repeatedly and lately")]
    Skipped,
    #[error("refused, or not to be reached")]
    Failed(#[source] RedisError),
    #[error("the answer is not what the script gives")]
    Garbled,
}

impl RedisLimiter {
    /// The limiter behind this URL: `redis://…`, or `rediss://…` with TLS, by the system's root certificates. Nothing is
    /// connected yet, so that a program starts without it.
    ///
    /// # Errors
    /// If it is no such URL.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        Self::with_clock(url, Arc::new(SystemClock::new()))
    }

    /// The same with a clock of its own for the pauses, as tests need it. Requests are charged by the server's clock.
    ///
    /// # Errors
    /// If it is no such URL.
    pub fn with_clock(url: &str, clock: Arc<dyn Clock>) -> Result<Self, InvalidRedisUrl> {
        let client =
            Client::open(url.into_connection_info().map_err(InvalidRedisUrl)?).map_err(InvalidRedisUrl)?;
        let inner = Inner {
            client,
            prefix: "wardkey".to_owned(),
            budget: BUDGET,
            script: Script::new(include_str!("charge.lua")),
            connection: Mutex::default(),
            circuit: Circuit::default(),
            clock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins the names of all keys in Redis with another word than `wardkey`, to which an access list can be bound. All
    /// nodes must use the same.
    ///
    /// # Panics
    /// If the limiter was cloned already.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.unshared().prefix = prefix.to_owned();
        self
    }

    /// Lets a request wait for another time than [`BUDGET`].
    ///
    /// # Panics
    /// If the limiter was cloned already.
    #[must_use]
    pub fn with_budget(mut self, budget: Duration) -> Self {
        self.unshared().budget = budget;
        self
    }

    fn unshared(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.inner).expect("a limiter is configured before it is shared")
    }
}

impl SharedLimiter for RedisLimiter {
    fn charge<'a>(
        &'a self,
        key: KeyId,
        limits: &'a RateLimits,
    ) -> StoreFuture<'a, Result<SharedCharge, LimiterError>> {
        Box::pin(async move { self.inner.charge(key, limits).await.map_err(LimiterError::new) })
    }
}

impl Inner {
    async fn charge(&self, key: KeyId, limits: &RateLimits) -> Result<SharedCharge, NoAnswer> {
        if !self.circuit.may_ask(self.clock.monotonic()) {
            return Err(NoAnswer::Skipped);
        }
        let answer = match tokio::time::timeout(self.budget, self.ask(key, limits)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::TimedOut(self.budget)),
        };
        match &answer {
            Ok(_) => {
                if self.circuit.note_answer() {
                    tracing::info!("the shared rate limits answer again");
                }
            }
            Err(error) => self.note_failure(error),
        }
        answer
    }

    async fn ask(&self, key: KeyId, limits: &RateLimits) -> Result<SharedCharge, NoAnswer> {
        let mut connection = self.connection()?;
        // In braces is what a cluster finds the node by.
        let mut call = self.script.key(format!("{}:limits:{{{key}}}", self.prefix));
        for limit in limits.iter() {
            call.arg(limit.name()).arg(limit.limit()).arg(limit.window_seconds());
        }
        let answer: Vec<u64> = call.invoke_async(&mut connection).await.map_err(NoAnswer::Failed)?;
        read(&answer, limits).ok_or(NoAnswer::Garbled)
    }

    /// The connection, which is made when it is first asked for.
    fn connection(&self) -> Result<ConnectionManager, NoAnswer> {
        let mut connection = self.lock();
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let made = self.connect().map_err(NoAnswer::Failed)?;
        *connection = Some(made.clone());
        Ok(made)
    }

    /// A new connection, which is made in the background: that may take longer than a request waits.
    fn connect(&self) -> Result<ConnectionManager, RedisError> {
        self.provide_tls();
        // Whoever asks next makes the next attempt.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(None);
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        let mut connecting = manager.clone();
        tokio::spawn(async move {
            // Whether that succeeds is seen by who asks.
            let _: Result<(), RedisError> = redis::cmd("PING").query_async(&mut connecting).await;
        });
        Ok(manager)
    }

    /// The client takes the process's TLS provider; a program that has not chosen one gets ours.
    fn provide_tls(&self) {
        let needed = matches!(self.client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
        if needed && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may have been quicker, which is as well.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
    }

    fn note_failure(&self, error: &NoAnswer) {
        if self.circuit.note_failure(self.clock.monotonic()) == AfterFailure::Pause {
            // A connection that only falls silent is not known to be lost. Another one has the pause to be made.
            *self.lock() = self.connect().ok();
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "the shared rate limits do not answer; they are not asked for a second");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<ConnectionManager>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the script answers: charged or not, its time, then two numbers for each limit.
fn read(answer: &[u64], limits: &RateLimits) -> Option<SharedCharge> {
    let [charged, now, buckets @ ..] = answer else { return None };
    let outcome = match charged {
        0 => SharedOutcome::Refused,
        1 => SharedOutcome::Charged,
        _ => return None,
    };
    let (pairs, rest) = buckets.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != limits.len() {
        return None;
    }
    let full_at =
        |[micros, parts]: &[u64; 2]| Some(FullAt { micros: *micros, parts: u32::try_from(*parts).ok()? });
    let full_at = pairs.iter().map(full_at).collect::<Option<_>>()?;
    Some(SharedCharge { outcome, now: Duration::from_micros(*now), full_at })
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the URL, in which there may be a password.
        f.debug_struct("RedisLimiter").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}
