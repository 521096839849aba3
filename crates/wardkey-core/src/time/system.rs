//! The clocks of the operating system: the one place that reads them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Clock, Timestamp, micros};

/// The clocks of the operating system.
///
/// Linux shows in a [`glance`](Clock::glance) what its clocks showed at the last tick, at most ten milliseconds ago
/// (four is usual), for a fifth of the price; elsewhere a glance is a look.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
    #[cfg(target_os = "linux")]
    coarse: coarse::CoarseClock,
}

impl SystemClock {
    /// The clocks of the operating system; [`monotonic`](Clock::monotonic) starts at zero here.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient monotonic clock")]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            #[cfg(target_os = "linux")]
            coarse: coarse::CoarseClock::new(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient wall clock")]
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::from_micros(micros(since)),
            Err(before) => Timestamp::from_micros(-micros(before.duration())),
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    #[cfg(target_os = "linux")]
    fn glance(&self) -> super::Glance {
        self.coarse.glance()
    }
}

#[cfg(target_os = "linux")]
mod coarse {
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_gettime};

    use crate::time::{Glance, Timestamp};

    /// What the kernel noted at its last tick; read through libc, as the exact clocks are.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct CoarseClock {
        started: Duration,
    }

    impl CoarseClock {
        pub(super) fn new() -> Self {
            // By the exact clock, so that no age is ever ahead of the exact one.
            Self { started: age(clock_gettime(ClockId::Monotonic)) }
        }

        pub(super) fn glance(&self) -> Glance {
            let wall = clock_gettime(ClockId::RealtimeCoarse);
            let micros = wall.tv_sec.saturating_mul(1_000_000).saturating_add(wall.tv_nsec / 1000);
            let monotonic = age(clock_gettime(ClockId::MonotonicCoarse)).saturating_sub(self.started);
            Glance { now: Timestamp::from_micros(micros), monotonic }
        }
    }

    /// Monotonic time counts from a moment in the past, so neither part is ever negative.
    fn age(time: Timespec) -> Duration {
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How late a glance may be, many times over: a tick may come late on a machine that has much to do.
    const LATE: Duration = Duration::from_secs(5);

    #[test]
    fn a_glance_is_a_little_late_and_never_early() {
        let clock = SystemClock::new();
        let (wall_before, age_before) = (clock.now(), clock.monotonic());
        let glance = clock.glance();
        let (wall_after, age_after) = (clock.now(), clock.monotonic());
        assert!(glance.now <= wall_after && glance.now.saturating_add(LATE) >= wall_before);
        assert!(glance.monotonic <= age_after && glance.monotonic + LATE >= age_before);
    }
}
