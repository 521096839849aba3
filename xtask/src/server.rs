//! A server of this working tree on a fresh SQLite database, for checks that need one running.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::process;

/// A running server; it ends, and its data goes, when this is dropped.
pub(crate) struct Server {
    folder: TempDir,
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Builds the server and starts it; returns when it says that it is ready.
    pub(crate) fn start() -> Result<Self> {
        process::run(process::cargo().args(["build", "--package", "wardkey-server"]))?;
        let program = process::target_directory()?.join("debug/wardkey");

        let folder = TempDir::with_prefix("wardkey-server-").context("no temporary folder")?;
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()?));
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WARDKEY_")) {
            command.env_remove(name);
        }
        let process = command
            .args(["serve", "--listen", &address.to_string(), "--data-dir", "data"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start `{}`", process::describe(&command)))?;
        let mut server = Self { folder, process, address };
        process::wait_until("the server to be ready", Duration::from_secs(60), || server.is_ready())?;
        Ok(server)
    }

    fn is_ready(&mut self) -> Result<bool> {
        if let Some(status) = self.process.try_wait()? {
            bail!("the server ended with {status}:\n{}", self.log());
        }
        Ok(exchange(self.address, "GET", "/readyz", "", "").is_ok_and(|answer| is_ok(&answer)))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The key that a first start leaves for its operator.
    pub(crate) fn operator_key(&self) -> Result<String> {
        let path: PathBuf = self.folder.path().join("data/operator.key");
        let key = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(key.trim().to_owned())
    }

    /// The items of a list, as the bearer of `key` sees it.
    pub(crate) fn list(&self, path: &str, key: &str) -> Result<Vec<Value>> {
        let mut page = self.ask("GET", path, key, None)?;
        serde_json::from_value(page["items"].take()).with_context(|| format!("GET {path} is no list"))
    }

    /// What the server answers to this body, as the bearer of `key`.
    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        self.ask("POST", path, key, Some(body))
    }

    fn ask(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let headers = format!("Authorization: Bearer {key}\r\n{kind}Content-Length: {}\r\n", body.len());
        let answer = exchange(self.address, method, path, &headers, &body)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        ensure!(is_ok(head), "{method} {path}: {answer}");
        serde_json::from_str(body).with_context(|| format!("{method} {path}: {body}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The whole answer to a request. HTTP 1.0, so that its body comes in one piece.
fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ok(answer: &str) -> bool {
    answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2'))
}
