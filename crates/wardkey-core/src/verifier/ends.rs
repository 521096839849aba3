//! Ends that were seen to come.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::SecretId;
use crate::time::Timestamp;

/// Which secrets this process has refused because their time was over, and by which end. It outlives the cached
/// records, so that a clock that steps back revives nothing when a record is read anew. An end that an edit moves
/// further away is another end.
///
/// Only secrets of real keys get here, one at a time as each is refused.
#[derive(Debug, Default)]
pub(super) struct SeenEnds(Mutex<HashMap<SecretId, Timestamp>>);

impl SeenEnds {
    /// The latest end that was seen for this secret.
    pub(super) fn of(&self, secret: SecretId) -> Option<Timestamp> {
        self.lock().get(&secret).copied()
    }

    /// Remembers that this end has come.
    pub(super) fn note(&self, secret: SecretId, end: Timestamp) {
        let mut ends = self.lock();
        let seen = ends.entry(secret).or_insert(end);
        *seen = end.max(*seen);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SecretId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
