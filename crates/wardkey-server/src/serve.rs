//! The server from its start to its end.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use poem::{Endpoint, EndpointExt as _, Response, Route};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use wardkey::{Bootstrapped, OpenConfig, Wardkey};
use wardkey_core::{Clock, Guard, OsRandom, Random, SystemClock, VerifierConfig};

use crate::config::{Config, Database, LogFormat};
use crate::edge::Edge;
use crate::first_run::{Beginning, Shown, Whereabouts};
use crate::http::{self, Patience};
use crate::passwords::Passwords;
use crate::seal::Seal;
use crate::sessions::Sessions;
use crate::{api, health, openapi, private_file};

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often to remove what is kept for a time only.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);

/// How long the last report of usage may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If the settings do not allow it, the address is taken, or the database cannot be used.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    config.check_served()?;
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let seal = find_seal(&config, &*random)?;
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().context("cannot tell where the server listens")?;

    let wardkey = open(&config, &clock, &random).await?;
    let first = wardkey.bootstrap(seal.fingerprint()).await.map_err(|error| match error {
        wardkey::Error::SealMismatch => anyhow::anyhow!(
            "the database was made with another seal than {}: name the right one with --seal-file",
            config.seal_path().display()
        ),
        other => anyhow::Error::new(other).context("cannot set up the deployment"),
    })?;
    let endpoint = endpoint(&wardkey, &seal, &config, clock, Arc::clone(&random));
    // Before anybody is told that the server listens, and may tell it to stop.
    let stop = stop_signal()?;
    announce(&config, &wardkey, address, first, &*random);

    let pruning = tokio::spawn(prune(wardkey.clone()));
    http::serve(listener, Arc::new(endpoint), Patience::default(), stop).await;
    pruning.abort();
    if timeout(FLUSH_TIMEOUT, wardkey.leave()).await.is_err() {
        tracing::warn!("the last usage could not be reported in time");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Everything that is served: the API and its documentation, health, and the edge around them.
pub fn endpoint(
    wardkey: &Wardkey,
    seal: &Seal,
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> impl Endpoint<Output = Response> + 'static {
    let verifier = wardkey.verifier(&config.environment);
    let others = wardkey.clone();
    let guard = Guard::new(verifier.clone())
        // A digest of another environment was found there, so it is one that the deployment has.
        .with_other_environments(move |environment| Some(others.verifier(environment)))
        .with_trusted_proxies(config.proxies.clone().unwrap_or_default());
    let app = api::App {
        wardkey: wardkey.clone(),
        environment: config.environment.clone(),
        passwords: Passwords::new(Arc::clone(&random)),
        sessions: Sessions::new(wardkey, seal, config.public_url.as_deref(), Arc::clone(&clock), random),
        cursors: api::cursor::CursorKey::from_seal(&seal.purpose_key("cursors")),
        base_url: config.public_url.clone().unwrap_or_default(),
    };
    let api = api::endpoint(app, guard.clone());
    let routes = health::routes(Route::new(), wardkey.clone(), verifier).nest_no_strip("/", api);
    Edge::new(routes.map_to_response().boxed(), guard, &openapi::document(), REQUEST_TIMEOUT, clock)
}

/// The seal that was named, or in development the server's own.
fn find_seal(config: &Config, random: &dyn Random) -> anyhow::Result<Seal> {
    if config.seal_file.is_none() || matches!(config.database, Database::InDataDir(_)) {
        make_data_dir(config)?;
    }
    Ok(match &config.seal_file {
        Some(path) => Seal::read(path),
        None => Seal::read_or_create(&config.seal_path(), random),
    }?)
}

/// Makes the data folder.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    private_file::create_folder(&config.data_dir).with_context(|| {
        format!("cannot make the data folder {}: name another with --data-dir", config.data_dir.display())
    })
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| match address.port() {
        0 => format!("cannot listen on {address}"),
        _ => {
            format!("cannot listen on {address}: is another server there? Name another address with --listen")
        }
    })
}

async fn open(config: &Config, clock: &Arc<dyn Clock>, random: &Arc<dyn Random>) -> anyhow::Result<Wardkey> {
    let url = config.database.url();
    let migrated = Wardkey::migrate(url.expose()).await?;
    if !migrated.applied.is_empty() {
        tracing::info!(migrations = migrated.applied.join(", "), "brought the database's schema up to date");
    }
    let listen_url = config.database_listen_url.as_ref().map(|url| url.expose().to_owned());
    let database = OpenConfig { listen_url, ..OpenConfig::default() };
    let verifier = VerifierConfig {
        max_stale: config.max_stale,
        shared_limits: config.shared_limits.clone(),
        ..VerifierConfig::default()
    };
    Ok(Wardkey::open_with(url.expose(), database, verifier, Arc::clone(clock), Arc::clone(random)).await?)
}

/// Says where everything is, and on the first start how to begin.
fn announce(
    config: &Config,
    wardkey: &Wardkey,
    address: SocketAddr,
    first: Option<Bootstrapped>,
    random: &dyn Random,
) {
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    // Whoever closed standard error does not want to be told.
    let say = |text: &dyn Display| drop(write!(io::stderr(), "{text}"));
    if first.is_some() || config.log_format == LogFormat::Human {
        say(&Whereabouts { config, backend: wardkey.backend(), url: &url });
    }
    if let Some((first, secret)) =
        first.as_ref().and_then(|first| Some((first, first.operator_key.secret.as_ref()?)))
    {
        match Shown::place(secret, io::stderr().is_terminal(), config, random) {
            Ok(key) => say(&Beginning::new(config, first, key, &url)),
            Err(error) => tracing::error!(
                %error,
                flags = config.database_flags(),
                "the first operator key could not be written to the data folder and is lost; make another with \
                 `wardkey --local key issue --operator` and these flags"
            ),
        }
    }
    tracing::info!(%address, url, database = %config.database.url(), "listening");
}

/// Done when the process is told to stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in progress are finished, no new ones accepted");
    })
}

async fn prune(wardkey: Wardkey) {
    loop {
        if let Err(error) = wardkey.prune().await {
            tracing::warn!(cause = ?error, "what has passed its time could not be removed; trying again in an hour");
        }
        sleep(PRUNE_INTERVAL).await;
    }
}
