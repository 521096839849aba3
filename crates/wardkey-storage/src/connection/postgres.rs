//! PostgreSQL: a pool of connections, spoken in Rust, encrypted by rustls.

mod tls;

use std::time::Duration;

use deadpool::Runtime;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::SimpleAsyncConnection as _;
use diesel_async::pg::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt as _;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Pools;
use crate::{OpenConfig, OpenError};

/// How long a connection may be silent before the system asks whether the other side still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A PostgreSQL server and how to reach it.
#[derive(Clone)]
pub(crate) struct Postgres {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    statement_timeout: Duration,
}

impl Postgres {
    /// Reads a URL. `sslmode` is `disable`, `prefer` (the default: encrypted if the server can, its certificate not
    /// looked at), `require` (encrypted, its certificate not looked at) or `verify-full` (encrypted, its certificate
    /// checked against the system's roots or the file `sslrootcert`). What cannot be honoured is refused.
    pub(crate) fn new(url: &str, config: &OpenConfig) -> Result<Self, OpenError> {
        let (url, tls) = tls::split(url)?;
        let mut target: tokio_postgres::Config =
            url.parse().map_err(|error| OpenError::InvalidUrl { reason: causes(&error) })?;
        target.ssl_mode(tls.mode());
        if target.get_connect_timeout().is_none() {
            target.connect_timeout(config.connect_timeout);
        }
        if target.get_tcp_user_timeout().is_none() {
            target.tcp_user_timeout(config.statement_timeout);
        }
        target.keepalives_idle(target.get_keepalives_idle().min(KEEPALIVE));
        if target.get_application_name().is_none() {
            target.application_name("wardkey");
        }
        Ok(Self { config: target, tls: tls.connector()?, statement_timeout: config.statement_timeout })
    }

    pub(crate) fn pools(&self, config: &OpenConfig) -> Result<Pools, OpenError> {
        let server = self.clone();
        let mut manager = ManagerConfig::default();
        // Closed connections are noticed anyway; asking each time would cost a round trip.
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(move |_| {
            let server = server.clone();
            async move { server.connect().await }.boxed()
        });
        Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
            .max_size(config.max_connections.max(1))
            .wait_timeout(Some(config.connect_timeout))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map(Pools::Postgres)
            .map_err(|error| OpenError::Connect { source: error.into() })
    }

    /// A connection whose statements are limited in time, and whose transactions end should this process freeze.
    pub(crate) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let mut conn = self.connect_unlimited().await?;
        let statement = self.statement_timeout.as_millis().max(1);
        let idle = statement.saturating_mul(2);
        conn.batch_execute(&format!(
            "SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = {idle}"
        ))
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }

    /// A connection for migrations and for listening.
    pub(crate) async fn connect_unlimited(&self) -> ConnectionResult<AsyncPgConnection> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| ConnectionError::BadConnection(causes(&error)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

/// An error with all that is behind it: the client's own texts say little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
