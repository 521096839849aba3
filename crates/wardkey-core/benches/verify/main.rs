//! What a cached verification costs, in time beside one SHA-256 of 57 bytes, and in memory.
//!
//! Everything that an adapter does is in it: parsing, checksum, digest, lookup, freshness, environment, expiry, network,
//! a typed permission in a workspace, counting, and giving back what was handed out. BENCHMARKS.md says how it is
//! measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod paired;
mod table;
mod world;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sha2::{Digest as _, Sha256};
use wardkey_core::{Requirement, Verification, Verifier, VerifyError};

use paired::{Pair, Spread, at_once, paired};
use table::{Bound, Table};
use world::{ADDRESS, PipelinesRead, Request, World};

const FEW_KEYS: usize = 10_000;
const HOT_KEYS: usize = 100;
const SOME_KEYS: usize = 100_000;
const MANY_KEYS: usize = 1_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut table = Table::default();
    few_keys(&mut table);
    memory(&mut table);
    many_keys(&mut table);
    print!("{table}");
}

/// What does not depend on how many keys there are.
fn few_keys(table: &mut Table) {
    let world = World::new(FEW_KEYS);
    let verifier = world.filled_verifier();
    let requests = world.requests();
    let serve = |request: &Request| serve(&verifier, request);

    let granted = paired(&requests, digest, serve);
    table.nanos("SHA-256 of 57 bytes", Spread::of(&granted, Pair::baseline_nanos));
    table.nanos("cached verification, 10 000 random keys", Spread::of(&granted, Pair::subject_nanos));
    let bound = Bound::at_most(2.0).aim(1.5);
    table.ratio("… against that SHA-256", Spread::of(&granted, Pair::ratio), bound);
    let granted = paired(&at_hand(&requests), digest, serve);
    table.ratio("… if the secret is at hand", Spread::of(&granted, Pair::ratio), Bound::NONE);
    let granted = paired(&hot(&requests[..HOT_KEYS]), digest, serve);
    table.ratio("… if it is always the same hundred keys", Spread::of(&granted, Pair::ratio), Bound::NONE);

    let served = allocation_counter::measure(|| requests.iter().for_each(serve));
    let each = served.count_total as f64 / requests.len() as f64;
    table.count("its heap allocations", each, Bound::at_most(0.0));

    let two = at_once(&requests, serve);
    let bound = Bound::at_most(1.25).aim(1.1);
    table.ratio("two threads against one, random keys", Spread::of(&two, Pair::ratio), bound);
    let two = at_once(&hot(&requests[..1]), serve);
    table.ratio("two threads against one, one and the same key", Spread::of(&two, Pair::ratio), Bound::NONE);

    let mistyped: Vec<_> = requests.iter().map(Request::mistyped).collect();
    let refused = paired(&mistyped, digest, |request| refuse(&verifier, request));
    let bound = Bound::at_most(0.3);
    table.ratio("refusing a malformed secret against that SHA-256", Spread::of(&refused, Pair::ratio), bound);

    let unknown = world.unknown_requests(FEW_KEYS);
    unknown.iter().for_each(|request| refuse(&verifier, request));
    let both: Vec<_> = requests.into_iter().zip(unknown).collect();
    let refused = paired(&both, |(valid, _)| serve(valid), |(_, unknown)| refuse(&verifier, unknown));
    let bound = Bound::at_most(1.0);
    table.ratio(
        "unknown, from its second sight, against a valid one",
        Spread::of(&refused, Pair::ratio),
        bound,
    );
}

fn memory(table: &mut Table) {
    let world = World::new(SOME_KEYS);
    let verifier = world.verifier();
    let filled = allocation_counter::measure(|| world.fill(&verifier));
    let each = filled.bytes_current as f64 / SOME_KEYS as f64;
    table.count("heap bytes of a cached key, all in", each, Bound::at_most(350.0).aim(300.0));
}

fn many_keys(table: &mut Table) {
    let world = World::new(MANY_KEYS);
    let verifier = world.filled_verifier();
    let requests = world.requests();
    let serve = |request: &Request| serve(&verifier, request);
    let granted = paired(&requests, digest, serve);
    table.nanos("cached verification, 1 000 000 random keys", Spread::of(&granted, Pair::subject_nanos));
    let bound = Bound::at_most(2.2).aim(1.7);
    table.ratio("… against that SHA-256", Spread::of(&granted, Pair::ratio), bound);
    let granted = paired(&at_hand(&requests), digest, serve);
    table.ratio("… if the secret is at hand", Spread::of(&granted, Pair::ratio), Bound::NONE);
}

/// The same requests, with their secrets in memory in this order: the processor sees them coming.
fn at_hand(requests: &[Request]) -> Vec<Request> {
    requests.to_vec()
}

/// These requests again and again.
fn hot(requests: &[Request]) -> Vec<Request> {
    requests.iter().cycle().take(FEW_KEYS).cloned().collect()
}

fn digest(request: &Request) {
    black_box(Sha256::digest(black_box(request.secret())));
}

/// What an adapter does with a good key: verify it, ask for a permission in a workspace, let go of it.
fn serve(verifier: &Verifier, request: &Request) {
    let verified = verify(verifier, request).expect("the key is good");
    let place = verified.rights.rights.require_in_workspace::<PipelinesRead>(request.place(), ADDRESS);
    black_box(place.expect("the permission is held there"));
    black_box(verified);
}

fn refuse(verifier: &Verifier, request: &Request) {
    black_box(verify(verifier, request).expect_err("the key is bad"));
}

fn verify(verifier: &Verifier, request: &Request) -> Result<Verification, VerifyError> {
    let nothing = Requirement::NONE;
    let mut verification = pin!(verifier.verify(request.secret(), ADDRESS, &nothing));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(verified) = verification.as_mut().poll(&mut context) {
            return verified;
        }
    }
}
