//! Whoever asks a server: one connection, kept for as long as it holds.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::shell::process::Answer;

pub(super) struct Client {
    address: SocketAddr,
    key: String,
    stream: Option<TcpStream>,
}

/// What a server says of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    /// Refused, with this code.
    Refused(String),
    /// No decision, for now.
    Unavailable,
    /// Anything else; for one, the caller's own key is refused.
    Odd(String),
}

impl Verdict {
    pub(super) fn refused(code: &str) -> Self {
        Self::Refused(code.to_owned())
    }

    fn of(answer: &Answer) -> Self {
        let body = answer.json();
        match (answer.status, body["code"].as_str()) {
            (200, Some("granted")) => Self::Granted,
            (200, Some(code)) => Self::refused(code),
            (503, Some("verifier_unavailable" | "unavailable")) if answer.header("retry-after").is_some() => {
                Self::Unavailable
            }
            _ => Self::Odd(format!("{answer:?}")),
        }
    }
}

impl Client {
    /// Connects when there is something to send; everything is sent with this key.
    pub(super) fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned(), stream: None }
    }

    /// The whole answer, or nothing if the connection breaks before: half an answer acknowledges nothing. Without a body,
    /// that is null.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        self.call_if(method, path, None, body).await
    }

    /// The same, if the object is still of this version.
    pub(super) async fn call_if(
        &mut self,
        method: &str,
        path: &str,
        version: Option<&str>,
        body: &Value,
    ) -> Option<Answer> {
        self.send(method, path, version, body).await?;
        self.receive().await
    }

    /// What the server says of a secret that needs these permissions.
    pub(super) async fn verify(&mut self, secret: &str, permissions: &[&str]) -> Option<Verdict> {
        let body = json!({ "secret": secret, "permissions": permissions });
        self.call("POST", "/v1/verify", &body).await.map(|answer| Verdict::of(&answer))
    }

    /// Asks about a secret without waiting for the answer.
    pub(super) async fn ask(&mut self, secret: &str) -> Option<()> {
        self.send("POST", "/v1/verify", None, &json!({ "secret": secret })).await
    }

    /// The answer to what was asked.
    pub(super) async fn hear(&mut self) -> Option<Verdict> {
        self.receive().await.map(|answer| Verdict::of(&answer))
    }

    async fn send(&mut self, method: &str, path: &str, version: Option<&str>, body: &Value) -> Option<()> {
        let (key, body) = (&self.key, if body.is_null() { String::new() } else { body.to_string() });
        let if_match = version.map(|version| format!("If-Match: {version}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n{if_match}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            self.stream = Some(stream);
        }
        let sent = self.stream.as_mut()?.write_all(request.as_bytes()).await.ok();
        if sent.is_none() {
            self.stream = None;
        }
        sent
    }

    async fn receive(&mut self) -> Option<Answer> {
        let answer = Answer::read_whole(self.stream.as_mut()?).await;
        let closing = |answer: &Answer| answer.header("connection").is_some_and(|value| value == "close");
        if answer.as_ref().is_none_or(closing) {
            self.stream = None;
        }
        answer
    }
}
