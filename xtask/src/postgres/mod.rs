//! The PostgreSQL server that tests run against: found, or started and thrown away.

mod handshake;
mod throw_away;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use self::handshake::Answer;
use self::throw_away::Server;
use crate::{process, tools};

/// Names the server, as a URL of a database in which the tests may create others.
const URL: &str = "WARDKEY_TEST_POSTGRES_URL";
/// Names the folder with `initdb`, `pg_ctl` and `postgres`, for tests that start a server of their own.
const PROGRAMS: &str = "WARDKEY_TEST_POSTGRES_BIN";
/// How the tests name the databases they make.
const PREFIX: &str = "wardkey_test_";
const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 5432);

/// A server for tests; a throw-away one ends with it.
pub(crate) struct Postgres {
    url: String,
    programs: Option<PathBuf>,
    throw_away: Option<Server>,
}

impl Postgres {
    /// The server that the environment names; else one that lets us in on the default local port; else a throw-away
    /// one from installed programs; else the same after installing the package. Says which it is.
    pub(crate) fn find() -> Result<Self> {
        if let Ok(url) = env::var(URL) {
            println!("PostgreSQL: the server that {URL} names");
            return Ok(Self { url, programs: find_programs(), throw_away: None });
        }
        Self::find_at(LOCAL.into())
    }

    fn find_at(local: SocketAddr) -> Result<Self> {
        match handshake::greet(local) {
            Answer::Welcome => {
                println!("PostgreSQL: the server on {local}");
                let url = format!("postgres://postgres@{local}/postgres");
                return Ok(Self { url, programs: find_programs(), throw_away: None });
            }
            Answer::Refused(why) => println!("PostgreSQL: the server on {local} does not let us in ({why})"),
            Answer::Silence => {}
        }
        let programs = match find_programs() {
            Some(programs) => programs,
            None => {
                tools::install_packages("PostgreSQL", &["postgresql"])?;
                find_programs().context(
                    "postgresql is installed, yet initdb is neither in PATH nor in its usual folder",
                )?
            }
        };
        println!("PostgreSQL: a throw-away server from {}", programs.display());
        let server = Server::start(&programs)?;
        Ok(Self { url: server.url(), programs: Some(programs), throw_away: Some(server) })
    }

    /// Tells a test run where the server is, by the same variables that a person may set.
    pub(crate) fn lend_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(URL, &self.url);
        if let Some(programs) = &self.programs {
            command.env(PROGRAMS, programs);
        }
        command
    }

    /// Runs tests, then drops what databases they left behind: a test that was killed could not do so itself.
    pub(crate) fn watch<T>(&self, tests: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.throw_away.is_some() {
            return tests();
        }
        let Some(client) = self.client("psql").zip(self.client("dropdb")) else {
            println!(
                "PostgreSQL: without psql and dropdb nobody looks for databases that killed tests leave behind"
            );
            return tests();
        };
        let (psql, dropdb) = client;
        let before = self.test_databases(&psql)?;
        let result = tests();
        for name in self.test_databases(&psql)?.difference(&before) {
            println!("PostgreSQL: dropping {name}, which a test left behind");
            // One that is still in use belongs to somebody else's tests.
            if let Err(error) =
                process::run(Command::new(&dropdb).args(["--if-exists", "--maintenance-db", &self.url, name]))
            {
                println!("PostgreSQL: {name} stays: {error:#}");
            }
        }
        result
    }

    fn client(&self, name: &str) -> Option<PathBuf> {
        let installed = self.programs.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
        installed.or_else(|| process::find_program(name))
    }

    fn test_databases(&self, psql: &PathBuf) -> Result<BTreeSet<String>> {
        let list = ["--list", "--quiet", "--tuples-only", "--no-align", "--field-separator", "|"];
        let table = process::capture(Command::new(psql).args(list).arg("--dbname").arg(&self.url))?;
        let names = table.lines().filter_map(|line| line.split('|').next());
        Ok(names.filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect())
    }
}

/// The folder that holds `initdb`: named by the environment, in PATH, or where Debian puts the newest version.
fn find_programs() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(PROGRAMS) {
        return Some(folder.into());
    }
    if let Some(initdb) = process::find_program("initdb") {
        // A link into another folder has its companions there.
        return initdb.canonicalize().ok()?.parent().map(PathBuf::from);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").is_file())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or_default())?;
    Some(newest.path().join("bin"))
}

#[cfg(test)]
mod tests {
    use super::handshake::{Answer, greet};
    use super::{Command, Postgres, SocketAddr};
    use crate::process;

    #[test]
    fn where_nobody_answers_a_throw_away_server_does_and_is_gone_afterwards() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], process::free_port().unwrap()));
        assert!(matches!(greet(nobody), Answer::Silence));

        let postgres = Postgres::find_at(nobody).unwrap();
        let server = postgres.throw_away.as_ref().unwrap();
        let (address, folder) = (server.address(), server.folder().to_owned());
        assert!(matches!(greet(address), Answer::Welcome));
        assert_eq!(postgres.url, format!("postgres://postgres@{address}/postgres"));
        assert!(postgres.programs.as_ref().unwrap().join("pg_ctl").is_file());

        drop(postgres);
        assert!(matches!(greet(address), Answer::Silence));
        assert!(!folder.exists());
    }

    #[test]
    fn a_server_that_lets_us_in_is_used_as_it_is() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], process::free_port().unwrap()));
        let server = Postgres::find_at(nobody).unwrap();
        let address = server.throw_away.as_ref().unwrap().address();
        let found = Postgres::find_at(address).unwrap();
        assert!(found.throw_away.is_none());
        assert_eq!(found.url, server.url);
    }

    #[test]
    fn databases_that_tests_leave_behind_are_dropped_and_no_others() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], process::free_port().unwrap()));
        let server = Postgres::find_at(nobody).unwrap();
        let found = Postgres::find_at(server.throw_away.as_ref().unwrap().address()).unwrap();
        let psql = found.client("psql").unwrap();
        let create = |name: &str| {
            let mut createdb = Command::new(found.client("createdb").unwrap());
            process::run(createdb.args(["--maintenance-db", &found.url, name])).unwrap();
        };
        create("wardkey_test_of_somebody_else");
        found
            .watch(|| {
                create("wardkey_test_left_behind");
                assert_eq!(found.test_databases(&psql).unwrap().len(), 2);
                Ok(())
            })
            .unwrap();
        assert_eq!(found.test_databases(&psql).unwrap(), ["wardkey_test_of_somebody_else".to_owned()].into());
    }
}
