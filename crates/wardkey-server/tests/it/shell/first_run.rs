use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::database::Database;
use super::process::{Answer, Server, complaint, run, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What a shell makes of a printed line: the arguments of its `curl`. So the test needs no curl, and yet a slip in the
/// quotes is noticed.
async fn curl_arguments(line: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\n' \"$@\" >&3; }}; exec 3>&1 >/dev/null; {line}");
    let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

/// Sends what `curl` with these arguments would send.
async fn send_as_curl(server: &Server, arguments: &[String]) -> Answer {
    let [s, i, h1, authorization, h2, content_type, d, body, url] = arguments else {
        panic!("{arguments:?}")
    };
    assert_eq!([s, i, h1, h2, d], ["-sS", "-i", "-H", "-H", "-d"]);
    assert_eq!(content_type, "Content-Type: application/json");
    let path = url.strip_prefix(&format!("http://{}", server.address)).unwrap();
    let length = body.len();
    server
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\n{authorization}\r\n{content_type}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_says_how_to_begin_and_its_two_lines_work_as_pasted() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let said = server.said();
        let url = format!("http://{}", server.address);
        for expected in [
            concat!("wardkey ", env!("CARGO_PKG_VERSION")),
            if database.is_postgres() {
                "PostgreSQL, postgres"
            } else {
                "SQLite, sqlite:wardkey-data/wardkey.db"
            },
            &format!("{url}/v1\n"),
            &format!("{url}/docs\n"),
            &format!("{url}/openapi.json\n"),
            "valid for 24 hours",
            "--local key issue --operator",
        ] {
            assert!(said.contains(expected), "{expected:?} is not in {said}");
        }
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
        let [issue, verify] = lines.as_slice() else { panic!("{said}") };

        let issued = send_as_curl(&server, &curl_arguments(issue).await).await;
        assert_eq!(issued.status, 201, "{issued:?}");
        assert_eq!(issued.header("cache-control"), Some("no-store"));
        assert!(issued.json()["secret"].as_str().unwrap().starts_with("wk_live_"));
        let kept = server.data_dir.join("first-key.txt");
        assert!(kept.exists(), "the first line keeps its answer");
        fs::write(kept, format!("{}\r\n\r\n{}", issued.head, issued.body)).unwrap();

        let verified = send_as_curl(&server, &curl_arguments(verify).await).await;
        assert_eq!(verified.status, 200, "{verified:?}");
        assert_eq!(verified.json()["valid"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_key_waits_in_a_file_for_its_owner_alone() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    assert_eq!(mode(&server.data_dir), 0o700);
    for private in ["operator.key", "seal", "wardkey.db"] {
        assert_eq!(mode(&server.data_dir.join(private)), 0o600, "{private}");
    }
    assert!(!server.said().contains(&server.operator_key()));
    let me = server.call("GET", "/v1/me", "").await;
    assert_eq!(me.status, 200, "{me:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_prints_no_secret_and_makes_nothing_anew() {
    for database in Database::both().await {
        let first = Server::start(&database, &[]).await;
        let key = first.operator_key();
        first.stop().await;
        let second = Server::start(&database, &[]).await;
        let said = second.said();
        assert!(said.contains("/docs") && !said.contains("first start"), "{said}");
        assert!(!said.contains("wk_") && !said.contains("operator.key"), "{said}");
        assert_eq!(second.operator_key(), key);
        assert_eq!(second.call("GET", "/v1/me", "").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_starts_at_once_set_up_one_deployment() {
    for database in Database::both().await {
        let (one, two) = tokio::join!(Server::start(&database, &[]), Server::start(&database, &[]));
        let firsts = [&one, &two].map(|server| server.said().matches("This is the first start").count());
        assert_eq!(firsts.iter().sum::<usize>(), 1, "{} {}", one.said(), two.said());
        for server in [&one, &two] {
            let organizations = server.call("GET", "/v1/organizations", "").await.json();
            let names: Vec<_> =
                organizations["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
            assert_eq!(names.len(), 2, "{names:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_operator_key_is_made_on_the_database_while_the_server_runs() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let issued = run(&database, &["--local", "key", "issue", "--operator"]).await;
        assert!(issued.status.success(), "{issued:?}");
        let key = text(&issued.stdout);
        assert!(key.starts_with("wk_live_") && key.ends_with('\n') && key.lines().count() == 1, "{key:?}");
        assert_eq!(server.call_as(key.trim_end(), "GET", "/v1/organizations", "").await.status, 200);
        let me: Value = server.call_as(key.trim_end(), "GET", "/v1/me", "").await.json();
        assert!(me["key"]["expires_at"].is_string(), "{me}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_know_where_to_work_names_both_ways() {
    let database = Database::sqlite();
    let said = complaint(&database, &["key", "issue", "--operator"]).await;
    assert!(said.contains("--local") && said.contains("--url"), "{said}");
    let said = complaint(&database, &["--local", "key", "issue", "--operator"]).await;
    assert!(said.contains("there is no database at") && said.contains("wardkey migrate"), "{said}");
    assert!(!database.folder().join("wardkey-data").exists(), "nothing was made");
}
