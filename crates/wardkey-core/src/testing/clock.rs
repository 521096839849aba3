use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// A clock that stands still until it is told otherwise. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FixedClock {
    wall: Arc<AtomicI64>,
    monotonic: Arc<AtomicI64>,
}

impl FixedClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { wall: Arc::new(AtomicI64::new(now.as_micros())), monotonic: Arc::default() }
    }

    /// Lets time pass, on the wall and for ages.
    pub fn advance(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).expect("a test does not wait that long");
        self.wall.fetch_add(micros, Ordering::SeqCst);
        self.monotonic.fetch_add(micros, Ordering::SeqCst);
    }

    /// Moves the wall clock, forward or back, as an administrator does; ages are not touched.
    pub fn set(&self, now: Timestamp) {
        self.wall.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.monotonic.load(Ordering::SeqCst)).unwrap_or(0))
    }
}
