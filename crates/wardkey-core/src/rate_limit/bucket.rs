//! The arithmetic of a bucket, exact: no number is ever rounded but in what is told to clients.
//!
//! It is the generic cell rate algorithm: all that is kept of a bucket is the instant at which it will be full again. A
//! token comes back every `window / limit`, which need not be a whole number of microseconds. Instants are therefore
//! counted in microseconds and *parts*, of which `limit` make a microsecond, so that an interval is a whole number of
//! both, and adding intervals is all that ever happens. Nothing is multiplied: the same steps, written for Redis, stay
//! below the 2⁵³ up to which its numbers are exact.

use std::time::Duration;

use super::{RateLimit, RateLimits};

const MICROS_PER_SECOND: u64 = 1_000_000;

/// How fast a bucket is refilled, computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    parts_per_micro: u32,
    window_micros: u64,
    /// What one token takes: whole microseconds, and parts.
    interval_micros: u64,
    interval_parts: u32,
}

impl Pace {
    /// Both are at least one.
    pub(super) fn new(limit: u32, window_seconds: u32) -> Self {
        let window_micros = u64::from(window_seconds) * MICROS_PER_SECOND;
        let (whole, rest) = (window_micros / u64::from(limit), window_micros % u64::from(limit));
        Self {
            parts_per_micro: limit,
            window_micros,
            interval_micros: whole,
            // A remainder is less than the divisor, which is an u32.
            interval_parts: u32::try_from(rest).unwrap_or(u32::MAX),
        }
    }
}

/// The instant at which a bucket is full again, by a clock that started at some fixed moment: microseconds, and parts of
/// one, of which the limit's number of requests make a microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FullAt {
    /// Whole microseconds.
    pub micros: u64,
    /// Parts of a microsecond, less than the limit.
    pub parts: u32,
}

impl FullAt {
    /// Full at this instant, and in fact since then.
    pub(super) fn at(micros: u64) -> Self {
        Self { micros, parts: 0 }
    }

    /// What the bucket is after one more token was taken out of it, if it has one.
    ///
    /// # Errors
    /// For how many microseconds it has none.
    #[inline]
    pub(super) fn charge(self, pace: &Pace, now_micros: u64) -> Result<Self, u64> {
        // A clock that shows an earlier time than before finds the bucket emptier, never fuller.
        let charged = self.max(Self::at(now_micros)).later(pace);
        let empty = Self::at(now_micros + pace.window_micros);
        if charged <= empty { Ok(charged) } else { Err(charged.rounded_up() - empty.micros) }
    }

    /// One token is given back.
    pub(super) fn refund(self, pace: &Pace) -> Self {
        let borrow = u64::from(self.parts < pace.interval_parts);
        Self {
            micros: self.micros.saturating_sub(pace.interval_micros + borrow),
            parts: if borrow == 0 {
                self.parts - pace.interval_parts
            } else {
                pace.parts_per_micro - (pace.interval_parts - self.parts)
            },
        }
    }

    #[inline]
    fn later(self, pace: &Pace) -> Self {
        let parts = u64::from(self.parts) + u64::from(pace.interval_parts);
        let per_micro = u64::from(pace.parts_per_micro);
        let (carry, parts) = if parts >= per_micro { (1, parts - per_micro) } else { (0, parts) };
        Self {
            micros: self.micros + pace.interval_micros + carry,
            // Less than the limit again, which is an u32.
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
        }
    }

    fn rounded_up(self) -> u64 {
        self.micros + u64::from(self.parts > 0)
    }

    /// Whether it is full by now.
    pub(super) fn is_past(self, now_micros: u64) -> bool {
        self <= Self::at(now_micros)
    }

    /// In how many microseconds it is full.
    pub(super) fn full_in(self, now_micros: u64) -> u64 {
        self.rounded_up().saturating_sub(now_micros)
    }

    /// How many whole tokens it has.
    pub(super) fn remaining(self, pace: &Pace, now_micros: u64) -> u32 {
        let missing = self.missing_parts(pace, now_micros);
        let capacity = u128::from(pace.window_micros) * u128::from(pace.parts_per_micro);
        let tokens = capacity.saturating_sub(missing) / u128::from(pace.window_micros);
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }

    /// The same bucket after its limit was changed: what was spent stays spent, in whole tokens, as far as the new bucket
    /// holds them.
    pub(super) fn carried_over(self, from: &Pace, to: &Pace, now_micros: u64) -> Self {
        let spent = self.missing_parts(from, now_micros).div_ceil(u128::from(from.window_micros));
        let spent = spent.min(u128::from(to.parts_per_micro));
        let missing_parts = spent * u128::from(to.window_micros);
        let per_micro = u128::from(to.parts_per_micro);
        Self {
            // At most one window, and parts less than the limit.
            micros: now_micros + u64::try_from(missing_parts / per_micro).unwrap_or(to.window_micros),
            parts: u32::try_from(missing_parts % per_micro).unwrap_or(0),
        }
    }

    /// The same bucket by another clock, which shows `to_micros` when the first shows `from_micros`.
    pub(super) fn by_clock(self, from_micros: u64, to_micros: u64) -> Self {
        if self.is_past(from_micros) {
            return Self::at(to_micros);
        }
        Self { micros: to_micros + (self.micros - from_micros), parts: self.parts }
    }

    /// The time until it is full, in parts; `window_micros` of them make a token.
    fn missing_parts(self, pace: &Pace, now_micros: u64) -> u128 {
        if self.is_past(now_micros) {
            return 0;
        }
        u128::from(self.micros - now_micros) * u128::from(pace.parts_per_micro) + u128::from(self.parts)
    }
}

/// Microseconds of an age.
#[inline]
pub(super) fn micros(age: Duration) -> u64 {
    age.as_secs() * MICROS_PER_SECOND + u64::from(age.subsec_micros())
}

/// Takes a token out of each of these buckets, or out of none: the pure rule by which a request is charged. `now` is the
/// age of a clock that started at some fixed moment; one that steps back finds the buckets emptier, never fuller.
///
/// ```
/// use std::time::Duration;
/// use wardkey_core::{FullAt, RateLimit, RateLimits, charge_all};
///
/// let limits = RateLimits::new(vec![RateLimit::new("a", 3, 1)?, RateLimit::new("b", 2, 60)?])?;
/// let mut buckets = [FullAt::default(); 2];
/// let now = Duration::from_secs(1_000);
/// assert_eq!(charge_all(&mut buckets, &limits, now), Ok(()));
/// assert_eq!(charge_all(&mut buckets, &limits, now), Ok(()));
/// assert_eq!(charge_all(&mut buckets, &limits, now), Err(Duration::from_secs(30)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// After which time all of them have a token, if nobody else takes it. Nothing was taken.
pub fn charge_all(buckets: &mut [FullAt], limits: &RateLimits, now: Duration) -> Result<(), Duration> {
    let now = micros(now);
    if let ([bucket], [limit]) = (&mut *buckets, &**limits) {
        *bucket = bucket.charge(limit.pace(), now).map_err(Duration::from_micros)?;
        return Ok(());
    }
    let mut charged = [FullAt::default(); RateLimits::MAX];
    let mut wait = None;
    for ((after, before), limit) in charged.iter_mut().zip(&*buckets).zip(limits.iter()) {
        match before.charge(limit.pace(), now) {
            Ok(state) => *after = state,
            Err(micros) => wait = wait.max(Some(micros)),
        }
    }
    if let Some(micros) = wait {
        return Err(Duration::from_micros(micros));
    }
    buckets.iter_mut().zip(charged).for_each(|(bucket, charged)| *bucket = charged);
    Ok(())
}

/// How long until each of these buckets has a token; zero if all have one.
pub(super) fn wait_for_all(buckets: &[FullAt], limits: &[RateLimit], now_micros: u64) -> Duration {
    let waits = buckets
        .iter()
        .zip(limits)
        .filter_map(|(bucket, limit)| bucket.charge(limit.pace(), now_micros).err());
    Duration::from_micros(waits.max().unwrap_or(0))
}
