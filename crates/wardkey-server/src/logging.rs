//! What happens goes to standard error, one line for each event, for people or for programs.

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::LogFormat;

/// Starts to log. The filter is a level, or directives such as `info,wardkey_storage=debug`.
///
/// Panics are logged as well: their answer to the client says nothing of them.
///
/// # Errors
/// If the filter is not understood.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let log = fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Human => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        let payload = panic.payload();
        let message =
            payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(location, message, "a mistake of the server: it panicked");
    }));
    Ok(())
}
