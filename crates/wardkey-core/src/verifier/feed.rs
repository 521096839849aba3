//! Following the changes: what keeps a cached record from outliving the truth.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use super::{Inner, Verifier};
use crate::ids::SecretId;
use crate::store::{Changes, KeyStore, Position, Report, StoreError, Usage};

/// Whatever is configured, the store is not asked more often than this without a hint.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// How many secrets one report tells of.
const MOST_USAGE: usize = 250;

/// However much changes, an instance does not report more often than this.
const REPORT_PAUSE: Duration = Duration::from_millis(500);

impl Verifier {
    /// Follows the store's changes and reports usage, until the last clone of the verifier is dropped.
    ///
    /// The host spawns this future once. Without it nothing that changes is ever noticed, so that after `max_stale`
    /// every verification is answered 503.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + 'static {
        let verifier = Arc::downgrade(&self.inner);
        let store = Arc::clone(&self.inner.store);
        let poll_interval = self.inner.config.poll_interval.max(SHORTEST_POLL);
        // In time, or the instance would count as gone while it serves.
        let config = &self.inner.config;
        let report_interval = config.report_interval.min(config.max_stale / 2).max(SHORTEST_POLL);
        // Side by side, so that a slow report never delays a revocation.
        both(poll_changes(verifier.clone(), store, poll_interval), send_reports(verifier, report_interval))
    }

    /// Applies every change that is committed by now. When this returns, no verification of this process answers from
    /// anything older.
    ///
    /// # Errors
    /// If the store does not answer within the lookup time-out.
    pub async fn catch_up(&self) -> Result<Position, StoreError> {
        let inner = &*self.inner;
        inner
            .within_timeout(async {
                let _one_at_a_time = inner.catching_up.lock().await;
                inner.poll().await
            })
            .await
    }

    /// Reports usage and the applied position now.
    ///
    /// # Errors
    /// If the store does not take the report in time; it is kept and sent again, as often as it takes, and counted
    /// once.
    pub async fn report(&self) -> Result<(), StoreError> {
        self.send_report(Some(self.inner.config.max_stale)).await
    }

    /// Reports for the last time, and that this instance answers no more: nobody waits for it to hear of a revocation. A
    /// host calls it when it shuts down; what is used later is not counted.
    ///
    /// # Errors
    /// As for [`report`](Self::report).
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.send_report(None).await
    }

    /// Reports that it goes on for so long without hearing anything, or not at all.
    async fn send_report(&self, serves_for: Option<Duration>) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let Some(applied) = inner.cache.position() else { return Ok(()) };
        let mut reports = inner.reporting.lock().await;
        if reports.has_left && serves_for.is_some() {
            return Ok(());
        }
        reports.has_left = serves_for.is_none();
        reports.add(inner.cache.take_usage());
        loop {
            let (sequence, usage) = reports.next();
            let at = inner.clock.now();
            let report = Report {
                instance: inner.instance,
                environment: inner.environment.clone(),
                sequence,
                at,
                serves_until: at.saturating_add(serves_for.unwrap_or_default()),
                applied,
                usage,
            };
            inner.within_timeout(inner.store.report(&report)).await?;
            reports.unsent = None;
            if reports.waiting.is_empty() {
                return Ok(());
            }
        }
    }
}

/// What was counted and has not been taken by the store for certain.
#[derive(Default)]
pub(super) struct Reports {
    /// Whether the last one was sent: nothing after it says that the instance serves again.
    has_left: bool,
    sequence: u64,
    /// A report that was not answered. It stays the same until it is: whether it arrived is not known, so that only the
    /// same one may be sent again.
    unsent: Option<Vec<Usage>>,
    /// What no report holds yet, by secret: an outage of the store makes it no longer than there are secrets in use.
    waiting: HashMap<SecretId, Usage>,
}

impl Reports {
    fn add(&mut self, used: Vec<Usage>) {
        for usage in used {
            let sum = self.waiting.entry(usage.secret).or_insert(Usage { verifications: 0, ..usage });
            sum.verifications = sum.verifications.saturating_add(usage.verifications);
            sum.last_used_at = sum.last_used_at.max(usage.last_used_at);
        }
    }

    /// The next report, of which nothing is too much to be written before somebody gives up waiting.
    fn next(&mut self) -> (u64, Vec<Usage>) {
        if self.unsent.is_none() {
            self.sequence += 1;
            let first: Vec<_> = self.waiting.keys().take(MOST_USAGE).copied().collect();
            self.unsent = Some(first.iter().filter_map(|secret| self.waiting.remove(secret)).collect());
        }
        (self.sequence, self.unsent.clone().unwrap_or_default())
    }
}

/// Applies changes whenever the store hints at some, and every `interval`, until the verifier is gone.
async fn poll_changes(verifier: Weak<Inner>, store: Arc<dyn KeyStore>, interval: Duration) {
    let mut outage = Outage::default();
    while let Some(inner) = verifier.upgrade() {
        outage.note(Verifier { inner }.catch_up().await.err());
        wait(&*store, interval).await;
    }
}

/// Reports whenever changes have taken effect, as somebody may wait to hear of it, and every `interval`, until the
/// verifier is gone.
async fn send_reports(verifier: Weak<Inner>, interval: Duration) {
    while let Some(moved_on) = verifier.upgrade().map(|inner| Arc::clone(&inner.moved_on)) {
        // Whichever comes first is a reason to report.
        let _ = tokio::time::timeout(interval, moved_on.notified()).await;
        let Some(inner) = verifier.upgrade() else { return };
        if let Err(error) = (Verifier { inner }).report().await {
            tracing::warn!(error = error.chain(), "usage could not be reported; it is kept and sent again");
        }
        tokio::time::sleep(REPORT_PAUSE.min(interval)).await;
    }
}

/// Runs two futures in one task until both have ended.
async fn both(one: impl Future<Output = ()> + Send, other: impl Future<Output = ()> + Send) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut one_ended, mut other_ended) = (false, false);
    std::future::poll_fn(|context| {
        one_ended = one_ended || one.as_mut().poll(context).is_ready();
        other_ended = other_ended || other.as_mut().poll(context).is_ready();
        if one_ended && other_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Inner {
    /// Reads the feed for the first time, unless that was done.
    pub(super) async fn start_feed(&self) -> Result<(), StoreError> {
        if self.fresh_at().is_some() {
            return Ok(());
        }
        self.within_timeout(async {
            let _one_at_a_time = self.catching_up.lock().await;
            if self.fresh_at().is_none() {
                self.poll().await?;
            }
            Ok(())
        })
        .await
    }

    /// Asks for changes and applies them; one at a time.
    async fn poll(&self) -> Result<Position, StoreError> {
        let asked_at = self.clock.monotonic();
        let before = self.cache.position();
        let position = match self.store.changes(before).await? {
            Changes::Since { changes, position } => {
                self.cache.apply(changes, position);
                position
            }
            Changes::Reset { position } => {
                self.cache.reset(position);
                position
            }
        };
        let micros = i64::try_from(asked_at.as_micros()).unwrap_or(i64::MAX);
        self.fresh_at_micros.fetch_max(micros, Ordering::Release);
        if before.is_none() {
            let (instance, environment) = (self.instance, &self.environment);
            tracing::info!(%instance, %environment, "verifying");
        }
        if before != Some(position) {
            self.moved_on.notify_one();
        }
        Ok(position)
    }

    /// Bounds a store call by the lookup time-out.
    pub(super) async fn within_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.config.lookup_timeout, call).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(StoreError::new(elapsed)),
        }
    }
}

/// Waits for the store's hint, at most until the next poll is due. After a hint a moment passes before the poll, so
/// that a storm of changes costs a handful of polls and not one each.
async fn wait(store: &dyn KeyStore, poll_interval: Duration) {
    const GATHER: Duration = Duration::from_millis(5);
    if tokio::time::timeout(poll_interval, store.wait_for_change()).await.is_ok() {
        tokio::time::sleep(GATHER).await;
    }
}

/// Logs the beginning and the end of an outage, not each poll within it.
#[derive(Default)]
struct Outage {
    failures: u64,
}

impl Outage {
    fn note(&mut self, error: Option<StoreError>) {
        match error {
            Some(error) => {
                if self.failures == 0 {
                    tracing::warn!(
                        error = error.chain(),
                        "the key store does not answer; cached keys work until max_stale"
                    );
                }
                self.failures += 1;
            }
            None if self.failures > 0 => {
                tracing::info!(failures = self.failures, "the key store answers again");
                self.failures = 0;
            }
            None => {}
        }
    }
}
