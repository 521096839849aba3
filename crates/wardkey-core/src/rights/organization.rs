//! What the keys of an organization share.

use std::sync::Arc;

use crate::ids::WorkspaceId;
use crate::network::IpNetwork;
use crate::record::{OrganizationKind, OrganizationRecord, WorkspaceRecord};

/// An organization as its rights refer to it. Its id stands in the rights themselves, where it is asked for all the
/// time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Organization {
    pub(super) external_id: Option<Box<str>>,
    pub(super) kind: OrganizationKind,
    /// Every workspace that it has, in ascending order of id.
    pub(super) workspaces: Arc<[Workspace]>,
}

/// A workspace in fewer bytes than its record has.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Workspace {
    pub(super) id: WorkspaceId,
    pub(super) external_id: Option<Box<str>>,
    pub(super) networks: Box<[IpNetwork]>,
}

impl Organization {
    pub(super) fn new(record: &OrganizationRecord) -> Self {
        let OrganizationRecord { id: _, external_id, kind, state: _, workspaces } = record;
        let workspace = |WorkspaceRecord { id, external_id, networks }: &WorkspaceRecord| Workspace {
            id: *id,
            external_id: external_id.as_deref().map(Into::into),
            networks: networks.as_slice().into(),
        };
        Self {
            external_id: external_id.as_deref().map(Into::into),
            kind: *kind,
            workspaces: workspaces.iter().map(workspace).collect(),
        }
    }
}
