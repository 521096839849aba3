//! Rate limits: the arithmetic, a verifier by itself, and several with a shared limiter.

mod bucket;
mod shared;
mod verifier;

use wardkey_core::{Code, RateLimit, RateLimits, Requirement, Verifier};

fn limits(list: &[(&str, u32, u32)]) -> RateLimits {
    let limits = list.iter().map(|(name, limit, window)| RateLimit::new(name, *limit, *window).unwrap());
    RateLimits::new(limits.collect()).unwrap()
}

async fn code(verifier: &Verifier, secret: &str) -> Result<(), Code> {
    let verified = verifier.verify(secret.as_bytes(), None, &Requirement::NONE).await;
    verified.map(drop).map_err(|error| error.code())
}

/// How many requests are admitted until one is refused for their number.
async fn admitted(verifier: &Verifier, secret: &str) -> usize {
    let mut count = 0;
    loop {
        match code(verifier, secret).await {
            Ok(()) => count += 1,
            Err(code) => {
                assert_eq!(code, Code::RateLimited);
                return count;
            }
        }
    }
}
