//! A server that is frozen, killed, or none at all.

use std::error::Error as _;
use std::time::Duration;

use wardkey_core::{LimiterError, SharedLimiter as _, SharedOutcome};
use wardkey_redis::{BUDGET, RedisLimiter};

use crate::server::{Server, clock, key, limits};

fn cause(error: &LimiterError) -> String {
    error.source().unwrap().to_string()
}

const TIMED_OUT: &str = "no answer within 50 ms";
const SKIPPED: &str = "not asked, since it did not answer repeatedly and lately";

#[expect(clippy::disallowed_methods, reason = "measures how long a request waits")]
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let started = std::time::Instant::now();
    (future.await, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_three_requests_their_budget_and_then_nobody() {
    let server = Server::start();
    let clock = clock();
    let node = server.node(&clock);
    let limits = limits(&[("a", 1_000, 3_600)]);
    // Connected, so that it is silence that is heard and no refusal.
    while node.charge(key(1), &limits).await.is_err() {
        clock.advance(Duration::from_secs(1));
    }

    server.freeze();
    for _ in 0..3 {
        let (answer, waited) = timed(node.charge(key(1), &limits)).await;
        assert_eq!(cause(&answer.unwrap_err()), TIMED_OUT);
        assert!(waited >= BUDGET);
    }
    for _ in 0..100 {
        assert_eq!(cause(&node.charge(key(1), &limits).await.unwrap_err()), SKIPPED);
    }
    clock.advance(Duration::from_millis(999));
    assert_eq!(cause(&node.charge(key(1), &limits).await.unwrap_err()), SKIPPED);
    clock.advance(Duration::from_millis(1));
    let (one, other) = tokio::join!(node.charge(key(1), &limits), node.charge(key(1), &limits));
    assert_eq!(cause(&one.unwrap_err()), TIMED_OUT, "one asks");
    assert_eq!(cause(&other.unwrap_err()), SKIPPED, "and the others do not wait with it");

    server.thaw();
    answers_again(&node, &clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_an_error_and_its_successor_is_found() {
    let mut server = Server::start();
    let clock = clock();
    let node = server.node(&clock);
    let limits = limits(&[("a", 1_000, 3_600)]);
    answers_again(&node, &clock).await;
    server.kill();
    for _ in 0..3 {
        assert_ne!(cause(&node.charge(key(1), &limits).await.unwrap_err()), SKIPPED);
    }
    assert_eq!(cause(&node.charge(key(1), &limits).await.unwrap_err()), SKIPPED);
    server.start_again();
    answers_again(&node, &clock).await;
}

/// Asks once for each second of the clock, with a deadline.
async fn answers_again(node: &RedisLimiter, clock: &wardkey_core::testing::FixedClock) {
    let limits = limits(&[("a", 1_000, 3_600)]);
    for _ in 0..200 {
        clock.advance(Duration::from_secs(1));
        if let Ok(answer) = node.charge(key(1), &limits).await {
            assert_eq!(answer.outcome, SharedOutcome::Charged);
            return;
        }
    }
    panic!("the server does not answer again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_speak_tls_is_not_spoken_to_without() {
    // Something listens there that never answers a greeting.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://:word-of-passage@{}", listener.local_addr().unwrap());
    let node = RedisLimiter::with_clock(&url, std::sync::Arc::new(clock())).unwrap();
    assert!(node.charge(key(1), &limits(&[("a", 1, 1)])).await.is_err());
    let (mut stream, _) = listener.accept().unwrap();
    let mut greeting = [0; 3];
    std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    assert_eq!(greeting[..2], [0x16, 0x03], "a TLS handshake and no command");
    assert!(!format!("{node:?}").contains("word-of-passage"));
}

#[test]
fn only_a_redis_url_is_one() {
    for bad in ["", "http://127.0.0.1", "redis://", "127.0.0.1:6379"] {
        assert!(RedisLimiter::new(bad).is_err(), "{bad}");
    }
    for good in ["redis://127.0.0.1", "rediss://user:word@redis.example:6379/1"] {
        assert!(RedisLimiter::new(good).is_ok(), "{good}");
    }
}
