//! What was used: counted in the cached keys, reported every few seconds. Counting never waits for anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::CachedKey;
use crate::store::Usage;

/// Keys that are not cached any more and may still be counting, or have counted what is not reported yet.
#[derive(Debug, Default)]
pub(super) struct RetiredKeys(Mutex<Vec<Arc<CachedKey>>>);

impl RetiredKeys {
    /// Takes a key that leaves the cache, or never entered it, so that nothing that it counts is lost.
    pub(super) fn add(&self, key: Arc<CachedKey>) {
        self.lock().push(key);
    }

    /// Takes out everything counted, and lets go of keys that nobody holds any more.
    pub(super) fn take_usage(&self, used: &mut Vec<Usage>) {
        self.lock().retain_mut(|key| {
            // Asked before counting out: whoever still holds the key may count once more.
            let held = Arc::get_mut(key).is_none();
            used.extend(key.take_usage());
            held
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<CachedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
