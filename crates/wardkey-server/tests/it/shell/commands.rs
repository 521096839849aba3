//! Commands that work on the database itself.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::database::Database;
use super::process::{Server, command, complaint, run, text};

/// What a command that must succeed says, without line ends.
async fn said(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, &[&["--local"], arguments].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON document that it prints.
async fn json(database: &Database, arguments: &[&str]) -> Value {
    let text = said(database, &[&["--output", "json"], arguments].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// What a command that must fail says, and that it prints nothing to standard output.
async fn refused(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, &[&["--local"], arguments].concat()).await;
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

fn member<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_on_the_database_wants_to_be_told_so() {
    let database = Database::sqlite();
    for arguments in [
        vec!["key", "issue", "--operator"],
        vec!["key", "list"],
        vec!["key", "revoke", "key_0Uk5xVJ3pYqG8dTzMw2Rf6"],
        vec!["organization", "create", "Acme"],
        vec!["organization", "list"],
        vec!["organization", "suspend", "acme"],
        vec!["organization", "resume", "acme"],
        vec!["permissions", "print"],
        vec!["permissions", "apply", "catalogue.json"],
        vec!["user", "create", "--email", "a@b", "--name", "Ada"],
        vec!["user", "set-password", "a@b"],
    ] {
        let said = complaint(&database, &arguments).await;
        assert!(said.contains("--local") && said.contains("--url"), "{arguments:?}: {said}");
    }
    assert!(!database.folder().join("wardkey-data").exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_created_and_listed_as_the_api_shows_it() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let acme = json(&database, &["organization", "create", "Acme", "--external-id", "tenant-42"]).await;
        let path = format!("/v1/organizations/{}", member(&acme, "/id"));
        assert_eq!(server.call("GET", &path, "").await.json(), acme);
        let listed = json(&database, &["organization", "list"]).await;
        assert_eq!(server.call("GET", "/v1/organizations", "").await.json()["items"], listed["items"]);

        let table = said(&database, &["organization", "list"]).await;
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with("ID ") && lines.len() == 4, "{table}");
        let line = lines.iter().find(|line| line.contains("Acme")).unwrap();
        assert!(line.starts_with(member(&acme, "/id")) && line.contains("tenant-42"), "{table}");

        let said = refused(&database, &["organization", "create", " ", "--external-id", "a b"]).await;
        assert!(
            said.contains("NAME: must not be blank") && said.contains("--external-id: must be"),
            "{said}"
        );
        let said = refused(&database, &["organization", "create", "B", "--external-id", "tenant-42"]).await;
        assert!(said.contains("external id"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_suspended_and_resumed() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    said(&database, &["organization", "create", "Acme", "--external-id", "acme"]).await;
    for (verb, state) in [("suspend", "suspended"), ("resume", "active")] {
        for _ in 0..2 {
            let shown = json(&database, &["organization", verb, "acme", "--reason", "unpaid"]).await;
            assert_eq!(shown["state"], state);
        }
    }
    let events = "/v1/organizations/acme/audit-events?action=organization.*";
    let events = server.call("GET", events, "").await.json();
    let reasons: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| &event["details"]["reason"]).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == "unpaid").count(), 2, "{events}");
    let unknown = refused(&database, &["organization", "suspend", "nowhere"]).await;
    assert!(unknown.contains("no organization nowhere"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_person_is_made_who_runs_the_deployment_and_logs_in() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let create = ["user", "create", "--email", "ada@example.com", "--name", "Ada", "--operator-owner"];
        let ada = json(&database, &create).await;
        let path = format!("/v1/users/{}", member(&ada, "/id"));
        assert_eq!(server.call("GET", &path, "").await.json(), ada);
        let again = refused(&database, &create).await;
        assert!(again.contains("e-mail"), "{again}");

        let password = "four words that nobody says";
        let set = async |email: &str, typed: &str| {
            let mut command = command(&database, &["--local", "user", "set-password", email]);
            let mut child =
                command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes()).await.unwrap();
            child.wait_with_output().await.unwrap()
        };
        let output = set("ada@example.com", "short").await;
        assert!(!output.status.success() && text(&output.stderr).contains("at least 15"), "{output:?}");
        let output = set("nobody@example.com", password).await;
        assert!(!output.status.success() && text(&output.stderr).contains("no user nobody@"), "{output:?}");
        let output = set("ADA@example.com", password).await;
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(!text(&output.stderr).contains(password), "{output:?}");

        let body = format!(r#"{{"email": "ada@example.com", "password": "{password}"}}"#);
        let login = |body: &str| {
            format!(
                "POST /v1/sessions HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                server.address,
                server.address,
                body.len()
            )
        };
        let opened = server.send(login(&body)).await;
        assert!((200..300).contains(&opened.status), "{opened:?}");
        let wrong = server.send(login(&body.replace("four", "five"))).await;
        assert_eq!(wrong.status, 401, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_is_printed_and_applied_and_nothing_goes_unless_it_is_pruned() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let listed = async || server.call("GET", "/v1/permissions", "").await;
        let file = database.folder().join("catalogue.json");
        let path = file.to_str().unwrap();
        let apply = ["permissions", "apply", path];
        let prune = ["permissions", "apply", path, "--prune"];

        let first = json(&database, &["permissions", "print"]).await;
        assert_eq!(listed().await.json(), first, "printed as the API shows it");
        let reports = |name: &str| {
            let permission = serde_json::json!({"name": name, "class": "read", "label": "See reports"});
            serde_json::json!({"groups": [{"label": "Reports", "permissions": [permission]}]})
        };
        std::fs::write(&file, reports("reports:read").to_string()).unwrap();
        let applied = json(&database, &apply).await;
        assert_eq!(listed().await.json(), applied);
        let groups = |catalogue: &Value| catalogue["groups"].as_array().unwrap().clone();
        let expected = [groups(&first), groups(&reports("reports:read"))].concat();
        assert_eq!(groups(&applied), expected);
        let version = listed().await.header("etag").unwrap().to_owned();
        let table = said(&database, &apply).await;
        assert!(table.contains("\nReports\n  reports:read ") && table.contains("See reports"), "{table}");
        assert_eq!(listed().await.header("etag"), Some(version.as_str()), "a repetition changes nothing");

        assert_eq!(json(&database, &prune).await, reports("reports:read"));
        let issued = server.issue(r#"["reports:read"]"#).await;
        assert_eq!(issued.status, 201, "{issued:?}");
        std::fs::write(&file, reports("reports:share").to_string()).unwrap();
        let kept = refused(&database, &prune).await;
        assert!(kept.contains("reports:read"), "{kept}");
        assert_eq!(listed().await.json(), reports("reports:read"));

        std::fs::write(&file, reports("admin:reports").to_string()).unwrap();
        let reserved = refused(&database, &apply).await;
        assert!(reserved.contains("/groups/0/permissions/0/name"), "{reserved}");
        std::fs::write(&file, "[]").unwrap();
        assert!(refused(&database, &apply).await.contains("catalogue.json: not a permission catalogue"));
        assert!(refused(&database, &["permissions", "apply", "nowhere.json"]).await.contains("nowhere.json"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_issued_listed_and_revoked_on_the_database_while_the_server_runs() {
    for database in Database::both().await {
        let server = Server::start(&database, &[]).await;
        let demo = server.demo().await.rsplit_once('/').unwrap().1.to_owned();
        let accounts =
            server.call("GET", &format!("/v1/organizations/{demo}/service-accounts"), "").await.json();
        let account = member(&accounts, "/items/0/id");
        let place = ["--organization", demo.as_str()];
        let wanted = ["key", "issue", "--service-account", account, "--name", "CI", "--all-workspaces"];
        let issue = [&wanted[..], &place, &["--permission", "pipelines:read", "--expires-in", "7d"]].concat();

        let output = run(&database, &[&["--local"], &issue[..]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        let secret = text(&output.stdout);
        assert!(secret.starts_with("wk_live_") && secret.lines().count() == 1, "{secret:?}");
        let explained = text(&output.stderr);
        assert!(
            explained.contains("shown only now") && !explained.contains(secret.trim_end()),
            "{explained}"
        );
        assert_eq!(server.call_as(secret.trim_end(), "GET", "/v1/me", "").await.status, 200);

        let issued = json(&database, &issue).await;
        let id = member(&issued, "/key/id");
        let path = format!("/v1/organizations/{demo}/keys/{id}");
        assert_eq!(server.call("GET", &path, "").await.json(), issued["key"]);
        assert_eq!(issued["key"]["permissions"], serde_json::json!(["pipelines:read"]));
        assert!(member(&issued, "/secret").starts_with("wk_live_"));

        let listed = json(&database, &[&["key", "list"], &place[..]].concat()).await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
        let revoked =
            json(&database, &[&["key", "revoke", id, "--reason", "test"], &place[..]].concat()).await;
        assert_eq!(revoked["status"], "revoked");
        let active = said(&database, &[&["key", "list", "--status", "active"], &place[..]].concat()).await;
        assert!(active.lines().count() == 2 && !active.contains(id), "{active}");
        let events = format!("/v1/organizations/{demo}/audit-events?action=key.revoke");
        let events = server.call("GET", &events, "").await.json();
        assert_eq!(
            events["items"][0]["actor"],
            serde_json::json!({"type": "local", "why": "wardkey key revoke"})
        );
        assert_eq!(events["items"][0]["details"]["reason"], "test");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_key_is_said_by_its_flag() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let demo = server.demo().await.rsplit_once('/').unwrap().1.to_owned();
    let accounts = server.call("GET", &format!("/v1/organizations/{demo}/service-accounts"), "").await.json();
    let account = member(&accounts, "/items/0/id");
    let base = ["key", "issue", "--organization", demo.as_str()];
    let named = ["--name", "CI"];
    let of = ["--service-account", account];
    for (arguments, expected) in [
        (vec![], "--name"),
        ([&named[..], &of].concat(), "--workspace or --all-workspaces"),
        (named.to_vec(), "--service-account"),
        ([&named[..], &["--service-account", "nobody", "--all-workspaces"]].concat(), "--service-account"),
        ([&named[..], &of, &["--all-workspaces", "--permission", "nothing:at_all"]].concat(), "--permission"),
        ([&named[..], &of, &["--workspace", "nowhere"]].concat(), "--workspace"),
        ([&named[..], &of, &["--all-workspaces", "--expires-in", "8d"]].concat(), "--expires-in"),
        ([&named[..], &of, &["--all-workspaces", "--level", "some"]].concat(), "read_only"),
        ([&named[..], &of, &["--all-workspaces", "--environment", "moon"]].concat(), "--environment"),
        ([&named[..], &of, &["--operator"]].concat(), "--operator"),
    ] {
        let said = refused(&database, &[&base[..], &arguments].concat()).await;
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let said = refused(&database, &["key", "list", "--organization", "nowhere"]).await;
    assert!(said.contains("no organization nowhere") && said.contains("organization list"), "{said}");
    let said = refused(&database, &["key", "revoke", "key_0Uk5xVJ3pYqG8dTzMw2Rf6"]).await;
    assert!(said.contains("--organization"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_ten_operator_keys_the_next_one_says_how_to_make_room() {
    let database = Database::sqlite();
    drop(Server::start(&database, &[]).await);
    for _ in 0..9 {
        said(&database, &["key", "issue", "--operator"]).await;
    }
    let full = refused(&database, &["key", "issue", "--operator"]).await;
    assert!(full.contains("10") && full.contains("key list") && full.contains("key revoke"), "{full}");
    let keys = json(&database, &["key", "list", "--status", "active"]).await;
    assert_eq!(keys["items"].as_array().unwrap().len(), 10);
    said(&database, &["key", "revoke", member(&keys, "/items/0/id")]).await;
    said(&database, &["key", "issue", "--operator"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_a_command_says_what_is_missing() {
    let database = Database::sqlite();
    assert!(run(&database, &["migrate"]).await.status.success());
    let said = refused(&database, &["key", "list"]).await;
    assert!(said.contains("no deployment yet") && said.contains("wardkey serve"), "{said}");
}
