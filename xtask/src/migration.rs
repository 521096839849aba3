//! `migration new` and `migration check`: every schema change exists twice, once per dialect, and can be taken back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use clap::Subcommand;

use crate::postgres::Postgres;
use crate::test;

const MIGRATIONS: &str = "migrations";
const DIALECTS: [&str; 2] = ["postgres", "sqlite"];
const DIRECTIONS: [&str; 2] = ["up.sql", "down.sql"];
const TIMESTAMP: &str = "%Y-%m-%d-%H%M%S";

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make the empty files of a new migration, for both dialects.
    New {
        /// What it does, in snake_case, such as `create_teams`.
        #[arg(value_parser = parse_name)]
        name: String,
    },
    /// Run every migration up, down and up on both databases, and compare what they make: tables, columns, nullability,
    /// indexes.
    Check,
}

pub(crate) fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::New { name } => {
            for path in create(Path::new(MIGRATIONS), &name, now())? {
                println!("{}", path.display());
            }
            Ok(())
        }
        Verb::Check => check(&Postgres::find()?),
    }
}

#[expect(clippy::disallowed_methods, reason = "the instant at which a person makes a migration is its name")]
pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

pub(crate) fn check(postgres: &Postgres) -> Result<()> {
    let faults = faults(Path::new(MIGRATIONS))?;
    for fault in &faults {
        println!("migration: {fault}");
    }
    ensure!(faults.is_empty(), "{} faults in {MIGRATIONS}/, listed above", faults.len());
    // What only a database can tell stands with storage, the one room that knows SQL.
    test::run_named(postgres, "wardkey-storage", "migrations::")
}

fn parse_name(name: &str) -> Result<String, String> {
    let snake_case = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if snake_case { Ok(name.to_owned()) } else { Err("a name is snake_case".to_owned()) }
}

fn create(migrations: &Path, name: &str, now: DateTime<Utc>) -> Result<Vec<PathBuf>> {
    let folder = format!("{}_{name}", now.format(TIMESTAMP));
    let mut paths = Vec::new();
    for dialect in DIALECTS {
        let folder = migrations.join(dialect).join(&folder);
        fs::create_dir_all(migrations.join(dialect))?;
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for direction in DIRECTIONS {
            let path = folder.join(direction);
            fs::write(&path, "")?;
            paths.push(path);
        }
    }
    Ok(paths)
}

/// What the folders alone show to be wrong.
fn faults(migrations: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut dialects_by_name = BTreeMap::<String, Vec<&str>>::new();
    for dialect in DIALECTS {
        let folder = migrations.join(dialect);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !is_well_named(&name) {
                faults.push(format!("{}: not named <YYYY-MM-DD-HHMMSS>_<snake_case>", path.display()));
            }
            for direction in DIRECTIONS {
                let file = path.join(direction);
                if fs::read_to_string(&file).unwrap_or_default().trim().is_empty() {
                    faults.push(format!("{}: missing or empty", file.display()));
                }
            }
            dialects_by_name.entry(name).or_default().push(dialect);
        }
    }
    if dialects_by_name.is_empty() {
        faults.push("there are no migrations".to_owned());
    }
    for (name, dialects) in dialects_by_name {
        if dialects.len() < DIALECTS.len() {
            faults.push(format!("{name}: exists for {} alone", dialects.join(", ")));
        }
    }
    Ok(faults)
}

fn is_well_named(folder: &str) -> bool {
    let Some((timestamp, name)) = folder.split_once('_') else { return false };
    // Written back, so that an unpadded number, which would sort wrongly, is refused.
    let parsed = NaiveDateTime::parse_from_str(timestamp, TIMESTAMP);
    parsed.is_ok_and(|instant| instant.format(TIMESTAMP).to_string() == timestamp) && parse_name(name).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{create, faults, parse_name};

    fn fill(migrations: &Path, name: &str, at: &str) {
        for path in create(migrations, name, at.parse().unwrap()).unwrap() {
            fs::write(path, "SELECT 1;").unwrap();
        }
    }

    #[test]
    fn a_new_migration_has_both_directions_in_both_dialects() {
        let folder = tempfile::tempdir().unwrap();
        let paths = create(folder.path(), "create_teams", "2026-11-20T09:05:07Z".parse().unwrap()).unwrap();
        let shown = paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap());
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "postgres/2026-11-20-090507_create_teams/up.sql",
                "postgres/2026-11-20-090507_create_teams/down.sql",
                "sqlite/2026-11-20-090507_create_teams/up.sql",
                "sqlite/2026-11-20-090507_create_teams/down.sql",
            ]
        );
        assert_eq!(faults(folder.path()).unwrap().len(), 4, "an empty file is a fault until it is written");
    }

    #[test]
    fn filled_migrations_are_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), "first", "2026-11-20T09:05:07Z");
        fill(folder.path(), "second", "2026-11-20T09:05:08Z");
        assert_eq!(faults(folder.path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_migration_for_one_dialect_alone_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), "first", "2026-11-20T09:05:07Z");
        fs::remove_dir_all(folder.path().join("sqlite/2026-11-20-090507_first")).unwrap();
        assert_eq!(faults(folder.path()).unwrap(), ["2026-11-20-090507_first: exists for postgres alone"]);
    }

    #[test]
    fn a_folder_that_would_not_sort_by_time_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), "first", "2026-11-20T09:05:07Z");
        for dialect in ["postgres", "sqlite"] {
            let folder = folder.path().join(dialect);
            fs::rename(folder.join("2026-11-20-090507_first"), folder.join("2026-11-20-90507_first"))
                .unwrap();
        }
        assert_eq!(faults(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_name_is_snake_case() {
        assert!(parse_name("create_teams_2").is_ok());
        for name in ["", "Teams", "2_teams", "create-teams", "../teams"] {
            assert!(parse_name(name).is_err(), "{name}");
        }
    }
}
