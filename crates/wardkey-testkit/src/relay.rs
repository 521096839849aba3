//! A link between two processes that a test may cut, freeze, or thin out while it is in use.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The type byte of a `NotificationResponse` in PostgreSQL's protocol.
const NOTIFICATION: u8 = b'A';

/// What becomes of what is sent over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It arrives.
    Whole,
    /// It arrives, but for the notifications of PostgreSQL, as behind a pooler.
    WithoutNotifications,
    /// It is kept until the link is whole again; nobody is told.
    Frozen,
    /// Nothing: every connection is broken, new ones at once.
    Cut,
}

/// What is spoken over a link, as far as a relay must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes, passed on as they come.
    Any,
    /// PostgreSQL's, unencrypted (`sslmode=disable`): messages that can be told apart.
    Postgres,
}

/// A TCP relay on loopback: a link to a server. It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    link: Arc<watch::Sender<Link>>,
    withheld: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// A whole link to the server that listens there.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(server: SocketAddr, protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let link = Arc::new(watch::Sender::new(Link::Whole));
        let withheld = Arc::<AtomicU64>::default();
        let way = Way { server, protocol, link: link.subscribe(), withheld: Arc::clone(&withheld) };
        let accepting = tokio::spawn(accept(listener, way));
        Self { address, link, withheld, accepting }
    }

    /// Where to connect instead of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what becomes of what is sent from now on.
    pub fn switch(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// How many notifications were lost so far.
    pub fn withheld(&self) -> u64 {
        self.withheld.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Clone)]
struct Way {
    server: SocketAddr,
    protocol: Protocol,
    link: watch::Receiver<Link>,
    withheld: Arc<AtomicU64>,
}

/// Its connections end with it.
async fn accept(listener: TcpListener, way: Way) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // An error is a connection that has ended.
        connections.spawn(way.clone().pass(client));
        while connections.try_join_next().is_some() {}
    }
}

impl Way {
    async fn pass(self, client: TcpStream) -> io::Result<()> {
        let mut link = self.link.clone();
        tokio::select! {
            // The relay is gone, or the link is cut.
            _ = link.wait_for(|link| *link == Link::Cut) => Ok(()),
            passed = self.pass_both_ways(client) => passed,
        }
    }

    async fn pass_both_ways(mut self, client: TcpStream) -> io::Result<()> {
        thaw(&mut self.link).await;
        let server = TcpStream::connect(self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let back = self.clone();
        tokio::select! {
            passed = pass_bytes(from_client, to_server, self.link) => passed,
            passed = back.pass_answers(from_server, to_client) => passed,
        }
    }

    async fn pass_answers(self, from: OwnedReadHalf, to: OwnedWriteHalf) -> io::Result<()> {
        match self.protocol {
            Protocol::Any => pass_bytes(from, to, self.link).await,
            Protocol::Postgres => self.pass_messages(from, to).await,
        }
    }

    /// Passes on what a PostgreSQL server sends: a type byte, a length that counts itself, the rest.
    async fn pass_messages(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        loop {
            let kind = from.read_u8().await?;
            let length = from.read_u32().await?;
            let mut rest = vec![0; length.saturating_sub(4) as usize];
            from.read_exact(&mut rest).await?;
            let link = thaw(&mut self.link).await;
            if kind == NOTIFICATION && link == Link::WithoutNotifications {
                self.withheld.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let message = [&[kind][..], &length.to_be_bytes(), &rest].concat();
            to.write_all(&message).await?;
        }
    }
}

async fn pass_bytes(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        thaw(&mut link).await;
        to.write_all(&buffer[..read]).await?;
    }
}

/// Waits until the link is not frozen, and says what it is.
async fn thaw(link: &mut watch::Receiver<Link>) -> Link {
    // Without a relay there is no link.
    link.wait_for(|link| *link != Link::Frozen).await.map_or(Link::Cut, |link| *link)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A server that sends back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        address
    }

    async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        timeout(LONG, stream.read_exact(&mut bytes)).await.expect("it arrives").unwrap();
        bytes
    }

    async fn is_broken(stream: &mut TcpStream) -> bool {
        let ended = timeout(LONG, stream.read(&mut [0])).await.expect("it ends");
        ended.map_or(true, |read| read == 0)
    }

    #[tokio::test]
    async fn what_is_sent_over_a_frozen_link_arrives_when_it_is_whole_again() {
        let relay = Relay::to(echo().await, Protocol::Any).await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        stream.write_all(b"before").await.unwrap();
        assert_eq!(read(&mut stream, 6).await, b"before");

        relay.switch(Link::Frozen);
        stream.write_all(b"after").await.unwrap();
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        new.write_all(b"new").await.unwrap();
        let nothing = timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(nothing.is_err(), "{nothing:?}");

        relay.switch(Link::Whole);
        assert_eq!(read(&mut stream, 5).await, b"after");
        assert_eq!(read(&mut new, 3).await, b"new");
    }

    #[tokio::test]
    async fn a_cut_link_breaks_every_connection_and_takes_new_ones_when_it_is_whole_again() {
        let relay = Relay::to(echo().await, Protocol::Any).await;
        let mut old = TcpStream::connect(relay.address()).await.unwrap();
        old.write_all(b"x").await.unwrap();
        assert_eq!(read(&mut old, 1).await, b"x");

        relay.switch(Link::Cut);
        assert!(is_broken(&mut old).await);
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        assert!(is_broken(&mut new).await);

        relay.switch(Link::Whole);
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        new.write_all(b"y").await.unwrap();
        assert_eq!(read(&mut new, 1).await, b"y");
    }

    #[tokio::test]
    async fn notifications_are_lost_one_by_one_and_nothing_else_is() {
        let message = |kind: u8, text: &[u8]| [&[kind, 0, 0, 0, 4 + text.len() as u8], text].concat();
        let relay = Relay::to(echo().await, Protocol::Postgres).await;
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let all = [message(NOTIFICATION, b"first"), message(b'Z', b"I"), message(NOTIFICATION, b"")].concat();
        stream.write_all(&all).await.unwrap();
        assert_eq!(read(&mut stream, all.len()).await, all);
        assert_eq!(relay.withheld(), 0);

        relay.switch(Link::WithoutNotifications);
        let ready = message(b'Z', b"T");
        stream.write_all(&[&all[..], &ready].concat()).await.unwrap();
        assert_eq!(read(&mut stream, 12).await, [message(b'Z', b"I"), ready].concat());
        assert_eq!(relay.withheld(), 2);
    }
}
