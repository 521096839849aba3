//! What a cached verification costs beside one SHA-256 of 57 bytes: paired rounds in one run, the median of their
//! ratios. Everything that an adapter does is in it: parsing, checksum, digest, lookup, freshness, environment,
//! expiry, network, and a typed permission in a workspace.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use wardkey_core::testing::{SeededRandom, TestKeys};
use wardkey_core::{
    EnvironmentName, Id, KeyStore, Random, Reference, Requirement, SystemClock, Verifier, VerifierConfig,
    WorkspaceId,
};

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

const KEYS: usize = 10_000;
const ROUNDS: usize = 201;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let workspace = WorkspaceId::from_bytes([1; 16]);
    let keys = TestKeys::new(CATALOGUE, &[workspace]);
    let mut secrets: Vec<String> = (0..KEYS)
        .map(|_| {
            let issued = keys.issue_with(&["pipelines:read"], |record| {
                record.expires_at = Some("2099-01-01T00:00:00Z".parse().expect("a literal timestamp"));
                record.networks = vec![vec!["10.0.0.0/8".parse().expect("a literal network")]];
            });
            issued.expose().to_owned()
        })
        .collect();
    shuffle(&mut secrets);
    let environment: EnvironmentName = "production".parse().expect("a literal slug");
    let store = Arc::clone(keys.store()) as Arc<dyn KeyStore>;
    let clock = Arc::new(SystemClock::new());
    let random = SeededRandom::new(1);
    let verifier = Verifier::with_clock(store, environment, VerifierConfig::default(), clock, &random);

    let place = Reference::Id(workspace);
    let address = "10.1.2.3".parse().ok();
    let nothing = Requirement::NONE;
    let verify = |secret: &str| {
        let mut verification = std::pin::pin!(verifier.verify(secret.as_bytes(), address, &nothing));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(verified) = verification.as_mut().poll(&mut context) {
                let verified = verified.expect("the key is good");
                let allowed = verified.rights.rights.require_in_workspace::<PipelinesRead>(&place, None);
                return allowed.expect("the permission is held there");
            }
        }
    };
    secrets.iter().for_each(|secret| {
        black_box(verify(secret));
    });
    assert_eq!(verifier.cached_keys(), KEYS, "every key is cached before anything is measured");

    let counted = allocation_counter::measure(|| {
        secrets.iter().for_each(|secret| {
            black_box(verify(secret));
        });
    });
    assert_eq!(counted.count_total, 0, "a cached verification allocates nothing");

    let mistyped: Vec<String> =
        secrets.iter().map(|secret| format!("{}!", &secret[..secret.len() - 1])).collect();
    let digest = |secret: &str| black_box(Sha256::digest(black_box(&secret.as_bytes()[..57])));
    let refuse = |secret: &str| {
        let mut verification = std::pin::pin!(verifier.verify(secret.as_bytes(), address, &nothing));
        let polled = verification.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Err(_))));
    };
    let mut rounds: Vec<[Duration; 3]> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push([
            time(|| {
                secrets.iter().for_each(|secret| {
                    digest(secret);
                });
            }),
            time(|| {
                secrets.iter().for_each(|secret| {
                    black_box(verify(secret));
                });
            }),
            time(|| mistyped.iter().for_each(|secret| refuse(secret))),
        ]);
    }
    let each = |at: usize| median(rounds.iter().map(|round| round[at].as_secs_f64() * 1e9 / KEYS as f64));
    let ratio =
        |at: usize| median(rounds.iter().map(|round| round[at].as_secs_f64() / round[0].as_secs_f64()));
    println!("{KEYS} random keys, {ROUNDS} paired rounds, medians");
    println!("SHA-256 of 57 bytes         {:6.1} ns", each(0));
    println!("cached verification         {:6.1} ns   {:.2} x   (must be at most 3.0 x)", each(1), ratio(1));
    println!("refusing a mistyped secret  {:6.1} ns   {:.2} x", each(2), ratio(2));
    println!("allocations of a cached verification: 0");
    assert!(ratio(1) <= 3.0, "a cached verification costs more than three digests");
}

fn time(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Fisher and Yates, so that neighbours in the run are no neighbours in memory.
fn shuffle(items: &mut [String]) {
    let random = SeededRandom::new(42);
    for last in (1..items.len()).rev() {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        items.swap(last, (u64::from_le_bytes(bytes) % (last as u64 + 1)) as usize);
    }
}
