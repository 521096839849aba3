//! How the server is configured: flags, then `WARDKEY_…` variables, then the file `wardkey.toml`, then defaults.

mod layer;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use poem::http::Uri;
use wardkey_core::{EnvironmentName, IpNetwork, SharedLimits, TrustedProxies, WhenAway};
use wardkey_redis::RedisLimiter;

pub use self::layer::Layer;
use self::layer::{Layers, Place};
use crate::seal::quote;

/// Where settings are read from when no file is named.
const DEFAULT_FILE: &str = "wardkey.toml";
/// The variable that names the file.
const FILE_VARIABLE: &str = "WARDKEY_CONFIG";

/// The settings, with all sources taken together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder for the database file, the seal and the operator key.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// Another way to the same database, for the connection that listens for changes.
    pub database_listen_url: Option<DatabaseUrl>,
    /// What is expected of the settings.
    pub mode: Mode,
    /// The address by which clients reach the server.
    pub public_url: Option<String>,
    /// The seal that all nodes share. Without it a development server makes its own.
    pub seal_file: Option<PathBuf>,
    /// Whose word about the client's address is taken; `None` if nobody decided.
    pub proxies: Option<TrustedProxies>,
    /// The environment of the admin API: keys of others are not accepted there.
    pub environment: EnvironmentName,
    /// How old the knowledge of changes may be before keys are no longer verified.
    pub max_stale: Duration,
    /// Where nodes share rate limits, and what to do without; `None` if each counts by itself.
    pub shared_limits: Option<SharedLimits>,
    /// What to log: a level, or directives.
    pub log_filter: String,
    /// For whom to log.
    pub log_format: LogFormat,
}

/// What is expected of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On one's own machine, with nothing to decide.
    Development,
    /// For others to use: what has no safe default must be decided.
    Production,
}

/// Whom the log is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    Human,
    /// Programs: one JSON object on each line.
    Json,
}

/// The database, and who chose it.
#[derive(Debug, Clone)]
pub enum Database {
    /// Nobody: SQLite in the data folder.
    InDataDir(DatabaseUrl),
    /// A flag.
    ByFlag(DatabaseUrl),
    /// A variable or the file, which will say the same to the next command.
    ByEnvironment(DatabaseUrl),
}

impl Database {
    /// Where it is.
    pub fn url(&self) -> &DatabaseUrl {
        match self {
            Self::InDataDir(url) | Self::ByFlag(url) | Self::ByEnvironment(url) => url,
        }
    }
}

/// The URL of a database, which may hold a password and is therefore not shown as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL as it is, to connect by.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it can be shown as it is.
    pub fn is_harmless(&self) -> bool {
        self.to_string() == self.0
    }
}

impl fmt::Display for DatabaseUrl {
    /// The URL without its password and without its parameters, which may hold one too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        // A password may hold a slash that nobody escaped: whatever stands before the last @ is not shown.
        let plain = rest.split('?').next().unwrap_or_default();
        let (credentials, place) = plain.rsplit_once('@').unwrap_or(("", plain));
        let user = credentials.split(':').next().unwrap_or_default();
        let at = if user.is_empty() { "" } else { "@" };
        write!(f, "{scheme}://{user}{at}{place}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with the settings. The messages name the setting where it was given, and never show a value that may
/// hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is not of the form that the setting needs.
    #[error("{place}: {expected}")]
    Invalid {
        /// The flag, variable or line.
        place: String,
        /// What it should be.
        expected: String,
    },
    /// The file was named and cannot be read.
    #[error("cannot read the settings in {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The file is not what a settings file is.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// Its path.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Others could reach a server that was configured for one's own machine.
    #[error(
        "{listen} can be reached from other machines, and that takes --mode production (which asks for a few decisions); for yourself alone use --listen 127.0.0.1:{}",
        listen.port()
    )]
    NotLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// Production needs decisions that nobody made.
    #[error("--mode production needs more settings:{}", missing.iter().map(|setting| format!("\n  {setting}")).collect::<String>())]
    Undecided {
        /// Each missing setting, and how to make it.
        missing: Vec<&'static str>,
    },
}

impl Config {
    /// Reads all sources: these flags, the process's variables, and the file `file` or the one that
    /// `WARDKEY_CONFIG` names or `wardkey.toml` in the working directory, where the last may be absent.
    ///
    /// Also returns what is odd and no mistake, to be logged as warnings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn load(
        flags: Layer,
        file: Option<&Path>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let (variables, named, odd) = Layer::of_variables(variables)?;
        let (file, path) = match file.map(Path::to_owned).or(named) {
            Some(path) => (Layer::of_file(&path)?, path),
            None if Path::new(DEFAULT_FILE).exists() => {
                (Layer::of_file(Path::new(DEFAULT_FILE))?, PathBuf::from(DEFAULT_FILE))
            }
            None => (Layer::default(), PathBuf::from(DEFAULT_FILE)),
        };
        let layers =
            Layers::new([(flags, Place::Flag), (variables, Place::Variable), (file, Place::File(path))]);
        Ok((Self::of_layers(&layers)?, odd))
    }

    fn of_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let data_dir =
            layers.text("data_dir").map_or_else(|| PathBuf::from("wardkey-data"), |(path, _)| path.into());
        let database = match layers.text("database_url") {
            Some((url, Place::Flag)) => Database::ByFlag(DatabaseUrl(url.to_owned())),
            Some((url, _)) => Database::ByEnvironment(DatabaseUrl(url.to_owned())),
            None => {
                Database::InDataDir(DatabaseUrl(format!("sqlite:{}", data_dir.join("wardkey.db").display())))
            }
        };
        let mode =
            layers.word("mode", &[("development", Mode::Development), ("production", Mode::Production)])?;
        let format = layers.word("log_format", &[("human", LogFormat::Human), ("json", LogFormat::Json)])?;
        let seconds = |text: &str| text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
        let max_stale = layers.parse("max_stale_seconds", "a number of seconds from 1 to 3600", seconds)?;
        Ok(Self {
            listen: layers
                .parse("listen", "an address and a port such as 127.0.0.1:8080 or [::1]:8080", |text| {
                    text.parse().ok()
                })?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            database,
            data_dir,
            database_listen_url: layers
                .text("database_listen_url")
                .map(|(url, _)| DatabaseUrl(url.to_owned())),
            mode: mode.unwrap_or(Mode::Development),
            public_url: layers.parse(
                "public_url",
                "an http:// or https:// address such as https://keys.example.com, without parameters",
                public_url,
            )?,
            seal_file: layers.text("seal_file").map(|(path, _)| path.into()),
            proxies: proxies(layers)?,
            environment: layers
                .parse("environment", "the name of an environment such as production", |text| {
                    text.parse().ok()
                })?
                .unwrap_or_else(|| "production".parse().expect("production is a name")),
            max_stale: Duration::from_secs(max_stale.unwrap_or(60)),
            shared_limits: shared_limits(layers)?,
            log_filter: layers
                .parse(
                    "log_level",
                    "error, warn, info, debug or trace, or directives such as info,wardkey_storage=debug",
                    log_filter,
                )?
                .unwrap_or_else(|| "info".to_owned()),
            log_format: format.unwrap_or(LogFormat::Human),
        })
    }

    /// Whether a server may be started like this.
    ///
    /// # Errors
    /// Everything that is missing at once, and how to make each.
    pub fn check_served(&self) -> Result<(), ConfigError> {
        match self.mode {
            Mode::Development if self.listen.ip().is_loopback() => Ok(()),
            Mode::Development => Err(ConfigError::NotLoopback { listen: self.listen }),
            Mode::Production => {
                let needs = [
                    (
                        self.public_url.is_none(),
                        "--public-url URL         the address by which clients reach the server, such as \
                         --public-url https://keys.example.com",
                    ),
                    (
                        self.seal_file.is_none(),
                        "--seal-file FILE         32 random bytes that all nodes share and the database does not \
                         hold; make them once with (umask 077; head -c 32 /dev/urandom > seal) and keep a copy",
                    ),
                    (
                        self.proxies.is_none(),
                        "--trusted-proxy NETWORK  the proxies whose X-Forwarded-For is believed, such as \
                         --trusted-proxy 10.0.0.0/8; or --no-proxy if clients connect directly",
                    ),
                ];
                let missing: Vec<_> = needs.into_iter().filter(|need| need.0).map(|need| need.1).collect();
                if missing.is_empty() { Ok(()) } else { Err(ConfigError::Undecided { missing }) }
            }
        }
    }

    /// Where the seal is.
    pub fn seal_path(&self) -> PathBuf {
        self.seal_file.clone().unwrap_or_else(|| self.data_dir.join("seal"))
    }

    /// The flags by which another command finds the same database, as a shell takes them.
    pub fn database_flags(&self) -> String {
        match &self.database {
            Database::InDataDir(_) => {
                let path = std::path::absolute(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone());
                format!(" --data-dir {}", quote(&path))
            }
            Database::ByFlag(url) if url.is_harmless() => {
                format!(" --database-url {}", quote(Path::new(url.expose())))
            }
            Database::ByFlag(_) => " --database-url …".to_owned(),
            Database::ByEnvironment(_) => String::new(),
        }
    }
}

/// A level or directives. A word that is no level would be taken for the name of a module, and silence all others.
fn log_filter(text: &str) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|part| LEVELS.contains(&part.trim()) || part.contains('=')).then(|| text.to_owned())
}

/// An address without a slash at its end, to which paths are appended.
fn public_url(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let schemes = matches!(url.scheme_str(), Some("http" | "https"));
    let plain = url.query().is_none() && !text.contains(['#', '@']);
    (schemes && plain && url.host().is_some_and(|host| !host.is_empty()))
        .then(|| text.trim_end_matches('/').to_owned())
}

/// The first source that decides about proxies, one way or the other.
fn proxies(layers: &Layers) -> Result<Option<TrustedProxies>, ConfigError> {
    let Some((networks, no_proxy, place)) = layers.proxies() else {
        return Ok(None);
    };
    if no_proxy && !networks.is_empty() {
        let expected = format!("contradicts {}", place.name("no_proxy"));
        return Err(ConfigError::Invalid { place: place.name("trusted_proxies"), expected });
    }
    let parse = |text: &String| {
        text.trim().parse::<IpNetwork>().map_err(|error| ConfigError::Invalid {
            place: place.name("trusted_proxies"),
            expected: format!("{text:?} {error}"),
        })
    };
    networks
        .iter()
        .map(parse)
        .collect::<Result<Vec<_>, _>>()
        .map(|networks| Some(TrustedProxies::new(networks)))
}

/// The shared rate limits, of which both settings are given or none.
fn shared_limits(layers: &Layers) -> Result<Option<SharedLimits>, ConfigError> {
    const URL: &str = "redis_url";
    const CHOICE: &str = "rate_limits_when_redis_is_away";
    let choices = [("local", WhenAway::Local), ("unavailable", WhenAway::Unavailable)];
    let limiter = layers.parse(URL, "a URL such as redis://host:6379/0, or rediss:// with TLS", |url| {
        RedisLimiter::new(url).ok()
    })?;
    let contradicts = |setting: &str, expected: &str| {
        let place = layers.text(setting).map_or_else(String::new, |(_, place)| place.name(setting));
        Err(ConfigError::Invalid { place, expected: expected.to_owned() })
    };
    match (limiter, layers.word(CHOICE, &choices)?) {
        (None, None) => Ok(None),
        (Some(limiter), Some(when_away)) => Ok(Some(SharedLimits::new(Arc::new(limiter), when_away))),
        (Some(_), None) => contradicts(
            URL,
            "also takes rate_limits_when_redis_is_away: local, by which each node then goes by what it knows itself, or \
             unavailable, by which keys with rate limits are then answered 503",
        ),
        (None, Some(_)) => contradicts(CHOICE, "means nothing without redis_url"),
    }
}

#[cfg(test)]
mod tests;
