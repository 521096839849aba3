//! Connections. poem's own server waits for ever for a client that says nothing, so the server has its own loop.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

/// How large the head of a request may be, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// How many connections are served at once; whoever comes next waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;

/// How long to pause when the process has no descriptor left for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How much of an answered request is still read, and for how long, so that the client gets to see the answer: closing
/// a socket with unread bytes makes the kernel throw away what was sent.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(1);

/// How patient the server is with connections.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long the head of a request may take, and a connection may idle between two requests.
    pub head: Duration,
    /// How long a client may leave its answer unread.
    pub write: Duration,
    /// How long requests in progress may take once the server is told to stop.
    pub drain: Duration,
}

impl Default for Patience {
    /// 75 seconds for a head, which is longer than proxies keep idle connections to reuse them, 30 for an unread
    /// answer, ten for the end.
    fn default() -> Self {
        let [head, write, drain] = [75, 30, 10].map(Duration::from_secs);
        Self { head, write, drain }
    }
}

/// Serves HTTP/1.1 until `stop` is done; then accepts nothing more, and waits for the requests in progress.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: Arc<E>,
    patience: Patience,
    stop: impl Future<Output = ()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let (stopping, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            (place, accepted) = accept(&listener, &places) => match accepted {
                Ok((stream, peer)) => {
                    let connection = serve_connection(stream, peer, Arc::clone(&endpoint), patience, told.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(patience.drain, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests in progress did not end in time and are cut off"
        );
    }
    connections.shutdown().await;
}

/// Accepts a connection once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(TcpStream, SocketAddr)>) {
    // The semaphore is never closed, so that there is always a place in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
}

/// Whether an error of `accept` concerns a connection that is gone already, and no other.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve_connection<E>(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Arc<E>,
    patience: Patience,
    mut told: watch::Receiver<bool>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    // Both fail only on a connection that is gone.
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);

    let used = Arc::new(AtomicBool::new(false));
    let first_request = Arc::clone(&used);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        first_request.store(true, Ordering::Relaxed);
        let endpoint = Arc::clone(&endpoint);
        Box::pin(async move {
            let local = LocalAddr(Addr::SocketAddr(local));
            let peer = RemoteAddr(Addr::SocketAddr(peer));
            let response = endpoint.get_response(Request::from((request, local, peer, Scheme::HTTP))).await;
            Ok::<hyper::Response<_>, Infallible>(response.into())
        })
    });
    // The time for a head begins when the last answer is out, so it bounds idle connections as well.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(ImpatientWriter::new(stream, patience.write)), service);

    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
        () = wait_until_told(&mut told) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        // hyper would wait for a first request to answer.
        None if !used.load(Ordering::Relaxed) => return,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    let stream = connection.into_parts().io.into_inner().stream;
    tokio::select! {
        () = linger(stream) => {}
        () = wait_until_told(&mut told) => {}
    }
}

/// Done when the server is stopping.
async fn wait_until_told(told: &mut watch::Receiver<bool>) {
    // The sender lives as long as connections are served.
    let _ = told.wait_for(|stopping| *stopping).await;
}

/// Says that nothing more will come, and lets the client finish what it is sending.
async fn linger(mut stream: TcpStream) {
    let discard = async {
        stream.shutdown().await?;
        let mut left = LINGER_BYTES;
        let mut buffer = [0; 8 * 1024];
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // Whether it worked is the client's concern alone.
    let _ = timeout(LINGER_TIME, discard).await;
}

/// A connection that breaks when its other end does not take what is written for too long. hyper limits how long a head
/// may take, and not how long an answer may stay unread.
struct ImpatientWriter {
    stream: TcpStream,
    limit: Duration,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl ImpatientWriter {
    fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, deadline: None }
    }

    fn limit<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for ImpatientWriter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ImpatientWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limit(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.limit(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
