//! What every key has left: one cell for each key that has limits. Cells belong to keys, not to cached records: both
//! secrets of a rotation charge the same one, and it outlives a record that is dropped or read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bucket::{FullAt, charge_all, micros, wait_for_all};
use super::standing::{RateLimitStanding, standings};
use super::{RateLimit, RateLimits, SharedCharge};
use crate::ids::KeyId;

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
    fn full() -> Self {
        Self(Mutex::new(Buckets { limits: RateLimits::NONE, full_at: Box::default() }))
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
#[derive(Debug)]
pub(crate) struct KeyLimits {
    key: KeyId,
    limits: RateLimits,
    cell: Arc<Cell>,
}

impl KeyLimits {
    /// Takes one token for each limit, or none.
    ///
    /// # Errors
    /// After which time each has one. Nothing was taken.
    pub(crate) fn charge(&self, now: Duration) -> Result<(), Duration> {
        let mut buckets = self.cell.buckets(&self.limits, micros(now));
        charge_all(&mut buckets.full_at, &self.limits, now)
    }

    /// Gives back what a request was charged here that was not let in after all.
    pub(crate) fn refund(&self, now: Duration) {
        let mut buckets = self.cell.buckets(&self.limits, micros(now));
        for (bucket, limit) in buckets.full_at.iter_mut().zip(self.limits.iter()) {
            *bucket = bucket.refund(limit.pace());
        }
    }

    /// Takes note of where the key stands with all nodes together, as a shared limiter said to a request that was charged
    /// here at `asked_at`. No bucket becomes fuller by it.
    ///
    /// The answer was made after that, so a bucket that is empty by this node's reckoning is empty by the limiter's too:
    /// a request that this node refuses from now on, the limiter would refuse as well.
    pub(crate) fn learn(&self, shared: &SharedCharge, asked_at: Duration) {
        let mut buckets = self.cell.buckets(&self.limits, micros(asked_at));
        for (bucket, shared_bucket) in buckets.full_at.iter_mut().zip(&shared.full_at) {
            *bucket = (*bucket).max(shared_bucket.by_clock(micros(shared.now), micros(asked_at)));
        }
    }

    /// How long until every limit has a token.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let now_micros = micros(now);
        wait_for_all(&self.cell.buckets(&self.limits, now_micros).full_at, &self.limits, now_micros)
    }

    /// Where the key stands with each limit.
    pub(crate) fn standings(&self, now: Duration) -> Vec<RateLimitStanding> {
        let now_micros = micros(now);
        standings(&self.limits, &self.cell.buckets(&self.limits, now_micros).full_at, now_micros)
    }

    /// The key.
    pub(crate) fn key(&self) -> KeyId {
        self.key
    }

    /// Its limits.
    pub(crate) fn limits(&self) -> &RateLimits {
        &self.limits
    }
}

/// The cells of all keys that are cached and of those that are not, but whose buckets are not full yet. A full bucket is
/// what a key begins with, so it can be forgotten.
///
/// Only keys of the deployment get here, never guesses. Should more of them be in use than may be remembered, those go
/// whose buckets are the next to be full.
#[derive(Debug)]
pub(crate) struct Cells {
    known: Mutex<Known>,
    capacity: usize,
}

#[derive(Debug)]
struct Known {
    cells: HashMap<KeyId, Arc<Cell>>,
    /// At this size it is worth while to look for what can be forgotten.
    sweep_at: usize,
}

impl Cells {
    /// No cells; `capacity` is how many may be remembered of keys that are not cached.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { known: Mutex::new(Known { cells: HashMap::new(), sweep_at: FEW }), capacity }
    }

    /// The limits of a key together with its cell; nothing if it has none.
    pub(crate) fn attach(&self, key: KeyId, limits: &RateLimits, now: Duration) -> Option<KeyLimits> {
        if limits.is_empty() {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.cells.len() >= known.sweep_at {
            known.forget(self.capacity, micros(now));
        }
        let cell = Arc::clone(known.cells.entry(key).or_insert_with(|| Arc::new(Cell::full())));
        drop(known);
        // Two records of one key, as in a rotation, share the list, so that their requests do not compare it each time.
        let current = cell.lock().limits.clone();
        let limits = if current == *limits { current } else { limits.clone() };
        Some(KeyLimits { key, limits, cell })
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

    fn limits(list: &[(&str, u32, u32)]) -> RateLimits {
        let limits = list.iter().map(|(name, limit, window)| RateLimit::new(name, *limit, *window).unwrap());
        RateLimits::new(limits.collect()).unwrap()
    }

    fn key(number: u128) -> KeyId {
        KeyId::from_bytes(number.to_be_bytes())
    }

    fn admitted(limits: &KeyLimits, now: Duration) -> usize {
        std::iter::repeat_with(|| limits.charge(now)).take_while(Result::is_ok).count()
    }

    const START: Duration = Duration::from_secs(10_000);

    #[test]
    fn a_cell_outlives_the_record_and_is_shared_by_its_secrets() {
        let cells = Cells::new(100);
        let list = [("hourly", 3, 3_600)];
        let one = cells.attach(key(1), &limits(&list), START).unwrap();
        let other = cells.attach(key(1), &limits(&list), START).unwrap();
        assert_eq!((one.charge(START), other.charge(START)), (Ok(()), Ok(())));
        drop((one, other));
        let again = cells.attach(key(1), &limits(&list), START).unwrap();
        assert_eq!(admitted(&again, START), 1);
        let neighbour = cells.attach(key(2), &limits(&list), START).unwrap();
        assert_eq!(admitted(&neighbour, START), 3);
        assert!(cells.attach(key(3), &RateLimits::NONE, START).is_none());
    }

    #[test]
    fn what_was_spent_stays_spent_when_limits_are_changed() {
        let cells = Cells::new(100);
        let attach = |list: &[_]| cells.attach(key(1), &limits(list), START).unwrap();
        let before = attach(&[("daily", 10, 86_400), ("hourly", 5, 3_600)]);
        (0..4).for_each(|_| before.charge(START).unwrap());
        // An unchanged limit keeps its bucket in whatever company, a changed one what was spent, a new one is full.
        let standings = |limits: &KeyLimits| {
            limits.standings(START).iter().map(|standing| standing.remaining).collect::<Vec<_>>()
        };
        let changed = attach(&[("weekly", 7, 604_800), ("hourly", 5, 3_600), ("daily", 20, 86_400)]);
        assert_eq!(standings(&changed), [7, 1, 16]);
        let narrowed = attach(&[("daily", 3, 86_400)]);
        assert_eq!(standings(&narrowed), [0], "more was spent than it holds");
        assert_eq!(
            narrowed.charge(START),
            Err(Duration::from_secs(28_800)),
            "and that is as if it held just none"
        );
        // A request that still has the former record charges by that one.
        assert_eq!(standings(&before)[0], 7);
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_are_not() {
        let cells = Cells::new(10_000);
        let (quick, slow) = (limits(&[("a", 1, 1)]), limits(&[("a", 1, 3_600)]));
        for number in 0..FEW as u128 {
            let limits = if number % 2 == 0 { &quick } else { &slow };
            cells.attach(key(number), limits, START).unwrap().charge(START).unwrap();
        }
        let later = START + Duration::from_secs(1);
        let held = cells.attach(key(0), &quick, later).unwrap();
        assert_eq!(cells.len(), FEW / 2 + 1, "what is full goes, and one is asked for again");
        for number in (1..FEW as u128).step_by(2) {
            assert!(cells.attach(key(number), &slow, later).unwrap().charge(later).is_err());
        }
        drop(held);
    }

    #[test]
    fn no_more_cells_are_remembered_than_may_be() {
        let cells = Cells::new(100);
        let slow = limits(&[("a", 1, 3_600)]);
        let held: Vec<_> = (0..50).map(|number| cells.attach(key(number), &slow, START).unwrap()).collect();
        held.iter().for_each(|limits| limits.charge(START).unwrap());
        for number in 50..5_000 {
            let at = START + Duration::from_millis(u64::try_from(number).unwrap());
            cells.attach(key(number), &slow, at).unwrap().charge(at).unwrap();
            assert!(cells.len() <= FEW);
        }
        let now = START + Duration::from_secs(5);
        assert!(
            held.iter().all(|limits| limits.charge(now).is_err()),
            "whoever is cached is never forgotten"
        );
        let last = cells.attach(key(4_999), &slow, now).unwrap();
        assert!(last.charge(now).is_err(), "the first to be full go first");
    }

    #[test]
    fn a_node_learns_from_the_others_and_never_becomes_more_generous() {
        let cells = Cells::new(100);
        let limits = cells.attach(key(1), &limits(&[("hourly", 4, 3_600)]), START).unwrap();
        limits.charge(START).unwrap();
        // By the limiter's clock, which began elsewhere, three tokens are gone.
        let limiter_now = Duration::from_secs(77);
        let spent = |tokens: u64| SharedCharge {
            outcome: SharedOutcome::Charged,
            now: limiter_now,
            full_at: vec![FullAt { micros: micros(limiter_now) + tokens * 900_000_000, parts: 0 }],
        };
        limits.learn(&spent(3), START);
        assert_eq!(limits.standings(START)[0].remaining, 1);
        limits.learn(&spent(0), START);
        assert_eq!(limits.standings(START)[0].remaining, 1);
        assert_eq!(limits.wait(START), Duration::ZERO);
        limits.charge(START).unwrap();
        assert_eq!(limits.wait(START), Duration::from_secs(900));
        limits.refund(START);
        assert_eq!(admitted(&limits, START), 1);
    }
}
