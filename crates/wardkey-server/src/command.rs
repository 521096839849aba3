//! What each command does. Those that work on the database have a file for each kind of object.

mod keys;
mod local;
mod organizations;
mod permissions;
mod typed;
mod users;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wardkey::Wardkey;

pub use self::keys::KeyCommand;
use self::local::Local;
pub use self::organizations::OrganizationCommand;
pub use self::permissions::PermissionsCommand;
pub use self::users::UserCommand;
use crate::cli::{Cli, Command};
use crate::config::{Config, Database};
use crate::serve::make_data_dir;
use crate::{logging, openapi, serve};

/// How long the server may take to say whether it is ready.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Does what the command line says.
///
/// # Errors
/// If it could not be done; the message says what to do about it.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { command, config, local, output, settings } = cli;
    if let Some(Command::Openapi) = command {
        return print(&openapi::document());
    }
    let (config, odd) = Config::load(settings, config.as_deref(), std::env::vars_os())?;
    logging::start(&config.log_filter, config.log_format).context(
        "--log-level: expected a level such as info, or directives such as info,wardkey_storage=debug",
    )?;
    for oddity in odd {
        tracing::warn!("{oddity}");
    }
    match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(config).await,
        Command::Migrate => migrate(&config).await,
        Command::Openapi => Ok(()),
        Command::Healthcheck => check_health(config.listen).await,
        Command::Key(command) => command.run(&Local::open(local, output, &config).await?).await,
        Command::User(command) => command.run(&Local::open(local, output, &config).await?).await,
        Command::Organization(command) => command.run(&Local::open(local, output, &config).await?).await,
        Command::Permissions(command) => command.run(&Local::open(local, output, &config).await?).await,
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    if let Database::InDataDir(_) = config.database {
        make_data_dir(config)?;
    }
    let migrated = Wardkey::migrate(config.database.url().expose()).await?;
    match migrated.applied.as_slice() {
        [] => print("the schema is up to date\n"),
        applied => print(&applied.iter().map(|name| format!("applied {name}\n")).collect::<String>()),
    }
}

/// Asks `/readyz` of the server that was configured like this.
async fn check_health(listen: SocketAddr) -> anyhow::Result<()> {
    let address = reachable(listen);
    let status = timeout(HEALTH_TIMEOUT, ask_ready(address))
        .await
        .with_context(|| format!("{address} does not answer within {} s", HEALTH_TIMEOUT.as_secs()))?
        .with_context(|| format!("{address} does not answer"))?;
    match status.as_str() {
        "200" => print("ready\n"),
        status => bail!("{address} is not ready: it answers {status}"),
    }
}

/// The status of the answer. One request over one connection takes no client library.
async fn ask_ready(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.context("the answer is no HTTP")?.to_owned())
}

/// A server that listens everywhere is reached on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Prints to standard output. A reader that went away has what it wanted.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
