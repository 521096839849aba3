use std::fs;

use super::database::Database;
use super::process::{Answer, Server, files, run, text};

/// Everything that was said and stored, by the name of its place.
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    /// Where any of these secrets is found: whole, or the random characters in it.
    fn holding(&self, secrets: &[String]) -> Vec<&str> {
        let needles: Vec<_> =
            secrets.iter().flat_map(|secret| [secret.as_str(), random_part(secret)]).collect();
        let holds = |bytes: &[u8]| needles.iter().any(|needle| contains(bytes, needle.as_bytes()));
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(place, _)| place.as_str()).collect()
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The secret without prefix, tag and checksum.
fn random_part(secret: &str) -> &str {
    let random = secret.rsplit('_').next().unwrap();
    &random[..random.len() - 6]
}

/// Every row of every table as text.
async fn rows(database: &Database) -> Vec<(String, Vec<u8>)> {
    let client = database.client().await;
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    let mut rows = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        for row in client.query(&format!("SELECT t::text FROM \"{table}\" t"), &[]).await.unwrap() {
            rows.push((format!("table {table}"), row.get::<_, String>(0).into_bytes()));
        }
    }
    assert!(rows.len() > 10, "the tables hold something");
    rows
}

fn raw(method: &str, path: &str, head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The secret in every place where somebody may put it, right, wrong and malformed.
fn uses(secret: &str, operator: &str) -> Vec<String> {
    let json = "Content-Type: application/json\r\n";
    let authorized = format!("Authorization: Bearer {operator}\r\n{json}");
    let verify = |body: &str| raw("POST", "/v1/verify", &authorized, body);
    let (start, end) = secret.split_at(secret.len() - 1);
    let swapped = if end == "a" { "b" } else { "a" };
    let mut uses = Vec::new();
    for value in
        [secret.to_owned(), format!("{start}{swapped}"), start.to_owned(), format!("{secret}{secret}")]
    {
        uses.push(raw("GET", "/v1/me", &format!("Authorization: Bearer {value}\r\n"), ""));
        uses.push(raw("GET", "/v1/me", &format!("X-API-Key: {value}\r\n"), ""));
        uses.push(raw("GET", "/v1/me", &format!("Authorization: Basic {value}\r\n"), ""));
        uses.push(raw("GET", "/v1/me", &format!("Authorization: {value}\r\n"), ""));
        uses.push(raw(
            "GET",
            "/v1/me",
            &format!("Authorization: Bearer {value}\r\nX-API-Key: {value}\r\n"),
            "",
        ));
        uses.push(raw("GET", &format!("/v1/me?api_key={value}"), &format!("Cookie: key={value}\r\n"), ""));
        uses.push(raw(
            "GET",
            &format!("/v1/organizations/{value}/keys/{value}?{value}={value}"),
            &authorized,
            "",
        ));
        uses.push(raw("GET", &format!("/{value}"), "", ""));
        uses.push(raw("GET", "/livez", &format!("X-Request-Id: {value} \u{e9}\r\n"), ""));
        uses.push(verify(&format!(r#"{{"secret": "{value}"}}"#)));
        uses.push(verify(&format!(r#"{{"secret": "{value}", "workspace_id": "ws_absent"}}"#)));
        uses.push(verify(&format!(r#"{{"secret": ["{value}"]}}"#)));
        uses.push(verify(&format!(r#"{{"secret": "{value}", "secret": "{value}"}}"#)));
        uses.push(verify(&format!(r#"{{"secret": "{value}\u0000"}}"#)));
        uses.push(verify(&format!(r#"{{"secret": "{value}"#)));
        uses.push(verify(&format!(r#""{value}""#)));
        uses.push(verify(&format!(r#"{{"secret": "x", "ip": "{value}"}}"#)));
        uses.push(raw("POST", "/v1/verify", &format!("Authorization: Bearer {operator}\r\n"), &value));
    }
    uses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_nowhere_but_where_it_was_planted() {
    for database in Database::both().await {
        let server = Server::start(&database, &["--log-level", "trace"]).await;
        let operator = server.operator_key();
        let issued = server.issue(r#"["pipelines:read", "pipelines:run"]"#).await;
        assert_eq!(issued.status, 201, "{issued:?}");
        let key = issued.json()["key"]["id"].as_str().unwrap().to_owned();
        let path = format!("{}/keys/{key}", server.demo().await);
        let rotated = server.call("POST", &format!("{path}/rotate"), r#"{"overlap_seconds": 600}"#).await;
        assert_eq!(rotated.header("cache-control"), Some("no-store"));
        let next = run(&database, &["--local", "--log-level", "trace", "key", "issue", "--operator"]).await;
        let secret = |answer: &Answer| answer.json()["secret"].as_str().unwrap().to_owned();
        let secrets =
            [operator.clone(), secret(&issued), secret(&rotated), text(&next.stdout).trim_end().to_owned()];

        let mut places = vec![("the log of a command".to_owned(), next.stderr)];
        for presented in &secrets {
            for request in uses(presented, &operator) {
                let answer = server.send(&request).await;
                let place = format!("the answer to {}", request.lines().next().unwrap());
                places.push((place, format!("{}\r\n\r\n{}", answer.head, answer.body).into_bytes()));
            }
        }
        let read = server.call("GET", &path, "").await;
        assert_eq!(read.status, 200);
        places.push(("the key, read".to_owned(), read.body.into_bytes()));
        let revoked = server.call("POST", &format!("{path}/revoke"), "").await;
        assert_eq!(revoked.status, 200, "{revoked:?}");
        let refused = server.call_as(&secrets[2], "GET", "/v1/me", "").await;
        assert_eq!(refused.json()["code"], "key_revoked");
        places.push(("the answer to a revoked key".to_owned(), refused.body.into_bytes()));

        if database.is_postgres() {
            // A table of the test's own shows that rows are searched.
            let planted = format!("CREATE TABLE planted AS SELECT 'x{}x' AS word", random_part(&secrets[1]));
            database.client().await.batch_execute(&planted).await.unwrap();
            places.extend(rows(&database).await);
        }
        // So does a file beside the database, whose files are read while the write-ahead log still stands there.
        fs::write(server.data_dir.join("planted"), format!("x{}", secrets[2])).unwrap();
        for file in files(database.folder()) {
            places.push((file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&file).unwrap()));
        }
        let wal = places.iter().any(|(place, bytes)| place == "wardkey.db-wal" && !bytes.is_empty());
        assert!(database.is_postgres() || wal, "the write-ahead log is searched");

        let said = server.stop().await;
        assert!(
            said.contains("DEBUG") && said.contains("/v1/verify"),
            "the log is as talkative as it can be"
        );
        places.push(("the log".to_owned(), said.into_bytes()));
        places.push(("a log that tells".to_owned(), format!("secret={}", secrets[3]).into_bytes()));

        let mut found =
            Places(places).holding(&secrets).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>();
        found.sort_unstable();
        let mut expected = vec!["a log that tells", "operator.key", "planted"];
        if database.is_postgres() {
            expected.push("table planted");
        }
        assert_eq!(found, expected);
    }
}
