//! Instants and where they come from.

mod system;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

pub use system::SystemClock;

/// An instant in UTC with the precision of the databases: microseconds.
///
/// On the wire it is RFC 3339 text, always with six digits after the second and a `Z`:
///
/// ```
/// use wardkey_core::Timestamp;
///
/// let at: Timestamp = "2026-11-20T09:30:00+01:00".parse()?;
/// assert_eq!(at.to_string(), "2026-11-20T08:30:00.000000Z");
/// # Ok::<(), wardkey_core::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The first instant that has a year of five digits, which RFC 3339 cannot write.
    const END: i64 = 253_402_300_800_000_000;
    /// 0000-01-01T00:00:00Z.
    const START: i64 = -62_167_219_200_000_000;

    /// The instant `micros` microseconds after the Unix epoch, moved into the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::START, Self::END - 1))
    }

    /// Microseconds since the Unix epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `duration` later, at most the end of the year 9999.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(duration)))
    }

    /// The instant `duration` earlier, at least the start of the year 0.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(duration)))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is not earlier.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self::from_micros(at.timestamp_micros())
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(at: Timestamp) -> Self {
        Self::from_timestamp_micros(at.0).expect("a timestamp lies in the years 0 to 9999")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|at| at.to_utc().into()).map_err(|_| InvalidTimestamp)
    }
}

/// The text is not an instant as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 timestamp such as 2026-11-20T08:30:00Z")]
pub struct InvalidTimestamp;

/// Where the time comes from: an argument of everything that needs it, so that tests hold it still.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may step back; whoever must not revive what has ended keeps its own high-water mark.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment. It never steps back and is used for ages only.
    fn monotonic(&self) -> Duration;

    /// Both at once, each possibly a few milliseconds late, for whoever asks very often and can live with that.
    fn glance(&self) -> Glance {
        Glance { now: self.now(), monotonic: self.monotonic() }
    }
}

/// What both clocks showed a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// What the wall clock showed.
    pub now: Timestamp,
    /// What the monotonic clock showed.
    pub monotonic: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_timestamp_round_trip_to_the_microsecond() {
        let at = Timestamp::from_micros(1_795_165_800_123_456);
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!(
            "2026-11-20T08:30:00.1234569Z".parse::<Timestamp>().unwrap().as_micros() % 1_000_000,
            123_456
        );
    }

    #[test]
    fn arithmetic_stays_inside_the_years_that_rfc_3339_can_write() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(end.saturating_add(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::UNIX_EPOCH.saturating_since(end), Duration::ZERO);
    }
}
