//! Noticing that something was written: at once by this process, within moments by others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;
use tokio::sync::watch;

use crate::changes::NOTIFY_CHANNEL;
use crate::connection::{Postgres, Sqlite};

/// How often another process's commits to a SQLite file are looked for.
const POLL: Duration = Duration::from_millis(200);
/// How long to wait before a database that went away is asked again: at first, and at most.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// Wakes whoever waits for a change. Dropping it ends the task behind it.
pub(crate) struct Feed {
    /// Counts the wake-ups.
    wakes: Arc<watch::Sender<u64>>,
    /// The count when somebody last went to look.
    seen: AtomicU64,
    _alive: watch::Sender<()>,
}

impl Feed {
    /// Listens on a connection of its own.
    pub(crate) fn listen(server: Postgres) -> Self {
        Self::start(|wakes, ended| listen(server, wakes, ended))
    }

    /// Asks the file on a connection of its own.
    pub(crate) fn watch(file: Sqlite) -> Self {
        Self::start(|wakes, ended| watch_file(file, wakes, ended))
    }

    /// Runs on the database's runtime, which is the current one.
    fn start<F: Future<Output = ()> + Send + 'static>(
        task: impl FnOnce(Arc<watch::Sender<u64>>, watch::Receiver<()>) -> F,
    ) -> Self {
        let wakes = Arc::new(watch::Sender::new(0));
        let (alive, ended) = watch::channel(());
        tokio::spawn(task(Arc::clone(&wakes), ended));
        Self { wakes, seen: AtomicU64::new(0), _alive: alive }
    }

    pub(crate) fn wake(&self) {
        wake(&self.wakes);
    }

    /// Notes that whatever has woken anybody so far is about to be read.
    pub(crate) fn look(&self) {
        self.seen.store(*self.wakes.borrow(), Ordering::Relaxed);
    }

    /// Resolves at the next wake-up; at once if there was one since the last [`look`](Self::look) or wait.
    pub(crate) async fn wait(&self) {
        let mut wakes = self.wakes.subscribe();
        if *wakes.borrow_and_update() == self.seen.load(Ordering::Relaxed) {
            // The sender lives in `self`: it cannot be gone.
            let _ = wakes.changed().await;
        }
        self.look();
    }
}

fn wake(wakes: &watch::Sender<u64>) {
    wakes.send_modify(|count| *count = count.wrapping_add(1));
}

/// Resolves when the feed is dropped.
async fn end(ended: &mut watch::Receiver<()>) {
    while ended.changed().await.is_ok() {}
}

/// Waits before the next attempt, each time longer; false if the feed was dropped meanwhile.
async fn back_off(backoff: &mut Duration, ended: &mut watch::Receiver<()>) -> bool {
    let pause = *backoff;
    *backoff = pause.saturating_mul(2).min(LAST_BACKOFF);
    tokio::select! {
        () = end(ended) => false,
        () = tokio::time::sleep(pause) => true,
    }
}

async fn listen(server: Postgres, wakes: Arc<watch::Sender<u64>>, mut ended: watch::Receiver<()>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let outcome = tokio::select! {
            () = end(&mut ended) => return,
            outcome = listen_once(&server, &wakes, &mut backoff) => outcome,
        };
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "not listening for changes; they are polled for until this works again");
        }
        if !back_off(&mut backoff, &mut ended).await {
            return;
        }
    }
}

/// Listens until the connection ends.
async fn listen_once(
    server: &Postgres,
    wakes: &watch::Sender<u64>,
    backoff: &mut Duration,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut conn = server.connect_unlimited().await?;
    conn.batch_execute(&format!("LISTEN {NOTIFY_CHANNEL}")).await?;
    *backoff = FIRST_BACKOFF;
    // Something may have happened while nobody listened.
    wake(wakes);
    let mut notifications = std::pin::pin!(conn.notifications_stream());
    while let Some(notification) = notifications.next().await {
        notification?;
        wake(wakes);
    }
    Ok(())
}

async fn watch_file(file: Sqlite, wakes: Arc<watch::Sender<u64>>, mut ended: watch::Receiver<()>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        match watch_once(&file, &wakes, &mut ended, &mut backoff).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(error = %error, "not watching the database file; trying again"),
        }
        if !back_off(&mut backoff, &mut ended).await {
            return;
        }
    }
}

/// Compares the file's version on one connection, where it moves with each commit of any other. Queries are not
/// dropped half-way: the feed may only end between two of them.
async fn watch_once(
    file: &Sqlite,
    wakes: &watch::Sender<u64>,
    ended: &mut watch::Receiver<()>,
    backoff: &mut Duration,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use diesel_async::RunQueryDsl as _;

    let mut conn = file.connect("ON").await?;
    let mut last = None;
    loop {
        let version = diesel::dsl::sql::<BigInt>("SELECT data_version FROM pragma_data_version")
            .get_result::<i64>(&mut conn)
            .await?;
        *backoff = FIRST_BACKOFF;
        if last.replace(version).is_none_or(|last| last != version) {
            wake(wakes);
        }
        tokio::select! {
            () = end(ended) => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
