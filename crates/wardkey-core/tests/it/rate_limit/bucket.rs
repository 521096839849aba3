//! The bound of a limit, and that it is reached: against a bucket written down naively.

use std::time::Duration;

use proptest::prelude::*;
use wardkey_core::{FullAt, RateLimit, RateLimits, charge_all};

/// A bucket as one thinks of it: what is in it, filled by and by. A microsecond adds `limit` units, and `window`
/// microseconds of them are a token, so that all numbers are whole.
#[derive(Debug)]
struct NaiveBucket {
    limit: i128,
    window_micros: i128,
    level: i128,
    as_of: i128,
}

impl NaiveBucket {
    fn full(limit: &RateLimit) -> Self {
        let window_micros = i128::from(limit.window_seconds()) * 1_000_000;
        let limit = i128::from(limit.limit());
        Self { limit, window_micros, level: limit * window_micros, as_of: 0 }
    }

    /// Before the instant as of which the level is known, there was less.
    fn level_at(&self, now: i128) -> i128 {
        (self.level + (now - self.as_of) * self.limit).min(self.limit * self.window_micros)
    }

    fn take(&mut self, now: i128) {
        let latest = now.max(self.as_of);
        self.level = self.level_at(latest) - self.window_micros;
        self.as_of = latest;
    }
}

fn any_limit() -> impl Strategy<Value = (u32, u32)> {
    // Few requests in long windows, many in short ones, and what divides evenly beside what does not.
    prop_oneof![
        (1_u32..20, 1_u32..20),
        (1_u32..2_000, 1_u32..5),
        (Just(RateLimit::MAX_LIMIT), Just(RateLimit::MAX_WINDOW_SECONDS)),
        (1..=RateLimit::MAX_LIMIT, 1..=RateLimit::MAX_WINDOW_SECONDS),
        Just((1, RateLimit::MAX_WINDOW_SECONDS)),
        Just((3_000_000, 1)),
    ]
}

fn any_limits() -> impl Strategy<Value = RateLimits> {
    prop::collection::vec(any_limit(), 1..4).prop_map(|list| {
        let limits = list.iter().zip(["a", "b", "c"]);
        let limits = limits.map(|((limit, window), name)| RateLimit::new(name, *limit, *window).unwrap());
        RateLimits::new(limits.collect()).unwrap()
    })
}

/// Steps of the clock in microseconds, back too.
fn any_steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        4 => Just(0_i64),
        4 => 0_i64..2_000_000,
        2 => 0_i64..3_000_000_000,
        1 => -5_000_000_i64..0,
        1 => -3_000_000_000_i64..0,
    ];
    prop::collection::vec(step, 1..200)
}

fn at(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap())
}

/// How many requests a limit admits at most within this time.
fn bound(limit: &RateLimit, micros: i64) -> i128 {
    let window_micros = i128::from(limit.window_seconds()) * 1_000_000;
    i128::from(limit.limit()) + i128::from(micros) * i128::from(limit.limit()) / window_micros
}

proptest! {
    #[test]
    fn a_request_is_admitted_exactly_if_every_bucket_has_a_token(limits in any_limits(), steps in any_steps()) {
        let mut buckets = vec![FullAt::default(); limits.len()];
        let mut naive: Vec<_> = limits.iter().map(NaiveBucket::full).collect();
        let mut now = 1_000_000_000_000_i64;
        for step in steps {
            now += step;
            let instant = i128::from(now);
            let expected = naive.iter().all(|bucket| bucket.level_at(instant) >= bucket.window_micros);
            let before = buckets.clone();
            let charged = charge_all(&mut buckets, &limits, at(now));
            prop_assert_eq!(charged.is_ok(), expected, "at {}", now);
            match charged {
                Ok(()) => naive.iter_mut().for_each(|bucket| bucket.take(instant)),
                Err(wait) => {
                    prop_assert_eq!(&buckets, &before, "what is refused is charged to none");
                    // The wait is exact: a microsecond less is too early.
                    let early = wait - Duration::from_micros(1);
                    prop_assert!(charge_all(&mut before.clone(), &limits, at(now) + early).is_err());
                    prop_assert!(charge_all(&mut before.clone(), &limits, at(now) + wait).is_ok());
                }
            }
        }
    }

    #[test]
    fn no_time_sees_more_than_the_bound_whatever_the_clock_does((limit, window) in any_limit(), steps in any_steps()) {
        let limit = RateLimit::new("a", limit, window).unwrap();
        let limits = RateLimits::new(vec![limit.clone()]).unwrap();
        let mut bucket = [FullAt::default()];
        let mut now = 1_000_000_000_000_i64;
        let mut admitted = Vec::new();
        for step in steps {
            now += step;
            while admitted.len() < 300 && charge_all(&mut bucket, &limits, at(now)).is_ok() {
                admitted.push(now);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            let (mut earliest, mut latest) = (*from, *from);
            for (count, instant) in (1_i128..).zip(&admitted[first..]) {
                (earliest, latest) = (earliest.min(*instant), latest.max(*instant));
                prop_assert!(count <= bound(&limit, latest - earliest));
            }
        }
    }

    #[test]
    fn the_bound_is_reached_at_every_instant((limit, window) in (1_u32..500, 1_u32..100)) {
        let limit = RateLimit::new("a", limit, window).unwrap();
        let limits = RateLimits::new(vec![limit.clone()]).unwrap();
        let mut bucket = [FullAt::default()];
        let start = 1_000_000_000_000;
        let (mut now, mut admitted) = (start, 0);
        // Whoever asks again as soon as there is a token gets each of them, in any number of windows.
        while admitted < i128::from(limit.limit()) * 3 {
            match charge_all(&mut bucket, &limits, at(now)) {
                Ok(()) => admitted += 1,
                Err(wait) => {
                    prop_assert_eq!(admitted, bound(&limit, now - start));
                    let next = now + i64::try_from(wait.as_micros()).unwrap();
                    prop_assert_eq!(admitted, bound(&limit, next - 1 - start));
                    now = next;
                }
            }
        }
    }
}
