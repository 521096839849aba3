//! The one rule: whether a key is usable at an instant.

use std::net::IpAddr;
use std::sync::Arc;

use crate::denial::Denial;
use crate::ids::{KeyId, OrganizationId, PrincipalId, SecretId};
use crate::interner::SharedParts;
use crate::network::NetworkRule;
use crate::permission::CatalogueIndex;
use crate::record::{KeyRecord, KeyState, KeyStatus, Standing};
use crate::requirement::Requirement;
use crate::rights::{KeyRights, Principal, Rights};
use crate::scope::EnvironmentName;
use crate::time::Timestamp;

/// A key's record, prepared for many decisions.
///
/// Hundreds of thousands of these are kept: what many keys have in common stands behind a shared pointer.
#[derive(Debug, Clone)]
pub struct CompiledKey {
    key: KeyId,
    secret: SecretId,
    expires: End,
    secret_ends: End,
    networks: Arc<[NetworkRule]>,
    rights: KeyRights,
    state: KeyState,
    principal: Standing,
    organization: Standing,
}

/// When something ends, if ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End(i64);

impl End {
    /// Later than every timestamp.
    const NEVER: Self = Self(i64::MAX);

    fn new(at: Option<Timestamp>) -> Self {
        at.map_or(Self::NEVER, |at| Self(at.as_micros()))
    }

    fn at(self) -> Option<Timestamp> {
        (self != Self::NEVER).then(|| Timestamp::from_micros(self.0))
    }
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
            key: record.key,
            secret: record.secret,
            expires: End::new(record.expires_at),
            secret_ends: End::new(record.secret_ends_at),
            networks: NetworkRule::of_lists(&record.networks).collect(),
            rights: KeyRights {
                environment: record.environment.clone(),
                principal: Principal {
                    id: record.principal.id(),
                    external_id: record.principal.external_id.as_deref().map(Into::into),
                },
                rights: Rights::of_key(record, catalogue),
            },
            state: record.state,
            principal: record.principal.state,
            organization: record.organization.state,
        }
    }

    /// Keeps what other keys of the same verifier have, too, only once.
    pub(crate) fn share(&mut self, parts: &SharedParts, environment: &EnvironmentName) {
        if self.rights.environment == *environment {
            self.rights.environment = environment.clone();
        }
        parts.networks.share(&mut self.networks);
        self.rights.rights.share(parts);
    }

    /// The ids.
    pub fn summary(&self) -> KeySummary {
        KeySummary {
            key: self.key,
            secret: self.secret,
            organization: self.rights.rights.organization(),
            principal: self.rights.principal.id,
        }
    }

    /// The first end that time sets to this secret: its own or the key's.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.expires.min(self.secret_ends).at()
    }

    /// What it may do.
    pub fn rights(&self) -> &KeyRights {
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
    match KeyStatus::at(now, key.state, key.expires.at()) {
        KeyStatus::Active => {}
        KeyStatus::Revoked => return Err(Denial::KeyRevoked),
        KeyStatus::Expired => return Err(Denial::KeyExpired),
        KeyStatus::Disabled => return Err(Denial::KeyDisabled),
    }
    if key.secret_ends.at().is_some_and(|end| now >= end) {
        return Err(Denial::SecretEnded);
    }
    if key.principal == Standing::Inactive {
        return Err(Denial::PrincipalInactive);
    }
    if key.organization == Standing::Inactive {
        return Err(Denial::OrganizationSuspended);
    }
    if !NetworkRule::admit(&key.networks, address) {
        return Err(Denial::IpNotAllowed);
    }
    requirement.check(&key.rights.rights, address)
}
