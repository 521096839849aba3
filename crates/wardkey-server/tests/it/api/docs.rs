//! The reference and the document as they are served.

use std::sync::Arc;

use serde_json::Value;

use super::world::World;

on_both!(the_document_is_served_as_it_is_checked_in, the_reference_needs_nothing_but_this_server);

async fn the_document_is_served_as_it_is_checked_in(world: Arc<World>) {
    let answer = world.get("/openapi.json").send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document: Value = answer.json();
    assert_eq!(document, world.document);
    assert_eq!(document["openapi"], "3.0.3");
}

async fn the_reference_needs_nothing_but_this_server(world: Arc<World>) {
    let answer = world.get("/docs").send().await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = String::from_utf8(answer.body.clone()).unwrap();
    for operation in ["issue_key", "rotate_key", "verify_key"] {
        assert!(page.contains(&format!("id=\"{operation}\"")), "{operation}");
    }
    assert!(page.contains("key_limit_reached"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));
}
