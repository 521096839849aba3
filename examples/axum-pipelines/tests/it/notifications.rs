//! A way to PostgreSQL on which its notifications are lost, as behind a pooler.

use std::net::SocketAddr;

use tokio::net::lookup_host;
use tokio_postgres::config::Host;
use wardkey_testkit::{Link, Protocol, Relay};

/// A database as it is reached without notifications.
pub(crate) struct Quiet {
    pub(crate) url: String,
    relay: Relay,
}

impl Quiet {
    /// How many notifications were lost.
    pub(crate) fn withheld(&self) -> u64 {
        self.relay.withheld()
    }
}

/// Opens such a way to the database.
pub(crate) async fn cut(url: &str) -> Quiet {
    let relay = Relay::to(address(url).await, Protocol::Postgres).await;
    relay.switch(Link::WithoutNotifications);
    let (_, after_host) = url.rsplit_once('/').expect("a database URL");
    let (before_host, _) = url.rsplit_once('@').expect("a database URL with a user");
    // Encrypted, nobody in between could tell a notification.
    let option = if after_host.contains('?') { '&' } else { '?' };
    let url = format!("{before_host}@{}/{after_host}{option}sslmode=disable", relay.address());
    Quiet { url, relay }
}

async fn address(url: &str) -> SocketAddr {
    let config: tokio_postgres::Config = url.parse().expect("a database URL");
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("{url} is not reached by TCP") };
    lookup_host((host.as_str(), port)).await.expect("a known host").next().expect("an address")
}
