//! What a key may know of itself, and do to itself.

use std::sync::Arc;

use serde_json::json;

use super::world::{World, text};

on_both!(
    a_key_knows_what_it_is_and_what_it_may_do,
    any_key_may_end_itself_and_nobody_else,
    any_key_may_read_the_catalogue
);

async fn a_key_knows_what_it_is_and_what_it_may_do(world: Arc<World>) {
    let issued = world.issue(world.wanted(&["pipelines:run", "pipelines:read"])).await;
    let me = world.get("/v1/me").key(text(&issued, "/secret")).send().await.expect(200).json();
    assert_eq!(me["key"]["id"], issued["key"]["id"]);
    assert_eq!(me["organization"]["name"], "Demo");
    assert_eq!(me["principal"]["id"], json!(world.first.demo_service_account.to_string()));
    assert!(me["principal"]["name"].is_string());
    assert_eq!(me["rights"]["permissions"], json!(["pipelines:read", "pipelines:run"]));
    assert_eq!(me["rights"]["all_workspaces"], true);
    let place = &me["rights"]["workspaces"][0];
    assert_eq!(place["id"], json!(world.first.demo_workspace.to_string()));
    assert_eq!(place["permissions"], json!(["pipelines:read", "pipelines:run"]));
    let mine =
        world.get("/v1/me/organizations").key(text(&issued, "/secret")).send().await.expect(200).json();
    assert_eq!(mine["items"], json!([me["organization"]]));
}

async fn any_key_may_end_itself_and_nobody_else(world: Arc<World>) {
    let issued = world.issue(world.wanted(&[])).await;
    let secret = text(&issued, "/secret");
    let other = world.demo(&format!("/keys/{}/revoke", text(&issued, "/key/id")));
    assert_eq!(
        world.post(&other).key(secret).send().await.status,
        403,
        "by its id it would need a permission"
    );
    let revoked =
        world.post("/v1/me/revoke").key(secret).json(json!({ "reason": "leaked" })).await.expect(200).json();
    assert_eq!((&revoked["id"], &revoked["status"]), (&issued["key"]["id"], &json!("revoked")));
    assert_eq!(
        world.post("/v1/me/revoke").key(secret).send().await.problem(),
        (401, "key_revoked".to_owned())
    );
}

async fn any_key_may_read_the_catalogue(world: Arc<World>) {
    let key = world.service_key(&[]).await;
    let permissions = world.get("/v1/permissions").key(&key).send().await.expect(200).json();
    let groups = permissions["groups"].as_array().unwrap();
    let names: Vec<_> = groups
        .iter()
        .flat_map(|group| group["permissions"].as_array().unwrap())
        .map(|permission| (text(permission, "/name"), text(permission, "/class")))
        .collect();
    for expected in [("pipelines:read", "read"), ("pipelines:run", "write")] {
        assert!(names.contains(&expected), "{names:?}");
    }
    let environments = world.get("/v1/environments").key(&key).send().await.expect(200).json();
    let mut names: Vec<_> =
        environments["items"].as_array().unwrap().iter().map(|item| text(item, "/name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["development", "production", "staging"]);
}
