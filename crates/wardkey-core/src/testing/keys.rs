use std::sync::Arc;

use super::{FixedClock, MemoryStore, SeededRandom};
use crate::ids::{Id, KeyId, OrganizationId, SecretId, ServiceAccountId, WorkspaceId};
use crate::permission::{Catalogue, Level, PermissionGroup};
use crate::rate_limit::RateLimits;
use crate::record::{
    KeyRecord, KeyState, OrganizationKind, OrganizationRecord, PrincipalKind, PrincipalRecord, Standing,
    WorkspaceRecord,
};
use crate::scope::{Access, Environment};
use crate::secret::{Secret, SecretStart};
use crate::store::Deployment;
use crate::time::{Clock, Timestamp};
use crate::verifier::{Verifier, VerifierConfig};

/// A deployment in memory, for tests of handlers: one organization with the workspaces that a test names.
///
/// ```
/// use wardkey_core::testing::TestKeys;
/// use wardkey_core::{Requirement, WorkspaceId, Id};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// # runtime.block_on(async {
/// wardkey_core::permissions! { "Pipelines" { pub PipelinesRead = "pipelines:read", read, "See pipelines" } }
///
/// let keys = TestKeys::new(CATALOGUE, &[WorkspaceId::from_bytes([1; 16])]);
/// let secret = keys.issue(&["pipelines:read"]);
/// let verified = keys.verifier().verify(secret.expose().as_bytes(), None, &Requirement::NONE).await?;
/// assert!(verified.rights.rights.require::<PipelinesRead>().is_ok());
/// # Ok::<(), wardkey_core::VerifyError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestKeys {
    store: Arc<MemoryStore>,
    clock: FixedClock,
    random: SeededRandom,
    organization: OrganizationRecord,
}

impl TestKeys {
    /// The instant at which the clock of a test deployment stands.
    pub const NOW: &str = "2026-11-20T12:00:00Z";

    /// A deployment with the environments `production` and `staging`, this catalogue, and these workspaces.
    pub fn new(catalogue: &[PermissionGroup], workspaces: &[WorkspaceId]) -> Self {
        let environment = |name: &str, tag: &str| Environment {
            name: name.parse().expect("a literal slug"),
            tag: tag.to_owned(),
        };
        let deployment = Deployment {
            secret_prefixes: vec!["wk".to_owned()],
            environments: vec![environment("production", "live"), environment("staging", "test")],
            catalogue: Catalogue::declared(catalogue),
        };
        let workspaces = workspaces
            .iter()
            .map(|id| WorkspaceRecord { id: *id, external_id: None, networks: Vec::new() })
            .collect();
        let mut organization = OrganizationRecord {
            id: OrganizationId::from_bytes([0x0A; 16]),
            external_id: None,
            kind: OrganizationKind::Tenant,
            state: Standing::Active,
            workspaces,
        };
        organization.workspaces.sort_by_key(|workspace| workspace.id);
        Self {
            store: MemoryStore::new(deployment),
            clock: FixedClock::new(Self::NOW.parse().expect("a literal timestamp")),
            random: SeededRandom::new(2026),
            organization,
        }
    }

    /// Issues a key of a service account with exactly these permissions, in every workspace, in production.
    ///
    /// # Panics
    /// If a name is not of the form `resource:action`.
    pub fn issue(&self, permissions: &[&str]) -> Secret {
        self.issue_with(permissions, |_| {})
    }

    /// Issues such a key, with its record changed as the test needs it.
    ///
    /// # Panics
    /// If a name is not of the form `resource:action`.
    pub fn issue_with(&self, permissions: &[&str], change: impl FnOnce(&mut KeyRecord)) -> Secret {
        let secret = SecretStart::new("wk", "live").expect("a literal start").generate(&self.random);
        let mut record = self.record(permissions);
        change(&mut record);
        self.store.put(secret.digest(), record);
        secret
    }

    /// The record of a key of a service account with exactly these permissions, not in the store yet.
    ///
    /// # Panics
    /// If a name is not of the form `resource:action`.
    pub fn record(&self, permissions: &[&str]) -> KeyRecord {
        let now = self.clock.now();
        KeyRecord {
            key: KeyId::mint(now, &self.random),
            secret: SecretId::mint(now, &self.random),
            secret_ends_at: None,
            environment: "production".parse().expect("a literal slug"),
            state: KeyState::Active,
            expires_at: None,
            organization: self.organization.clone(),
            principal: PrincipalRecord {
                external_id: None,
                state: Standing::Active,
                kind: PrincipalKind::ServiceAccount { id: ServiceAccountId::mint(now, &self.random) },
            },
            level: Level::Restricted,
            permissions: permissions
                .iter()
                .map(|name| name.parse().expect("a permission of the form resource:action"))
                .collect(),
            workspaces: Access::All,
            customers: Access::All,
            networks: Vec::new(),
            rate_limits: RateLimits::NONE,
        }
    }

    /// A verifier of production's keys, by this deployment's clock.
    pub fn verifier(&self) -> Verifier {
        self.verifier_with(VerifierConfig::default())
    }

    /// The same, configured.
    pub fn verifier_with(&self, config: VerifierConfig) -> Verifier {
        let store = Arc::clone(&self.store);
        let environment = "production".parse().expect("a literal slug");
        Verifier::with_clock(store, environment, config, Arc::new(self.clock.clone()), &self.random)
    }

    /// Where the keys are.
    pub fn store(&self) -> &Arc<MemoryStore> {
        &self.store
    }

    /// The clock of the deployment.
    pub fn clock(&self) -> &FixedClock {
        &self.clock
    }

    /// The instant at which the clock started.
    pub fn started_at(&self) -> Timestamp {
        Self::NOW.parse().expect("a literal timestamp")
    }
}
