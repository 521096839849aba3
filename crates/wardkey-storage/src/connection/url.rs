//! Which database a URL names.

use std::path::PathBuf;

use crate::OpenError;

/// A database by its URL.
#[derive(Clone)]
pub(crate) enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => parse_path(rest.strip_prefix("//").unwrap_or(rest)).map(Self::Sqlite),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            // Only what looks like a scheme is repeated: anything else may be, or hold, a password.
            Some((scheme, _)) if is_scheme(scheme) => {
                Err(OpenError::UnknownScheme { scheme: Some(scheme.to_owned()) })
            }
            _ => Err(OpenError::UnknownScheme { scheme: None }),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"+-.0123456789".contains(&byte))
}

fn parse_path(path: &str) -> Result<PathBuf, OpenError> {
    let reason = if path.is_empty() {
        "the path of the file is missing"
    } else if path == ":memory:" {
        "a database in memory is another one for each connection; name a file"
    } else if path.contains('?') {
        "a SQLite URL takes no parameters"
    } else {
        return std::path::absolute(path)
            .map_err(|error| OpenError::InvalidUrl { reason: error.to_string() });
    };
    Err(OpenError::InvalidUrl { reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_named_and_a_password_is_not() {
        let message = |url| DatabaseUrl::parse(url).err().expect("refused").to_string();
        assert!(
            message("mysql://root:hunter2@host/db")
                .starts_with("unknown kind of database \"mysql\": give sqlite:")
        );
        for url in ["hunter2", "Hunter2:x", "", "./wardkey.db", "sqlite.db", "postgres:hunter2"] {
            assert!(!message(url).to_lowercase().contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn a_sqlite_url_is_a_path_and_nothing_else() {
        let path = |url| match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::Sqlite(path)) => Some(path),
            _ => None,
        };
        assert_eq!(path("sqlite:/var/lib/wardkey.db"), Some(PathBuf::from("/var/lib/wardkey.db")));
        assert_eq!(path("sqlite:///var/lib/wardkey.db"), Some(PathBuf::from("/var/lib/wardkey.db")));
        assert!(path("sqlite:data/wardkey.db").is_some_and(|path| path.is_absolute()));
        for refused in ["sqlite:", "sqlite::memory:", "sqlite:wardkey.db?mode=rwc"] {
            assert_eq!(path(refused), None, "{refused}");
        }
    }
}
