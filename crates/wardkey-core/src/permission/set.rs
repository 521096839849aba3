//! Permissions as bits.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, PoisonError, RwLock};

use super::PermissionName;

/// The number of a permission's name in this process. Numbers are given once and never reused, so that a compiled
/// key and a compiled route agree on them for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionIndex(u16);

impl PermissionIndex {
    /// The number that no set ever contains: a name for which there is no room is held by nobody.
    const NOBODY: Self = Self(u16::MAX);

    /// The number of `name`, given now if it has none yet.
    ///
    /// Only names that the code or the catalogue declares are numbered; for a name out of a request there is
    /// [`find`](Self::find).
    pub(crate) fn intern(name: &str) -> Self {
        if let Some(known) = Self::find(name) {
            return known;
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = names.indices.get(name) {
            return known;
        }
        let Ok(index) = u16::try_from(names.names.len()).map(Self) else { return Self::NOBODY };
        if index != Self::NOBODY {
            names.names.push(name.into());
            names.indices.insert(name.into(), index);
        }
        index
    }

    /// The number of `name`, if it has one.
    pub(crate) fn find(name: &str) -> Option<Self> {
        NAMES.read().unwrap_or_else(PoisonError::into_inner).indices.get(name).copied()
    }
}

#[derive(Default)]
struct Names {
    names: Vec<Box<str>>,
    indices: HashMap<Box<str>, PermissionIndex>,
}

static NAMES: LazyLock<RwLock<Names>> = LazyLock::new(RwLock::default);

/// A set of permissions.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct PermissionSet {
    /// Without zeroes at the end, so that equal sets have equal words.
    words: Vec<u64>,
}

impl PermissionSet {
    /// The empty set.
    pub const EMPTY: Self = Self { words: Vec::new() };

    /// Whether the permission of this number is in the set.
    pub fn contains(&self, index: PermissionIndex) -> bool {
        let (word, bit) = (usize::from(index.0 / 64), index.0 % 64);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Whether the permission of this name is in the set. A name that nobody declared is in no set.
    pub fn contains_name(&self, name: &str) -> bool {
        PermissionIndex::find(name).is_some_and(|index| self.contains(index))
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether all of the set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words.len() <= other.words.len()
            && self.words.iter().zip(&other.words).all(|(own, other)| own & !other == 0)
    }

    /// Adds a permission.
    pub fn insert(&mut self, index: PermissionIndex) {
        if index == PermissionIndex::NOBODY {
            return;
        }
        let (word, bit) = (usize::from(index.0 / 64), index.0 % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << bit;
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own |= other);
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::trimmed(self.words.iter().zip(&other.words).map(|(own, other)| own & other).collect())
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        Self::trimmed(self.words.iter().zip(others).map(|(own, other)| own & !other).collect())
    }

    /// The names in the set, sorted.
    pub fn names(&self) -> Vec<PermissionName> {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        let mut held: Vec<_> = (0u16..)
            .zip(&names.names)
            .filter(|(index, _)| self.contains(PermissionIndex(*index)))
            .map(|(_, name)| PermissionName((&**name).into()))
            .collect();
        held.sort();
        held
    }

    fn trimmed(mut words: Vec<u64>) -> Self {
        let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        words.truncate(used);
        Self { words }
    }
}

impl<'a> FromIterator<&'a PermissionName> for PermissionSet {
    fn from_iter<T: IntoIterator<Item = &'a PermissionName>>(names: T) -> Self {
        let mut set = Self::EMPTY;
        for name in names {
            set.insert(PermissionIndex::intern(name.as_str()));
        }
        set
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: &BTreeSet<u16>) -> PermissionSet {
        let mut set = PermissionSet::EMPTY;
        numbers.iter().for_each(|number| set.insert(PermissionIndex(*number)));
        set
    }

    proptest! {
        #[test]
        fn sets_agree_with_a_plain_set_of_numbers(
            a in proptest::collection::btree_set(0u16..300, 0..12),
            b in proptest::collection::btree_set(0u16..300, 0..12),
        ) {
            let (left, right) = (set(&a), set(&b));
            prop_assert_eq!(left.intersection(&right), set(&(&a & &b)));
            prop_assert_eq!(left.difference(&right), set(&(&a - &b)));
            prop_assert_eq!(left.is_subset(&right), a.is_subset(&b));
            prop_assert_eq!(left.is_empty(), a.is_empty());
            let mut both = left.clone();
            both.extend(&right);
            prop_assert_eq!(both, set(&(&a | &b)));
            prop_assert!((0..300).all(|number| left.contains(PermissionIndex(number)) == a.contains(&number)));
        }
    }

    #[test]
    fn a_name_without_a_number_is_held_by_nobody() {
        let mut set = PermissionSet::EMPTY;
        set.insert(PermissionIndex::NOBODY);
        assert!(!set.contains(PermissionIndex::NOBODY));
        assert!(!set.contains_name("never:declared"));
    }
}
