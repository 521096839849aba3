use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use wardkey_storage::{Backend, OpenConfig, OpenError, Storage, StorageError};

use crate::database::{Database, on_both};
use crate::world::World;

fn hasty() -> OpenConfig {
    OpenConfig {
        connect_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..OpenConfig::default()
    }
}

#[test]
fn a_configuration_in_a_log_holds_no_password() {
    let listen_url = Some("postgres://someone:hunter2@host/db".to_owned());
    let text = format!("{:?}", OpenConfig { listen_url, ..OpenConfig::default() });
    assert!(!text.contains("hunter2") && text.contains("listens_elsewhere: true"), "{text}");
}

async fn a_url_to_listen_on_is_for_postgresql_alone(database: Arc<Database>) {
    Storage::migrate(&database.url).await.unwrap();
    let open = async |listen_url: &str| {
        let listen_url = Some(listen_url.to_owned());
        Storage::open(&database.url, OpenConfig { listen_url, ..OpenConfig::default() }).await
    };
    assert!(matches!(open("sqlite:wardkey.db").await, Err(OpenError::InvalidUrl { .. })));
    match open(&database.url).await {
        Ok(storage) => assert_eq!(storage.backend(), Backend::Postgres),
        Err(refused) => {
            assert_eq!(database.backend, Backend::Sqlite);
            assert!(matches!(refused, OpenError::InvalidUrl { .. }), "{refused:?}");
        }
    }
}
on_both!(empty a_url_to_listen_on_is_for_postgresql_alone);

async fn opening_neither_creates_nor_migrates(database: Arc<Database>) {
    let refused = Storage::open(&database.url, OpenConfig::default()).await.unwrap_err();
    if database.url.starts_with("sqlite:") {
        assert!(matches!(refused, OpenError::Missing { .. }), "{refused:?}");
        assert_eq!(std::fs::read_dir(database.folder()).unwrap().count(), 0);
        std::fs::write(database.folder().join("wardkey.db"), []).unwrap();
        let refused = Storage::open(&database.url, OpenConfig::default()).await.unwrap_err();
        assert!(matches!(refused, OpenError::NotMigrated), "{refused:?}");
    } else {
        assert!(matches!(refused, OpenError::NotMigrated), "{refused:?}");
    }
    assert!(refused.to_string().contains("wardkey migrate"), "{refused}");
    let migrated = Storage::migrate(&database.url).await.unwrap();
    assert_eq!(migrated.applied, crate::migrations::MIGRATIONS);
    assert_eq!(Storage::migrate(&database.url).await.unwrap().applied, [""; 0]);
    let storage = Storage::open(&database.url, OpenConfig::default()).await.unwrap();
    storage.ping().await.unwrap();
    assert_eq!(storage.backend(), database.backend);
    assert_eq!(format!("{storage:?}"), format!("Storage {{ backend: {:?}, .. }}", database.backend));
}
on_both!(empty opening_neither_creates_nor_migrates);

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let database = Database::sqlite();
    let world = World::bootstrapped(&database).await;
    world.issued().await;
    for file in std::fs::read_dir(database.folder()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_not_made() {
    let database = Database::sqlite();
    let url = format!("sqlite:{}", database.folder().join("missing/wardkey.db").display());
    assert!(matches!(Storage::migrate(&url).await, Err(OpenError::InvalidUrl { .. })));
    assert_eq!(std::fs::read_dir(database.folder()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_may_hold_any_character() {
    let database = Database::sqlite();
    let url = format!("sqlite:{}", database.folder().join("100% #1 wärdkey;.db").display());
    Storage::migrate(&url).await.unwrap();
    Storage::open(&url, OpenConfig::default()).await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_scheme_is_an_error_and_no_file() {
    for url in ["mysql://host/db", "wardkey.db", "file:wardkey.db", "postgres:db", ""] {
        let refused = Storage::migrate(url).await.unwrap_err();
        assert!(matches!(refused, OpenError::UnknownScheme { .. }), "{url}: {refused:?}");
        assert!(refused.to_string().contains("sqlite:<path>, postgres://… or postgresql://…"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_url_asks_for_is_honoured_or_refused() {
    let refused = async |parameters: &str| {
        let url = format!("postgres://someone:hunter2@127.0.0.1:1/db?{parameters}");
        let error = Storage::open(&url, hasty()).await.unwrap_err();
        let text = format!("{error:?} {error} {:?}", error.source().map(ToString::to_string));
        assert!(!text.contains("hunter2"), "{text}");
        error
    };
    for parameters in
        ["sslmode=verify-ca", "sslmode=on", "sslrootcert=/etc/ca.pem", "sslcert=/etc/me.pem", "colour=red"]
    {
        assert!(matches!(refused(parameters).await, OpenError::InvalidUrl { .. }), "{parameters}");
    }
    for parameters in ["", "sslmode=disable", "sslmode=require", "application_name=x"] {
        assert!(
            matches!(refused(parameters).await, OpenError::Connect { .. }),
            "{parameters}: nobody listens there"
        );
    }
}

/// A server that is asked for encryption and has none to give, or has it and cannot prove who it is.
#[tokio::test(flavor = "multi_thread")]
async fn verify_full_does_not_talk_to_a_server_that_cannot_prove_who_it_is() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            database.open().await;
            let separator = if database.url.contains('?') { '&' } else { '?' };
            let url = format!("{}{separator}sslmode=verify-full", database.url);
            assert!(matches!(Storage::open(&url, hasty()).await, Err(OpenError::Connect { .. })));
        }
    };
    crate::database::run(database, body).await;
}

/// A certificate for `localhost`, from an authority made for this test and thrown away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn verify_full_talks_to_a_server_that_proves_who_it_is_and_to_no_other() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            database.open().await;
            let address = encrypt(host_of(&database.url)).await;
            let open = async |host: &str, parameters: &str| {
                let (base, _) = database.url.split_once('?').unwrap_or((&database.url, ""));
                let url = base.replace(&host_of(&database.url), &format!("{host}:{}", address.port()));
                Storage::open(&format!("{url}?{parameters}"), hasty()).await
            };
            let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/opening/authority.pem");
            let verified = format!("sslmode=verify-full&sslrootcert={authority}");
            open("localhost", &verified).await.unwrap().ping().await.unwrap();
            let other_name = open("127.0.0.1", &verified).await;
            assert!(matches!(other_name, Err(OpenError::Connect { .. })), "{other_name:?}");
            let other_authority = open("localhost", "sslmode=verify-full").await;
            assert!(matches!(other_authority, Err(OpenError::Connect { .. } | OpenError::InvalidUrl { .. })));
            for unverified in ["sslmode=require", "sslmode=prefer", ""] {
                open("127.0.0.1", unverified).await.unwrap().ping().await.unwrap();
            }
        }
    };
    crate::database::run(database, body).await;
}

/// Puts encryption in front of a server.
async fn encrypt(server: String) -> SocketAddr {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("opening/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("opening/server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // The client asks for encryption by eight bytes, and one letter agrees.
                client.read_exact(&mut [0; 8]).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                copy_bidirectional(&mut client, &mut TcpStream::connect(server).await?).await
            });
        }
    });
    address
}

async fn a_newer_or_older_schema_is_refused_by_name(database: Arc<Database>) {
    let storage = database.open().await;
    drop(storage);
    let set = async |version: &str| {
        let sql = format!(
            "DELETE FROM __diesel_schema_migrations; \
             INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"
        );
        crate::migrations::execute(&database, &sql).await;
        Storage::open(&database.url, OpenConfig::default()).await
    };
    assert!(
        matches!(set("29991231000000").await, Err(OpenError::SchemaTooNew { found, .. }) if found.starts_with("2999"))
    );
    assert!(
        matches!(set("20200101000000").await, Err(OpenError::SchemaTooOld { found, .. }) if found.starts_with("2020"))
    );
}
on_both!(empty a_newer_or_older_schema_is_refused_by_name);

/// A server that goes silent, as behind a broken network: connections stand, and nothing comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_goes_silent_is_unavailable_within_its_time() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            let world = World::bootstrapped(&database).await;
            let (silent, address) = relay(host_of(&database.url)).await;
            let url = database.url.replace(&host_of(&database.url), &address);
            let through = Storage::open(&url, hasty()).await.unwrap();
            assert_eq!(
                through.bootstrap_state().await.unwrap().unwrap().operator_organization,
                world.operator
            );
            silent.store(true, Ordering::SeqCst);
            // The connections that it has, and the ones that it will try to make.
            for _ in 0..4 {
                let answer = tokio::time::timeout(Duration::from_secs(5), through.load_deployment()).await;
                assert!(matches!(answer.expect("an answer in time"), Err(StorageError::Unavailable(_))));
            }
            silent.store(false, Ordering::SeqCst);
            crate::world::until("it recovers", async || through.ping().await.is_ok()).await;
        }
    };
    crate::database::run(database, body).await;
}

/// Passes bytes on to a server and back, or swallows them.
async fn relay(server: String) -> (Arc<AtomicBool>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = Arc::new(AtomicBool::new(false));
    let swallow = Arc::clone(&silent);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (to_client, to_server) =
                (client.into_split(), TcpStream::connect(&server).await.unwrap().into_split());
            tokio::spawn(pass_on(to_client.0, to_server.1, Arc::clone(&swallow)));
            tokio::spawn(pass_on(to_server.0, to_client.1, Arc::clone(&swallow)));
        }
    });
    (silent, address)
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallow: Arc<AtomicBool>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !swallow.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn host_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let (authority, _) = rest.split_once('/').unwrap();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}

/// A server that has gone away after it was opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_has_gone_is_unavailable_and_never_a_denial() {
    let database = Database::postgres().await;
    let storage = database.open().await;
    crate::database::run(Arc::clone(&database), async {}).await;
    let error = tokio::time::timeout(Duration::from_secs(20), storage.ping())
        .await
        .expect("within its time")
        .unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert!(error.source().is_some(), "the cause is kept for the log");
}
