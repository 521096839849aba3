use serde_json::Value;

use super::database::Database;
use super::process::{Answer, Server};

/// That an answer is a problem in the one shape: status, code, and where what is wrong.
fn assert_problem(answer: &Answer, status: u16, code: &str, fault: Option<(&str, &str)>) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&Value::from(code), &Value::from(status)),
        "{problem}"
    );
    for member in ["type", "title", "detail", "request_id"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {problem}");
    }
    assert_eq!(answer.header("x-request-id"), problem["request_id"].as_str());
    if let Some((pointer, rule)) = fault {
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        let found = errors.iter().any(|error| error["pointer"] == pointer && error["code"] == rule);
        assert!(found, "no {rule} at {pointer:?} in {problem}");
    }
}

fn request(method: &str, path: &str, head: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{head}Connection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_usable_credential_are_problems() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let key = server.operator_key();
    let wrong = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    for (head, status, code) in [
        (String::new(), 401, "missing_credentials"),
        (format!("Authorization: Bearer {wrong}\r\n"), 401, "invalid_key"),
        ("Authorization: Basic dXNlcjpwYXNz\r\n".to_owned(), 401, "invalid_key"),
        ("Authorization: Bearer \r\n".to_owned(), 401, "invalid_key"),
        (format!("X-API-Key: {key}\r\nX-API-Key: {key}\r\n"), 400, "ambiguous_credentials"),
        (format!("Authorization: Bearer {key}\r\nX-API-Key: {key}\r\n"), 400, "ambiguous_credentials"),
    ] {
        let answer = server.send(request("GET", "/v1/me", &head)).await;
        assert_problem(&answer, status, code, None);
        assert!(
            answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer ")),
            "{answer:?}"
        );
    }
    let answer = server
        .send(request("GET", &format!("/v1/me?api_key={key}"), &format!("Cookie: key={key}\r\n")))
        .await;
    assert_problem(&answer, 401, "missing_credentials", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_whoever_asks() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    for path in ["/", "/v1", "/v1/", "/v1/me/", "/nothing", "/v1/organizations//keys", "/docs/"] {
        assert_problem(&server.send(request("GET", path, "")).await, 404, "not_found", None);
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/me", "GET, HEAD"),
        ("GET", "/v1/verify", "POST"),
        ("OPTIONS", "/v1/organizations/org_1/keys", "GET, HEAD, POST"),
        ("TRACE", "/v1/organizations/org_1/keys/key_1", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/readyz", "GET, HEAD"),
        ("BREW", "/docs", "GET, HEAD"),
    ] {
        let answer = server.send(request(method, path, "Content-Length: 0\r\n")).await;
        assert_problem(&answer, 405, "method_not_allowed", None);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flaw_of_a_body_is_pointed_at() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let keys = format!("{}/keys", server.demo().await);
    for (body, pointer, rule) in [
        ("", "", "invalid_json"),
        ("{", "", "invalid_json"),
        ("{} x", "", "invalid_json"),
        ("{\"name\": 'x'}", "/name", "invalid_json"),
        (r#"{"name": "a\ud800b"}"#, "/name", "invalid_json"),
        (r#"{"name": "a\u0000b"}"#, "/name", "invalid_character"),
        (r#"{"metadata": {"a": {"b": "\u0000"}}}"#, "/metadata/a/b", "invalid_character"),
        (r#"{"name": "a", "name": "b"}"#, "/name", "duplicate_field"),
        (r#"{"principal": {"id": "a", "id": "b"}}"#, "/principal/id", "duplicate_field"),
        (r#"{"name": "a", "nmae": "b"}"#, "/nmae", "unknown_field"),
        (
            r#"{"name": "a", "principal": {"type": "user", "id": "x", "more": 1}}"#,
            "/principal/more",
            "unknown_field",
        ),
        (r#"{"name": 5}"#, "/name", "wrong_type"),
        (r#"{"name": "a", "permissions": "pipelines:read"}"#, "/permissions", "wrong_type"),
        (r#"{"name": "a", "permissions": [true]}"#, "/permissions/0", "wrong_type"),
        (r#"[]"#, "", "wrong_type"),
        (r#"{}"#, "/name", "required"),
    ] {
        let answer = server.call("POST", &keys, body).await;
        assert_problem(&answer, 400, "invalid_request", Some((pointer, rule)));
    }
    let mut raw = format!(
        "POST {keys} HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\
         Connection: close\r\n\r\n",
        server.operator_key()
    )
    .into_bytes();
    raw.extend_from_slice(b"{\"name\": \"\xff\xfe\"}");
    assert_problem(&server.send(raw).await, 400, "invalid_request", Some(("/name", "invalid_json")));

    let deep = format!("{{\"metadata\": {{\"a\": {}{}}}}}", "[".repeat(40), "]".repeat(40));
    let answer = server.call("POST", &keys, &deep).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["code"]), (400, &"too_deep".into()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_kind_is_refused_after_the_credential() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let keys = format!("{}/keys", server.demo().await);
    let key = server.operator_key();
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json; charset=latin1\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    ] {
        let post = |credential: &str| {
            format!(
                "POST {keys} HTTP/1.1\r\nHost: test\r\n{credential}{kind}Content-Length: 13\r\nConnection: close\r\n\r\n\
                 {{\"name\": \"a\"}}"
            )
        };
        let with = post(&format!("Authorization: Bearer {key}\r\n"));
        assert_problem(&server.send(with).await, 415, "unsupported_media_type", None);
        assert_problem(&server.send(post("")).await, 401, "missing_credentials", None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_cap_is_refused_declared_or_not() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let keys = format!("{}/keys", server.demo().await);
    let key = server.operator_key();
    let head = format!(
        "POST {keys} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    );
    let fits = format!("{{\"name\": \"{}\"}}", "a".repeat(64 * 1024 - 12));
    assert_eq!(fits.len(), 64 * 1024);
    let declared = |body: &str| format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    assert_problem(&server.send(declared(&fits)).await, 400, "invalid_request", Some(("/name", "too_long")));
    assert_problem(&server.send(declared(&format!("{fits} "))).await, 413, "payload_too_large", None);
    assert_problem(&server.send(declared(&" ".repeat(600_000))).await, 413, "payload_too_large", None);

    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let chunked =
        |chunks: usize| format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(chunks));
    assert_problem(&server.send(chunked(16)).await, 400, "invalid_request", Some(("", "invalid_json")));
    assert_problem(&server.send(chunked(17)).await, 413, "payload_too_large", None);
    assert_problem(&server.send(chunked(150)).await, 413, "payload_too_large", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_one_request_id_and_leaves_one_line_in_the_log() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    let key = server.operator_key();
    let head = format!("Authorization: Bearer {key}\r\nX-Request-Id: trace-1\r\n");
    let answer = server.send(request("GET", "/v1/me?secret=swordfish", &head)).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("trace-1")), "{answer:?}");
    let strange = server.send(request("GET", "/livez", "X-Request-Id: a b\r\n")).await;
    assert!(strange.header("x-request-id").unwrap().starts_with("req_"), "{strange:?}");
    let unknown = server.send(request("GET", "/swordfish", "")).await;
    let unknown_id = unknown.header("x-request-id").unwrap().to_owned();

    let said = server.stop().await;
    let lines: Vec<_> = said.lines().filter(|line| line.contains("trace-1")).collect();
    let [line] = lines.as_slice() else { panic!("{said}") };
    for part in ["GET", "/v1/me", "status=200", "duration_ms=", "key=key_"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(said.lines().filter(|line| line.contains(&unknown_id)).count(), 1, "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_to_get_and_head() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]).await;
    for (path, word) in [("/livez", "alive"), ("/readyz", "ready")] {
        let get = server.send(request("GET", path, "")).await;
        assert_eq!((get.status, get.body.as_str()), (200, word));
        let head = server.send(request("HEAD", path, "")).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_server_is_alive_and_not_ready() {
    let database = Database::postgres().await;
    let server = Server::start(&database, &[]).await;
    database.cut_off().await;
    let answer = server.send(request("GET", "/readyz", "")).await;
    assert_problem(&answer, 503, "unavailable", None);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(server.send(request("GET", "/livez", "")).await.status, 200);
}
