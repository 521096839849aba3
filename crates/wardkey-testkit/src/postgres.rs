//! A PostgreSQL server of a test's own: to be stopped, killed, frozen, shut to its users, and set back.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A PostgreSQL server in a temporary folder, reached at a port of its own on loopback. Everything blocks.
///
/// Its superuser is `postgres`, who needs no password. Whatever a test does with it, it is gone when this is dropped.
pub struct OwnPostgres {
    folder: TempDir,
    programs: PathBuf,
    account: Option<(u32, u32)>,
    port: u16,
}

/// A server's data as they were once.
pub struct Snapshot(PathBuf);

impl OwnPostgres {
    /// A server that is not started yet.
    ///
    /// # Panics
    /// Without PostgreSQL's programs; the message says what to install.
    #[expect(clippy::new_without_default, reason = "this runs programs")]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("wardkey-postgres-").expect("a temporary folder");
        let account = account_below_root(folder.path());
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).expect("root may give a folder away");
        }
        // Free a moment ago: whoever takes it meanwhile makes the start fail, loudly.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let server = Self { folder, programs: find_programs(), account, port };
        server.run("initdb", ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "data"]);
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the superuser's database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns when the server accepts connections. It waits for no disk.
    pub fn start(&self) {
        self.start_with(&["fsync=off"]);
    }

    /// The same with these settings alone, each like `max_connections=20`.
    pub fn start_with(&self, settings: &[&str]) {
        let mut options = format!("-p {} -h 127.0.0.1 -k {}", self.port, self.folder.path().display());
        for setting in settings {
            options = format!("{options} -c {setting}");
        }
        self.run("pg_ctl", ["start", "--pgdata=data", "--log=log", "--wait", "--options", &options]);
    }

    /// Breaks every connection, as a crash does.
    pub fn stop(&self) {
        self.run("pg_ctl", ["stop", "--pgdata=data", "--mode=immediate", "--wait"]);
    }

    /// Ends every process of the server by SIGKILL.
    pub fn kill(&self) {
        let killed = self.processes();
        self.signal("KILL");
        // As long as the system knows one of them, the next start takes the server to be running.
        let known = |id: &u32| Path::new(&format!("/proc/{id}")).exists();
        while killed.iter().any(known) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops every process of the server where it stands: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
        // One that was made in between.
        self.signal("STOP");
    }

    /// Lets the processes go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Says who may connect: the lines of `pg_hba.conf`, heeded by connections from now on.
    pub fn let_in(&self, lines: &[&str]) {
        fs::write(self.data().join("pg_hba.conf"), lines.join("\n") + "\n").expect("the server's own file");
        self.run("pg_ctl", ["reload", "--pgdata=data"]);
    }

    /// Copies the data of a server that is stopped.
    pub fn snapshot(&self) -> Snapshot {
        let snapshot = TempDir::with_prefix_in("snapshot-", self.folder.path()).expect("a folder").keep();
        if let Some((user, group)) = self.account {
            chown(&snapshot, Some(user), Some(group)).expect("root may give a folder away");
        }
        self.copy(&self.data(), &snapshot.join("data"));
        Snapshot(snapshot.join("data"))
    }

    /// Puts data of earlier in the place of those that a stopped server has.
    pub fn restore(&self, snapshot: &Snapshot) {
        fs::remove_dir_all(self.data()).expect("the data of a stopped server");
        self.copy(&snapshot.0, &self.data());
    }

    /// The ids of all processes of the server, the first of them first; none if it does not run.
    pub fn processes(&self) -> Vec<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let Some(first) = file.lines().next().and_then(|line| line.parse().ok()) else { return Vec::new() };
        let mut processes: Vec<_> = processes().into_iter().filter(|process| process.is_of(first)).collect();
        processes.sort_by_key(|process| process.id != first);
        // The file outlives a server that was killed, and its number may be another's by then.
        let command = |id| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        processes.retain(|process| command(process.id).starts_with("postgres"));
        processes.into_iter().map(|process| process.id).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn signal(&self, name: &str) {
        let ids: Vec<_> = self.processes().iter().map(u32::to_string).collect();
        if !ids.is_empty() {
            // One that has ended meanwhile needs no signal.
            let mut kill = Command::new("kill");
            kill.arg(format!("-{name}")).args(ids).stderr(Stdio::null());
            kill.status().expect("`kill` is everywhere");
        }
    }

    fn copy(&self, from: &Path, to: &Path) {
        let status = self.become_account(Command::new("cp").arg("-a").arg(from).arg(to)).status();
        assert!(status.is_ok_and(|status| status.success()), "the data are not copied");
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) {
        let status = self.command(program, arguments).status();
        let status = status.unwrap_or_else(|error| {
            panic!("cannot run PostgreSQL's {program} ({error}): install it or name its folder in {PROGRAMS}")
        });
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(status.success(), "{program}: {status}\n{}", log());
    }

    fn command<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments.into_iter().map(OsStr::new)).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.become_account(&mut command);
        command
    }

    fn become_account<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        // It may be stopped already; a folder is left behind at worst.
        self.thaw();
        self.command("pg_ctl", ["stop", "--pgdata=data", "--mode=immediate"]).status().ok();
    }
}

struct Process {
    id: u32,
    parent: u32,
}

impl Process {
    fn is_of(&self, first: u32) -> bool {
        self.id == first || self.parent == first
    }
}

/// Every process of this machine that is not over.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some(Process { id, parent })
    });
    processes.collect()
}

/// Names the folder with `initdb`, `pg_ctl` and `postgres`.
const PROGRAMS: &str = "WARDKEY_TEST_POSTGRES_BIN";

fn find_programs() -> PathBuf {
    if let Some(folder) = std::env::var_os(PROGRAMS) {
        return folder.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .max()
        .unwrap_or_else(|| {
            panic!("no PostgreSQL programs: install postgresql or name their folder in {PROGRAMS}")
        })
}

/// PostgreSQL refuses to run as root: whom to become instead.
fn account_below_root(own: &Path) -> Option<(u32, u32)> {
    let root = fs::metadata(own).expect("the temporary folder").uid() == 0;
    root.then(|| {
        let passwd = fs::read_to_string("/etc/passwd").expect("the accounts of this machine");
        let id_of = |name: &str| {
            let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:")))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some((fields.next()?.ok()?, fields.next()?.ok()?))
        };
        id_of("postgres").or_else(|| id_of("nobody")).expect("an account below root")
    })
}
