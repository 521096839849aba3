//! What every key has left: one cell for each key that has limits. Cells belong to keys, not to cached records: both
//! secrets of a rotation charge the same one, and it outlives a record that is dropped or read anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bucket::{FullAt, charge_all, micros, wait_for_all};
use super::standing::{RateLimitStanding, standings};
use super::{RateLimit, RateLimits, SharedCharge};
use crate::denial::Denial;
use crate::ids::KeyId;
use crate::time::Clock;

/// Below this many cells nothing is ever looked for that could be forgotten.
const FEW: usize = 1024;

/// The buckets of one key.
#[derive(Debug)]
struct Cell(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// The limits that these are the buckets of.
    limits: RateLimits,
    full_at: Box<[FullAt]>,
}

impl Cell {
    fn full(limits: &RateLimits) -> Self {
        let full_at = limits.iter().map(|_| FullAt::default()).collect();
        Self(Mutex::new(Buckets { limits: limits.clone(), full_at }))
    }

    /// The buckets of these limits. The lock is held for a handful of instructions, and only requests with the same key
    /// ever meet at it.
    fn buckets(&self, limits: &RateLimits, now_micros: u64) -> MutexGuard<'_, Buckets> {
        let mut buckets = self.lock();
        if !buckets.limits.is_same_list(limits) {
            buckets.change_limits(limits, now_micros);
        }
        buckets
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buckets {
    /// Goes on with other limits. A limit keeps its bucket by its name: as it is if nothing else changed, else with what
    /// was spent.
    fn change_limits(&mut self, limits: &RateLimits, now_micros: u64) {
        if self.limits != *limits {
            let known = |new: &RateLimit| {
                let (old, full_at) =
                    self.limits.iter().zip(&self.full_at).find(|(old, _)| old.name() == new.name())?;
                let same = old.pace() == new.pace();
                Some(if same { *full_at } else { full_at.carried_over(old.pace(), new.pace(), now_micros) })
            };
            self.full_at = limits.iter().map(|new| known(new).unwrap_or(FullAt::at(now_micros))).collect();
        }
        self.limits = limits.clone();
    }

    fn are_full(&self, now_micros: u64) -> bool {
        self.full_at.iter().all(|bucket| bucket.is_past(now_micros))
    }
}

/// The limits of a key as its record has them, and its cell.
pub(crate) struct KeyLimits {
    limits: RateLimits,
    cell: Arc<Cell>,
    /// The one that the cell goes by.
    clock: Arc<dyn Clock>,
}

impl KeyLimits {
    /// Takes one token for each limit, or none. `now` is what the clock's monotonic hand showed a moment ago.
    ///
    /// # Errors
    /// [`Denial::RateLimited`]. Nothing was taken.
    pub(crate) fn charge(&self, now: Duration) -> Result<(), Denial> {
        let mut buckets = self.cell.buckets(&self.limits, micros(now));
        let charged = charge_all(&mut buckets.full_at, &self.limits, now);
        drop(buckets);
        charged.map_err(|retry_after| Denial::RateLimited { retry_after, limits: self.standings_at(now) })
    }

    /// What was charged is given back unless it is kept.
    pub(crate) fn tentatively(&self) -> Tentative<'_> {
        Tentative { limits: self, kept: false }
    }

    /// Gives back what a request was charged here that was not let in after all.
    fn refund(&self) {
        let mut buckets = self.cell.buckets(&self.limits, micros(self.clock.monotonic()));
        for (bucket, limit) in buckets.full_at.iter_mut().zip(self.limits.iter()) {
            *bucket = bucket.refund(limit.pace());
        }
    }

    /// Takes note of where the key stands with all nodes together, as a shared limiter said to a request that asked it
    /// after `asked_at`. No bucket becomes fuller by it.
    ///
    /// The answer was made after that, so a bucket that is empty by this node's reckoning is empty by the limiter's too:
    /// a request that this node refuses from now on, the limiter would refuse as well.
    pub(crate) fn learn(&self, shared: &SharedCharge, asked_at: Duration) {
        let mut buckets = self.cell.buckets(&self.limits, micros(asked_at));
        for (bucket, shared_bucket) in buckets.full_at.iter_mut().zip(&shared.full_at) {
            *bucket = (*bucket).max(shared_bucket.by_clock(micros(shared.now), micros(asked_at)));
        }
    }

    /// The refusal that follows from where the key stands.
    pub(crate) fn denial(&self, now: Duration) -> Denial {
        let now_micros = micros(now);
        let buckets = self.cell.buckets(&self.limits, now_micros);
        let retry_after = wait_for_all(&buckets.full_at, &self.limits, now_micros);
        let limits = standings(&self.limits, &buckets.full_at, now_micros);
        Denial::RateLimited { retry_after, limits }
    }

    /// Where the key stands with each limit.
    pub(crate) fn standings(&self) -> Vec<RateLimitStanding> {
        self.standings_at(self.clock.monotonic())
    }

    fn standings_at(&self, now: Duration) -> Vec<RateLimitStanding> {
        let now_micros = micros(now);
        standings(&self.limits, &self.cell.buckets(&self.limits, now_micros).full_at, now_micros)
    }

    /// The limits.
    pub(crate) fn limits(&self) -> &RateLimits {
        &self.limits
    }
}

impl fmt::Debug for KeyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLimits")
            .field("limits", &self.limits)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}

/// What a request was charged while it is not certain that it is let in. It is given back when this is dropped, be it
/// that the request was refused, or that nobody waits for it any more.
pub(crate) struct Tentative<'a> {
    limits: &'a KeyLimits,
    kept: bool,
}

impl Tentative<'_> {
    /// The request is let in.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Tentative<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.limits.refund();
        }
    }
}

/// The cells of all keys that are cached and of those that are not, but whose buckets are not full yet. A full bucket is
/// what a key begins with, so it can be forgotten.
///
/// Only keys of the deployment get here, never guesses. Should more of them be in use than may be remembered, those go
/// whose buckets are the next to be full.
pub(crate) struct Cells {
    known: Mutex<Known>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

struct Known {
    cells: HashMap<KeyId, Arc<Cell>>,
    /// At this size it is worth while to look for what can be forgotten.
    sweep_at: usize,
}

impl Cells {
    /// No cells; `capacity` is how many may be remembered of keys that are not cached.
    pub(crate) fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self { known: Mutex::new(Known { cells: HashMap::new(), sweep_at: FEW }), capacity, clock }
    }

    /// The limits of a key together with its cell; nothing if it has none.
    pub(crate) fn attach(&self, key: KeyId, limits: &RateLimits) -> Option<KeyLimits> {
        if limits.is_empty() {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.cells.len() >= known.sweep_at {
            known.forget(self.capacity, micros(self.clock.monotonic()));
        }
        let cell = Arc::clone(known.cells.entry(key).or_insert_with(|| Arc::new(Cell::full(limits))));
        drop(known);
        // Two records of one key, as in a rotation, share the list, so that their requests do not compare it each time.
        let current = cell.lock().limits.clone();
        let limits = if current == *limits { current } else { limits.clone() };
        Some(KeyLimits { limits, cell, clock: Arc::clone(&self.clock) })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).cells.len()
    }
}

impl Known {
    fn forget(&mut self, capacity: usize, now_micros: u64) {
        // Who is counted once is held by nobody else, and can be reached through this table alone, which is locked.
        self.cells.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.lock().are_full(now_micros));
        let mut unheld: Vec<_> = self
            .cells
            .iter()
            .filter(|(_, cell)| Arc::strong_count(cell) == 1)
            .map(|(key, cell)| (cell.lock().full_at.iter().max().copied().unwrap_or_default(), *key))
            .collect();
        let surplus = unheld.len().saturating_sub(capacity);
        if surplus > 0 {
            tracing::warn!(surplus, "more keys with rate limits are in use than can be remembered");
            unheld.select_nth_unstable(surplus - 1);
            unheld[..surplus].iter().for_each(|(_, key)| drop(self.cells.remove(key)));
        }
        self.sweep_at = (self.cells.len() * 2).max(FEW);
    }
}

#[cfg(test)]
mod tests {
    use super::super::SharedOutcome;
    use super::*;
    use crate::ids::Id as _;
    use crate::testing::{FixedClock, TestKeys};

    fn limits(list: &[(&str, u32, u32)]) -> RateLimits {
        let limits = list.iter().map(|(name, limit, window)| RateLimit::new(name, *limit, *window).unwrap());
        RateLimits::new(limits.collect()).unwrap()
    }

    fn key(number: u128) -> KeyId {
        KeyId::from_bytes(number.to_be_bytes())
    }

    fn cells(capacity: usize) -> (Cells, FixedClock) {
        let clock = FixedClock::new(TestKeys::NOW.parse().unwrap());
        clock.advance(Duration::from_secs(10_000));
        (Cells::new(capacity, Arc::new(clock.clone())), clock)
    }

    impl KeyLimits {
        fn admits(&self) -> bool {
            self.charge(self.clock.monotonic()).is_ok()
        }

        fn remaining(&self) -> Vec<u32> {
            self.standings().iter().map(|standing| standing.remaining).collect()
        }

        fn wait(&self) -> Duration {
            match self.denial(self.clock.monotonic()) {
                Denial::RateLimited { retry_after, .. } => retry_after,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_cell_outlives_the_record_and_is_shared_by_its_secrets() {
        let (cells, _) = cells(100);
        let list = [("hourly", 3, 3_600)];
        let one = cells.attach(key(1), &limits(&list)).unwrap();
        let other = cells.attach(key(1), &limits(&list)).unwrap();
        assert!(one.limits.is_same_list(&other.limits), "they need not compare them at each request");
        assert!(one.admits() && other.admits());
        drop((one, other));
        assert_eq!(cells.attach(key(1), &limits(&list)).unwrap().remaining(), [1]);
        assert_eq!(cells.attach(key(2), &limits(&list)).unwrap().remaining(), [3]);
        assert!(cells.attach(key(3), &RateLimits::NONE).is_none());
    }

    #[test]
    fn what_was_spent_stays_spent_when_limits_are_changed() {
        let (cells, _) = cells(100);
        let attach = |list: &[_]| cells.attach(key(1), &limits(list)).unwrap();
        let before = attach(&[("daily", 10, 86_400), ("hourly", 5, 3_600)]);
        assert!((0..4).all(|_| before.admits()));
        // An unchanged limit keeps its bucket in whatever company, a changed one what was spent, a new one is full.
        let changed = attach(&[("weekly", 7, 604_800), ("hourly", 5, 3_600), ("daily", 20, 86_400)]);
        assert_eq!(changed.remaining(), [7, 1, 16]);
        let narrowed = attach(&[("daily", 3, 86_400)]);
        assert_eq!(narrowed.remaining(), [0], "more was spent than it holds");
        assert_eq!(narrowed.wait(), Duration::from_secs(28_800), "and that is as if it held just none");
        // A request that still has the former record charges by that one.
        assert_eq!(before.remaining(), [7, 5]);
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_are_not() {
        let (cells, clock) = cells(10_000);
        let (quick, slow) = (limits(&[("a", 1, 1)]), limits(&[("a", 1, 3_600)]));
        for number in 0..FEW as u128 {
            let limits = if number % 2 == 0 { &quick } else { &slow };
            assert!(cells.attach(key(number), limits).unwrap().admits());
        }
        clock.advance(Duration::from_secs(1));
        assert!(cells.attach(key(0), &quick).unwrap().admits());
        assert_eq!(cells.len(), FEW / 2 + 1, "what is full goes, and one is asked for again");
        for number in (1..FEW as u128).step_by(2) {
            assert!(!cells.attach(key(number), &slow).unwrap().admits());
        }
    }

    #[test]
    fn no_more_cells_are_remembered_than_may_be() {
        let (cells, clock) = cells(100);
        let slow = limits(&[("a", 1, 3_600)]);
        let held: Vec<_> = (0..50).map(|number| cells.attach(key(number), &slow).unwrap()).collect();
        assert!(held.iter().all(KeyLimits::admits));
        for number in 50..5_000 {
            clock.advance(Duration::from_millis(1));
            assert!(cells.attach(key(number), &slow).unwrap().admits());
            assert!(cells.len() <= FEW);
        }
        assert!(!held.iter().any(KeyLimits::admits), "whoever is cached is never forgotten");
        assert!(!cells.attach(key(4_999), &slow).unwrap().admits(), "the first to be full go first");
    }

    #[test]
    fn a_node_learns_from_the_others_and_never_becomes_more_generous() {
        let (cells, clock) = cells(100);
        let limits = cells.attach(key(1), &limits(&[("hourly", 4, 3_600)])).unwrap();
        assert!(limits.admits());
        // By the limiter's clock, which began elsewhere, three tokens are gone.
        let limiter_now = Duration::from_secs(77);
        let spent = |tokens: u64| SharedCharge {
            outcome: SharedOutcome::Charged,
            now: limiter_now,
            full_at: vec![FullAt { micros: micros(limiter_now) + tokens * 900_000_000, parts: 0 }],
        };
        limits.learn(&spent(3), clock.monotonic());
        assert_eq!(limits.remaining(), [1]);
        limits.learn(&spent(0), clock.monotonic());
        assert_eq!(limits.remaining(), [1]);
    }

    #[test]
    fn what_is_not_kept_is_given_back() {
        let (cells, _) = cells(100);
        let limits = cells.attach(key(1), &limits(&[("a", 4, 3_600), ("b", 3, 7)])).unwrap();
        assert!(limits.admits() && limits.admits());
        limits.tentatively().keep();
        assert_eq!(limits.remaining(), [2, 1]);
        drop(limits.tentatively());
        assert_eq!(limits.remaining(), [3, 2]);
    }
}
