//! Records by digest, bounded, and coherent with the feed of changes.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::usage::UsageCell;
use crate::decide::CompiledKey;
use crate::ids::{CustomerId, KeyId, OrganizationId, Reference};
use crate::permission::CatalogueIndex;
use crate::scope::EnvironmentName;
use crate::secret::Digest;
use crate::store::{Change, Deployment, Position, Subject};
use crate::time::Timestamp;

/// How many changes are remembered to judge fills that were under way when they came.
const REMEMBERED_CHANGES: usize = 8192;

/// What is known of a digest.
#[derive(Debug)]
pub(super) enum Known {
    /// A key of this verifier's environment, and its counter.
    Key { key: CompiledKey, usage: Arc<UsageCell> },
    /// A key of another environment.
    Elsewhere { environment: EnvironmentName, key: KeyId },
}

/// A cached record with the second in which it was last used.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    pub(super) known: Known,
    last_hit_second: AtomicU32,
    /// For this entry it is never again earlier than this, in microseconds: an end that was seen has come.
    not_before: AtomicI64,
}

impl Entry {
    /// What was read; `seen_end` is the latest end that this process has seen come for the secret.
    pub(super) fn new(digest: Digest, known: Known, seen_end: Option<Timestamp>) -> Self {
        let not_before = AtomicI64::new(seen_end.map_or(i64::MIN, Timestamp::as_micros));
        Self { digest, known, last_hit_second: AtomicU32::new(0), not_before }
    }

    /// Notes the use, writing at most once a second.
    pub(super) fn touch(&self, age: Duration) {
        let second = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        if self.last_hit_second.load(Ordering::Relaxed) != second {
            self.last_hit_second.store(second, Ordering::Relaxed);
        }
    }

    /// The instant by which to decide: a clock that steps back does not revive what was seen to end.
    pub(super) fn now(&self, clock: Timestamp) -> Timestamp {
        clock.max(Timestamp::from_micros(self.not_before.load(Ordering::Relaxed)))
    }

    /// Remembers that this end has come; whether that is news.
    pub(super) fn note_end(&self, end: Timestamp) -> bool {
        self.not_before.fetch_max(end.as_micros(), Ordering::Relaxed) < end.as_micros()
    }

    fn depends_on(&self, subject: &Subject) -> bool {
        match (subject, &self.known) {
            (Subject::Digest(digest), _) => *digest == self.digest,
            (Subject::Key(id), Known::Key { key, .. }) => *id == key.summary().key,
            (Subject::Key(id), Known::Elsewhere { key, .. }) => id == key,
            (Subject::Principal(id), Known::Key { key, .. }) => *id == key.summary().principal,
            (Subject::Organization(id), Known::Key { key, .. }) => *id == key.summary().organization,
            (Subject::Principal(_) | Subject::Organization(_), Known::Elsewhere { .. }) => false,
            (Subject::Catalogue | Subject::Deployment, _) => true,
        }
    }

    fn depends_on_any(&self, subjects: &HashSet<Subject>) -> bool {
        if subjects.contains(&Subject::Digest(self.digest)) {
            return true;
        }
        match &self.known {
            Known::Elsewhere { key, .. } => subjects.contains(&Subject::Key(*key)),
            Known::Key { key, .. } => {
                let ids = key.summary();
                subjects.contains(&Subject::Key(ids.key))
                    || subjects.contains(&Subject::Organization(ids.organization))
                    || subjects.contains(&Subject::Principal(ids.principal))
            }
        }
    }
}

/// What all keys have in common, prepared.
#[derive(Debug)]
pub(super) struct LoadedDeployment {
    pub(super) deployment: Deployment,
    pub(super) catalogue: CatalogueIndex,
}

/// Whether what was read may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is remembered.
    Cached,
    /// Something that it depends on changed after it was read: read again.
    Outdated,
}

pub(super) type CustomerKey = (OrganizationId, Reference<CustomerId>);

/// Everything remembered.
pub(super) struct Cache {
    keys: papaya::HashMap<Digest, Arc<Entry>, DigestHasher>,
    /// Digests that belong to no key, with the age at which to ask again. Guessers choose these, hence the keyed hash.
    unknown: papaya::HashMap<Digest, Duration>,
    customers: papaya::HashMap<CustomerKey, CustomerId>,
    feed: Mutex<FeedState>,
    capacity: usize,
}

/// How far the feed has been applied. Its lock orders fills against changes; lookups never take it.
#[derive(Default)]
struct FeedState {
    position: Option<Position>,
    recent: VecDeque<Change>,
    /// Changes up to this number are forgotten.
    forgotten: i64,
    deployment: Option<Arc<LoadedDeployment>>,
}

impl FeedState {
    /// Whether a value read at `position` may be used: the same life of the database, and nothing that it depends on
    /// has changed since.
    fn is_current(&self, position: Position, depends_on: impl Fn(&Subject) -> bool) -> bool {
        self.position.is_some_and(|current| current.epoch == position.epoch)
            && position.number >= self.forgotten
            && !self
                .recent
                .iter()
                .any(|change| change.number > position.number && depends_on(&change.subject))
    }
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            keys: papaya::HashMap::with_hasher(DigestHasher),
            unknown: papaya::HashMap::new(),
            customers: papaya::HashMap::new(),
            feed: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    /// Reads what is cached for the digest, in place: nothing is locked, copied or counted.
    pub(super) fn with<T>(&self, digest: &Digest, read: impl FnOnce(&Arc<Entry>) -> T) -> Option<T> {
        self.keys.pin().get(digest).map(read)
    }

    /// Whether the digest was found to belong to no key, recently.
    pub(super) fn is_unknown(&self, digest: &Digest, age: Duration) -> bool {
        self.unknown.pin().get(digest).is_some_and(|until| age < *until)
    }

    pub(super) fn customer(&self, customer: &CustomerKey) -> Option<CustomerId> {
        self.customers.pin().get(customer).copied()
    }

    pub(super) fn deployment(&self) -> Option<Arc<LoadedDeployment>> {
        self.lock().deployment.clone()
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Where the feed has been applied up to.
    pub(super) fn position(&self) -> Option<Position> {
        self.lock().position
    }

    /// Remembers a record read at `position`, unless it or the catalogue it was compiled with is outdated already.
    pub(super) fn admit(
        &self,
        entry: &Arc<Entry>,
        position: Position,
        compiled_with: &Arc<LoadedDeployment>,
    ) -> Admission {
        let feed = self.lock();
        let same_catalogue =
            feed.deployment.as_ref().is_some_and(|loaded| Arc::ptr_eq(loaded, compiled_with));
        if !same_catalogue || !feed.is_current(position, |subject| entry.depends_on(subject)) {
            return Admission::Outdated;
        }
        if self.keys.len() >= self.capacity {
            self.evict();
        }
        self.keys.pin().insert(entry.digest, Arc::clone(entry));
        Admission::Cached
    }

    /// Remembers that a digest belongs to no key, until the given age.
    pub(super) fn admit_unknown(&self, digest: Digest, position: Position, until: Duration) -> Admission {
        let feed = self.lock();
        if !feed.is_current(position, |subject| matches!(subject, Subject::Digest(of) if *of == digest)) {
            return Admission::Outdated;
        }
        // Guessers fill this map: it is emptied rather than grown.
        if self.unknown.len() >= self.capacity {
            self.unknown.pin().clear();
        }
        self.unknown.pin().insert(digest, until);
        Admission::Cached
    }

    pub(super) fn admit_customer(
        &self,
        customer: CustomerKey,
        found: CustomerId,
        position: Position,
    ) -> Admission {
        let feed = self.lock();
        if !feed
            .is_current(position, |subject| matches!(subject, Subject::Organization(id) if *id == customer.0))
        {
            return Admission::Outdated;
        }
        if self.customers.len() >= self.capacity {
            self.customers.pin().clear();
        }
        self.customers.pin().insert(customer, found);
        Admission::Cached
    }

    pub(super) fn admit_deployment(&self, loaded: &Arc<LoadedDeployment>, position: Position) -> Admission {
        let mut feed = self.lock();
        if !feed.is_current(position, |subject| matches!(subject, Subject::Catalogue | Subject::Deployment)) {
            return Admission::Outdated;
        }
        feed.deployment = Some(Arc::clone(loaded));
        Admission::Cached
    }

    /// Drops whatever depends on the changes and notes how far the feed has come.
    pub(super) fn apply(&self, changes: Vec<Change>, position: Position) {
        let mut feed = self.lock();
        if feed.position.is_none() {
            // What was before the first position is not known here.
            feed.forgotten = position.number;
        }
        let subjects: HashSet<Subject> = changes.iter().map(|change| change.subject).collect();
        feed.recent.extend(changes);
        while feed.recent.len() > REMEMBERED_CHANGES {
            if let Some(change) = feed.recent.pop_front() {
                feed.forgotten = change.number;
            }
        }
        feed.position = Some(position);
        if subjects.contains(&Subject::Catalogue) || subjects.contains(&Subject::Deployment) {
            feed.deployment = None;
            self.drop_everything();
        } else if !subjects.is_empty() {
            self.drop_touched(&subjects);
        }
    }

    /// Everything may have changed: drops all and starts again from `position`.
    pub(super) fn reset(&self, position: Position) {
        let mut feed = self.lock();
        *feed = FeedState { position: Some(position), forgotten: position.number, ..FeedState::default() };
        self.drop_everything();
    }

    fn drop_everything(&self) {
        self.keys.pin().clear();
        self.unknown.pin().clear();
        self.customers.pin().clear();
    }

    fn drop_touched(&self, subjects: &HashSet<Subject>) {
        let mut organizations = false;
        for subject in subjects {
            match subject {
                Subject::Digest(digest) => {
                    self.unknown.pin().remove(digest);
                }
                Subject::Organization(_) => organizations = true,
                _ => {}
            }
        }
        if organizations {
            let untouched =
                |customer: &CustomerKey, _: &_| !subjects.contains(&Subject::Organization(customer.0));
            self.customers.pin().retain(untouched);
        }
        self.keys.pin().retain(|_, entry| !entry.depends_on_any(subjects));
    }

    /// Makes room for an eighth of the capacity: those go that have not been used for the longest time.
    fn evict(&self) {
        let keys = self.keys.pin();
        let mut by_use: Vec<_> = keys
            .iter()
            .map(|(digest, entry)| (entry.last_hit_second.load(Ordering::Relaxed), *digest))
            .collect();
        let victims = (self.capacity / 8).max(1).min(by_use.len());
        if victims < by_use.len() {
            by_use.select_nth_unstable(victims);
        }
        for (_, digest) in &by_use[..victims] {
            keys.remove(digest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest is its own hash. Only digests of real keys are stored under it, and nobody chooses those.
#[derive(Debug, Clone, Copy, Default)]
struct DigestHasher;

impl BuildHasher for DigestHasher {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// An array hashes its length first; the digest's bytes are enough.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
