//! The promises of the core, each with a test that fails when it breaks.

#![expect(clippy::unwrap_used, reason = "a test may end where its ground gives way")]

mod allocations;
mod cache;
mod decide;
mod feed;
mod guard;
mod rate_limit;
mod rights;
mod verifier;
