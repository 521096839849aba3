//! A server to walk on, and short ways to ask it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// From where a page asks, as browsers say it of every request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A server that was started for the walk, on a database that goes when it ends.
pub(crate) struct Server {
    _process: Child,
    folder: TempDir,
    pub(crate) url: String,
}

impl Server {
    /// Starts the binary on a port that is free, with nothing but its defaults.
    pub(crate) async fn start(program: &Path) -> Result<Self> {
        let folder = TempDir::new()?;
        let log = folder.path().join("log");
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WARDKEY_"))
        {
            command.env_remove(name);
        }
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start: build it with `cargo build`", program.display()))?;
        for _ in 0..600 {
            let said = std::fs::read_to_string(&log)?;
            let address = said
                .lines()
                .find(|line| line.contains("listening"))
                .and_then(|line| line.split_once("http://")?.1.split([' ', '"']).next());
            if let Some(address) = address {
                return Ok(Self { _process: process, url: format!("http://{address}"), folder });
            }
            if let Some(status) = process.try_wait()? {
                bail!("the server ended with {status}:\n{said}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the server does not listen after a minute")
    }

    /// The key that the first start leaves for its operator.
    pub(crate) fn operator_key(&self) -> Result<String> {
        let key = std::fs::read_to_string(self.folder.path().join("data/operator.key"))?;
        Ok(key.trim().to_owned())
    }
}

/// Whoever asks: a program with its key, a person in a browser, or somebody who has neither yet.
pub(crate) struct Api {
    client: Client,
    url: String,
    headers: HeaderMap,
}

impl Api {
    /// A program.
    pub(crate) fn with_key(url: &str, key: &str) -> Result<Self> {
        Self::new(url, AUTHORIZATION, &format!("Bearer {key}"))
    }

    /// A browser on one of the server's own pages, which is what it says of itself.
    pub(crate) fn browser(url: &str) -> Result<Self> {
        Self::new(url, SEC_FETCH_SITE, "same-origin")
    }

    fn new(url: &str, name: HeaderName, value: &str) -> Result<Self> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value)?)]);
        Ok(Self { client: Client::new(), url: url.to_owned(), headers })
    }

    /// Logs in, and keeps the cookies that the answer sets.
    pub(crate) async fn log_in(&mut self, email: &str, password: &str) -> Result<()> {
        let body = json!({ "email": email, "password": password });
        let answer = self.send(Method::POST, "/v1/sessions", Some(&body)).await?;
        let status = answer.status();
        ensure!(status == StatusCode::CREATED, "logging in as {email} is answered {status}");
        let cookies = answer.headers().get_all(SET_COOKIE).iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookies = HeaderValue::from_str(&cookies.collect::<Vec<_>>().join("; "))?;
        self.headers.insert(COOKIE, cookies);
        Ok(())
    }

    /// Asks, and fails unless the answer has this status. An answer without a body is `null`.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        status: u16,
    ) -> Result<Value> {
        let answer = self.send(method.clone(), path, body.as_ref()).await?;
        let got = answer.status().as_u16();
        let text = answer.text().await?;
        ensure!(got == status, "{method} {path} answers {got}, not {status}: {text}");
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.send().await?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None, 200).await
    }

    /// Makes something.
    pub(crate) async fn create(&self, path: &str, body: Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body), 201).await
    }
}
