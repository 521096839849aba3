//! Which permissions are held where, in few bytes.

use std::sync::Arc;

use crate::ids::CustomerId;
use crate::permission::PermissionSet;
use crate::scope::Access;

/// What is held in an organization as a whole and in its visible workspaces, each known by its index in the
/// organization's list, and for which customers.
///
/// Most keys hold what many others hold, of other organizations, too: they share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(super) organization_wide: PermissionSet,
    pub(super) anywhere: PermissionSet,
    places: Places,
    /// Whether the workspaces are all that there are, those made later included.
    pub(super) all_workspaces: bool,
    pub(super) customers: Access<CustomerId>,
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
        Self::new(organization_wide, Places::Alike(in_workspaces), true)
    }

    /// In these workspaces, in ascending order of index; if something is held organization-wide, they are all.
    pub(super) fn in_places(organization_wide: Option<PermissionSet>, places: Vec<Place>) -> Self {
        let all_workspaces = organization_wide.is_some();
        Self::new(organization_wide.unwrap_or_default(), Places::Apart(places.into()), all_workspaces)
    }

    fn new(organization_wide: PermissionSet, places: Places, all_workspaces: bool) -> Self {
        let mut anywhere = organization_wide.clone();
        match &places {
            Places::Alike(held) => anywhere.extend(held),
            Places::Apart(places) => places.iter().for_each(|(_, held)| anywhere.extend(held)),
        }
        Self { organization_wide, anywhere, places, all_workspaces, customers: Access::All }
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
        Self::new(self.organization_wide.intersection(wanted), places, self.all_workspaces)
    }

    /// This in the accepted workspaces only, and nothing organization-wide.
    pub(super) fn only_in(&self, workspaces: usize, accepts: impl Fn(usize) -> bool) -> Self {
        let accepted = (0..workspaces).filter(|at| accepts(*at));
        let places = accepted.filter_map(|at| Some((at, Arc::new(self.at(at)?.clone())))).collect();
        Self::in_places(None, places)
    }
}
