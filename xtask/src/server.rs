//! A server of this working tree on a fresh SQLite database, for checks that need one running.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
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
        Ok(get(self.address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))
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
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The whole answer to a GET.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
