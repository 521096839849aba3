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

use paired::{Pair, at_once, median, paired};
use table::{Bound, Table};
use world::{ADDRESS, PipelinesRead, Request, World};

const FEW_KEYS: usize = 10_000;
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
    let granted = paired(&requests, digest, |request| serve(&verifier, request));
    table.time("SHA-256 of 57 bytes", median(&granted, Pair::baseline_nanos));
    table.time("cached verification, 10 000 random keys", median(&granted, Pair::subject_nanos));
    table.row("… against that SHA-256", median(&granted, Pair::ratio), "×", Bound::at_most(2.0).aim(1.5));

    let served =
        allocation_counter::measure(|| requests.iter().for_each(|request| serve(&verifier, request)));
    let each = served.count_total as f64 / requests.len() as f64;
    table.row("its heap allocations", each, "", Bound::at_most(0.0));

    let two = at_once(&requests, |request| serve(&verifier, request));
    let bound = Bound::at_most(1.25).aim(1.1);
    table.row("two threads against one, random keys", median(&two, Pair::ratio), "×", bound);
    let hot = vec![requests[0].clone(); 2000];
    let two = at_once(&hot, |request| serve(&verifier, request));
    table.row("two threads against one, one and the same key", median(&two, Pair::ratio), "×", Bound::NONE);

    let mistyped: Vec<_> = requests.iter().map(Request::mistyped).collect();
    let refused = paired(&mistyped, digest, |request| refuse(&verifier, request));
    table.row(
        "refusing a malformed secret against that SHA-256",
        median(&refused, Pair::ratio),
        "×",
        Bound::at_most(0.3),
    );

    let unknown = world.unknown_requests(FEW_KEYS);
    unknown.iter().for_each(|request| refuse(&verifier, request));
    let both: Vec<_> = requests.into_iter().zip(unknown).collect();
    let against_valid =
        paired(&both, |(valid, _)| serve(&verifier, valid), |(_, unknown)| refuse(&verifier, unknown));
    table.row(
        "an unknown secret, second sight, against a valid one",
        median(&against_valid, Pair::ratio),
        "×",
        Bound::at_most(1.0),
    );
}

fn memory(table: &mut Table) {
    let world = World::new(SOME_KEYS);
    let verifier = world.verifier();
    let filled = allocation_counter::measure(|| world.fill(&verifier));
    let each = filled.bytes_current as f64 / SOME_KEYS as f64;
    table.row("heap bytes of a cached key, all in", each, "", Bound::at_most(350.0).aim(300.0));
}

fn many_keys(table: &mut Table) {
    let world = World::new(MANY_KEYS);
    let verifier = world.filled_verifier();
    let requests = world.requests();
    let granted = paired(&requests, digest, |request| serve(&verifier, request));
    table.time("cached verification, 1 000 000 random keys", median(&granted, Pair::subject_nanos));
    let bound = Bound::at_most(2.2).aim(1.7);
    table.row("… against that SHA-256", median(&granted, Pair::ratio), "×", bound);
    let hot = &requests[..FEW_KEYS];
    let granted = paired(hot, digest, |request| serve(&verifier, request));
    table.row("… 10 000 hot ones among them", median(&granted, Pair::ratio), "×", Bound::NONE);
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
