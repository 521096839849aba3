//! What the storage promises, on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod audit;
mod catalogue;
mod changes;
mod customers;
mod database;
mod deployment;
mod environments;
mod feed;
mod idempotency;
mod interruptions;
mod keys;
mod links;
mod login_attempts;
mod members;
mod migrations;
mod opening;
mod organizations;
mod passwords;
mod retention;
mod roles;
mod secrets;
mod server_role;
mod service_accounts;
mod session_policies;
mod sessions;
mod signing_keys;
mod teams;
mod usage;
mod users;
mod verification;
mod workspaces;
mod world;
mod writes;
