//! The adapter keeps the conformance table, and its security stands in the OpenAPI document.

mod conformance;
mod openapi;
