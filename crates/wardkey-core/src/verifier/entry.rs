//! A cached key, and what of it is handed out.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::decide::CompiledKey;
use crate::rate_limit::KeyLimits;
use crate::rights::KeyRights;
use crate::secret::Digest;
use crate::store::Usage;
use crate::time::Timestamp;

/// A compiled key with what happens to it between two readings of its record. One allocation holds all that belongs
/// to the key alone, so that a verification touches little memory.
#[derive(Debug)]
pub(super) struct CachedKey {
    pub(super) digest: Digest,
    pub(super) key: CompiledKey,
    /// Whether its first end was seen to come; for this key it is then never again earlier.
    ended: AtomicBool,
    verifications: AtomicU64,
    last_used_micros: AtomicI64,
    /// What is left of its rate limits, if it has any. Boxed, since most keys have none.
    limits: Option<Box<KeyLimits>>,
    /// Whether it was asked for since [`take_touched`](Self::take_touched) last asked.
    touched: AtomicBool,
}

impl CachedKey {
    /// What was read; `seen_end` is the latest end that this process has seen come for the secret.
    pub(super) fn new(
        digest: Digest,
        key: CompiledKey,
        seen_end: Option<Timestamp>,
        limits: Option<KeyLimits>,
    ) -> Self {
        let ended = seen_end.is_some_and(|seen| key.first_end().is_some_and(|end| end <= seen));
        Self {
            digest,
            key,
            ended: AtomicBool::new(ended),
            verifications: AtomicU64::new(0),
            last_used_micros: AtomicI64::new(0),
            limits: limits.map(Box::new),
            touched: AtomicBool::new(false),
        }
    }

    /// Its rate limits, if it has any.
    pub(super) fn limits(&self) -> Option<&KeyLimits> {
        self.limits.as_deref()
    }

    /// Notes that somebody asked for it again. Mostly this only reads.
    pub(super) fn touch(&self) {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was touched since this was last asked.
    pub(super) fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    /// The instant by which to decide, when the clock shows `now`: one that steps back does not revive what was seen to
    /// end.
    pub(super) fn not_before_end(&self, now: Timestamp) -> Timestamp {
        match self.key.first_end() {
            Some(end) if self.ended.load(Ordering::Relaxed) => now.max(end),
            _ => now,
        }
    }

    /// Remembers that its first end has come; whether that is news.
    pub(super) fn note_end(&self) -> bool {
        !self.ended.swap(true, Ordering::Relaxed)
    }

    /// Counts a granted verification. It waits for nothing.
    pub(super) fn count(&self, now: Timestamp) {
        self.last_used_micros.store(now.as_micros(), Ordering::Relaxed);
        self.verifications.fetch_add(1, Ordering::Release);
    }

    /// What was counted since this was last asked, if anything.
    pub(super) fn take_usage(&self) -> Option<Usage> {
        if self.verifications.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let verifications = self.verifications.swap(0, Ordering::Acquire);
        let last_used_at = Timestamp::from_micros(self.last_used_micros.load(Ordering::Relaxed));
        let ids = self.key.summary();
        Some(Usage { key: ids.key, secret: ids.secret, verifications, last_used_at })
    }
}

/// What a verified key may do, and where: shared by all verifications of the same key.
///
/// Keys share parts among each other, but none shares this count with another: verifications of different keys never
/// wait for each other's memory.
#[derive(Clone)]
pub struct SharedRights(pub(super) Arc<CachedKey>);

impl Deref for SharedRights {
    type Target = KeyRights;

    fn deref(&self) -> &KeyRights {
        self.0.key.rights()
    }
}

impl fmt::Debug for SharedRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A cached key in a set that is asked by digest.
pub(super) struct ByDigest(pub(super) Arc<CachedKey>);

impl Borrow<Digest> for ByDigest {
    fn borrow(&self) -> &Digest {
        &self.0.digest
    }
}

impl Hash for ByDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.digest.hash(state);
    }
}

impl PartialEq for ByDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for ByDigest {}

/// A digest is its own hash. Only digests of real keys are stored under it, and nobody chooses those.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DigestHasher;

impl BuildHasher for DigestHasher {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// An array hashes its length first; the digest's bytes are enough.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
