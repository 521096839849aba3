//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

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

    /// The settings.
    #[command(flatten)]
    pub settings: Layer,
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
    /// Work with keys
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What to do with keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Issue a key and print it, this once, to standard output
    ///
    /// With --local --operator: a key of the deployment's operator, valid for 24 hours, for when the first one is gone.
    /// Works on the database whether or not a server is running.
    Issue {
        /// An operator key: full rights in the whole deployment
        #[arg(long, required = true)]
        operator: bool,
    },
}
