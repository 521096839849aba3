//! Records by digest, bounded, and coherent with the feed of changes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::entry::{ByDigest, CachedKey, DigestHasher};
use super::generations::Generations;
use super::usage::RetiredKeys;
use crate::ids::{CustomerId, KeyId, OrganizationId, Reference};
use crate::permission::CatalogueIndex;
use crate::scope::EnvironmentName;
use crate::secret::Digest;
use crate::store::{Change, Deployment, Position, Subject, Usage};

/// How many changes are remembered to judge fills that were under way when they came.
const REMEMBERED_CHANGES: usize = 8192;

/// How many keys that are in use are passed over, at most, to find one that makes room for another.
const PASSED_OVER: usize = 64;

/// A key of another environment, of which no more is known.
#[derive(Debug, Clone)]
pub(super) struct KeyElsewhere {
    pub(super) environment: EnvironmentName,
    pub(super) key: KeyId,
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
    keys: papaya::HashSet<ByDigest, DigestHasher>,
    /// Digests that belong to no key, with the age at which to ask again.
    unknown: Generations<Digest, Duration>,
    elsewhere: Generations<Digest, KeyElsewhere>,
    customers: Generations<CustomerKey, CustomerId>,
    retired: RetiredKeys,
    feed: Mutex<FeedState>,
    capacity: usize,
}

/// How far the feed has been applied, and what is cached. Its lock orders fills against changes; lookups never take it.
#[derive(Default)]
struct FeedState {
    position: Option<Position>,
    recent: VecDeque<Change>,
    /// Changes up to this number are forgotten.
    forgotten: i64,
    deployment: Option<Arc<LoadedDeployment>>,
    /// Exactly the keys that are cached; the first is the next to be considered when room is needed.
    queue: VecDeque<Arc<CachedKey>>,
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
        let capacity = capacity.max(1);
        Self {
            keys: papaya::HashSet::with_hasher(DigestHasher),
            unknown: Generations::new(capacity),
            elsewhere: Generations::new(capacity),
            customers: Generations::new(capacity),
            retired: RetiredKeys::default(),
            feed: Mutex::default(),
            capacity,
        }
    }

    /// Reads what is cached for the digest, in place: nothing is locked, copied or counted.
    pub(super) fn with<T>(&self, digest: &Digest, read: impl FnOnce(&Arc<CachedKey>) -> T) -> Option<T> {
        self.keys.pin().get(digest).map(|key| read(&key.0))
    }

    /// Whether the digest was found to belong to no key, recently.
    pub(super) fn is_unknown(&self, digest: &Digest, age: Duration) -> bool {
        self.unknown.with(digest, |until| age < *until) == Some(true)
    }

    pub(super) fn elsewhere(&self, digest: &Digest) -> Option<KeyElsewhere> {
        self.elsewhere.with(digest, KeyElsewhere::clone)
    }

    pub(super) fn customer(&self, customer: &CustomerKey) -> Option<CustomerId> {
        self.customers.with(customer, |id| *id)
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

    /// Takes out everything counted since this was last asked. A secret whose record was read anew in between may
    /// appear more than once.
    pub(super) fn take_usage(&self) -> Vec<Usage> {
        let mut used: Vec<_> = self.keys.pin().iter().filter_map(|key| key.0.take_usage()).collect();
        self.retired.take_usage(&mut used);
        used
    }

    /// Looks after a key that is used and will not be cached.
    pub(super) fn retire(&self, key: Arc<CachedKey>) {
        self.retired.add(key);
    }

    /// Remembers a record read at `position`, unless it or the catalogue it was compiled with is outdated already.
    pub(super) fn admit(
        &self,
        key: &Arc<CachedKey>,
        position: Position,
        compiled_with: &Arc<LoadedDeployment>,
    ) -> Admission {
        let mut feed = self.lock();
        let same_catalogue =
            feed.deployment.as_ref().is_some_and(|loaded| Arc::ptr_eq(loaded, compiled_with));
        if !same_catalogue || !feed.is_current(position, |subject| touches(subject, key)) {
            return Admission::Outdated;
        }
        if self.with(&key.digest, |_| ()).is_some() {
            self.drop_keys(&mut feed, |known| known.digest == key.digest);
        }
        if feed.queue.len() >= self.capacity {
            self.evict_one(&mut feed);
        }
        if feed.queue.len() == feed.queue.capacity() {
            // By an eighth, not by as much again: there may be very many.
            let more = (feed.queue.len() / 8).max(64);
            feed.queue.reserve_exact(more);
        }
        feed.queue.push_back(Arc::clone(key));
        self.keys.pin().insert(ByDigest(Arc::clone(key)));
        Admission::Cached
    }

    /// Remembers that a digest belongs to no key, until the given age.
    pub(super) fn admit_unknown(&self, digest: Digest, position: Position, until: Duration) -> Admission {
        let feed = self.lock();
        if !feed.is_current(position, |subject| *subject == Subject::Digest(digest)) {
            return Admission::Outdated;
        }
        self.unknown.insert(digest, until);
        Admission::Cached
    }

    pub(super) fn admit_elsewhere(
        &self,
        digest: Digest,
        found: KeyElsewhere,
        position: Position,
    ) -> Admission {
        let feed = self.lock();
        let depends_on =
            [Subject::Digest(digest), Subject::Key(found.key), Subject::Catalogue, Subject::Deployment];
        if !feed.is_current(position, |subject| depends_on.contains(subject)) {
            return Admission::Outdated;
        }
        self.elsewhere.insert(digest, found);
        Admission::Cached
    }

    pub(super) fn admit_customer(
        &self,
        customer: CustomerKey,
        found: CustomerId,
        position: Position,
    ) -> Admission {
        let feed = self.lock();
        if !feed.is_current(position, |subject| *subject == Subject::Organization(customer.0)) {
            return Admission::Outdated;
        }
        self.customers.insert(customer, found);
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
            self.drop_everything(&mut feed);
        } else if !subjects.is_empty() {
            self.drop_touched(&mut feed, &subjects);
        }
    }

    /// Everything may have changed: drops all and starts again from `position`.
    pub(super) fn reset(&self, position: Position) {
        let mut feed = self.lock();
        self.drop_everything(&mut feed);
        *feed = FeedState { position: Some(position), forgotten: position.number, ..FeedState::default() };
    }

    fn drop_everything(&self, feed: &mut FeedState) {
        self.drop_keys(feed, |_| true);
        self.unknown.clear();
        self.elsewhere.clear();
        self.customers.clear();
    }

    fn drop_touched(&self, feed: &mut FeedState, subjects: &HashSet<Subject>) {
        for subject in subjects {
            if let Subject::Digest(digest) = subject {
                self.unknown.remove(digest);
                self.elsewhere.remove(digest);
            }
        }
        if subjects.iter().any(|subject| matches!(subject, Subject::Key(_))) {
            self.elsewhere.retain(|_, found| !subjects.contains(&Subject::Key(found.key)));
        }
        if subjects.iter().any(|subject| matches!(subject, Subject::Organization(_))) {
            self.customers.retain(|customer, _| !subjects.contains(&Subject::Organization(customer.0)));
        }
        self.drop_keys(feed, |key| of_key(key).iter().any(|subject| subjects.contains(subject)));
    }

    fn drop_keys(&self, feed: &mut FeedState, goes: impl Fn(&CachedKey) -> bool) {
        let keys = self.keys.pin();
        feed.queue.retain(|key| {
            let goes = goes(key);
            if goes {
                keys.remove(&key.digest);
                self.retire(Arc::clone(key));
            }
            !goes
        });
    }

    /// Makes room: the first in the queue goes that was not asked for again since it came there.
    fn evict_one(&self, feed: &mut FeedState) {
        for _ in 0..PASSED_OVER.min(feed.queue.len()) {
            if !feed.queue.front().is_some_and(|key| key.take_touched()) {
                break;
            }
            feed.queue.rotate_left(1);
        }
        if let Some(key) = feed.queue.pop_front() {
            self.keys.pin().remove(&key.digest);
            self.retire(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the record of a key depends on, besides what all records depend on.
fn of_key(cached: &CachedKey) -> [Subject; 4] {
    let ids = cached.key.summary();
    [
        Subject::Digest(cached.digest),
        Subject::Key(ids.key),
        Subject::Principal(ids.principal),
        Subject::Organization(ids.organization),
    ]
}

fn touches(subject: &Subject, key: &CachedKey) -> bool {
    matches!(subject, Subject::Catalogue | Subject::Deployment) || of_key(key).contains(subject)
}
