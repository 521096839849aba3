//! The adapter keeps the conformance table, costs next to nothing, and its security stands in the OpenAPI document.

mod allocations;
mod conformance;
mod openapi;
