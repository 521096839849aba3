//! What comes last of a verification: the customer that is asked for, and the rate limits, charged once.

use super::entry::CachedKey;
use super::{Inner, Verification, Verifier};
use crate::denial::{Unavailable, VerifyError};
use crate::rate_limit::{KeyLimits, RateLimitStanding, SharedLimits, SharedOutcome, WhenAway};
use crate::requirement::Requirement;

/// How many keys that are not cached are remembered for what they have spent, for each that may be cached.
pub(super) const CELLS_PER_CACHED_KEY: usize = 8;

impl Verification {
    /// Where the key stands with each of its rate limits, this request included; nothing if it has none.
    pub fn rate_limits(&self) -> Vec<RateLimitStanding> {
        self.rights.0.limits().map(KeyLimits::standings).unwrap_or_default()
    }
}

impl Inner {
    /// Whether more than the record is needed to grant a request: a customer that may have to be looked up, or what
    /// other nodes have admitted.
    pub(super) fn is_to_be_settled(&self, key: &CachedKey, requirement: &Requirement) -> bool {
        requirement.customer.is_some() || (self.config.shared_limits.is_some() && key.limits().is_some())
    }

    /// Charges a request to the limits of its key: first to what this node knows, which costs next to nothing and may
    /// refuse it already, then to what all nodes share.
    ///
    /// The node counts what it has admitted itself, and takes note of what it hears of the others. It so never refuses
    /// what the shared limiter would admit, and a flood that the limiter refuses does not reach it.
    async fn charge(&self, limits: &KeyLimits, key: &CachedKey) -> Result<(), VerifyError> {
        let now = self.clock.monotonic();
        limits.charge(now)?;
        let Some(SharedLimits { limiter, when_away }) = &self.config.shared_limits else { return Ok(()) };
        let charged = limits.tentatively();
        match limiter.charge(key.key.summary().key, limits.limits()).await {
            Ok(answer) if answer.outcome == SharedOutcome::Charged => {
                charged.keep();
                limits.learn(&answer, now);
                Ok(())
            }
            Ok(answer) => {
                drop(charged);
                limits.learn(&answer, now);
                Err(limits.denial(now).into())
            }
            Err(_) if *when_away == WhenAway::Local => {
                charged.keep();
                Ok(())
            }
            Err(error) => Err(VerifyError::Unavailable(Unavailable::Limiter(error))),
        }
    }
}

impl Verifier {
    /// What is left to be asked of a request that the record grants. It counts as a verification if that is granted, too.
    pub(super) async fn settle(
        &self,
        verification: &Verification,
        requirement: &Requirement,
    ) -> Result<(), VerifyError> {
        if let Some(customer) = &requirement.customer {
            self.find_customer(verification, customer).await?;
        }
        let key = &verification.rights.0;
        if let Some(limits) = key.limits() {
            self.inner.charge(limits, key).await?;
        }
        key.count(self.inner.clock.now());
        Ok(())
    }
}
