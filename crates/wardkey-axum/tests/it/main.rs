//! The adapter keeps the conformance table, and costs next to nothing.

mod allocations;
mod conformance;
