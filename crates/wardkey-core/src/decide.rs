//! The one rule: whether a key is usable at an instant.

use std::net::IpAddr;
use std::sync::Arc;

use crate::denial::Denial;
use crate::ids::{KeyId, OrganizationId, PrincipalId, SecretId};
use crate::network::IpNetwork;
use crate::permission::CatalogueIndex;
use crate::record::{KeyRecord, KeyState, KeyStatus, Standing};
use crate::requirement::Requirement;
use crate::rights::{KeyRights, Principal, Rights};
use crate::scope::EnvironmentName;
use crate::time::Timestamp;

/// A key's record, prepared for many decisions.
#[derive(Debug, Clone)]
pub struct CompiledKey {
    summary: KeySummary,
    state: KeyState,
    expires_at: Option<Timestamp>,
    secret_ends_at: Option<Timestamp>,
    principal: Standing,
    organization: Standing,
    networks: Vec<Vec<IpNetwork>>,
    rights: Arc<KeyRights>,
}

/// The ids of a verified key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySummary {
    /// The key.
    pub key: KeyId,
    /// Which of its secrets was presented.
    pub secret: SecretId,
    /// The tenant.
    pub organization: OrganizationId,
    /// On whose behalf it acts.
    pub principal: PrincipalId,
}

impl CompiledKey {
    /// Prepares `record`, with the rights that it has under `catalogue`.
    pub fn new(record: &KeyRecord, catalogue: &CatalogueIndex) -> Self {
        Self {
            summary: KeySummary {
                key: record.key,
                secret: record.secret,
                organization: record.organization.id,
                principal: record.principal.id(),
            },
            state: record.state,
            expires_at: record.expires_at,
            secret_ends_at: record.secret_ends_at,
            principal: record.principal.state,
            organization: record.organization.state,
            networks: record.networks.clone(),
            rights: Arc::new(KeyRights {
                environment: record.environment.clone(),
                principal: Principal {
                    id: record.principal.id(),
                    external_id: record.principal.external_id.clone(),
                },
                rights: Rights::of_key(record, catalogue),
            }),
        }
    }

    /// The ids.
    pub fn summary(&self) -> KeySummary {
        self.summary
    }

    /// The first end that time sets to this secret: its own or the key's.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.expires_at.into_iter().chain(self.secret_ends_at).min()
    }

    /// What it may do.
    pub fn rights(&self) -> &Arc<KeyRights> {
        &self.rights
    }
}

/// Whether a request with this key is let in at `now`, for a verifier of this environment. Nothing but its arguments
/// counts, and nothing is changed.
///
/// The order is fixed and documented: environment; revoked, expired, disabled; the secret's end; principal;
/// organization; network; permissions; workspace, and its network. The customer comes after, as it may have to be looked up.
///
/// # Errors
/// The first reason to refuse.
pub fn decide(
    key: &CompiledKey,
    environment: &EnvironmentName,
    address: Option<IpAddr>,
    requirement: &Requirement,
    now: Timestamp,
) -> Result<(), Denial> {
    if key.rights.environment != *environment {
        return Err(Denial::EnvironmentMismatch { environment: key.rights.environment.clone() });
    }
    match KeyStatus::at(now, key.state, key.expires_at) {
        KeyStatus::Active => {}
        KeyStatus::Revoked => return Err(Denial::KeyRevoked),
        KeyStatus::Expired => return Err(Denial::KeyExpired),
        KeyStatus::Disabled => return Err(Denial::KeyDisabled),
    }
    if key.secret_ends_at.is_some_and(|end| now >= end) {
        return Err(Denial::SecretEnded);
    }
    if key.principal == Standing::Inactive {
        return Err(Denial::PrincipalInactive);
    }
    if key.organization == Standing::Inactive {
        return Err(Denial::OrganizationSuspended);
    }
    let admits =
        |networks: &Vec<IpNetwork>| address.is_some_and(|ip| networks.iter().any(|net| net.contains(ip)));
    if !key.networks.iter().all(admits) {
        return Err(Denial::IpNotAllowed);
    }
    requirement.check(&key.rights.rights, address)
}
