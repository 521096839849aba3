//! Rate limits, as they are asked for, kept and told.

use poem_openapi::Object;
use poem_openapi::types::Example;
use wardkey::RateLimitInput;
use wardkey_core::RateLimitStanding;

use super::kinds::RateLimitName;
use super::text::Text;

/// A rate limit of a key: a bucket of `limit` requests that is refilled evenly, all of it in `window_seconds`. In any time
/// t the key makes at most `limit + t * limit / window_seconds` requests.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct RateLimit {
    /// What it is called, unique among the limits of the key. A limit that is edited keeps by its name what was spent.
    name: Text<RateLimitName>,
    /// How many requests the full bucket admits at once.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    limit: u32,
    /// In what time an empty bucket is full again, in seconds; at most 31 days.
    #[oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
    window_seconds: u32,
}

impl From<RateLimit> for RateLimitInput {
    fn from(limit: RateLimit) -> Self {
        let RateLimit { name: Text(RateLimitName(name)), limit, window_seconds } = limit;
        Self { name, limit, window_seconds }
    }
}

impl From<&wardkey_core::RateLimit> for RateLimit {
    fn from(limit: &wardkey_core::RateLimit) -> Self {
        Self {
            name: RateLimitName(limit.name().to_owned()).into(),
            limit: limit.limit(),
            window_seconds: limit.window_seconds(),
        }
    }
}

impl Example for RateLimit {
    fn example() -> Self {
        Self { name: Text::example(), limit: 600, window_seconds: 60 }
    }
}

/// Where a key stands with one of its limits, as the header fields `RateLimit` and `RateLimit-Policy` tell a client
/// (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Object)]
#[oai(rename = "RateLimitStanding", example)]
pub(super) struct Standing {
    /// What the limit is called.
    name: Text<RateLimitName>,
    /// How many requests the full bucket admits at once.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    limit: u32,
    /// In what time an empty bucket is full again, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "2678400")))]
    window_seconds: u32,
    /// How many requests it admits now.
    #[oai(validator(maximum(value = "1000000000")))]
    remaining: u32,
    /// With requests remaining, after how many seconds the bucket is full again; with none, after how many it admits one.
    #[oai(validator(maximum(value = "2678400")))]
    reset_seconds: u32,
}

impl From<&RateLimitStanding> for Standing {
    fn from(standing: &RateLimitStanding) -> Self {
        let RateLimitStanding { limit, remaining, reset_after } = standing;
        let RateLimit { name, limit, window_seconds } = limit.into();
        Self { name, limit, window_seconds, remaining: *remaining, reset_seconds: seconds(*reset_after) }
    }
}

impl Example for Standing {
    fn example() -> Self {
        let RateLimit { name, limit, window_seconds } = RateLimit::example();
        Self { name, limit, window_seconds, remaining: 599, reset_seconds: 1 }
    }
}

/// Whole seconds, rounded up.
pub(super) fn seconds(wait: std::time::Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
