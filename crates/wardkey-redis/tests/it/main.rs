//! The promises of shared rate limits, kept on a Redis of each test's own.

#![expect(clippy::unwrap_used, reason = "a test may end where its ground gives way")]

mod away;
mod charge;
mod server;
mod tls;
