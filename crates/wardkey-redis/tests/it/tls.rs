//! A connection that nobody listens to.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use wardkey_core::{Clock as _, SharedLimiter as _};
use wardkey_redis::RedisLimiter;

use crate::server::{Server, clock, key, limits};

/// Tells this test, started anew, where the server is. The authorities that a process trusts are a variable of its own.
const PORT: &str = "WARDKEY_TEST_REDIS_TLS_PORT";

/// The limiter's answer, or what it holds against the server, when connecting has come that far.
#[expect(clippy::disallowed_methods, reason = "waits for another process, which has no fixed clock")]
async fn ask(host: &str, port: &str) -> Result<(), String> {
    let clock = clock();
    let url = format!("rediss://{host}:{port}");
    let node = RedisLimiter::with_clock(&url, Arc::new(clock.clone())).unwrap();
    let started = std::time::Instant::now();
    loop {
        match node.charge(key(1), &limits(&[("a", 100, 1)])).await {
            Ok(_) => return Ok(()),
            Err(error) if error.chain().contains("certificate") => return Err(error.chain()),
            Err(error) if started.elapsed() > Duration::from_secs(30) => panic!("{}", error.chain()),
            Err(_) => tokio::task::yield_now().await,
        }
        // A pause of the clock ends with a second of the world, in which a connection is made.
        clock.advance(started.elapsed().saturating_sub(clock.monotonic()));
    }
}

/// A certificate for `localhost`, from an authority made for this test and thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_spoken_to_if_it_proves_who_it_is_and_no_other_is() {
    if let Ok(port) = std::env::var(PORT) {
        assert_eq!(ask("localhost", &port).await, Ok(()), "an authority that is trusted");
        let other_name = ask("127.0.0.1", &port).await.unwrap_err();
        assert!(other_name.contains("not valid for"), "{other_name}");
        return;
    }
    let server = Server::start_with_tls();
    let port = server.port().to_string();
    assert!(
        ask("localhost", &port).await.unwrap_err().contains("UnknownIssuer"),
        "an authority that nobody knows"
    );
    let this = "tls::a_server_is_spoken_to_if_it_proves_who_it_is_and_no_other_is";
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(PORT, &port)
        .env("SSL_CERT_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/authority.pem"))
        .status();
    assert!(again.unwrap().success());
}
