use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::database::Database;
use super::process::{Server, command, complaint, run, text};

fn write_private(path: &std::path::Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn production_refuses_to_start_without_its_settings_and_names_them_all() {
    let database = Database::sqlite();
    let said = complaint(&database, &["--mode", "production"]).await;
    for needed in
        ["--public-url", "--seal-file", "head -c 32 /dev/urandom > seal", "--trusted-proxy", "--no-proxy"]
    {
        assert!(said.contains(needed), "{needed} is not in {said}");
    }
    let said = complaint(&database, &["--listen", "0.0.0.0:0"]).await;
    assert!(said.contains("--mode production"), "{said}");
    assert!(!database.folder().join("wardkey-data").exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_starts_once_everything_is_decided() {
    let database = Database::sqlite();
    let seal = database.folder().join("the seal");
    write_private(&seal, &[7; 32], 0o400);
    let settings = [
        ["--mode", "production"],
        ["--public-url", "https://keys.example.com/wardkey/"],
        ["--seal-file", seal.to_str().unwrap()],
        ["--trusted-proxy", "10.0.0.0/8"],
    ];
    let server = Server::start(&database, settings.as_flattened()).await;
    assert!(server.said().contains("https://keys.example.com/wardkey/docs\n"), "{}", server.said());
    assert!(!server.data_dir.join("seal").exists());
    assert_eq!(server.call("GET", "/v1/me", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_seal_refuses_to_start_and_says_which_flag() {
    for database in Database::both().await {
        Server::start(&database, &[]).await.stop().await;
        let other = database.folder().join("other");
        write_private(&other, &[9; 32], 0o600);
        let said =
            complaint(&database, &["--listen", "127.0.0.1:0", "--seal-file", other.to_str().unwrap()]).await;
        assert!(said.contains("another seal") && said.contains("--seal-file"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_seal_is_refused_with_its_remedy() {
    let database = Database::sqlite();
    let seal = database.folder().join("seal");
    let path = seal.to_str().unwrap();
    let said = complaint(&database, &["--seal-file", path]).await;
    assert!(said.contains("head -c 32 /dev/urandom"), "{said}");
    write_private(&seal, &[7; 33], 0o600);
    let said = complaint(&database, &["--seal-file", path]).await;
    assert!(said.contains("not 32 bytes long"), "{said}");
    write_private(&seal, &[7; 32], 0o604);
    let said = complaint(&database, &["--seal-file", path]).await;
    assert!(said.contains("chmod o="), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_come_from_flags_then_variables_then_the_file() {
    let database = Database::sqlite();
    let file = "data_dir = 'from-file'\nlog_format = 'json'\nmode = 'nonsense'\n";
    fs::write(database.folder().join("wardkey.toml"), file).unwrap();
    let mut command = command(&database, &["--listen", "127.0.0.1:0", "--data-dir", "from-flag"]);
    command
        .env("WARDKEY_DATA_DIR", "from-variable")
        .env("WARDKEY_MODE", "development")
        .env("WARDKEY_LISTN", "typo");
    let server = Server::spawn(database.folder(), command).await;
    assert!(database.folder().join("from-flag/wardkey.db").exists());
    assert!(
        !database.folder().join("from-variable").exists() && !database.folder().join("from-file").exists()
    );
    let said = server.said();
    let listening =
        said.lines().find(|line| line.contains("\"listening\"")).unwrap_or_else(|| panic!("{said}"));
    assert!(serde_json::from_str::<serde_json::Value>(listening).is_ok(), "{listening}");
    assert!(said.contains("WARDKEY_LISTN"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_settings_is_named_where_it_was_made() {
    let database = Database::sqlite();
    fs::write(database.folder().join("wardkey.toml"), "listen = '127.0.0.1:0'\nlistn = 1\n").unwrap();
    let said = complaint(&database, &[]).await;
    assert!(said.contains("wardkey.toml, line 2: unknown field `listn`, expected one of `listen`"), "{said}");
    fs::remove_file(database.folder().join("wardkey.toml")).unwrap();

    assert!(
        complaint(&database, &["--listen", "here"])
            .await
            .contains("--listen: expected an address and a port")
    );
    assert!(complaint(&database, &["--log-level", "loud"]).await.contains("--log-level: expected error"));
    assert!(complaint(&database, &["--log-level", "info,a=loud"]).await.contains("--log-level"));
    assert!(
        complaint(&database, &["--config", "absent.toml"])
            .await
            .contains("cannot read the settings in absent.toml")
    );
    let said = complaint(&database, &["--database-url", "mysql://u:swordfish@h/d"]).await;
    assert!(said.contains("mysql") && said.contains("postgres") && !said.contains("swordfish"), "{said}");
    let said = complaint(&database, &["--database-url", "postgres://u:swordfish@127.0.0.1:1/d"]).await;
    assert!(said.contains("cannot connect to the database") && !said.contains("swordfish"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_said_to_be() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let said = complaint(&database, &["--listen", &server.address.to_string()]).await;
    assert!(said.contains("is another server there?") && said.contains("--listen"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_can_be_brought_up_to_date_without_serving() {
    for database in Database::both().await {
        let migrated = run(&database, &["migrate"]).await;
        assert!(migrated.status.success() && text(&migrated.stdout).starts_with("applied "), "{migrated:?}");
        let again = run(&database, &["migrate"]).await;
        assert_eq!(text(&again.stdout), "the schema is up to date\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_is_an_exit_code() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let address = server.address.to_string();
    assert!(run(&database, &["healthcheck", "--listen", &address]).await.status.success());
    server.stop().await;
    let said = complaint(&database, &["healthcheck", "--listen", &address]).await;
    assert!(said.contains("does not answer"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_tells_its_version_its_document_and_its_settings() {
    let database = Database::sqlite();
    let version = run(&database, &["--version"]).await;
    assert_eq!(text(&version.stdout), concat!("wardkey ", env!("CARGO_PKG_VERSION"), "\n"));

    let document = run(&database, &["openapi"]).await;
    let document: serde_json::Value = serde_json::from_slice(&document.stdout).unwrap();
    let server = Server::start(&database, &[]).await;
    let served = server.send("GET /openapi.json HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(served.json(), document);

    let help = text(&run(&database, &["--help"]).await.stdout);
    for setting in
        ["WARDKEY_LISTEN", "WARDKEY_DATABASE_URL", "WARDKEY_SEAL_FILE", "wardkey.toml", "healthcheck"]
    {
        assert!(help.contains(setting), "{help}");
    }
}
