//! What a key may do, and where: computed from its record once, when it is loaded.

mod held;
mod organization;

use std::net::IpAddr;
use std::sync::Arc;

pub(crate) use held::Held;
pub(crate) use organization::Organization;
use organization::Workspace;

use crate::denial::Denial;
use crate::ids::{CustomerId, OrganizationId, PrincipalId, Reference, WorkspaceId};
use crate::interner::SharedParts;
use crate::network::IpNetwork;
use crate::permission::{BuiltInRole, CatalogueIndex, PermissionSet, Requires};
use crate::record::{KeyRecord, OrganizationKind, OrganizationRecord, PrincipalKind, Role, RoleGrant};
use crate::scope::{Access, EnvironmentName};

/// What a key, or a person, may do in an organization, organization-wide and in each workspace.
///
/// A workspace that is not listed here is invisible: asking for it is answered exactly like asking for one that does
/// not exist.
#[derive(Debug, Clone)]
pub struct Rights {
    organization_id: OrganizationId,
    organization: Arc<Organization>,
    /// The organization's, at hand: a way less far when one of them is asked for.
    workspaces: Arc<[Workspace]>,
    held: Arc<Held>,
}

/// What may be done in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspaceRights<'a> {
    /// The workspace.
    pub id: WorkspaceId,
    /// The id that the product's backend gave it.
    pub external_id: Option<&'a str>,
    /// What is held there.
    pub held: &'a PermissionSet,
    /// From where it may be reached; empty is from everywhere.
    pub networks: &'a [IpNetwork],
}

impl WorkspaceRights<'_> {
    /// Whether a request from `address` may reach the workspace. One without an address reaches none that is narrowed.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }
}

impl Rights {
    /// The rights of a key.
    ///
    /// A user key has what its level gives and what is listed, as far as its user holds it now. A service-account key
    /// has exactly what its level gives and what is listed. Reserved permissions (`keys`, `admin`, `operator`) are
    /// organization-wide: a key that reaches only specific workspaces has none of them.
    pub fn of_key(record: &KeyRecord, catalogue: &CatalogueIndex) -> Self {
        let organization = &record.organization;
        let operator = organization.kind == OrganizationKind::Operator;
        let mut listed = catalogue.known(&record.permissions);
        if !operator {
            listed = listed.difference(catalogue.operator());
        }
        let (wanted, live) = match &record.principal.kind {
            PrincipalKind::ServiceAccount { .. } => {
                let mut wanted = catalogue.service_level(record.level);
                wanted.extend(&listed);
                (wanted, None)
            }
            PrincipalKind::User { grants, .. } => {
                let mut wanted = catalogue.user_level(record.level);
                wanted.extend(&listed);
                (wanted, Some(Self::of_user(organization, grants, catalogue)))
            }
        };
        let mut held = match live {
            None => Held::everywhere(wanted.clone(), wanted.intersection(catalogue.product())),
            Some(live) => live.held.limited_to(&wanted),
        };
        if let Access::Specific(_) = &record.workspaces {
            let all = &organization.workspaces;
            held = held.only_in(all.len(), |at| record.workspaces.includes(&all[at].id));
        }
        held.customers = record.customers.clone();
        Self::new(organization, held)
    }

    /// The rights of a user, from every role that the user holds.
    pub fn of_user(
        organization: &OrganizationRecord,
        grants: &[RoleGrant],
        catalogue: &CatalogueIndex,
    ) -> Self {
        let operator = organization.kind == OrganizationKind::Operator;
        let role = |grant: &RoleGrant| match &grant.role {
            Role::BuiltIn(role) => catalogue.role(*role, operator),
            Role::Custom(names) if operator => catalogue.known(names),
            Role::Custom(names) => catalogue.known(names).difference(catalogue.operator()),
        };
        let union = |place: Option<WorkspaceId>| {
            let mut granted = grants.iter().filter(|grant| grant.workspace == place).peekable();
            granted.peek()?;
            let mut set = PermissionSet::EMPTY;
            granted.for_each(|grant| set.extend(&role(grant)));
            Some(set)
        };
        let wide = union(None);
        let product = catalogue.product();
        let places = organization.workspaces.iter().enumerate().filter_map(|(at, workspace)| {
            let here = union(Some(workspace.id));
            if wide.is_none() && here.is_none() {
                return None;
            }
            let mut held = here.unwrap_or_default();
            held.extend(wide.as_ref().unwrap_or(&PermissionSet::EMPTY));
            Some((at, held.intersection(product).into()))
        });
        let places = places.collect();
        Self::new(organization, Held::in_places(wide, places))
    }

    /// The rights of an owner, as an operator that acts in the organization has them.
    pub fn of_owner(organization: &OrganizationRecord, catalogue: &CatalogueIndex) -> Self {
        let owner = RoleGrant { workspace: None, role: Role::BuiltIn(BuiltInRole::Owner) };
        Self::of_user(organization, &[owner], catalogue)
    }

    fn new(organization: &OrganizationRecord, held: Held) -> Self {
        let shared = Arc::new(Organization::new(organization));
        Self {
            organization_id: organization.id,
            workspaces: Arc::clone(&shared.workspaces),
            organization: shared,
            held: held.into(),
        }
    }

    /// Keeps what other keys have, too, only once.
    pub(crate) fn share(&mut self, parts: &SharedParts) {
        parts.organizations.share(&mut self.organization);
        self.workspaces = Arc::clone(&self.organization.workspaces);
        parts.held.share(&mut self.held);
    }

    /// The index of every visible workspace, ascending, with what is held there.
    fn places(&self) -> impl Iterator<Item = (usize, &PermissionSet)> {
        (0..self.workspaces.len()).filter_map(|at| Some((at, self.held.at(at)?)))
    }

    /// The organization in which these rights hold.
    pub fn organization(&self) -> OrganizationId {
        self.organization_id
    }

    /// The id that the product's backend gave the organization.
    pub fn organization_external_id(&self) -> Option<&str> {
        self.organization.external_id.as_deref()
    }

    /// Whether the organization runs the deployment.
    pub fn organization_kind(&self) -> OrganizationKind {
        self.organization.kind
    }

    /// What is held for the organization as a whole.
    pub fn organization_wide(&self) -> &PermissionSet {
        &self.held.organization_wide
    }

    /// What is held in at least one place.
    pub fn anywhere(&self) -> &PermissionSet {
        &self.held.anywhere
    }

    /// Every visible workspace with what is held there, in ascending order of id.
    pub fn workspaces(&self) -> impl Iterator<Item = WorkspaceRights<'_>> {
        self.places().map(|(at, held)| self.workspace_at(at, held))
    }

    /// Whether every workspace of the organization is visible, those made later included.
    pub fn sees_all_workspaces(&self) -> bool {
        self.held.all_workspaces
    }

    /// Which customers are reached.
    pub fn customers(&self) -> &Access<CustomerId> {
        &self.held.customers
    }

    /// The workspace, if it is visible.
    pub fn workspace(&self, workspace: &Reference<WorkspaceId>) -> Option<WorkspaceRights<'_>> {
        let at = match workspace {
            Reference::Id(id) => self.workspaces.binary_search_by_key(id, |known| known.id).ok()?,
            Reference::External(text) => {
                self.workspaces.iter().position(|known| known.external_id.as_deref() == Some(text))?
            }
        };
        self.held.at(at).map(|held| self.workspace_at(at, held))
    }

    fn workspace_at<'a>(&'a self, at: usize, held: &'a PermissionSet) -> WorkspaceRights<'a> {
        let Workspace { id, external_id, networks } = &self.workspaces[at];
        WorkspaceRights { id: *id, external_id: external_id.as_deref(), held, networks }
    }

    /// What of these rights goes beyond `bound`: who holds `bound` may grant nothing of it.
    pub fn excess_over(&self, bound: &Self) -> Excess {
        let mut permissions = self.organization_wide().difference(bound.organization_wide());
        let mut workspaces = Vec::new();
        for workspace in self.workspaces() {
            match bound.workspace(&Reference::Id(workspace.id)) {
                Some(known) => permissions.extend(&workspace.held.difference(known.held)),
                // Made since the bound was computed, and within it all the same: what is held organization-wide is
                // held there, too.
                None if bound.sees_all_workspaces() => {
                    permissions.extend(&workspace.held.difference(bound.organization_wide()));
                }
                None => workspaces.push(workspace.id),
            }
        }
        Excess {
            permissions,
            future_workspaces: self.sees_all_workspaces() && !bound.sees_all_workspaces(),
            workspaces,
            customers: !self.customers().is_within(bound.customers()),
        }
    }

    /// Whether `P` is held somewhere.
    ///
    /// # Errors
    /// [`Denial::InsufficientPermissions`] if it is not.
    pub fn require<P: Requires>(&self) -> Result<(), Denial> {
        require_in::<P>(self.anywhere())
    }

    /// The id of the workspace, if `P` is held there and a request from `address` may reach it.
    ///
    /// # Errors
    /// [`Denial::NotFound`] if the workspace is invisible, [`Denial::IpNotAllowed`] if it is visible and cannot be
    /// reached from there, [`Denial::InsufficientPermissions`] if it can and `P` is not held there.
    pub fn require_in_workspace<P: Requires>(
        &self,
        workspace: &Reference<WorkspaceId>,
        address: Option<IpAddr>,
    ) -> Result<WorkspaceId, Denial> {
        let workspace = self.workspace(workspace).ok_or(Denial::NotFound)?;
        if !workspace.admits(address) {
            return Err(Denial::IpNotAllowed);
        }
        require_in::<P>(workspace.held).map(|()| workspace.id)
    }

    /// The workspaces where `P` is held and which a request from `address` may reach.
    pub fn workspaces_with<P: Requires>(&self, address: Option<IpAddr>) -> impl Iterator<Item = WorkspaceId> {
        self.workspaces()
            .filter(move |workspace| P::is_met_by(workspace.held) && workspace.admits(address))
            .map(|workspace| workspace.id)
    }
}

/// Rights are equal if they allow the same in the same places, however many workspaces there are that they do not show.
impl PartialEq for Rights {
    fn eq(&self, other: &Self) -> bool {
        self.organization() == other.organization()
            && self.organization_external_id() == other.organization_external_id()
            && self.organization_kind() == other.organization_kind()
            && self.organization_wide() == other.organization_wide()
            && self.workspaces().eq(other.workspaces())
            && self.sees_all_workspaces() == other.sees_all_workspaces()
            && self.customers() == other.customers()
    }
}

impl Eq for Rights {}

fn require_in<P: Requires>(held: &PermissionSet) -> Result<(), Denial> {
    if P::is_met_by(held) {
        return Ok(());
    }
    let mut missing = Vec::new();
    P::list_missing(held, &mut missing);
    Err(Denial::InsufficientPermissions { missing: missing.into_iter().map(str::to_owned).collect() })
}

/// What of some rights goes beyond others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Permissions that are not held in the same place.
    pub permissions: PermissionSet,
    /// Workspaces that are not visible.
    pub workspaces: Vec<WorkspaceId>,
    /// Whether all workspaces are reached, those made later included, where only some may be.
    pub future_workspaces: bool,
    /// Whether customers are reached that may not be.
    pub customers: bool,
}

impl Excess {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.permissions.is_empty()
            && self.workspaces.is_empty()
            && !self.future_workspaces
            && !self.customers
    }
}

/// The user or service account of a key, and the id that the product's backend gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub id: PrincipalId,
    /// The id that the product's backend gave it.
    pub external_id: Option<Box<str>>,
}

/// What a verification hands out of a key besides its ids; shared between all verifications of the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRights {
    /// The environment to which the key is bound.
    pub environment: EnvironmentName,
    /// On whose behalf it acts.
    pub principal: Principal,
    /// What it may do.
    pub rights: Rights,
}
