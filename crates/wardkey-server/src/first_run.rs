//! What a start says: where everything is, and on the very first one how to begin.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use wardkey::{Backend, Bootstrapped};
use wardkey_core::{OrganizationId, Random, Secret, ServiceAccountId, Timestamp};

use crate::config::Config;
use crate::private_file;
use crate::seal::quote;

/// The file for the first operator key, in the data folder.
const KEY_FILE: &str = "operator.key";

/// The file in the data folder in which the first of the two lines keeps its answer for the second.
const ANSWER_FILE: &str = "first-key.txt";

/// Where everything is.
pub(crate) struct Whereabouts<'a> {
    /// The settings.
    pub(crate) config: &'a Config,
    /// The kind of database.
    pub(crate) backend: Backend,
    /// The address by which to reach the server, without a slash at its end.
    pub(crate) url: &'a str,
}

impl fmt::Display for Whereabouts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, backend, url } = self;
        writeln!(f, "wardkey {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "  database  {backend}, {}", config.database.url())?;
        writeln!(f, "  API       {url}/v1")?;
        writeln!(f, "  docs      {url}/docs")?;
        writeln!(f, "  document  {url}/openapi.json")
    }
}

/// Where the operator key is to be found by the person who started the server.
pub(crate) enum Shown<'a> {
    /// On the terminal.
    Here(&'a Secret),
    /// In this file.
    In(PathBuf),
}

impl<'a> Shown<'a> {
    /// Shows the key on a terminal, and writes it to a file when whatever is written to may be kept by others.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn place(
        secret: &'a Secret,
        is_terminal: bool,
        config: &Config,
        random: &dyn Random,
    ) -> io::Result<Self> {
        if is_terminal {
            return Ok(Self::Here(secret));
        }
        private_file::create_folder(&config.data_dir)?;
        let path = std::path::absolute(config.data_dir.join(KEY_FILE))?;
        private_file::replace(&path, format!("{}\n", secret.expose()).as_bytes(), random)?;
        Ok(Self::In(path))
    }

    /// The key as it stands inside a double-quoted word of a shell.
    fn in_shell(&self) -> String {
        match self {
            Self::Here(secret) => secret.expose().to_owned(),
            Self::In(path) => format!("$(cat {})", quote(path)),
        }
    }
}

/// How to begin.
pub(crate) struct Beginning<'a> {
    /// Where the key is.
    pub(crate) key: Shown<'a>,
    /// When it ends.
    pub(crate) key_ends_at: Timestamp,
    /// The command that issues the next one.
    pub(crate) next_key: String,
    /// The server's address.
    pub(crate) url: &'a str,
    /// The folder for the answer.
    pub(crate) data_dir: &'a Path,
    /// The tenant to try things with.
    pub(crate) organization: OrganizationId,
    /// Its service account.
    pub(crate) service_account: ServiceAccountId,
}

impl<'a> Beginning<'a> {
    pub(crate) fn new(config: &'a Config, first: &Bootstrapped, key: Shown<'a>, url: &'a str) -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("wardkey"));
        Self {
            key,
            key_ends_at: first.operator_key.key.expires_at.unwrap_or(Timestamp::from_micros(i64::MAX)),
            next_key: format!("{} --local key issue --operator{}", quote(&program), config.database_flags()),
            url,
            data_dir: &config.data_dir,
            organization: first.demo_organization,
            service_account: first.demo_service_account,
        }
    }
}

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, key_ends_at, next_key, url, data_dir, organization, service_account } = self;
        writeln!(f, "\nThis is the first start. An organization named Demo is there to try things with.")?;
        match key {
            Shown::Here(secret) => {
                writeln!(
                    f,
                    "The operator key, shown only now and valid for 24 hours, until {key_ends_at}:\n"
                )?;
                writeln!(f, "  {}", secret.expose())?;
            }
            Shown::In(path) => {
                writeln!(f, "The operator key, valid for 24 hours, until {key_ends_at}, is in the file\n")?;
                writeln!(f, "  {}", path.display())?;
            }
        }
        writeln!(f, "\nMake the next one with\n\n  {next_key}\n")?;

        let answer = data_dir.join(ANSWER_FILE);
        let answer = quote(&std::path::absolute(&answer).unwrap_or(answer));
        let head = format!(
            "curl -sS -i -H \"Authorization: Bearer {}\" -H 'Content-Type: application/json'",
            key.in_shell()
        );
        let body = format!(
            r#"{{"name":"My first key","principal":{{"type":"service_account","id":"{service_account}"}},"permissions":["pipelines:read","pipelines:run"],"workspaces":{{"access":"all"}}}}"#
        );
        let secret = format!(r#"$(sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p' {answer})"#);
        writeln!(f, "Issue a key for the demo service account, and verify it:\n")?;
        writeln!(
            f,
            "  {head} -d '{body}' {url}/v1/organizations/{organization}/keys | (umask 077; tee {answer})\n"
        )?;
        writeln!(f, "  {head} -d \"{{\\\"secret\\\":\\\"{secret}\\\"}}\" {url}/v1/verify\n")?;
        writeln!(f, "The first line leaves the new key in {answer}; remove the file when you are done.")
    }
}

#[cfg(test)]
mod tests {
    use wardkey_core::testing::SeededRandom;
    use wardkey_core::{Id as _, SecretStart};

    use super::*;

    fn beginning(key: Shown<'_>) -> String {
        let beginning = Beginning {
            key,
            key_ends_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            next_key: "wardkey --local key issue --operator --data-dir /data".to_owned(),
            url: "http://127.0.0.1:8080",
            data_dir: Path::new("/my data"),
            organization: OrganizationId::from_bytes([1; 16]),
            service_account: ServiceAccountId::from_bytes([2; 16]),
        };
        beginning.to_string()
    }

    #[test]
    fn on_a_terminal_the_key_is_shown_and_pasted_lines_carry_it() {
        let secret = SecretStart::new("wk", "live").unwrap().generate(&SeededRandom::new(1));
        let text = beginning(Shown::Here(&secret));
        assert_eq!(text.matches(secret.expose()).count(), 3, "{text}");
        assert!(text.contains("| (umask 077; tee '/my data/first-key.txt')"), "{text}");
    }

    #[test]
    fn elsewhere_the_key_stays_in_its_file() {
        let text = beginning(Shown::In(PathBuf::from("/my data/operator.key")));
        assert!(!text.contains("wk_live_"), "{text}");
        assert_eq!(text.matches("Bearer $(cat '/my data/operator.key')\"").count(), 2, "{text}");
        let lines: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("curl ")).collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains("/v1/organizations/org_")
                && lines[1].ends_with("http://127.0.0.1:8080/v1/verify")
        );
    }
}
