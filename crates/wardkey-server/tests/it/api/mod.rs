//! The admin API as its clients meet it. Every answer in here is also held against the OpenAPI document.

mod credentials;
mod docs;
mod document;
mod keys;
mod lists;
mod me;
mod outage;
mod rotation;
mod schema;
mod tenancy;
mod verify;
pub(crate) mod world;
