use std::fs;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    layer: Layer,
}

fn load(
    flags: &[&str],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<(Config, Vec<String>), ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wardkey.toml");
    fs::write(&path, file).unwrap();
    let flags = Flags::parse_from([&["wardkey"], flags].concat()).layer;
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::load(flags, Some(&path), variables)
}

fn mistake(flags: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    load(flags, variables, file).unwrap_err().to_string()
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file = "listen = '127.0.0.1:1'\ndata_dir = '/file'\nenvironment = 'staging'\nmax_stale_seconds = 30";
    let variables =
        [("WARDKEY_LISTEN", "127.0.0.1:2"), ("WARDKEY_DATA_DIR", "/variable"), ("WARDKEY_MODE", "")];
    let (config, odd) = load(&["--listen", "127.0.0.1:3"], &variables, file).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data_dir, Path::new("/variable"));
    assert_eq!(config.environment.as_str(), "staging");
    assert_eq!(config.max_stale, Duration::from_secs(30));
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn nothing_at_all_is_a_development_server_on_loopback() {
    let (config, _) = load(&[], &[], "").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database.url().expose(), "sqlite:wardkey-data/wardkey.db");
    assert_eq!(config.seal_path(), Path::new("wardkey-data/seal"));
    assert!(config.check_served().is_ok());
}

#[test]
fn what_happens_without_redis_is_decided_with_its_url() {
    let url = "redis_url = 'rediss://user:word-of-passage@redis.example'\n";
    for (choice, word) in [("local", "Local"), ("unavailable", "Unavailable")] {
        let file = format!("{url}rate_limits_when_redis_is_away = '{choice}'");
        let (config, _) = load(&[], &[], &file).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains(&format!("when_away: {word}")), "{shown}");
        assert!(!shown.contains("word-of-passage"));
    }
    let (config, _) = load(&[], &[], "").unwrap();
    assert!(config.shared_limits.is_none());
    let undecided = mistake(&["--redis-url", "redis://127.0.0.1"], &[], "");
    assert!(
        undecided.starts_with("--redis-url: also takes rate_limits_when_redis_is_away: local,"),
        "{undecided}"
    );
    let pointless = mistake(&[], &[("WARDKEY_RATE_LIMITS_WHEN_REDIS_IS_AWAY", "local")], "");
    assert_eq!(pointless, "WARDKEY_RATE_LIMITS_WHEN_REDIS_IS_AWAY: means nothing without redis_url");
    let no_url = mistake(&["--redis-url", "http://user:word@redis.example"], &[], "");
    assert_eq!(no_url, "--redis-url: expected a URL such as redis://host:6379/0, or rediss:// with TLS");
}

#[test]
fn each_mistake_is_named_where_it_was_made() {
    for (variables, expected) in [
        (
            ("WARDKEY_LISTEN", "8080"),
            "WARDKEY_LISTEN: expected an address and a port such as 127.0.0.1:8080 or [::1]:8080",
        ),
        (("WARDKEY_MODE", "prod"), "WARDKEY_MODE: expected development or production"),
        (("WARDKEY_LOG_FORMAT", "xml"), "WARDKEY_LOG_FORMAT: expected human or json"),
        (
            ("WARDKEY_LOG_LEVEL", "verbose"),
            "WARDKEY_LOG_LEVEL: expected error, warn, info, debug or trace, or directives such as \
             info,wardkey_storage=debug",
        ),
        (("WARDKEY_NO_PROXY", "maybe"), "WARDKEY_NO_PROXY: expected true or false"),
        (
            ("WARDKEY_MAX_STALE_SECONDS", "0"),
            "WARDKEY_MAX_STALE_SECONDS: expected a number of seconds from 1 to 3600",
        ),
        (
            ("WARDKEY_TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.1/8"),
            "WARDKEY_TRUSTED_PROXIES: \"10.0.0.1/8\" has bits set beyond its prefix; the network is 10.0.0.0/8",
        ),
    ] {
        assert_eq!(mistake(&[], &[variables], ""), expected);
    }
    assert_eq!(
        mistake(&["--trusted-proxy", "here"], &[], ""),
        "--trusted-proxy: \"here\" not an IP address or a network in CIDR notation such as 203.0.113.0/24"
    );
    assert_eq!(
        mistake(&["--trusted-proxy", "10.0.0.1", "--no-proxy"], &[], ""),
        "--trusted-proxy: contradicts --no-proxy"
    );
    assert!(mistake(&[], &[], "mode = 'prod'").ends_with("wardkey.toml: expected development or production"));
    for url in [
        "keys.example.com",
        "ftp://keys.example.com",
        "https://",
        "https://a/?b",
        "https://u:p@a",
        "https://a#b",
    ] {
        assert!(
            mistake(&["--public-url", url], &[], "").starts_with("--public-url: expected an http://"),
            "{url}"
        );
    }
}

#[test]
fn an_unknown_key_in_the_file_is_named_with_the_known_ones_and_no_password_is_shown() {
    let message = mistake(&[], &[], "\ndatabse_url = 'postgres://u:swordfish@h/d'");
    assert!(
        message.contains(
            "wardkey.toml, line 2: unknown field `databse_url`, expected one of `listen`, `data_dir`"
        )
    );
    assert!(message.contains("`trusted_proxies`") && !message.contains("swordfish"), "{message}");
    let message = mistake(&[], &[], "database_url = ['postgres://u:swordfish@h/d']");
    assert!(message.contains("line 1: ") && !message.contains("swordfish"), "{message}");
}

#[test]
fn an_unknown_variable_is_odd_and_no_mistake() {
    let variables = [
        ("WARDKEY_LISTN", "x"),
        ("WARDKEY_TEST_POSTGRES_URL", "x"),
        ("WARDKEY_SOAK", "1"),
        ("WARDKEY_KEY", "x"),
    ];
    let (_, odd) = load(&[], &variables, "").unwrap();
    assert_eq!(odd, ["the variable WARDKEY_LISTN is no setting of this version and is ignored"]);
}

#[test]
fn a_file_that_was_named_must_exist() {
    let nowhere = Path::new("/nowhere/wardkey.toml");
    let error = Config::load(Layer::default(), Some(nowhere), std::iter::empty()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the settings in /nowhere/wardkey.toml");
    let variable = [(OsString::from("WARDKEY_CONFIG"), OsString::from("/nowhere/else.toml"))];
    let error = Config::load(Layer::default(), None, variable.into_iter()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the settings in /nowhere/else.toml");
}

#[test]
fn the_strongest_source_decides_about_proxies_as_a_whole() {
    let (config, _) = load(&["--no-proxy"], &[], "trusted_proxies = ['10.0.0.0/8']").unwrap();
    assert_eq!(config.proxies, Some(TrustedProxies::NONE));
    let (config, _) = load(&[], &[("WARDKEY_TRUSTED_PROXIES", "10.0.0.0/8,::1")], "no_proxy = true").unwrap();
    let networks = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
    assert_eq!(config.proxies, Some(TrustedProxies::new(networks)));
    assert_eq!(load(&[], &[], "").unwrap().0.proxies, None);
}

#[test]
fn production_names_everything_that_is_missing_at_once() {
    let (config, _) = load(&["--mode", "production", "--listen", "0.0.0.0:80"], &[], "").unwrap();
    let message = config.check_served().unwrap_err().to_string();
    for needed in
        ["--public-url", "--seal-file", "head -c 32 /dev/urandom > seal", "--trusted-proxy", "or --no-proxy"]
    {
        assert!(message.contains(needed), "{message}");
    }
    let decided = ["--mode=production", "--public-url=https://k.example/", "--seal-file=/s", "--no-proxy"];
    let (config, _) = load(&decided, &[], "").unwrap();
    assert!(config.check_served().is_ok());
    assert_eq!(config.public_url.as_deref(), Some("https://k.example"));
}

#[test]
fn others_reach_only_a_production_server() {
    let (config, _) = load(&["--listen", "0.0.0.0:9000"], &[], "").unwrap();
    let message = config.check_served().unwrap_err().to_string();
    assert!(
        message.contains("--mode production") && message.contains("--listen 127.0.0.1:9000"),
        "{message}"
    );
    assert!(load(&["--listen", "[::1]:9000"], &[], "").unwrap().0.check_served().is_ok());
}

#[test]
fn a_database_is_shown_without_its_password() {
    for (url, shown) in [
        ("postgres://u:p@h:5432/d?sslmode=require&password=p", "postgres://u@h:5432/d"),
        ("postgres://h/d", "postgres://h/d"),
        ("postgresql://u:a@b@h?x", "postgresql://u@h"),
        ("postgres://u:ab/cd@h/d", "postgres://u@h/d"),
        ("sqlite:/var/lib/wardkey.db", "sqlite:/var/lib/wardkey.db"),
    ] {
        let url = DatabaseUrl(url.to_owned());
        assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
    }
}

#[test]
fn further_commands_are_given_the_flags_that_find_the_same_database() {
    let flags =
        |flags: &[&str], variables: &[(&str, &str)]| load(flags, variables, "").unwrap().0.database_flags();
    assert_eq!(flags(&["--data-dir", "/my data"], &[]), " --data-dir '/my data'");
    assert_eq!(flags(&["--database-url", "postgres://h/d"], &[]), " --database-url postgres://h/d");
    assert_eq!(flags(&["--database-url", "postgres://u:p@h/d"], &[]), " --database-url …");
    assert_eq!(flags(&[], &[("WARDKEY_DATABASE_URL", "postgres://u:p@h/d")]), "");
}
