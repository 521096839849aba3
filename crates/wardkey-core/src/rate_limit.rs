//! Rate limits: how many requests a key may make, and how fast.
//!
//! A limit is a bucket of `limit` tokens that is refilled evenly, all of it in `window_seconds`; a request takes one. In
//! any time t a key thus makes at most `limit + ⌊t · limit / window⌋` requests, and can make as many.

mod bucket;
mod cells;
mod shared;
mod standing;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bucket::Pace;
pub use bucket::{FullAt, charge_all};
pub(crate) use cells::{Cells, KeyLimits};
pub use shared::{LimiterError, SharedCharge, SharedLimiter, SharedLimits, SharedOutcome, WhenAway};
pub use standing::{RateLimitStanding, rate_limit_fields};

/// A named rate limit.
///
/// ```
/// use wardkey_core::{InvalidRateLimit, RateLimit};
///
/// let limit = RateLimit::new("per-minute", 600, 60)?;
/// assert_eq!((limit.name(), limit.limit(), limit.window_seconds()), ("per-minute", 600, 60));
/// assert_eq!(RateLimit::new("per-minute", 0, 60), Err(InvalidRateLimit::Limit));
/// # Ok::<(), InvalidRateLimit>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    name: Box<str>,
    limit: u32,
    window_seconds: u32,
    pace: Pace,
}

impl RateLimit {
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 32;
    /// The most tokens that a bucket holds.
    pub const MAX_LIMIT: u32 = 1_000_000_000;
    /// The longest window: 31 days.
    pub const MAX_WINDOW_SECONDS: u32 = 31 * 24 * 60 * 60;

    /// A limit of `limit` requests, refilled evenly in `window_seconds`. The name is a lower-case letter, then lower-case
    /// letters, digits and hyphens.
    ///
    /// # Errors
    /// Which of the three is not allowed; the first, if several are.
    pub fn new(name: &str, limit: u32, window_seconds: u32) -> Result<Self, InvalidRateLimit> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let slug = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(letters);
        if !slug || name.len() > Self::MAX_NAME {
            return Err(InvalidRateLimit::Name);
        }
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(InvalidRateLimit::Limit);
        }
        if !(1..=Self::MAX_WINDOW_SECONDS).contains(&window_seconds) {
            return Err(InvalidRateLimit::Window);
        }
        Ok(Self { name: name.into(), limit, window_seconds, pace: Pace::new(limit, window_seconds) })
    }

    /// The name, unique among the limits of a key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests a full bucket admits at once.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// In what time an empty bucket is full again, in seconds.
    pub fn window_seconds(&self) -> u32 {
        self.window_seconds
    }

    /// Whether whatever this limit admits, the other of the same name admits, too. By another name it would begin with a
    /// full bucket.
    fn keeps_to(&self, other: &Self) -> bool {
        let rate = |limit: &Self, window: &Self| u64::from(limit.limit) * u64::from(window.window_seconds);
        self.name == other.name && self.limit <= other.limit && rate(self, other) <= rate(other, self)
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }
}

/// What is wrong with a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRateLimit {
    /// The name.
    #[error(
        "not a name: a lower-case letter, then lower-case letters, digits and hyphens, {} characters at most",
        RateLimit::MAX_NAME
    )]
    Name,
    /// The number of requests.
    #[error("not a number of requests from 1 to {}", RateLimit::MAX_LIMIT)]
    Limit,
    /// The window.
    #[error("not a number of seconds from 1 to {}, which is 31 days", RateLimit::MAX_WINDOW_SECONDS)]
    Window,
}

/// The rate limits of a key: eight at most, each name once, in the order in which they were given. A request is charged
/// to all of them or to none. No limits are no restriction.
///
/// Clones share the list.
#[derive(Clone, Default)]
pub struct RateLimits(Option<Arc<[RateLimit]>>);

impl RateLimits {
    /// No limits.
    pub const NONE: Self = Self(None);
    /// How many limits a key has at most.
    pub const MAX: usize = 8;

    /// These limits.
    ///
    /// # Errors
    /// If they are too many, or one has the name of an earlier one.
    pub fn new(limits: Vec<RateLimit>) -> Result<Self, InvalidRateLimits> {
        if limits.len() > Self::MAX {
            return Err(InvalidRateLimits::TooMany);
        }
        let repeated =
            (1..limits.len()).find(|&at| limits[..at].iter().any(|earlier| earlier.name == limits[at].name));
        match repeated {
            Some(index) => Err(InvalidRateLimits::RepeatedName { index }),
            None => Ok(Self((!limits.is_empty()).then(|| limits.into()))),
        }
    }

    /// Whether whatever these limits admit, the others admit, too: each of those is kept, or tightened.
    pub fn keep_to(&self, others: &Self) -> bool {
        others.iter().all(|other| self.iter().any(|limit| limit.keeps_to(other)))
    }

    /// Whether both are the same list in memory, which is quickly said.
    fn is_same_list(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Deref for RateLimits {
    type Target = [RateLimit];

    fn deref(&self) -> &[RateLimit] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl PartialEq for RateLimits {
    fn eq(&self, other: &Self) -> bool {
        self.is_same_list(other) || **self == **other
    }
}

impl Eq for RateLimits {}

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What is wrong with a list of rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRateLimits {
    /// A key has eight limits at most.
    #[error("more than {} rate limits", RateLimits::MAX)]
    TooMany,
    /// Two limits have one name.
    #[error("a rate limit of this name is in the list already")]
    RepeatedName {
        /// The place of the second one, counted from 0.
        index: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(name: &str) -> RateLimit {
        RateLimit::new(name, 1, 1).expect("a literal limit")
    }

    #[test]
    fn a_limit_has_a_slug_a_number_and_a_window_within_bounds() {
        for good in ["a", "per-minute", "a2345678901234567890123456789012"] {
            assert!(
                RateLimit::new(good, RateLimit::MAX_LIMIT, RateLimit::MAX_WINDOW_SECONDS).is_ok(),
                "{good}"
            );
        }
        for bad in ["", "A", "1a", "-a", "a b", "a_b", "a\"", "é", "a23456789012345678901234567890123"] {
            assert_eq!(RateLimit::new(bad, 1, 1), Err(InvalidRateLimit::Name), "{bad}");
        }
        for bad in [0, RateLimit::MAX_LIMIT + 1] {
            assert_eq!(RateLimit::new("a", bad, 1), Err(InvalidRateLimit::Limit));
        }
        for bad in [0, RateLimit::MAX_WINDOW_SECONDS + 1] {
            assert_eq!(RateLimit::new("a", 1, bad), Err(InvalidRateLimit::Window));
        }
    }

    #[test]
    fn limits_keep_to_others_that_they_leave_or_tighten() {
        let list = |list: &[(&str, u32, u32)]| {
            let limits =
                list.iter().map(|(name, limit, window)| RateLimit::new(name, *limit, *window).unwrap());
            RateLimits::new(limits.collect()).unwrap()
        };
        let before = list(&[("a", 10, 60), ("b", 100, 3_600)]);
        let keeps_to = |after: &[_]| list(after).keep_to(&before);
        assert!(keeps_to(&[("b", 100, 3_600), ("a", 10, 60)]));
        assert!(keeps_to(&[("a", 9, 60), ("b", 100, 3_601), ("c", 1, 1)]));
        assert!(keeps_to(&[("a", 10, 60), ("b", 10, 360)]), "the same rate, with less at once");
        assert!(!keeps_to(&[("a", 11, 60), ("b", 100, 3_600)]));
        assert!(!keeps_to(&[("a", 10, 59), ("b", 100, 3_600)]));
        assert!(!keeps_to(&[("a", 9, 50), ("b", 100, 3_600)]), "less at once, and faster");
        assert!(!keeps_to(&[("a", 20, 120), ("b", 100, 3_600)]), "the same rate, with more at once");
        assert!(!keeps_to(&[("a", 10, 60)]));
        assert!(!keeps_to(&[("c", 10, 60), ("b", 100, 3_600)]), "by another name it begins anew");
        assert!(before.keep_to(&RateLimits::NONE));
    }

    #[test]
    fn a_key_has_eight_limits_at_most_each_name_once() {
        let named: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(limit).into();
        assert_eq!(RateLimits::new(named[..8].to_vec()).unwrap().len(), RateLimits::MAX);
        assert_eq!(RateLimits::new(named), Err(InvalidRateLimits::TooMany));
        let repeated = RateLimits::new(["a", "b", "a"].map(limit).into());
        assert_eq!(repeated, Err(InvalidRateLimits::RepeatedName { index: 2 }));
        assert_eq!(RateLimits::new(Vec::new()).unwrap(), RateLimits::NONE);
    }
}
