//! A PostgreSQL server of a test's own, to be stopped and started.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) struct OwnPostgres {
    folder: TempDir,
    programs: PathBuf,
    account: Option<(u32, u32)>,
    port: u16,
}

impl OwnPostgres {
    /// A server in a temporary folder; it is not started yet.
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("wardkey-postgres-").unwrap();
        let account = account_below_root(&folder);
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        // Free a moment ago: whoever takes it meanwhile makes the start fail, loudly.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs: find_programs(), account, port };
        server.run("initdb", ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "data"]);
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns when the server accepts connections.
    pub(crate) fn start(&self) {
        let options =
            format!("-p {} -h 127.0.0.1 -k {} -c fsync=off", self.port, self.folder.path().display());
        self.run("pg_ctl", ["start", "--pgdata=data", "--log=log", "--wait", "--options", &options]);
    }

    /// Breaks every connection, as a crash does.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", ["stop", "--pgdata=data", "--mode=immediate", "--wait"]);
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) {
        let status = self.command(program, arguments).status();
        let status = status.unwrap_or_else(|error| {
            panic!("cannot run PostgreSQL's {program} ({error}): install it or name its folder in {PROGRAMS}")
        });
        assert!(status.success(), "{program}: {status}");
    }

    fn command<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments.into_iter().map(OsStr::new)).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        // It may be stopped already; a folder is left behind at worst.
        self.command("pg_ctl", ["stop", "--pgdata=data", "--mode=immediate"]).status().ok();
    }
}

/// Names the folder with `initdb`, `pg_ctl` and `postgres`.
const PROGRAMS: &str = "WARDKEY_TEST_POSTGRES_BIN";

fn find_programs() -> PathBuf {
    if let Some(folder) = std::env::var_os(PROGRAMS) {
        return folder.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .max()
        .unwrap_or_else(|| {
            panic!("no PostgreSQL programs: install postgresql or name their folder in {PROGRAMS}")
        })
}

/// PostgreSQL refuses to run as root: whom to become instead.
fn account_below_root(own: &TempDir) -> Option<(u32, u32)> {
    let root = std::fs::metadata(own.path()).unwrap().uid() == 0;
    root.then(|| {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let id_of = |name: &str| {
            let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:")))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some((fields.next()?.ok()?, fields.next()?.ok()?))
        };
        id_of("postgres").or_else(|| id_of("nobody")).expect("an account below root")
    })
}
