//! What is held in which workspaces of an organization, in few bytes.

use std::sync::Arc;

use crate::interner::Interner;
use crate::permission::PermissionSet;

/// What is held in the visible workspaces, each known by its index in the organization's list.
#[derive(Debug, Clone)]
pub(super) enum Places {
    /// The same in every workspace that the organization has.
    Alike(Arc<PermissionSet>),
    /// In these only, or not the same in each; in ascending order of index.
    Apart(Box<[Place]>),
}

/// The index of a visible workspace, and what is held there.
pub(super) type Place = (usize, Arc<PermissionSet>);

impl Places {
    /// These, in ascending order of index, of an organization with so many workspaces.
    pub(super) fn new(places: Vec<Place>, workspaces: usize) -> Self {
        match places.first() {
            Some((_, first))
                if places.len() == workspaces && places.iter().all(|(_, held)| held == first) =>
            {
                Self::Alike(Arc::clone(first))
            }
            _ => Self::Apart(places.into()),
        }
    }

    /// What is held in the workspace of this index; `None` if it is invisible.
    pub(super) fn at(&self, workspace: usize) -> Option<&PermissionSet> {
        match self {
            Self::Alike(held) => Some(held),
            Self::Apart(places) => {
                let found = places.binary_search_by_key(&workspace, |(at, _)| *at).ok()?;
                Some(&places[found].1)
            }
        }
    }

    /// Every visible one of so many workspaces.
    pub(super) fn iter(&self, workspaces: usize) -> impl Iterator<Item = (usize, &PermissionSet)> {
        let (alike, apart) = match self {
            Self::Alike(held) => (Some((0..workspaces).map(|at| (at, &**held))), None),
            Self::Apart(places) => (None, Some(places.iter().map(|(at, held)| (*at, &**held)))),
        };
        alike.into_iter().flatten().chain(apart.into_iter().flatten())
    }

    /// Every set of permissions that is held somewhere, once at least.
    pub(super) fn sets_mut(&mut self) -> impl Iterator<Item = &mut Arc<PermissionSet>> {
        let (alike, apart) = match self {
            Self::Alike(held) => (Some(held), None),
            Self::Apart(places) => (None, Some(places.iter_mut().map(|(_, held)| held))),
        };
        alike.into_iter().chain(apart.into_iter().flatten())
    }

    /// The same, in those workspaces only whose index is accepted.
    pub(super) fn only_in(&self, workspaces: usize, accepts: impl Fn(usize) -> bool) -> Self {
        let kept = (0..workspaces).filter(|at| accepts(*at));
        match self {
            Self::Alike(held) => Self::new(kept.map(|at| (at, Arc::clone(held))).collect(), workspaces),
            Self::Apart(places) => {
                Self::new(places.iter().filter(|(at, _)| accepts(*at)).cloned().collect(), workspaces)
            }
        }
    }

    pub(super) fn share(&mut self, sets: &Interner<PermissionSet>) {
        self.sets_mut().for_each(|held| sets.share(held));
    }
}
