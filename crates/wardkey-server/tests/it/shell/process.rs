//! The binary as a process, with an eye on what it says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::database::Database;

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(60);

/// The binary with these arguments, in the database's folder, on a free port unless they say where, with nothing of the
/// surroundings' settings.
pub(crate) fn command(database: &Database, arguments: &[&str]) -> Command {
    let flags = database.flags();
    let all: Vec<_> = flags.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    command_in(database.folder(), &all)
}

/// The same in any folder.
pub(crate) fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardkey"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARDKEY_") {
            command.env_remove(name);
        }
    }
    // Whoever tests may have a server at the usual address.
    command.env("WARDKEY_LISTEN", "127.0.0.1:0");
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) async fn run(database: &Database, arguments: &[&str]) -> Output {
    let ended = command(database, arguments).kill_on_drop(true).output();
    timeout(DEADLINE, ended).await.expect("the command ends").unwrap()
}

/// What a command that must fail says.
pub(crate) async fn complaint(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, arguments).await;
    assert!(!output.status.success(), "{output:?}");
    text(&output.stderr)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    said: watch::Receiver<String>,
    pub(crate) address: SocketAddr,
    pub(crate) data_dir: PathBuf,
}

impl Server {
    /// Starts a server on a free port, with these further arguments, and waits until it listens.
    pub(crate) async fn start(database: &Database, arguments: &[&str]) -> Self {
        let command = command(database, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        Self::spawn(database.folder(), command).await
    }

    /// Starts a server in this folder, by a command of one's own.
    pub(crate) async fn spawn(folder: &Path, mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = listen(child.stderr.take().unwrap());
        let listens = |said: &String| address(said).is_some();
        let listening = timeout(DEADLINE, said.wait_for(listens)).await.map(|heard| heard.is_ok());
        assert_eq!(listening, Ok(true), "the server does not start: {}", *said.borrow());
        let address = address(&said.borrow()).unwrap();
        Self { child, said, address, data_dir: folder.join("wardkey-data") }
    }

    /// What the server has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Waits until the server says this.
    pub(crate) async fn wait_for(&mut self, words: &str) {
        let heard = timeout(DEADLINE, self.said.wait_for(|said| said.contains(words))).await;
        let heard = heard.is_ok_and(|heard| heard.is_ok());
        assert!(heard, "the server never says {words:?} but: {}", self.said());
    }

    /// The operator key of the first start.
    pub(crate) fn operator_key(&self) -> String {
        fs::read_to_string(self.data_dir.join("operator.key")).unwrap().trim_end().to_owned()
    }

    /// How much memory the server has in use, in MiB.
    pub(crate) fn resident_mib(&self) -> usize {
        let id = self.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<usize>().unwrap() / 1024
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Stops the process where it stands: it keeps its connections and does nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen process go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    fn signal(&self, name: &str) {
        let (signal, id) = (format!("-{name}"), self.id().to_string());
        let sent = std::process::Command::new("kill").args([signal, id]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends the server at once, by SIGKILL: it finishes nothing.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the end, and returns it with all that was said.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = timeout(DEADLINE, self.child.wait()).await.expect("the server ends").unwrap();
        // The other end of the pipe is gone, so its reader ends.
        while self.said.changed().await.is_ok() {}
        let said = self.said();
        (status, said)
    }

    /// Stops the server in good order.
    pub(crate) async fn stop(self) -> String {
        self.terminate();
        let (status, said) = self.ended().await;
        assert!(status.success(), "{said}");
        said
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends one request as it is and reads the answer.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect().await;
        // A server that answers early may stop to read.
        let _ = stream.write_all(request.as_ref()).await;
        Answer::read(&mut stream).await
    }

    /// Sends a request with a JSON body and the operator key, and closes.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call_as(&self.operator_key(), method, path, body).await
    }

    /// The same with another key.
    pub(crate) async fn call_as(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
        .await
    }

    /// The path of the organization Demo.
    pub(crate) async fn demo(&self) -> String {
        let organizations = self.call("GET", "/v1/organizations", "").await.json();
        let items = organizations["items"].as_array().unwrap();
        let demo = items.iter().find(|organization| organization["name"] == "Demo").unwrap();
        format!("/v1/organizations/{}", demo["id"].as_str().unwrap())
    }

    /// Issues a key for the demo service account, and returns the answer.
    pub(crate) async fn issue(&self, permissions: &str) -> Answer {
        let demo = self.demo().await;
        let accounts = self.call("GET", &format!("{demo}/service-accounts"), "").await.json();
        let id = accounts["items"][0]["id"].as_str().unwrap();
        let body = format!(
            r#"{{"name": "test", "principal": {{"type": "service_account", "id": "{id}"}}, "permissions": {permissions}, "workspaces": {{"access": "all"}}}}"#
        );
        self.call("POST", &format!("{demo}/keys"), &body).await
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one answer, whose body has a declared length or goes on to the end of the connection.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let answer = text(&Self::receive(stream).await);
        Self::parse(&answer).unwrap_or_else(|| panic!("no answer: {answer:?}"))
    }

    /// The same on a connection that may break: nothing if it ends before the answer does.
    pub(crate) async fn read_whole(stream: &mut TcpStream) -> Option<Self> {
        let bytes = Self::receive(stream).await;
        is_whole(&bytes).then(|| Self::parse(&text(&bytes))).flatten()
    }

    async fn receive(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let all = async {
            let mut buffer = [0; 4096];
            while !is_whole(&bytes) {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                }
            }
        };
        timeout(DEADLINE, all).await.expect("the server answers");
        bytes
    }

    fn parse(answer: &str) -> Option<Self> {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.get(9..12)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.starts_with("http/1.1 204") {
        return true;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() >= end + 4 + length)
}

/// Collects what is said until the other side is gone.
fn listen(pipe: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, said) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|said| {
                said.push_str(&line);
                said.push('\n');
            });
        }
    });
    said
}

/// Where a server listens that said so.
fn address(said: &str) -> Option<SocketAddr> {
    let line = said.lines().find(|line| line.contains("listening"))?;
    let after = line.split("address=").nth(1).or_else(|| line.split("\"address\":\"").nth(1))?;
    after.split([' ', '"']).next()?.parse().ok()
}

/// The files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}
