//! What the storage promises, on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod audit;
mod changes;
mod customers;
mod database;
mod deployment;
mod feed;
mod idempotency;
mod interruptions;
mod keys;
mod members;
mod migrations;
mod opening;
mod organizations;
mod retention;
mod secrets;
mod service_accounts;
mod usage;
mod users;
mod verification;
mod workspaces;
mod world;
mod writes;
