use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// A program that runs beside the test, and is killed with it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it without any setting from outside; what it says goes to a file.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: PathBuf) -> Self {
        let file = File::create(&log).expect("a file for the log");
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WARDKEY_"))
        {
            command.env_remove(name);
        }
        let child = command
            .args(arguments)
            .current_dir(log.parent().expect("the log lies in a folder"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the file twice"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        Self { child, log }
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The address at which it says that it listens.
    pub(crate) async fn url(&mut self) -> String {
        within(Duration::from_secs(60), "it listens", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status}:\n{}", self.log());
            }
            let log = self.log();
            let (_, after) = log.lines().find(|line| line.contains("listening"))?.split_once("http://")?;
            Some(format!("http://{}", after.split(['"', ' ']).next()?))
        })
        .await
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("`kill` is everywhere");
        assert!(sent.success());
        within(Duration::from_secs(20), "it ends", async || self.child.try_wait().ok().flatten()).await
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the program said")]
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Asks until there is an answer, and fails when there is none within the time that is promised.
pub(crate) async fn within<T>(promised: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut next = tokio::time::interval(Duration::from_millis(10));
        loop {
            next.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    match tokio::time::timeout(promised, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: not within {promised:?}"),
    }
}

/// The server's program, next to this package's own. A test of the whole workspace has built it; else it is built here,
/// if it is missing or older than what it is made of.
pub(crate) fn server() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let own = Path::new(env!("CARGO_BIN_EXE_axum-pipelines"));
        let program = own.with_file_name("wardkey");
        let built_at = fs::metadata(&program).and_then(|program| program.modified()).ok();
        if built_at.is_none_or(|built_at| MADE_OF.iter().any(|sources| newest(Path::new(sources)) > built_at))
        {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--package", "wardkey-server"]);
            build.args(own.parent().is_some_and(|folder| folder.ends_with("release")).then_some("--release"));
            assert!(build.status().expect("cargo runs").success(), "the server is not built");
        }
        program
    });
    &PROGRAM
}

/// What the server is made of.
const MADE_OF: [&str; 5] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wardkey-core/src"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wardkey-storage/src"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wardkey/src"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wardkey-poem/src"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wardkey-server/src"),
];

/// When anything in the folder was last changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let changed = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        if metadata.is_dir() { Some(newest(&entry.path())) } else { metadata.modified().ok() }
    });
    changed.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
