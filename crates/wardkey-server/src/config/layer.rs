//! One source of settings: text, not yet understood.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{ConfigError, FILE_VARIABLE};

/// What one source says. Flags and file are read straight into it, so both know the same settings.
#[derive(Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// Where to listen; anything but this machine takes --mode production
    /// [default: 127.0.0.1:8080] [variable: WARDKEY_LISTEN]
    #[arg(long, global = true, value_name = "ADDRESS:PORT", help_heading = SETTINGS)]
    listen: Option<String>,

    /// The folder for the SQLite database, the seal and the first operator key
    /// [default: ./wardkey-data] [variable: WARDKEY_DATA_DIR]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = SETTINGS)]
    data_dir: Option<String>,

    /// The database: postgres://user:password@host/name or sqlite:path
    /// [default: SQLite in the data folder] [variable: WARDKEY_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = SETTINGS)]
    database_url: Option<String>,

    /// PostgreSQL: another way to the same database for LISTEN, where the first leads through a pooler
    /// [default: the same] [variable: WARDKEY_DATABASE_LISTEN_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = SETTINGS)]
    database_listen_url: Option<String>,

    /// development or production; production asks for what has no safe default
    /// [default: development] [variable: WARDKEY_MODE]
    #[arg(long, global = true, value_name = "MODE", help_heading = SETTINGS)]
    mode: Option<String>,

    /// The address by which clients reach the server
    /// [default: where it listens] [variable: WARDKEY_PUBLIC_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = SETTINGS)]
    public_url: Option<String>,

    /// 32 random bytes that all nodes share; made with (umask 077; head -c 32 /dev/urandom > seal)
    /// [default: seal in the data folder, made when missing] [variable: WARDKEY_SEAL_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS)]
    seal_file: Option<String>,

    /// A proxy, or a network of them, whose X-Forwarded-For is believed; may be repeated
    /// [default: none] [variable: WARDKEY_TRUSTED_PROXIES, separated by commas]
    #[arg(long = "trusted-proxy", global = true, value_name = "NETWORK", help_heading = SETTINGS)]
    trusted_proxies: Vec<String>,

    /// Clients connect directly, without a proxy in between
    /// [variable: WARDKEY_NO_PROXY=true]
    #[arg(long, global = true, help_heading = SETTINGS)]
    no_proxy: bool,

    /// The environment whose keys the admin API accepts
    /// [default: production] [variable: WARDKEY_ENVIRONMENT]
    #[arg(long, global = true, value_name = "NAME", help_heading = SETTINGS)]
    environment: Option<String>,

    /// How long keys are still verified when the database does not answer
    /// [default: 60] [variable: WARDKEY_MAX_STALE_SECONDS]
    #[arg(long, global = true, value_name = "SECONDS", help_heading = SETTINGS)]
    #[serde(deserialize_with = "number_or_text")]
    max_stale_seconds: Option<String>,

    /// Redis or Valkey, where all nodes count the requests of a key together: rediss://user:password@host:6379/0
    /// [default: each node counts by itself] [variable: WARDKEY_REDIS_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = SETTINGS)]
    redis_url: Option<String>,

    /// local: without Redis each node goes by what it knows; unavailable: keys with rate limits are answered 503
    /// [no default: say so with --redis-url] [variable: WARDKEY_RATE_LIMITS_WHEN_REDIS_IS_AWAY]
    #[arg(long, global = true, value_name = "CHOICE", help_heading = SETTINGS)]
    rate_limits_when_redis_is_away: Option<String>,

    /// error, warn, info, debug or trace; or directives such as info,wardkey_storage=debug
    /// [default: info] [variable: WARDKEY_LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = SETTINGS)]
    log_level: Option<String>,

    /// human, or json: one object on each line
    /// [default: human] [variable: WARDKEY_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = SETTINGS)]
    log_format: Option<String>,
}

const SETTINGS: &str = "Settings (also as variables, and by their names in wardkey.toml)";

/// Variables that are none of the server's settings and yet known.
const KNOWN_OTHERS: &[&str] = &["WARDKEY_SOAK", "WARDKEY_KEY", "WARDKEY_URL"];

/// The prefix of variables that tests look at.
const OF_TESTS: &str = "WARDKEY_TEST_";

impl Layer {
    /// The settings in the process's variables, the file that they name, and the variables that look like settings
    /// and are none. An empty variable counts as not set.
    pub(super) fn of_variables(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(Self, Option<PathBuf>, Vec<String>), ConfigError> {
        let mut layer = Self::default();
        let mut file = None;
        let mut odd = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with("WARDKEY_")) else { continue };
            if value.is_empty() || name.starts_with(OF_TESTS) || KNOWN_OTHERS.contains(&name) {
                continue;
            }
            if name == FILE_VARIABLE {
                file = Some(PathBuf::from(value));
                continue;
            }
            let setting = name["WARDKEY_".len()..].to_ascii_lowercase();
            let invalid = |expected: &str| ConfigError::Invalid {
                place: name.to_owned(),
                expected: expected.to_owned(),
            };
            let value = value.into_string().map_err(|_| invalid("not UTF-8"))?;
            if setting == "no_proxy" {
                layer.no_proxy = match value.as_str() {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(invalid("expected true or false")),
                };
            } else if setting == "trusted_proxies" {
                layer.trusted_proxies = value.split(',').map(|network| network.trim().to_owned()).collect();
            } else if let Some((_, slot)) = layer.texts().into_iter().find(|(name, _)| *name == setting) {
                *slot = Some(value);
            } else {
                odd.push(format!("the variable {name} is no setting of this version and is ignored"));
            }
        }
        Ok((layer, file, odd))
    }

    /// The settings in a file.
    pub(super) fn of_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| {
            // The error's own text shows the line, and that may hold a password.
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() }
        })
    }

    /// The settings that are one text each, by name.
    fn texts(&mut self) -> [(&'static str, &mut Option<String>); 13] {
        let Self {
            listen,
            data_dir,
            database_url,
            database_listen_url,
            mode,
            public_url,
            seal_file,
            trusted_proxies: _,
            no_proxy: _,
            environment,
            max_stale_seconds,
            redis_url,
            rate_limits_when_redis_is_away,
            log_level,
            log_format,
        } = self;
        [
            ("listen", listen),
            ("data_dir", data_dir),
            ("database_url", database_url),
            ("database_listen_url", database_listen_url),
            ("mode", mode),
            ("public_url", public_url),
            ("seal_file", seal_file),
            ("environment", environment),
            ("max_stale_seconds", max_stale_seconds),
            ("redis_url", redis_url),
            ("rate_limits_when_redis_is_away", rate_limits_when_redis_is_away),
            ("log_level", log_level),
            ("log_format", log_format),
        ]
    }
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "expected a number")]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(Some(match serde::Deserialize::deserialize(deserializer)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    }))
}

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// On the command line.
    Flag,
    /// In a variable.
    Variable,
    /// In this file.
    File(PathBuf),
}

impl Place {
    /// What the setting is called there.
    pub(super) fn name(&self, setting: &str) -> String {
        match self {
            Self::Flag if setting == "trusted_proxies" => "--trusted-proxy".to_owned(),
            Self::Flag => format!("--{}", setting.replace('_', "-")),
            Self::Variable => format!("WARDKEY_{}", setting.to_ascii_uppercase()),
            Self::File(path) => format!("{setting} in {}", path.display()),
        }
    }
}

/// All sources, the strongest first.
pub(super) struct Layers(Vec<Source>);

struct Source {
    place: Place,
    texts: BTreeMap<&'static str, String>,
    trusted_proxies: Vec<String>,
    no_proxy: bool,
}

impl Layers {
    pub(super) fn new(layers: [(Layer, Place); 3]) -> Self {
        let source = |(mut layer, place): (Layer, Place)| {
            let texts =
                layer.texts().into_iter().filter_map(|(name, text)| Some((name, text.take()?))).collect();
            Source { place, texts, trusted_proxies: layer.trusted_proxies, no_proxy: layer.no_proxy }
        };
        Self(layers.into_iter().map(source).collect())
    }

    /// What the strongest source that knows the setting says.
    pub(super) fn text(&self, setting: &str) -> Option<(&str, &Place)> {
        self.0.iter().find_map(|source| Some((source.texts.get(setting)?.as_str(), &source.place)))
    }

    /// The same, understood.
    pub(super) fn parse<T>(
        &self,
        setting: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((text, place)) = self.text(setting) else { return Ok(None) };
        let invalid =
            || ConfigError::Invalid { place: place.name(setting), expected: format!("expected {expected}") };
        parse(text).ok_or_else(invalid).map(Some)
    }

    /// The same, for a setting that is one of a few words.
    pub(super) fn word<T: Copy>(&self, setting: &str, words: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        self.parse(setting, &expected, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }

    /// What the strongest source that decides about proxies says: the networks, and whether there are none.
    pub(super) fn proxies(&self) -> Option<(&[String], bool, &Place)> {
        let decides = |source: &&Source| source.no_proxy || !source.trusted_proxies.is_empty();
        let source = self.0.iter().find(decides)?;
        Some((&source.trusted_proxies, source.no_proxy, &source.place))
    }
}
