//! Equal parts of many cached keys, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::network::NetworkRule;
use crate::rights::{Held, Organization};

/// What the keys of a verifier have in common: organizations with their workspaces, what is held where, networks.
///
/// Parts are shared because they are equal, not because they bear the same id: what is read after a change is another
/// part, so nothing here can be out of date.
#[derive(Debug, Default)]
pub(crate) struct SharedParts {
    pub(crate) organizations: Interner<Organization>,
    pub(crate) held: Interner<Held>,
    pub(crate) networks: Interner<[NetworkRule]>,
}

/// Values of which equal ones are kept once, for as long as somebody holds them.
#[derive(Debug)]
pub(crate) struct Interner<T: ?Sized>(Mutex<Interned<T>>);

#[derive(Debug)]
struct Interned<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// With so many values it is time to look for those that nobody holds any more.
    crowded_at: usize,
}

/// Fewer values than this are not worth looking through.
const FEW: usize = 64;

impl<T: Eq + Hash + ?Sized> Interner<T> {
    /// Puts the value in the place of `part` that is equal to it and already kept; keeps `part` if there is none.
    pub(crate) fn share(&self, part: &mut Arc<T>) {
        let mut interned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = interned.values.get(part) {
            *part = Arc::clone(kept);
            return;
        }
        if interned.values.len() >= interned.crowded_at {
            interned.values.retain(|value| Arc::strong_count(value) > 1);
            interned.crowded_at = FEW.max(2 * interned.values.len());
        }
        interned.values.insert(Arc::clone(part));
    }
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(Interned { values: HashSet::new(), crowded_at: FEW }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_one_and_what_nobody_holds_is_forgotten() {
        let interner = Interner::default();
        let share = |text: String| {
            let mut part = Arc::new(text);
            interner.share(&mut part);
            part
        };
        let held = share("held".to_owned());
        for n in 0..10 * FEW {
            drop(share(n.to_string()));
        }
        assert!(Arc::ptr_eq(&held, &share("held".to_owned())));
        let kept = interner.0.lock().unwrap().values.len();
        assert!(kept <= FEW + 1, "{kept} are kept of which one is held");
    }
}
