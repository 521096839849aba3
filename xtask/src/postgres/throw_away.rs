//! A server of our own in a temporary folder, gone when dropped.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::handshake::{Answer, greet};
use crate::{process, tools};

/// Tests open many small pools at once.
const MAX_CONNECTIONS: &str = "max_connections=300";

#[derive(Debug)]
pub(super) struct Server {
    folder: TempDir,
    programs: PathBuf,
    account: Option<Account>,
    process: Child,
    address: SocketAddr,
}

impl Server {
    pub(super) fn start(programs: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("wardkey-postgres-").context("no temporary folder")?;
        let account = Account::below_root()?;
        if let Some(account) = &account {
            chown(folder.path(), Some(account.user), Some(account.group))?;
        }
        let run_as = |name: &str| command_as(&programs.join(name), account.as_ref(), folder.path());

        let initdb = run_as("initdb")
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--pgdata=data",
            ])
            .output()
            .context("cannot start initdb")?;
        if !initdb.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&initdb.stderr));
        }

        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()?));
        let log = fs::File::create(folder.path().join("log"))?;
        let process = run_as("postgres")
            .args(["-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", &address.port().to_string()])
            // Nothing here outlives the run, so nothing need survive a power loss.
            .args(["-c", "fsync=off", "-c", MAX_CONNECTIONS])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start postgres")?;
        let mut server = Self { folder, programs: programs.to_owned(), account, process, address };
        server.wait_for_welcome()?;
        Ok(server)
    }

    fn wait_for_welcome(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        let (process, address) = (&mut self.process, self.address);
        process::wait_until("PostgreSQL to accept connections", Duration::from_secs(60), || {
            if let Some(status) = process.try_wait()? {
                bail!("postgres ended with {status}: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            Ok(matches!(greet(address), Answer::Welcome))
        })
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    #[cfg(test)]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first, so that it takes its own children along and leaves no shared memory behind.
        let stopped = command_as(&self.programs.join("pg_ctl"), self.account.as_ref(), self.folder.path())
            .args(["stop", "--pgdata=data", "--mode=immediate", "--silent"])
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("PostgreSQL: the throw-away server did not stop when asked; killing it");
            self.process.kill().ok();
        }
        self.process.wait().ok();
    }
}

/// Whom to become, since `initdb` and `postgres` refuse to run as root.
#[derive(Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// `None` when we are not root and need not become anybody.
    fn below_root() -> Result<Option<Self>> {
        if !tools::is_root()? {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let account = Self::named("postgres", &passwd).or_else(|| Self::named("nobody", &passwd));
        account
            .map(Some)
            .context("PostgreSQL refuses to run as root, and neither user postgres nor nobody exists")
    }

    fn named(name: &str, passwd: &str) -> Option<Self> {
        let fields = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields[0] == name)?;
        Some(Self { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    }
}

/// A command that runs in `folder`, as `account` if there is one.
fn command_as(program: &Path, account: Option<&Account>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_is_found_by_its_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:103:106:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        let account = Account::named("postgres", passwd).unwrap();
        assert_eq!((account.user, account.group), (103, 106));
        assert!(Account::named("nobody", passwd).is_none());
    }
}
