//! Limits that several nodes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::RateLimits;
use super::bucket::FullAt;
use crate::ids::KeyId;
use crate::store::{StoreFuture, chain};

/// Where several nodes charge the requests of a key together (crate `wardkey-redis`).
pub trait SharedLimiter: Send + Sync + 'static {
    /// Charges one request of this key to all of its limits, or to none of them, by the limiter's own clock. It asks
    /// whatever keeps the buckets once at most, and gives up within a time that one can make a request wait for.
    ///
    /// A limiter that has forgotten a bucket takes it for full.
    fn charge<'a>(
        &'a self,
        key: KeyId,
        limits: &'a RateLimits,
    ) -> StoreFuture<'a, Result<SharedCharge, LimiterError>>;
}

/// What a shared limiter says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCharge {
    /// Whether the request was charged.
    pub outcome: SharedOutcome,
    /// The time by the limiter's clock, since some fixed moment.
    pub now: Duration,
    /// The buckets as they are now by that clock, in the order of the limits.
    pub full_at: Vec<FullAt>,
}

/// Whether a request was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedOutcome {
    /// To every limit.
    Charged,
    /// To none, since one had no token.
    Refused,
}

/// What to do with a request whose limits are shared, while the shared limiter does not answer. There is no default: the
/// one is right where an outage must not stop the product, the other where a limit must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Each node goes by what it knows itself: what it has admitted, and what it last heard. A key's requests may then
    /// be as many on each node as its limits allow on all of them.
    Local,
    /// The request is answered 503.
    Unavailable,
}

/// A shared limiter, and what to do while it is away.
#[derive(Clone)]
pub struct SharedLimits {
    pub(crate) limiter: Arc<dyn SharedLimiter>,
    pub(crate) when_away: WhenAway,
}

impl SharedLimits {
    /// Limits are charged there.
    pub fn new(limiter: Arc<dyn SharedLimiter>, when_away: WhenAway) -> Self {
        Self { limiter, when_away }
    }
}

impl fmt::Debug for SharedLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimits").field("when_away", &self.when_away).finish_non_exhaustive()
    }
}

/// The shared limiter cannot answer. The cause is for the log, never for a client.
#[derive(Debug)]
pub struct LimiterError(Box<dyn std::error::Error + Send + Sync>);

impl LimiterError {
    /// An error with its cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// The whole chain of causes, for the log.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

impl fmt::Display for LimiterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shared rate limits do not answer")
    }
}

impl std::error::Error for LimiterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
