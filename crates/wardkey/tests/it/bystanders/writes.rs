//! Every write of a tenant, of the deployment and of a caller to itself.

#![expect(
    clippy::async_yields_async,
    reason = "what a deed needs is made first; it is done later, beside another"
)]

mod deployment;
mod keys;
mod people;
mod structure;
mod teams;

use super::Write;

/// A deed that owns what it needs.
macro_rules! deed {
    ($($body:tt)*) => {
        Box::pin(async move {
            $($body)*
            Ok(())
        }) as Deed
    };
}
use deed;

/// Every write by the name of its operation.
pub(super) fn all() -> Vec<(&'static str, Write)> {
    [deployment::WRITES, keys::WRITES, people::WRITES, structure::WRITES, teams::WRITES].concat()
}
