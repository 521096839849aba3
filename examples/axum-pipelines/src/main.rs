//! A small multi-tenant pipelines API that verifies keys in its own process, against the Wardkey server's database.
//!
//! In one terminal start the server, and paste the first of the two `curl` lines that it prints, which issues a key:
//!
//! ```sh
//! cargo run
//! ```
//!
//! In another start this API, from the same folder (`--listen` and `--database-url` change where):
//!
//! ```sh
//! cargo run --package axum-pipelines
//! ```
//!
//! In a third talk to it:
//!
//! ```sh
//! KEY=$(sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p' wardkey-data/first-key.txt)
//!
//! # The pipelines of every workspace where the key holds pipelines:read.
//! curl -i -H "Authorization: Bearer $KEY" http://127.0.0.1:3000/pipelines
//!
//! # Those of one workspace; 404 for one that the key cannot see.
//! WORKSPACE=$(curl -s -H "X-API-Key: $KEY" http://127.0.0.1:3000/pipelines | grep -o 'ws_[0-9A-Za-z]*' | head -n 1)
//! curl -i -H "Authorization: Bearer $KEY" "http://127.0.0.1:3000/workspaces/$WORKSPACE/pipelines"
//!
//! # Run one; 403 for a key without pipelines:run.
//! curl -i -X POST -H "Authorization: Bearer $KEY" "http://127.0.0.1:3000/workspaces/$WORKSPACE/pipelines/nightly/runs"
//!
//! # Without a key: 401.
//! curl -i http://127.0.0.1:3000/pipelines
//! ```
//!
//! Revoke the key on the server, and this API refuses it within a second.

mod pipelines;

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wardkey::Wardkey;
use wardkey_axum::MissingPermissions;

/// A pipelines API that verifies Wardkey keys in its own process.
#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, env = "PIPELINES_LISTEN", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The Wardkey server's database.
    #[arg(long, env = "WARDKEY_DATABASE_URL", default_value = "sqlite:wardkey-data/wardkey.db")]
    database_url: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let args = Args::parse();

    let verifier = Wardkey::open_verifier(&args.database_url, "production")
        .await
        .with_context(|| format!("cannot open {}; was the server started?", args.database_url))?;
    tokio::spawn(verifier.follow());
    verifier.check_ready().await.context("keys cannot be verified")?;
    // A permission that the deployment does not list is held by nobody; `NotReady` would stop here.
    verifier.check_permissions(pipelines::CATALOGUE, MissingPermissions::Tolerated).await?;

    let app = pipelines::app(verifier.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    // What was used since the last report is not lost.
    verifier.leave().await.context("the last usage could not be reported")
}
