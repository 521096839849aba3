//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::command::{KeyCommand, OrganizationCommand, PermissionsCommand, UserCommand};
use crate::config::Layer;

/// Issue, govern and verify API keys.
///
/// Without a command, and without any setting, it serves: on 127.0.0.1:8080, with SQLite in ./wardkey-data. The first
/// start prints an operator key and two curl lines that use it.
#[derive(Parser)]
#[command(name = "wardkey", version, max_term_width = 120)]
pub struct Cli {
    /// What to do; without it: serve.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Read settings from this file [default: ./wardkey.toml, if there is one] [variable: WARDKEY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Work on the database itself, with full rights, which the audit log records as such
    #[arg(long, global = true)]
    pub local: bool,

    /// How a command that works on the database shows what it has found or made
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// The settings.
    #[command(flatten)]
    pub settings: Layer,
}

/// How something is shown on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns, for people
    Text,
    /// One JSON document, of the same shape as in the API
    Json,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the API, the documentation and the OpenAPI document
    ///
    /// Brings the database's schema up to date first. SIGTERM or Ctrl-C ends it: requests in progress get ten seconds.
    Serve,
    /// Create the database or bring its schema up to date, and exit
    Migrate,
    /// Print the OpenAPI document of this version
    Openapi,
    /// Ask the server at the configured address whether it is ready; the exit code is the answer
    Healthcheck,
    /// Issue, list and revoke keys (--local)
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create users and set their passwords (--local)
    #[command(subcommand)]
    User(UserCommand),
    /// Create, list, suspend and resume organizations (--local)
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Print and change the permission catalogue (--local)
    #[command(subcommand)]
    Permissions(PermissionsCommand),
}
