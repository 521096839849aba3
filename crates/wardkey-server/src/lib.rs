//! The Wardkey server: the admin API and its documentation, and the command line around it.
//!
//! This is the library behind the `wardkey` binary, with just enough in public for the binary and its tests.

mod api;
mod body;
pub mod cli;
pub mod command;
pub mod config;
mod docs;
mod edge;
mod first_run;
mod health;
pub mod http;
mod json;
mod logging;
mod login;
pub mod openapi;
mod passwords;
mod private_file;
mod problem;
mod routes;
pub mod seal;
pub mod serve;
mod sessions;
mod tokens;
