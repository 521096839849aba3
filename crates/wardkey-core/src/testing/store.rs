use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::Notify;

use super::SeededRandom;
use crate::ids::{CustomerId, KeyId, OrganizationId, Reference};
use crate::random::Random;
use crate::record::KeyRecord;
use crate::scope::EnvironmentName;
use crate::secret::Digest;
use crate::store::{
    At, Change, Changes, Deployment, FoundKey, KeyStore, Position, Report, StoreError, StoreFuture, Subject,
};

/// A store in memory that can be told to fail, and that counts what it is asked.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    deployment: Deployment,
    keys: HashMap<Digest, KeyRecord>,
    customers: HashMap<(OrganizationId, Reference<CustomerId>), CustomerId>,
    epoch: i64,
    changes: Vec<Change>,
    failing: bool,
    turns: Option<SeededRandom>,
    finds: u64,
    reports: Vec<Report>,
}

impl MemoryStore {
    /// A store without keys.
    pub fn new(deployment: Deployment) -> Arc<Self> {
        let state = State {
            deployment,
            keys: HashMap::new(),
            customers: HashMap::new(),
            epoch: 1,
            changes: Vec::new(),
            failing: false,
            turns: None,
            finds: 0,
            reports: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Adds a key's secret, or replaces its record.
    pub fn put(&self, digest: Digest, record: KeyRecord) {
        let key = record.key;
        let mut state = self.lock();
        state.keys.insert(digest, record);
        state.note([Subject::Digest(digest), Subject::Key(key)]);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Changes the records of a key, and announces it as a change of `subject`.
    pub fn change(&self, key: KeyId, subject: Subject, change: impl Fn(&mut KeyRecord)) {
        let mut state = self.lock();
        state.keys.values_mut().filter(|record| record.key == key).for_each(change);
        state.note([subject]);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Adds a customer.
    pub fn put_customer(
        &self,
        organization: OrganizationId,
        customer: Reference<CustomerId>,
        id: CustomerId,
    ) {
        let mut state = self.lock();
        state.customers.insert((organization, customer), id);
        state.note([Subject::Organization(organization)]);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Changes what all keys have in common.
    pub fn change_deployment(&self, subject: Subject, change: impl FnOnce(&mut Deployment)) {
        let mut state = self.lock();
        change(&mut state.deployment);
        state.note([subject]);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Behaves as after a restore from a backup: another life, in which nothing has happened yet.
    pub fn begin_new_epoch(&self) {
        let mut state = self.lock();
        state.epoch += 1;
        state.changes.clear();
    }

    /// From now on nothing is answered, or everything again.
    pub fn set_failing(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// From now on answers overtake each other: each takes up to fourteen turns of the scheduler, drawn by this
    /// seed.
    pub fn set_unsteady(&self, seed: u64) {
        self.lock().turns = Some(SeededRandom::new(seed));
    }

    /// How often a key was looked up.
    pub fn finds(&self) -> u64 {
        self.lock().finds
    }

    /// Every report that arrived.
    pub fn reports(&self) -> Vec<Report> {
        self.lock().reports.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&mut State) -> T + Send + 'a,
    ) -> StoreFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            // As with a real store, others get their turn before the question arrives and before the answer does.
            self.pause().await;
            let answer = {
                let mut state = self.lock();
                if state.failing { Err(StoreError::new("told to fail")) } else { Ok(read(&mut state)) }
            };
            self.pause().await;
            answer
        })
    }

    async fn pause(&self) {
        let turns = self.lock().turns.as_ref().map_or(1, |random| {
            let mut byte = [0];
            random.fill(&mut byte);
            byte[0] % 8
        });
        for _ in 0..turns {
            yield_once().await;
        }
    }
}

impl State {
    fn position(&self) -> Position {
        Position { epoch: self.epoch, number: self.changes.last().map_or(0, |change| change.number) }
    }

    fn at<T>(&self, value: T) -> At<T> {
        At { position: self.position(), value }
    }

    fn note<const N: usize>(&mut self, subjects: [Subject; N]) {
        for subject in subjects {
            let number = self.position().number + 1;
            self.changes.push(Change { number, subject });
        }
    }
}

impl KeyStore for MemoryStore {
    fn find<'a>(
        &'a self,
        environment: &'a EnvironmentName,
        digest: Digest,
    ) -> StoreFuture<'a, Result<At<Option<FoundKey>>, StoreError>> {
        self.answer(move |state| {
            state.finds += 1;
            let found = state.keys.get(&digest).map(|record| {
                if record.environment == *environment {
                    FoundKey::Record(Box::new(record.clone()))
                } else {
                    FoundKey::Elsewhere { environment: record.environment.clone(), key: record.key }
                }
            });
            state.at(found)
        })
    }

    fn find_customer<'a>(
        &'a self,
        organization: OrganizationId,
        customer: &'a Reference<CustomerId>,
    ) -> StoreFuture<'a, Result<At<Option<CustomerId>>, StoreError>> {
        self.answer(move |state| state.at(state.customers.get(&(organization, customer.clone())).copied()))
    }

    fn deployment(&self) -> StoreFuture<'_, Result<At<Deployment>, StoreError>> {
        self.answer(|state| state.at(state.deployment.clone()))
    }

    fn changes(&self, after: Option<Position>) -> StoreFuture<'_, Result<Changes, StoreError>> {
        self.answer(move |state| {
            let position = state.position();
            match after {
                Some(after) if after.epoch == position.epoch && after.number <= position.number => {
                    let changes = state.changes.iter().filter(|change| change.number > after.number).copied();
                    Changes::Since { changes: changes.collect(), position }
                }
                _ => Changes::Reset { position },
            }
        })
    }

    fn wait_for_change(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.changed.notified())
    }

    fn report<'a>(&'a self, report: &'a Report) -> StoreFuture<'a, Result<(), StoreError>> {
        self.answer(|state| state.reports.push(report.clone()))
    }
}

/// Lets whoever else is ready have one turn, and no more: a runtime's own way to yield may give others many.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
