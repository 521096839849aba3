//! The handle on a deployment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use wardkey_core::{
    AuditEventId, Clock, EnvironmentName, InvalidEnvironmentName, OrganizationId, OrganizationRecord,
    OsRandom, Random, Reference, SystemClock, Timestamp, Verifier, VerifierConfig, WorkspaceRecord,
};
use wardkey_storage::{
    Act, Backend, Migrated, OpenConfig, OpenError, Organization, Page, Storage, WORKSPACE_LIMIT,
    WorkspaceFilter,
};

use crate::caller::Caller;
use crate::error::Error;
use crate::rules::can_exist;

/// A deployment of Wardkey: what may be done with it, and by whom.
///
/// Data is reached only through authorization. There is a door for each kind of business, and no other way in:
/// [`enter`](Self::enter) an organization, [`enter_deployment`](Self::enter_deployment),
/// [`enter_self`](Self::enter_self), and [`sign_in`](Self::sign_in) for who has no credential yet. Clones share
/// everything.
#[derive(Clone)]
pub struct Wardkey {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Storage,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    runtime: Handle,
    verifier_config: VerifierConfig,
    verifiers: Mutex<HashMap<EnvironmentName, Verifier>>,
}

impl Wardkey {
    /// Opens a migrated database: `sqlite:<path>`, `postgres://…` or `postgresql://…`. It is neither created nor
    /// migrated here.
    ///
    /// # Errors
    /// If the URL names no known database, none answers there, or its schema is not one that this version knows.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let clock = Arc::new(SystemClock::new());
        Self::open_with(url, OpenConfig::default(), VerifierConfig::default(), clock, Arc::new(OsRandom))
            .await
    }

    /// The same, configured, and with its own clock and randomness.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open_with(
        url: &str,
        config: OpenConfig,
        verifier_config: VerifierConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenError> {
        let storage = Storage::open(url, config).await?;
        let runtime = Handle::current();
        let verifiers = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { storage, clock, random, runtime, verifier_config, verifiers }) })
    }

    /// Opens a database only to verify keys of one environment, as a backend does that embeds an adapter. The host
    /// spawns [`Verifier::follow`].
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = wardkey::Wardkey::open_verifier("sqlite:wardkey-data/wardkey.db", "production").await?;
    /// tokio::spawn(verifier.follow());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`open`](Self::open), or if the environment's name is none. Whether the deployment has such an
    /// environment is for [`Verifier::check_ready`] to say.
    pub async fn open_verifier(url: &str, environment: &str) -> Result<Verifier, OpenVerifierError> {
        let environment = environment.parse()?;
        let storage = Storage::open(url, OpenConfig::default()).await?;
        Ok(Verifier::new(Arc::new(storage), environment, VerifierConfig::default()))
    }

    /// Brings a database's schema up to date, creating a SQLite file that is missing. Only a server and its command
    /// line do this.
    ///
    /// # Errors
    /// If no database answers, or a migration fails.
    pub async fn migrate(url: &str) -> Result<Migrated, OpenError> {
        Storage::migrate(url).await
    }

    /// The verifier of this environment's keys, following the changes. What is done through this handle takes effect
    /// in it before the call returns.
    pub fn verifier(&self, environment: &EnvironmentName) -> Verifier {
        let mut verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        let verifier = verifiers.entry(environment.clone()).or_insert_with(|| {
            let verifier = Verifier::with_clock(
                Arc::new(self.inner.storage.clone()),
                environment.clone(),
                self.inner.verifier_config.clone(),
                Arc::clone(&self.inner.clock),
                &*self.inner.random,
            );
            self.inner.runtime.spawn(verifier.follow());
            verifier
        });
        verifier.clone()
    }

    pub(crate) async fn require_organization(
        &self,
        organization: &Reference<OrganizationId>,
    ) -> Result<Organization, Error> {
        if !can_exist(organization) {
            return Err(Error::NotFound);
        }
        self.storage().find_organization(organization).await?.ok_or(Error::NotFound)
    }

    /// The organization as rights are computed from it.
    pub(crate) async fn organization_record(
        &self,
        organization: Organization,
    ) -> Result<OrganizationRecord, Error> {
        let page = Page { after: None, limit: WORKSPACE_LIMIT };
        let workspaces =
            self.storage().list_workspaces(organization.id, &WorkspaceFilter::default(), page).await?;
        let mut workspaces: Vec<_> = workspaces
            .into_iter()
            .map(|workspace| WorkspaceRecord {
                id: workspace.id,
                external_id: workspace.external_id,
                networks: workspace.ip_allowlist,
            })
            .collect();
        workspaces.sort_by_key(|workspace| workspace.id);
        Ok(OrganizationRecord {
            id: organization.id,
            external_id: organization.external_id,
            kind: organization.kind,
            state: organization.state,
            workspaces,
        })
    }

    pub(crate) async fn catalogue_index(&self) -> Result<wardkey_core::CatalogueIndex, Error> {
        let deployment = self.storage().load_deployment().await?;
        Ok(wardkey_core::CatalogueIndex::new(&deployment.catalogue))
    }

    /// Makes what was just committed take effect in every verifier of this handle. Should the store not answer now,
    /// their feed catches up by itself.
    pub(crate) async fn publish(&self) {
        let verifiers: Vec<_> = {
            let verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
            verifiers.values().cloned().collect()
        };
        for verifier in verifiers {
            if let Err(error) = verifier.catch_up().await {
                tracing::debug!(%error, environment = %verifier.environment(), "will catch up by polling");
            }
        }
    }

    /// How an act of this caller stands in the books.
    pub(crate) fn act(&self, caller: &Caller) -> Act {
        let now = self.now();
        Act {
            actor: caller.actor(),
            acting_for: caller.acting_for(),
            request_id: caller.request_id.clone(),
            address: caller.address,
            now,
            audit_id: AuditEventId::mint(now, self.random()),
            rests_on: caller.rests_on.clone(),
        }
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.inner.random
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> Backend {
        self.storage().backend()
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.storage().ping().await?)
    }

    /// Deletes what is kept for a time only. Only a server calls it, every hour or so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune(&self) -> Result<(), Error> {
        let pruned = self.storage().prune(self.now()).await?;
        tracing::debug!(?pruned, "pruned");
        Ok(())
    }

    /// Reports the usage that verifiers have counted, and that they answer no more. A host calls it when it shuts down.
    pub async fn leave(&self) {
        let verifiers: Vec<_> = {
            let verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
            verifiers.values().cloned().collect()
        };
        for verifier in verifiers {
            if let Err(error) = verifier.leave().await {
                tracing::warn!(%error, environment = %verifier.environment(), "usage could not be reported");
            }
        }
    }
}

/// Why a verifier could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenVerifierError {
    /// The name is not that of an environment.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironmentName),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl std::fmt::Debug for Wardkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wardkey").field("storage", &self.inner.storage).finish_non_exhaustive()
    }
}
