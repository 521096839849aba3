use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wardkey_core::testing::{FixedClock, SeededRandom, TestKeys};
use wardkey_core::{Clock as _, KeyId, RateLimit, RateLimits};
use wardkey_redis::RedisLimiter;

/// A Redis on a socket of its own, without a port, gone with the test.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_by(0, &[])
    }

    /// The same with a port, too, that takes connections by TLS.
    pub(crate) fn start_with_tls() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let file = |name: &str| format!("{}/tests/it/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("authority.pem"));
        let files =
            ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority];
        let open =
            ["--tls-auth-clients", "no", "--bind", "127.0.0.1", "-::1", "--tls-port", &port.to_string()];
        Self::start_by(port, &[&files[..], &open].concat())
    }

    fn start_by(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = run(&folder, arguments);
        let server = Self { folder, process, port };
        server.wait_until_it_answers();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Without `kill -9` it would remove the socket, and whoever connects in between would hear something else.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = run(&self.folder, &[]);
        self.wait_until_it_answers();
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Asks the server itself.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut asked = redis::cmd(command[0]);
        command[1..].iter().for_each(|word| {
            asked.arg(word);
        });
        asked.query(&mut connection).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// A node of its own, with its own connection. The clock is that of its pauses.
    pub(crate) fn node(&self, clock: &FixedClock) -> RedisLimiter {
        RedisLimiter::with_clock(&self.url(), Arc::new(clock.clone())).unwrap()
    }

    fn wait_until_it_answers(&self) {
        wait_until("redis-server answers", || {
            let client = redis::Client::open(self.url()).unwrap();
            let pong = client.get_connection().and_then(|mut on| redis::cmd("PING").query::<String>(&mut on));
            pong.is_ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(folder: &tempfile::TempDir, arguments: &[&str]) -> Child {
    let socket = folder.path().join("redis.sock");
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket)
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests start servers of their own: install redis-server, on Debian by `apt-get install redis-server`")
}

/// Waits for the condition, with a deadline.
#[expect(clippy::disallowed_methods, reason = "waits for another process, which has no fixed clock")]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited too long until {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn clock() -> FixedClock {
    FixedClock::new(TestKeys::NOW.parse().unwrap())
}

pub(crate) fn key(seed: u64) -> KeyId {
    KeyId::mint(clock().now(), &SeededRandom::new(seed))
}

pub(crate) fn limits(list: &[(&str, u32, u32)]) -> RateLimits {
    let limits = list.iter().map(|(name, limit, window)| RateLimit::new(name, *limit, *window).unwrap());
    RateLimits::new(limits.collect()).unwrap()
}
