//! Which permissions are held where, in few bytes.

use std::sync::Arc;

use crate::permission::PermissionSet;

/// What is held in an organization as a whole and in its visible workspaces, each known by its index in the
/// organization's list.
///
/// Most keys hold what many others hold, of other organizations, too: they share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(super) organization_wide: PermissionSet,
    pub(super) anywhere: PermissionSet,
    places: Places,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Places {
    /// The same in every workspace that the organization has.
    Alike(PermissionSet),
    /// In these only, or not the same in each; in ascending order of index.
    Apart(Box<[Place]>),
}

/// The index of a visible workspace, and what is held there.
pub(super) type Place = (usize, Arc<PermissionSet>);

impl Held {
    /// The same in every workspace.
    pub(super) fn everywhere(organization_wide: PermissionSet, in_workspaces: PermissionSet) -> Self {
        Self::new(organization_wide, Places::Alike(in_workspaces))
    }

    /// In these workspaces, in ascending order of index.
    pub(super) fn in_places(organization_wide: PermissionSet, places: Vec<Place>) -> Self {
        Self::new(organization_wide, Places::Apart(places.into()))
    }

    fn new(organization_wide: PermissionSet, places: Places) -> Self {
        let mut anywhere = organization_wide.clone();
        match &places {
            Places::Alike(held) => anywhere.extend(held),
            Places::Apart(places) => places.iter().for_each(|(_, held)| anywhere.extend(held)),
        }
        Self { organization_wide, anywhere, places }
    }

    /// What is held in the workspace of this index; `None` if it is invisible.
    pub(super) fn at(&self, workspace: usize) -> Option<&PermissionSet> {
        match &self.places {
            Places::Alike(held) => Some(held),
            Places::Apart(places) => {
                let found = places.binary_search_by_key(&workspace, |(at, _)| *at).ok()?;
                Some(&places[found].1)
            }
        }
    }

    /// What of this is also in `wanted`.
    pub(super) fn limited_to(&self, wanted: &PermissionSet) -> Self {
        let places = match &self.places {
            Places::Alike(held) => Places::Alike(held.intersection(wanted)),
            Places::Apart(places) => {
                let limited = |(at, held): &Place| (*at, Arc::new(held.intersection(wanted)));
                Places::Apart(places.iter().map(limited).collect())
            }
        };
        Self::new(self.organization_wide.intersection(wanted), places)
    }
}
