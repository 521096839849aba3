//! How far a change has got: which verifiers answer by it, and which do not yet.

use std::time::Duration;

use wardkey_core::{EnvironmentName, InstanceId, Position, Timestamp};
use wardkey_storage::Instance;

use crate::error::Error;
use crate::tenant::Tenant;

/// The longest time that anybody waits for the verifiers.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long to wait before the verifiers are looked at again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// How far a change has got among the verifiers of an environment that serve at present, as they have told: one whose
/// reports do not come through is taken for gone when it would have ceased to serve, by its own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagation {
    /// How many answer by it.
    pub applied: usize,
    /// Those that have not said so.
    pub pending: Vec<PendingVerifier>,
}

/// A verifier that has not said that it answers by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingVerifier {
    /// Which one: an id for the life of its process, which it writes to its log when it starts.
    pub id: InstanceId,
    /// When it was last heard of.
    pub reported_at: Timestamp,
    /// Until when it may answer by what it knew then. Then it answers 503 to everything, unless it has heard of all.
    pub serves_until: Timestamp,
}

impl Tenant {
    /// Waits until every verifier of the environment answers by what was done before, `patience` at most and never longer
    /// than [`LONGEST_WAIT`], and says which ones do.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. What was done before is done.
    pub async fn wait_for_verifiers(
        &self,
        environment: &EnvironmentName,
        patience: Duration,
    ) -> Result<Propagation, Error> {
        let storage = self.wardkey.storage();
        let position = storage.feed_position().await?;
        let look = async || {
            let instances = storage.list_instances(environment, self.now()).await?;
            Ok::<_, Error>(Propagation::of(&instances, position))
        };
        let mut seen = look().await?;
        let until_all_have = async {
            let mut pause = FIRST_PAUSE;
            while !seen.pending.is_empty() {
                tokio::time::sleep(pause).await;
                seen = look().await?;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Ok::<_, Error>(())
        };
        if let Ok(looked) = tokio::time::timeout(patience.min(LONGEST_WAIT), until_all_have).await {
            looked?;
        }
        Ok(seen)
    }
}

impl Propagation {
    fn of(instances: &[Instance], position: Position) -> Self {
        // Another epoch is another life of the database, of which the instance has not heard.
        let has_applied = |instance: &&Instance| {
            instance.applied.epoch == position.epoch && instance.applied.number >= position.number
        };
        let (applied, pending): (Vec<_>, Vec<_>) = instances.iter().partition(has_applied);
        let pending = pending.into_iter().map(|&Instance { id, applied: _, reported_at, serves_until }| {
            PendingVerifier { id, reported_at, serves_until }
        });
        Self { applied: applied.len(), pending: pending.collect() }
    }
}
