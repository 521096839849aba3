//! A way to PostgreSQL on which its notifications are lost, as behind a pooler.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::config::Host;

/// The type byte of a `NotificationResponse` in PostgreSQL's protocol.
const NOTIFICATION: u8 = b'A';

/// A database as it is reached without notifications.
pub(crate) struct Quiet {
    pub(crate) url: String,
    withheld: Arc<AtomicU64>,
}

impl Quiet {
    /// How many notifications were lost.
    pub(crate) fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }
}

/// Opens such a way to the database; it is there for as long as the test runs.
pub(crate) async fn cut(url: &str) -> Quiet {
    let config: tokio_postgres::Config = url.parse().expect("a database URL");
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("{url} is not reached by TCP") };
    let server = (host.clone(), port);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let (_, after_host) = url.rsplit_once('/').expect("a database URL");
    let (before_host, _) = url.rsplit_once('@').expect("a database URL with a user");
    // Encrypted, nobody in between could tell a notification.
    let option = if after_host.contains('?') { '&' } else { '?' };
    let url = format!("{before_host}@{address}/{after_host}{option}sslmode=disable");

    let withheld = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&withheld);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, counter) = (server.clone(), Arc::clone(&counter));
            // An error is a connection that has ended.
            tokio::spawn(async move { pass(client, TcpStream::connect(server).await?, &counter).await });
        }
    });
    Quiet { url, withheld }
}

async fn pass(client: TcpStream, server: TcpStream, withheld: &AtomicU64) -> io::Result<()> {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        copied = tokio::io::copy(&mut from_client, &mut to_server) => copied.map(drop),
        passed = pass_messages(from_server, to_client, withheld) => passed,
    }
}

/// Passes on what the server sends, message by message: a type byte, a length that counts itself, the rest.
async fn pass_messages(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    withheld: &AtomicU64,
) -> io::Result<()> {
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut rest = vec![0; length.saturating_sub(4) as usize];
        from.read_exact(&mut rest).await?;
        if kind == NOTIFICATION {
            withheld.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let message = [&[kind][..], &length.to_be_bytes(), &rest].concat();
        to.write_all(&message).await?;
    }
}
