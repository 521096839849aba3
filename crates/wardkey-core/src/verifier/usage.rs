//! What was used: counted in memory, reported every few seconds. Counting never waits for anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::decide::KeySummary;
use crate::ids::{KeyId, SecretId};
use crate::store::Usage;
use crate::time::Timestamp;

/// The counter of one secret. It outlives the cached record, so that nothing is lost when the record is dropped.
#[derive(Debug)]
pub(super) struct UsageCell {
    key: KeyId,
    verifications: AtomicU64,
    last_used_micros: AtomicI64,
}

impl UsageCell {
    pub(super) fn count(&self, now: Timestamp) {
        self.last_used_micros.store(now.as_micros(), Ordering::Relaxed);
        self.verifications.fetch_add(1, Ordering::Release);
    }
}

/// The counters of all secrets that are cached or were used since the last report.
#[derive(Debug, Default)]
pub(super) struct UsageBook(Mutex<HashMap<SecretId, Arc<UsageCell>>>);

impl UsageBook {
    /// The counter of this secret.
    pub(super) fn cell(&self, key: KeySummary) -> Arc<UsageCell> {
        let fresh = || UsageCell {
            key: key.key,
            verifications: AtomicU64::new(0),
            last_used_micros: AtomicI64::new(0),
        };
        Arc::clone(self.lock().entry(key.secret).or_insert_with(|| Arc::new(fresh())))
    }

    /// Takes out everything counted, and forgets counters that nobody holds any more.
    pub(super) fn take(&self) -> Vec<Usage> {
        let mut used = Vec::new();
        self.lock().retain(|secret, cell| {
            // Asked before counting out: whoever still holds the cell may count once more.
            let held = Arc::strong_count(cell) > 1;
            let verifications = cell.verifications.swap(0, Ordering::Acquire);
            if verifications > 0 {
                let last_used_at = Timestamp::from_micros(cell.last_used_micros.load(Ordering::Relaxed));
                used.push(Usage { key: cell.key, secret: *secret, verifications, last_used_at });
            }
            held
        });
        used
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretId, Arc<UsageCell>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
