//! Several processes on one database, and what each answers while others, or the ways between them, fail.

mod client;
mod crash;
mod flood;
mod fsync;
mod load;
mod nodes;
mod outage;
mod propagation;
mod restore;
mod site;
mod waking;

use std::time::Duration;

use wardkey_core::{Clock as _, SystemClock};

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(60);

/// Whether the long forms are run.
fn soaking() -> bool {
    std::env::var_os("WARDKEY_SOAK").is_some()
}

/// Waits until it is so, and says how long that took.
///
/// # Panics
/// If it is not within the time that is promised.
async fn within(promised: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let clock = SystemClock::new();
    let waiting = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !holds().await {
            look.tick().await;
        }
    };
    let held = tokio::time::timeout(promised, waiting).await.is_ok();
    assert!(held, "{what}: not within {promised:?}");
    clock.monotonic()
}

/// A distribution: how many, the median, the 99th percentile and the maximum.
fn describe(mut values: Vec<Duration>) -> String {
    values.sort_unstable();
    let at = |share: usize| values.get((values.len() * share / 100).min(values.len().saturating_sub(1)));
    let (p50, p99) = (at(50).copied().unwrap_or_default(), at(99).copied().unwrap_or_default());
    let most = values.last().copied().unwrap_or_default();
    format!("{} measured, p50 {p50:.1?}, p99 {p99:.1?}, max {most:.1?}", values.len())
}
