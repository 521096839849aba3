//! Running other programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// Makes the repository's root the current directory: every path in these chores is relative to it.
pub(crate) fn enter_root() -> Result<()> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in the repository's root")?;
    env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// A cargo call that finds what earlier calls have built.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(cargo_program());
    // `cargo run` describes xtask to its child in these; a build script that watches one would run again.
    for (name, _) in env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn cargo_program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The workspace as cargo sees it, all features on, dependencies resolved.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .cargo_path(cargo_program())
        .features(cargo_metadata::CargoOpt::AllFeatures)
        .exec()
        .context("cargo metadata failed")
}

/// Where cargo builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .cargo_path(cargo_program())
        .no_deps()
        .exec()
        .context("cargo metadata failed")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Prints the command, runs it to its end, and fails if it did.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", describe(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    ensure!(status.success(), "`{}` failed: {status}", describe(command));
    Ok(())
}

/// Runs a command and takes what it writes to standard output, which must be UTF-8; its errors go to ours.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", describe(command)))?;
    ensure!(output.status.success(), "`{}` failed: {}", describe(command), output.status);
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something else than UTF-8", describe(command)))
}

/// A command as a person would type it, without its environment: secrets travel there and are never printed.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Asks ten times a second until the answer is yes; fails after `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 0..=limit.as_millis() / PAUSE.as_millis() {
        if holds()? {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    bail!("waited {} s in vain for {what}", limit.as_secs())
}

/// The file of that name in one of the folders of PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A port of the loopback address that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
