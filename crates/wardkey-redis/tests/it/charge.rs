//! What a request is charged.

use std::time::Duration;

use wardkey_core::{
    FullAt, KeyId, RateLimit, RateLimits, SharedCharge, SharedLimiter as _, SharedOutcome, charge_all,
};
use wardkey_redis::RedisLimiter;

use crate::server::{Server, clock, key, limits, wait_until};

/// A node that has time: how busy the machine is is no matter of these tests.
fn node(server: &Server) -> RedisLimiter {
    server.node(&clock()).with_budget(Duration::from_secs(30))
}

async fn charge(node: &RedisLimiter, key: KeyId, limits: &RateLimits) -> SharedCharge {
    node.charge(key, limits).await.unwrap()
}

/// How many requests are admitted at once.
async fn admitted(node: &RedisLimiter, key: KeyId, limits: &RateLimits) -> usize {
    let mut count = 0;
    while charge(node, key, limits).await.outcome == SharedOutcome::Charged {
        count += 1;
    }
    count
}

const MONTH: u32 = RateLimit::MAX_WINDOW_SECONDS;

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_at_once_never_exceed_the_bound_and_reach_it() {
    let server = Server::start();
    // One that does not come back within the test, and one that comes back all the time.
    for (list, seed) in [([("monthly", 500, MONTH)], 1), ([("quick", 70, 1)], 2)] {
        let limits = limits(&list);
        let requests = (0..3).flat_map(|_| {
            let node = node(&server);
            let limits = limits.clone();
            (0..4).map(move |_| {
                let (node, limits) = (node.clone(), limits.clone());
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for _ in 0..300 {
                        answers.push(charge(&node, key(seed), &limits).await);
                    }
                    answers
                })
            })
        });
        let mut answers = Vec::new();
        for task in requests.collect::<Vec<_>>() {
            answers.extend(task.await.unwrap());
        }
        let node = node(&server);
        loop {
            // One that comes after all the others, and finds nothing.
            answers.push(charge(&node, key(seed), &limits).await);
            if answers[answers.len() - 1].outcome == SharedOutcome::Refused {
                break;
            }
        }
        let ended = answers.last().unwrap().now;
        let charged = |answer: &&SharedCharge| answer.outcome == SharedOutcome::Charged;
        let mut admitted_at: Vec<_> = answers.iter().filter(charged).map(|answer| answer.now).collect();
        admitted_at.sort_unstable();
        let bound = |time: Duration| {
            let limit = &limits[0];
            let window = u128::from(limit.window_seconds()) * 1_000_000;
            u128::from(limit.limit()) + time.as_micros() * u128::from(limit.limit()) / window
        };
        for (first, from) in admitted_at.iter().enumerate() {
            for (count, until) in (1_u128..).zip(&admitted_at[first..]) {
                assert!(count <= bound(*until - *from), "{count} within {:?}", *until - *from);
            }
        }
        // The bucket was never full again in between, so that every token that came was taken.
        assert_eq!(admitted_at.len() as u128, bound(ended - admitted_at[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_counts_as_the_core_does_to_the_part_of_a_microsecond() {
    let server = Server::start();
    let node = node(&server);
    let lists: [&[_]; 6] = [
        &[("a", 3, 7)],
        &[("a", RateLimit::MAX_LIMIT, MONTH)],
        &[("a", RateLimit::MAX_LIMIT - 1, MONTH - 1)],
        &[("a", 3_000_000, 1)],
        &[("a", 1, MONTH)],
        &[("second", 60, 1), ("minute", 99, 60), ("day", 1_000, 86_400)],
    ];
    for (seed, list) in (10..).zip(lists) {
        let limits = limits(list);
        let mut buckets = vec![FullAt::default(); limits.len()];
        for _ in 0..200 {
            let answer = charge(&node, key(seed), &limits).await;
            let expected = charge_all(&mut buckets, &limits, answer.now);
            assert_eq!(answer.outcome == SharedOutcome::Charged, expected.is_ok(), "{list:?}");
            // A bucket that is full was full before, or is now: that is the same.
            let now = FullAt { micros: u64::try_from(answer.now.as_micros()).unwrap(), parts: 0 };
            let as_of_now =
                |buckets: &[FullAt]| buckets.iter().map(|full| (*full).max(now)).collect::<Vec<_>>();
            assert_eq!(as_of_now(&answer.full_at), as_of_now(&buckets), "{list:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_charged_to_all_limits_or_to_none() {
    let server = Server::start();
    let node = node(&server);
    let both = limits(&[("wide", 5, MONTH), ("narrow", 2, MONTH)]);
    assert_eq!(admitted(&node, key(20), &both).await, 2);
    assert_eq!(admitted(&node, key(20), &limits(&[("wide", 5, MONTH)])).await, 3);
    assert_eq!(admitted(&node, key(21), &both).await, 2, "another key has buckets of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_stays_spent_when_a_limit_is_changed() {
    let server = Server::start();
    let node = node(&server);
    assert_eq!(admitted(&node, key(30), &limits(&[("monthly", 4, MONTH)])).await, 4);
    assert_eq!(admitted(&node, key(30), &limits(&[("monthly", 10, MONTH)])).await, 6);
    assert_eq!(admitted(&node, key(30), &limits(&[("monthly", 3, MONTH)])).await, 0);
    // A limit with a shorter window had been forgotten sooner; the refusal keeps it.
    assert_eq!(admitted(&node, key(31), &limits(&[("a", 3, 1_000)])).await, 3);
    assert_eq!(admitted(&node, key(31), &limits(&[("a", 3, MONTH)])).await, 0);
    let kept: i64 = server.ask(&["PTTL", &format!("wardkey:limits:{{{}}}", key(31))]);
    assert!(kept > 1_000_000_000, "{kept} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_full_buckets() {
    let server = Server::start();
    let node = node(&server).with_prefix("own");
    assert_eq!(charge(&node, key(40), &limits(&[("a", 2, 1)])).await.outcome, SharedOutcome::Charged);
    let name = format!("own:limits:{{{}}}", key(40));
    let left: i64 = server.ask(&["PTTL", &name]);
    assert!(left <= 502, "after half a second a bucket of two is full again, and not after {left} ms");
    wait_until("it has expired", || server.ask::<i64>(&["EXISTS", &name]) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_emptied_takes_every_bucket_for_full() {
    let server = Server::start();
    let node = node(&server);
    let monthly = limits(&[("monthly", 3, MONTH)]);
    assert_eq!(admitted(&node, key(50), &monthly).await, 3);
    server.ask::<()>(&["FLUSHALL"]);
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    assert_eq!(admitted(&node, key(50), &monthly).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_far_ahead_does_not_shut_a_key_out_for_ever() {
    let server = Server::start();
    let node = node(&server);
    let list = limits(&[("a", 2, 100)]);
    let answer = charge(&node, key(60), &list).await;
    let name = format!("wardkey:limits:{{{}}}", key(60));
    let year = answer.now.as_micros() + 365 * 86_400 * 1_000_000;
    server.ask::<()>(&["SET", &name, &format!("a 2 100000000 {year} 0")]);
    let answer = charge(&node, key(60), &list).await;
    assert_eq!(answer.outcome, SharedOutcome::Refused);
    let until_full = u128::from(answer.full_at[0].micros) - answer.now.as_micros();
    assert_eq!(until_full, 100_000_000, "the bucket is empty and begins anew");
    // One within its window may as well have been in use just now: it only stands still until then.
    let ahead = answer.now.as_micros() + 150_000_000;
    server.ask::<()>(&["SET", &name, &format!("a 2 100000000 {ahead} 0")]);
    let answer = charge(&node, key(60), &list).await;
    assert_eq!((answer.outcome, u128::from(answer.full_at[0].micros)), (SharedOutcome::Refused, ahead));
}
