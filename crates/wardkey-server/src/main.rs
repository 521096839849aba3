//! The `wardkey` binary.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use wardkey_server::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match wardkey_server::command::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain in one line; without standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
