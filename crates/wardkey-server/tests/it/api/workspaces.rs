//! Workspaces: made, seen, edited, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{Answer, World, text};

on_both!(
    a_workspace_is_made_seen_edited_and_deleted,
    a_repeated_request_makes_one_workspace,
    what_is_wrong_with_a_workspace_is_said_at_its_place,
    workspaces_are_found_by_external_id_and_text_page_by_page,
    a_foreign_workspace_and_one_that_does_not_exist_are_the_same_bytes,
    a_key_that_names_a_deleted_workspace_can_be_renamed_and_reaches_nothing,
);

async fn create(world: &World, body: Value) -> Answer {
    world.post(&world.demo("/workspaces")).key(world.operator()).json(body).await
}

async fn a_workspace_is_made_seen_edited_and_deleted(world: Arc<World>) {
    let body = json!({ "name": "Europe", "external_id": "eu-1", "ip_allowlist": ["10.0.0.0/8"] });
    let made = create(&world, body).await.expect(201);
    let (location, workspace) = (made.header("location").unwrap().to_owned(), made.json());
    assert_eq!(location, world.demo(&format!("/workspaces/{}", text(&workspace, "/id"))));
    assert_eq!((made.header("etag"), made.header("idempotency-replayed")), (Some("\"1\""), None));
    assert_eq!(workspace["ip_allowlist"], json!(["10.0.0.0/8"]));
    let path = world.demo("/workspaces/eu-1");
    for path in [&path, &location] {
        let got = world.get(path).key(world.operator()).send().await.expect(200);
        assert_eq!((got.header("etag"), got.json()), (Some("\"1\""), workspace.clone()));
    }
    let patch = |body| world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(body);
    let without = world.patch(&path).key(world.operator()).json(json!({ "name": "x" })).await;
    assert_eq!(without.problem(), (428, "precondition_required".to_owned()));
    let patched = patch(json!({ "name": "EU", "ip_allowlist": [] })).await.expect(200);
    assert_eq!(patched.header("etag"), Some("\"2\""));
    assert_eq!((text(&patched.json(), "/name"), text(&patched.json(), "/external_id")), ("EU", "eu-1"));
    assert_eq!(patch(json!({ "name": "x" })).await.problem(), (412, "version_mismatch".to_owned()));
    let delete = |version| world.delete(&path).key(world.operator()).header("if-match", version).send();
    assert_eq!(delete("\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    assert!(delete("\"2\"").await.expect(204).body.is_empty());
    for gone in [&path, &location] {
        let answer = world.get(gone).key(world.operator()).send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    }
    let key = world.service_key(&["admin:customers"]).await;
    let refused = world.post(&world.demo("/workspaces")).key(&key).json(json!({})).await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn a_repeated_request_makes_one_workspace(world: Arc<World>) {
    let path = world.demo("/workspaces");
    let send =
        |body: Value| world.post(&path).key(world.operator()).header("idempotency-key", "once").json(body);
    let first = send(json!({ "name": "A" })).await.expect(201);
    let again = send(json!({ "name": "A" })).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!((first.header("location"), first.json()), (again.header("location"), again.json()));
    assert_eq!(send(json!({ "name": "B" })).await.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn what_is_wrong_with_a_workspace_is_said_at_its_place(world: Arc<World>) {
    let id = world.first.demo_workspace.to_string();
    let faults = |faults: &[(&str, &str)]| -> Vec<(String, String)> {
        faults.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect()
    };
    let form = json!({ "external_id": 7, "ip_allowlist": ["10.0.0.1/8", "::1", "::1"], "colour": "red" });
    assert_eq!(
        create(&world, form).await.faults(),
        faults(&[
            ("/colour", "unknown_field"),
            ("/external_id", "wrong_type"),
            ("/ip_allowlist/0", "malformed"),
            ("/ip_allowlist/2", "repeated"),
            ("/name", "required"),
        ])
    );
    let reserved = json!({ "name": "A", "external_id": id });
    assert_eq!(create(&world, reserved).await.faults(), faults(&[("/external_id", "reserved")]));
    create(&world, json!({ "name": "A", "external_id": "taken" })).await.expect(201);
    let taken = create(&world, json!({ "name": "B", "external_id": "taken" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    let path = world.demo(&format!("/workspaces/{id}"));
    let patch = |body| world.patch(&path).key(world.operator()).header("if-match", "\"1\"").json(body);
    assert_eq!(patch(json!({ "id": id, "version": 2 })).await.faults().len(), 2);
    assert_eq!(patch(json!({ "id": id })).await.faults(), faults(&[("/id", "immutable")]));
    assert_eq!(patch(json!({ "name": null })).await.faults(), faults(&[("/name", "wrong_type")]));
    let taken = patch(json!({ "external_id": "taken" })).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
}

async fn workspaces_are_found_by_external_id_and_text_page_by_page(world: Arc<World>) {
    for (name, id) in [("North", "n"), ("South", "s"), ("Northwest", "nw")] {
        create(&world, json!({ "name": name, "external_id": id })).await.expect(201);
    }
    let list = async |query: &str| {
        let path = world.demo(&format!("/workspaces?{query}"));
        world.get(&path).key(world.operator()).send().await.expect(200).json()
    };
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| text(item, "/external_id").to_owned()).collect()
    };
    assert_eq!(names(&list("external_id=s").await), ["s"]);
    assert_eq!(names(&list("external_id=x").await), Vec::<String>::new());
    let page = list("search=NORTH&limit=1").await;
    let cursor = text(&page, "/next_cursor");
    let rest = list(&format!("search=NORTH&limit=1&cursor={cursor}")).await;
    let mut both = [names(&page), names(&rest)].concat();
    both.sort();
    assert_eq!((both, rest.get("next_cursor")), (vec!["n".to_owned(), "nw".to_owned()], None));
    let other = world.demo(&format!("/workspaces?search=SOUTH&cursor={cursor}"));
    let refused = world.get(&other).key(world.operator()).send().await;
    assert_eq!(refused.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())]);
}

async fn a_foreign_workspace_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let key = world.service_key(&["admin:workspaces"]).await;
    let body = json!({ "name": "Other", "external_id": "other" });
    world.post("/v1/organizations").key(world.operator()).json(body).await.expect(201);
    let path = "/v1/organizations/other/workspaces";
    let foreign =
        world.post(path).key(world.operator()).json(json!({ "name": "F" })).await.expect(201).json();
    let mut answers = Vec::new();
    for id in [text(&foreign, "/id"), "ws_0000000000000000000000", "nowhere", "a%00b"] {
        let path = world.demo(&format!("/workspaces/{id}"));
        let call = |method: &str| {
            let call = world.call(method.parse().unwrap(), &path).key(&key);
            call.header("x-request-id", "same").header("if-match", "\"1\"")
        };
        for answer in [
            call("GET").send().await,
            call("PATCH").json(json!({ "name": "x" })).await,
            call("DELETE").send().await,
        ] {
            assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
            answers.push((answer.headers, answer.body));
        }
    }
    answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}

async fn a_key_that_names_a_deleted_workspace_can_be_renamed_and_reaches_nothing(world: Arc<World>) {
    let made = create(&world, json!({ "name": "Gone" })).await.expect(201);
    let workspace = text(&made.json(), "/id").to_owned();
    let mut body = world.wanted(&["pipelines:read"]);
    body["workspaces"] = json!({ "access": "specific", "ids": [workspace] });
    let issued = world.issue(body).await;
    world.delete(made.header("location").unwrap()).key(world.operator()).send().await.expect(204);
    let path = world.demo(&format!("/keys/{}", text(&issued, "/key/id")));
    let rename = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    let renamed = rename.json(json!({ "name": "renamed" })).await.expect(200).json();
    assert_eq!(renamed["workspaces"], json!({ "access": "specific", "ids": [workspace] }));
    let me = world.get("/v1/me").key(text(&issued, "/secret")).send().await.expect(200).json();
    assert_eq!(me["rights"], json!({ "permissions": [], "all_workspaces": false, "workspaces": [] }));
}
