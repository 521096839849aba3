//! What is told of a limit: to clients, in the header fields of draft-ietf-httpapi-ratelimit-headers.

use std::fmt::Write as _;
use std::time::Duration;

use super::bucket::FullAt;
use super::{RateLimit, RateLimits};

/// Where a key stands with one of its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitStanding {
    /// The limit.
    pub limit: RateLimit,
    /// How many requests it admits now.
    pub remaining: u32,
    /// With requests remaining, after which time the bucket is full again; with none, after which time it admits one.
    /// Zero if it is full.
    pub reset_after: Duration,
}

/// The standing of every limit, in the order of the list.
pub(super) fn standings(limits: &RateLimits, buckets: &[FullAt], now_micros: u64) -> Vec<RateLimitStanding> {
    let standing = |(limit, bucket): (&RateLimit, &FullAt)| {
        let remaining = bucket.remaining(limit.pace(), now_micros);
        let reset_micros = match bucket.charge(limit.pace(), now_micros) {
            Ok(_) => bucket.full_in(now_micros),
            Err(wait) => wait,
        };
        RateLimitStanding {
            limit: limit.clone(),
            remaining,
            reset_after: Duration::from_micros(reset_micros),
        }
    };
    limits.iter().zip(buckets).map(standing).collect()
}

/// The header fields that tell a client its limits and where it stands, with names in lower case; none without limits.
///
/// They are `RateLimit-Policy: "name";q=limit;w=window` and `RateLimit: "name";r=remaining;t=reset`, lists with a member
/// for each limit (draft-ietf-httpapi-ratelimit-headers, sections 3 and 4). Times are in seconds, rounded up.
pub fn rate_limit_fields(standings: &[RateLimitStanding]) -> Vec<(&'static str, String)> {
    if standings.is_empty() {
        return Vec::new();
    }
    let (mut policy, mut current) = (String::new(), String::new());
    for RateLimitStanding { limit, remaining, reset_after } in standings {
        let comma = if policy.is_empty() { "" } else { ", " };
        let (name, quota, window) = (limit.name(), limit.limit(), limit.window_seconds());
        let reset = reset_after.as_secs() + u64::from(reset_after.subsec_nanos() > 0);
        // Writing to a string does not fail, and a name has no quote in it.
        let _ = write!(policy, "{comma}\"{name}\";q={quota};w={window}");
        let _ = write!(current, "{comma}\"{name}\";r={remaining};t={reset}");
    }
    vec![("ratelimit-policy", policy), ("ratelimit", current)]
}

#[cfg(test)]
mod tests {
    use super::super::charge_all;
    use super::*;

    #[test]
    fn a_client_is_told_what_remains_and_when_to_come_again() {
        let limits = RateLimits::new(vec![
            RateLimit::new("burst", 2, 1).unwrap(),
            RateLimit::new("hourly", 3, 3_600).unwrap(),
        ])
        .unwrap();
        let mut buckets = [FullAt::default(); 2];
        let told = |buckets: &[FullAt], micros| {
            rate_limit_fields(&standings(&limits, buckets, micros))
                .into_iter()
                .map(|(_, text)| text)
                .collect::<Vec<_>>()
        };
        let policy = r#""burst";q=2;w=1, "hourly";q=3;w=3600"#;
        assert_eq!(told(&buckets, 0), [policy, r#""burst";r=2;t=0, "hourly";r=3;t=0"#]);
        for _ in 0..2 {
            charge_all(&mut buckets, &limits, Duration::ZERO).unwrap();
        }
        assert_eq!(told(&buckets, 0), [policy, r#""burst";r=0;t=1, "hourly";r=1;t=2400"#]);
        assert_eq!(told(&buckets, 500_000)[1], r#""burst";r=1;t=1, "hourly";r=1;t=2400"#);
        charge_all(&mut buckets, &limits, Duration::from_millis(500)).unwrap();
        assert_eq!(told(&buckets, 500_000)[1], r#""burst";r=0;t=1, "hourly";r=0;t=1200"#);
        assert_eq!(rate_limit_fields(&[]), []);
    }
}
