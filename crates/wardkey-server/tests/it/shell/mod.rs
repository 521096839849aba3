//! The `wardkey` binary as the person who starts it meets it: a process of its own, on both databases where it matters.

mod commands;
mod connections;
pub(crate) mod database;
mod first_run;
mod logins;
pub(crate) mod process;
mod refusals;
mod secrets;
mod start;
