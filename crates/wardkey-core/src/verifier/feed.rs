//! Following the changes: what keeps a cached record from outliving the truth.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Inner, Verifier};
use crate::store::{Changes, KeyStore, Position, Report, StoreError};

impl Verifier {
    /// Follows the store's changes and reports usage, until the last clone of the verifier is dropped.
    ///
    /// The host spawns this future once. Without it nothing that changes is ever noticed, so that after `max_stale`
    /// every verification is answered 503.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + 'static {
        let verifier = Arc::downgrade(&self.inner);
        let store = Arc::clone(&self.inner.store);
        let poll_interval = self.inner.config.poll_interval;
        async move {
            let mut last_report = Duration::ZERO;
            let mut outage = Outage::default();
            loop {
                {
                    let Some(inner) = verifier.upgrade() else { return };
                    let verifier = Self { inner };
                    outage.note(verifier.catch_up().await.err());
                    let age = verifier.inner.clock.monotonic();
                    if age.saturating_sub(last_report) >= verifier.inner.config.report_interval {
                        last_report = age;
                        if let Err(error) = verifier.report().await {
                            tracing::warn!(
                                error = cause(&error),
                                "usage could not be reported; it is kept and sent again"
                            );
                        }
                    }
                }
                wait(&*store, poll_interval).await;
            }
        }
    }

    /// Applies every change that is committed by now. When this returns, no verification of this process answers from
    /// anything older.
    ///
    /// # Errors
    /// If the store does not answer within the lookup time-out.
    pub async fn catch_up(&self) -> Result<Position, StoreError> {
        let inner = &*self.inner;
        let _one_at_a_time = inner.catching_up.lock().await;
        let asked_at = inner.clock.monotonic();
        let wall = inner.clock.now();
        let changes = inner.within_timeout(inner.store.changes(inner.cache.position())).await?;
        let position = match changes {
            Changes::Since { changes, position } => {
                inner.cache.apply(changes, position);
                position
            }
            Changes::Reset { position } => {
                inner.cache.reset(position);
                position
            }
        };
        inner.raise_high_water(wall);
        let micros = i64::try_from(asked_at.as_micros()).unwrap_or(i64::MAX);
        inner.fresh_at_micros.fetch_max(micros, Ordering::Release);
        Ok(position)
    }

    /// Reports usage and the applied position now. A host calls it when it shuts down.
    ///
    /// # Errors
    /// If the store does not take the report; nothing counted is lost by that.
    pub async fn report(&self) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let Some(applied) = inner.cache.position() else { return Ok(()) };
        let report = Report {
            instance: inner.instance,
            environment: inner.environment.clone(),
            at: inner.now(),
            applied,
            usage: inner.usage.take(),
        };
        let sent = inner.within_timeout(inner.store.report(&report)).await;
        if sent.is_err() {
            inner.usage.put_back(&report.usage);
        }
        sent
    }
}

impl Inner {
    /// Reads the feed for the first time, unless that was done.
    pub(super) async fn start_feed(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.fresh_at().is_some() {
            return Ok(());
        }
        Verifier { inner: Arc::clone(self) }.catch_up().await.map(drop)
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
                        error = cause(&error),
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

/// The whole chain of causes, for the log.
fn cause(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
