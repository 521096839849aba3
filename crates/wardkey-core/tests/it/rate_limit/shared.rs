//! Several nodes with one limiter, which is written down here as plainly as can be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use wardkey_core::testing::{TestKeys, yield_once};
use wardkey_core::{
    Clock, Code, FullAt, KeyId, LimiterError, RateLimits, Requirement, SharedCharge, SharedLimiter,
    SharedLimits, SharedOutcome, StoreFuture, Verifier, VerifierConfig, WhenAway, charge_all,
};

use super::{admitted, code, limits};

/// Its clock is ahead of that of the nodes.
const AHEAD: Duration = Duration::from_secs(1_000_000);

struct Limiter {
    clock: wardkey_core::testing::FixedClock,
    buckets: Mutex<HashMap<KeyId, Vec<FullAt>>>,
    asked: AtomicUsize,
    away: AtomicBool,
}

impl Limiter {
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }
}

impl SharedLimiter for Limiter {
    fn charge<'a>(
        &'a self,
        key: KeyId,
        limits: &'a RateLimits,
    ) -> StoreFuture<'a, Result<SharedCharge, LimiterError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            yield_once().await;
            if self.away.load(Ordering::SeqCst) {
                return Err(LimiterError::new("it is frozen"));
            }
            let now = self.clock.monotonic() + AHEAD;
            let mut buckets = self.buckets.lock().unwrap();
            let full_at = buckets.entry(key).or_insert_with(|| vec![FullAt::default(); limits.len()]);
            let outcome = match charge_all(full_at, limits, now) {
                Ok(()) => SharedOutcome::Charged,
                Err(_) => SharedOutcome::Refused,
            };
            Ok(SharedCharge { outcome, now, full_at: full_at.clone() })
        })
    }
}

struct World {
    keys: TestKeys,
    limiter: Arc<Limiter>,
    secret: String,
}

impl World {
    fn new(list: &[(&str, u32, u32)]) -> Self {
        let keys = TestKeys::new(&[], &[]);
        let limiter = Arc::new(Limiter {
            clock: keys.clock().clone(),
            buckets: Mutex::default(),
            asked: AtomicUsize::new(0),
            away: AtomicBool::new(false),
        });
        let secret = keys.issue_with(&[], |record| record.rate_limits = limits(list)).expose().to_owned();
        Self { keys, limiter, secret }
    }

    fn node(&self, when_away: WhenAway) -> Verifier {
        let limiter = Arc::clone(&self.limiter) as Arc<dyn SharedLimiter>;
        let shared_limits = Some(SharedLimits::new(limiter, when_away));
        let max_stale = Duration::MAX;
        self.keys.verifier_with(VerifierConfig { shared_limits, max_stale, ..VerifierConfig::default() })
    }
}

#[tokio::test]
async fn three_nodes_admit_together_what_one_would_alone() {
    let world = World::new(&[("burst", 7, 10), ("daily", 50, 86_400)]);
    let nodes = [(); 3].map(|()| world.node(WhenAway::Unavailable));
    let mut total = 0;
    for elapsed in [0_u64, 1_428_572, 9_999_999, 10_000_000, 18_571_429] {
        world.keys.clock().advance(Duration::from_micros(elapsed) - world.keys.clock().monotonic());
        let requests = (0..30).map(|number| {
            let (node, secret) = (nodes[number % 3].clone(), world.secret.clone());
            tokio::spawn(async move { code(&node, &secret).await })
        });
        for request in requests.collect::<Vec<_>>() {
            match request.await.unwrap() {
                Ok(()) => total += 1,
                Err(code) => assert_eq!(code, Code::RateLimited),
            }
        }
        assert_eq!(total, 7 + elapsed * 7 / 10_000_000, "after {elapsed} µs");
    }
}

#[tokio::test]
async fn a_verification_asks_once_and_after_a_refusal_not_at_all() {
    let world = World::new(&[("hourly", 5, 3_600)]);
    let [node, other] = [(); 2].map(|()| world.node(WhenAway::Unavailable));
    let unlimited = world.keys.issue(&[]);
    assert_eq!(code(&node, unlimited.expose()).await, Ok(()));
    assert_eq!(world.limiter.asked(), 0, "a key without limits asks nobody");
    assert_eq!(admitted(&node, &world.secret).await, 5);
    assert_eq!(world.limiter.asked(), 5, "the node knows of each of them: the refusal is its own");
    // Another node has to ask once to learn that nothing is left, and from then on knows it until something is.
    for _ in 0..100 {
        assert_eq!(code(&other, &world.secret).await, Err(Code::RateLimited));
    }
    assert_eq!(world.limiter.asked(), 1);
    world.keys.clock().advance(Duration::from_micros(719_999_999));
    assert_eq!(code(&other, &world.secret).await, Err(Code::RateLimited));
    assert_eq!(world.limiter.asked(), 0);
    world.keys.clock().advance(Duration::from_micros(1));
    assert_eq!(code(&other, &world.secret).await, Ok(()));
    assert_eq!(code(&node, &world.secret).await, Err(Code::RateLimited));
    assert_eq!(world.limiter.asked(), 2);
}

#[tokio::test]
async fn with_the_limiter_away_a_node_goes_by_what_it_knows_if_that_was_chosen() {
    let world = World::new(&[("hourly", 5, 3_600)]);
    let [node, other, fresh] = [(); 3].map(|()| world.node(WhenAway::Local));
    assert_eq!(code(&node, &world.secret).await, Ok(()));
    assert_eq!(code(&other, &world.secret).await, Ok(()));
    world.limiter.set_away(true);
    assert_eq!(admitted(&node, &world.secret).await, 4, "it has admitted one");
    assert_eq!(admitted(&other, &world.secret).await, 3, "and this one has heard of that");
    assert_eq!(admitted(&fresh, &world.secret).await, 5, "this one knows nothing");
    world.limiter.set_away(false);
    // What was admitted meanwhile the limiter does not know, but each node does of itself.
    assert_eq!(admitted(&node, &world.secret).await, 0);
    assert_eq!(admitted(&world.node(WhenAway::Local), &world.secret).await, 3);
}

#[tokio::test]
async fn with_the_limiter_away_a_request_is_503_if_that_was_chosen_and_never_a_denial() {
    let world = World::new(&[("hourly", 2, 3_600)]);
    let node = world.node(WhenAway::Unavailable);
    let unlimited = world.keys.issue(&[]);
    world.limiter.set_away(true);
    for _ in 0..10 {
        assert_eq!(code(&node, &world.secret).await, Err(Code::VerifierUnavailable));
        assert_eq!(code(&node, unlimited.expose()).await, Ok(()), "a key without limits needs no limiter");
    }
    world.limiter.set_away(false);
    assert_eq!(admitted(&node, &world.secret).await, 2, "what was not admitted was not charged");
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_does_not_count_here() {
    let world = World::new(&[("hourly", 2, 3_600)]);
    let node = world.node(WhenAway::Local);
    assert_eq!(code(&node, &world.secret).await, Ok(()));
    for _ in 0..10 {
        let nothing = Requirement::NONE;
        let mut abandoned = Box::pin(node.verify(world.secret.as_bytes(), None, &nothing));
        assert!(
            abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(),
            "it asks the limiter"
        );
    }
    assert_eq!(admitted(&node, &world.secret).await, 1);
}
