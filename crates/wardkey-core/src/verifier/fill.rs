//! Reading from the store what is not known yet: once for all who ask at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OnceCell, SemaphorePermit};

use super::Inner;
use super::cache::{Admission, KeyElsewhere, LoadedDeployment};
use super::entry::CachedKey;
use crate::decide::CompiledKey;
use crate::denial::{Denial, VerifyError};
use crate::ids::{CustomerId, MAX_EXTERNAL_ID, OrganizationId, Reference};
use crate::permission::CatalogueIndex;
use crate::record::KeyRecord;
use crate::secret::Digest;
use crate::store::{At, FoundKey, StoreError};

/// How often a record is read when changes keep overtaking it; the last reading is used, and not remembered.
const READINGS: usize = 3;

/// What all who ask for one digest at the same time receive.
type Answer = Result<Sight, Arc<StoreError>>;
type Flight = OnceCell<Answer>;

/// What was found for a digest.
#[derive(Debug, Clone)]
enum Sight {
    Key(Arc<CachedKey>),
    Elsewhere(KeyElsewhere),
    Unknown,
}

impl Sight {
    fn into_key(self) -> Result<Arc<CachedKey>, Denial> {
        match self {
            Self::Key(key) => Ok(key),
            Self::Elsewhere(KeyElsewhere { environment, .. }) => {
                Err(Denial::EnvironmentMismatch { environment })
            }
            Self::Unknown => Err(Denial::InvalidKey),
        }
    }
}

/// The lookups under way. Whoever comes second waits for the first; when the first one's request is dropped, the
/// next in line asks.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Digest, Weak<Flight>>>);

impl Flights {
    fn join(&self, digest: Digest) -> Passenger<'_> {
        let mut flights = self.lock();
        // One that has landed is not joined: its answer may be older than what this caller was promised.
        let under_way = flights.get(&digest).and_then(Weak::upgrade).filter(|flight| !flight.initialized());
        let flight = under_way.unwrap_or_else(|| {
            let flight = Arc::new(Flight::new());
            flights.insert(digest, Arc::downgrade(&flight));
            flight
        });
        Passenger { flights: self, digest, flight: Some(flight) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those who wait; the last to leave takes the flight off the list.
struct Passenger<'a> {
    flights: &'a Flights,
    digest: Digest,
    flight: Option<Arc<Flight>>,
}

impl Drop for Passenger<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        self.flight = None;
        if flights.get(&self.digest).is_some_and(|flight| flight.strong_count() == 0) {
            flights.remove(&self.digest);
        }
    }
}

impl Inner {
    /// The key of a digest that is neither cached nor known to belong to none.
    pub(super) async fn look_up(&self, digest: Digest, prefix: &[u8]) -> Result<Arc<CachedKey>, VerifyError> {
        if let Some(found) = self.cache.elsewhere(&digest) {
            return Ok(Sight::Elsewhere(found).into_key()?);
        }
        let deployment = self.load_deployment().await?;
        let accepted = &deployment.deployment.secret_prefixes;
        if !accepted.iter().any(|known| known.as_bytes() == prefix) {
            return Err(Denial::InvalidKey.into());
        }
        let passenger = self.flights.join(digest);
        let flight = passenger.flight.as_ref().expect("a passenger leaves its flight when it is dropped");
        match flight.get_or_init(|| self.fill(digest)).await {
            Ok(sight) => Ok(sight.clone().into_key()?),
            Err(error) => Err(StoreError::new(Arc::clone(error)).into()),
        }
    }

    async fn fill(&self, digest: Digest) -> Answer {
        // Whoever held the flight before may have brought the record home in the meantime.
        if let Some(key) = self.cache.with(&digest, Arc::clone) {
            return Ok(Sight::Key(key));
        }
        self.read(digest).await.map_err(Arc::new)
    }

    /// Reads until nothing has overtaken the answer, three times at most; the last reading is used all the same, and
    /// not remembered.
    async fn read(&self, digest: Digest) -> Result<Sight, StoreError> {
        let _slot = self.lookup_slot().await?;
        let mut readings = 1;
        loop {
            let (sight, admission) = self.read_once(digest).await?;
            if admission == Admission::Cached {
                return Ok(sight);
            }
            if readings == READINGS {
                if let Sight::Key(key) = &sight {
                    self.cache.retire(Arc::clone(key));
                }
                return Ok(sight);
            }
            readings += 1;
        }
    }

    async fn read_once(&self, digest: Digest) -> Result<(Sight, Admission), StoreError> {
        let deployment = self.load_deployment().await?;
        let At { position, value } = self.within_timeout(self.store.find(&self.environment, digest)).await?;
        Ok(match value {
            Some(FoundKey::Record(record)) => {
                let key = Arc::new(self.compile(digest, &record, &deployment.catalogue));
                let admission = self.cache.admit(&key, position, &deployment);
                (Sight::Key(key), admission)
            }
            Some(FoundKey::Elsewhere { environment, key }) => {
                let found = KeyElsewhere { environment, key };
                let admission = self.cache.admit_elsewhere(digest, found.clone(), position);
                (Sight::Elsewhere(found), admission)
            }
            None => {
                let until = self.clock.monotonic().saturating_add(self.config.remember_unknown);
                (Sight::Unknown, self.cache.admit_unknown(digest, position, until))
            }
        })
    }

    fn compile(&self, digest: Digest, record: &KeyRecord, catalogue: &CatalogueIndex) -> CachedKey {
        let mut key = CompiledKey::new(record, catalogue);
        key.share(&self.parts, &self.environment);
        let limits = self.cells.attach(record.key, &record.rate_limits);
        CachedKey::new(digest, key, self.seen_ends.of(record.secret), limits)
    }

    pub(super) async fn look_up_customer(
        &self,
        organization: OrganizationId,
        customer: &Reference<CustomerId>,
    ) -> Result<Option<CustomerId>, StoreError> {
        // What no external id can be is not asked for: a store that cannot even read the question would look as if it did
        // not answer.
        if matches!(customer, Reference::External(text) if text.len() > MAX_EXTERNAL_ID || text.contains('\0'))
        {
            return Ok(None);
        }
        let wanted = (organization, customer.clone());
        if let Some(found) = self.cache.customer(&wanted) {
            return Ok(Some(found));
        }
        let _slot = self.lookup_slot().await?;
        let mut answer = None;
        for _ in 0..READINGS {
            let At { position, value } =
                self.within_timeout(self.store.find_customer(organization, customer)).await?;
            answer = value;
            // Absence is not remembered: callers choose what they ask for.
            let Some(found) = answer else { break };
            if self.cache.admit_customer(wanted.clone(), found, position) == Admission::Cached {
                break;
            }
        }
        Ok(answer)
    }

    /// A place among the few that may ask the store at once, so that a flood of unknown keys leaves it room for the
    /// feed. Waiting for one too long is an outage, not a denial.
    async fn lookup_slot(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let acquired = tokio::time::timeout(self.config.lookup_timeout, self.lookups.acquire()).await;
        acquired.map_err(StoreError::new)?.map_err(StoreError::new)
    }

    /// What all keys have in common, from memory if it is there.
    pub(super) async fn load_deployment(&self) -> Result<Arc<LoadedDeployment>, StoreError> {
        if let Some(loaded) = self.cache.deployment() {
            return Ok(loaded);
        }
        let _one_at_a_time = self.loading_deployment.lock().await;
        if let Some(loaded) = self.cache.deployment() {
            return Ok(loaded);
        }
        let mut readings = 1;
        loop {
            let At { position, value } = self.within_timeout(self.store.deployment()).await?;
            let catalogue = CatalogueIndex::new(&value.catalogue);
            let loaded = Arc::new(LoadedDeployment { deployment: value, catalogue });
            if self.cache.admit_deployment(&loaded, position) == Admission::Cached || readings == READINGS {
                return Ok(loaded);
            }
            readings += 1;
        }
    }
}
