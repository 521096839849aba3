//! A map that forgets what it learned first.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded map that is read without a lock: an old generation and a young one, of which the old is forgotten when the
/// young is full. Whatever was put in lately is there, at least half the capacity of it.
///
/// Callers choose what gets in here, hence the keyed hash, and hence the two halves: however fast somebody fills it, it
/// is never empty.
///
/// Readers come at any time; writers take turns, by a lock of the caller's.
pub(super) struct Generations<K, V> {
    generations: [papaya::HashMap<K, V>; 2],
    /// Which of them is the young one.
    young: AtomicUsize,
    /// How many entries make a generation full.
    full: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            generations: [papaya::HashMap::new(), papaya::HashMap::new()],
            young: AtomicUsize::new(0),
            full: (capacity / 2).max(1),
        }
    }

    pub(super) fn with<T>(&self, key: &K, read: impl Fn(&V) -> T) -> Option<T> {
        self.generations.iter().find_map(|generation| generation.pin().get(key).map(&read))
    }

    pub(super) fn insert(&self, key: K, value: V) {
        let mut young = self.young.load(Ordering::Relaxed);
        if self.generations[young].len() >= self.full {
            young = 1 - young;
            self.generations[young].pin().clear();
            self.young.store(young, Ordering::Relaxed);
        }
        self.generations[1 - young].pin().remove(&key);
        self.generations[young].pin().insert(key, value);
    }

    pub(super) fn remove(&self, key: &K) {
        for generation in &self.generations {
            generation.pin().remove(key);
        }
    }

    pub(super) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        self.generations.iter().for_each(|generation| generation.pin().retain(&keep));
    }

    pub(super) fn clear(&self) {
        self.generations.iter().for_each(|generation| generation.pin().clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_takes_no_more_room_than_there_is_and_leaves_what_came_lately() {
        let map = Generations::new(100);
        for n in 0..10_000_u32 {
            map.insert(n, n);
            let held = |from: u32| (from..=n).filter(|n| map.with(n, |_| ()).is_some()).count();
            assert_eq!(held(n.saturating_sub(49)), 50.min(n as usize + 1), "the last fifty, after {n}");
            assert!(held(n.saturating_sub(300)) <= 100, "no more than a hundred, after {n}");
        }
    }

    #[test]
    fn what_is_put_in_again_counts_as_new_and_is_there_once() {
        let map = Generations::new(4);
        map.insert(1, "old");
        map.insert(2, "");
        map.insert(3, "");
        map.insert(1, "new");
        map.insert(4, "");
        assert_eq!(map.with(&1, |value| *value), Some("new"));
        map.remove(&1);
        assert_eq!(map.with(&1, |value| *value), None);
    }
}
