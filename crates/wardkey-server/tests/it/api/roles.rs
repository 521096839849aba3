//! Roles over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardkey::{Caller, IssueKey};
use wardkey_core::BuiltInRole;

use super::world::{Call, World, text};

on_both!(
    built_in_roles_come_first_with_what_they_give_now,
    a_role_lives_from_creation_to_deletion,
    a_repeated_creation_is_one_role,
    what_a_role_may_not_be_is_said_at_its_place,
    a_role_never_exceeds_its_author,
    a_built_in_role_neither_changes_nor_goes,
    a_role_that_is_held_stays,
    foreign_and_absent_roles_are_the_same_bytes,
);

/// Makes a role as the operator, who acts with an owner's rights.
async fn create(world: &World, name: &str, permissions: &[&str]) -> Value {
    let body = json!({"name": name, "permissions": permissions});
    world.post(&world.demo("/roles")).key(world.operator()).json(body).await.expect(201).json()
}

/// The secret of a key that an admin of the demo organization made.
async fn admin(world: &World) -> String {
    let user = world.member("adam", BuiltInRole::Admin).await;
    let caller = Caller::local("test").acting_as(user);
    let adam = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let mut input = IssueKey::named("admin");
    input.permissions = vec!["keys:write".parse().unwrap()];
    adam.issue_key(input).await.unwrap().secret.unwrap().expose().to_owned()
}

/// The same request from the same client.
fn named<'w>(call: Call<'w>, key: &str) -> Call<'w> {
    call.key(key).header("x-request-id", "the-same-one")
}

async fn built_in_roles_come_first_with_what_they_give_now(world: Arc<World>) {
    create(&world, "Older", &[]).await;
    world.clock.advance(Duration::from_secs(1));
    create(&world, "Newer", &[]).await;
    // Anybody in the organization may ask.
    let key = world.service_key(&[]).await;
    let list = world.get(&world.demo("/roles")).key(&key).send().await.expect(200).json();
    let items = list["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| text(item, "/name")).collect();
    assert_eq!(names, ["viewer", "member", "admin", "owner", "Newer", "Older"]);
    assert_eq!(items[0]["permissions"], json!(["connections:read", "pipelines:read"]));
    assert_eq!((text(&items[0], "/id"), &items[0]["built_in"]), ("viewer", &json!(true)));
    assert!(items[3]["permissions"].as_array().unwrap().contains(&json!("admin:members")));
    assert!(!items[3]["permissions"].as_array().unwrap().contains(&json!("operator:act")));
    assert!(items[3].get("version").is_none() && items[4]["version"] == 1);
    let answer = world.get(&world.demo("/roles/owner")).key(&key).send().await.expect(200);
    assert_eq!((answer.header("etag"), answer.json()), (None, items[3].clone()));
    // The operator's owners run the deployment besides.
    let operator = format!("/v1/organizations/{}/roles/owner", world.first.operator_key.key.organization);
    let owner = world.get(&operator).key(world.operator()).send().await.expect(200).json();
    assert!(owner["permissions"].as_array().unwrap().contains(&json!("operator:act")));
}

async fn a_role_lives_from_creation_to_deletion(world: Arc<World>) {
    let key = admin(&world).await;
    let body = json!({"name": "Runner", "description": "Runs", "permissions": ["pipelines:run"]});
    let answer = world.post(&world.demo("/roles")).key(&key).json(body).await.expect(201);
    let role = answer.json();
    let path = world.demo(&format!("/roles/{}", text(&role, "/id")));
    assert!(answer.header("location").unwrap().ends_with(&path));
    assert_eq!((answer.header("etag"), &role["built_in"]), (Some("\"1\""), &json!(false)));
    assert_eq!(world.get(&path).key(&key).send().await.expect(200).json(), role);

    let patch = |body: Value, etag: &str| world.patch(&path).key(&key).header("if-match", etag).json(body);
    let edited = patch(json!({"description": null, "permissions": ["pipelines:read"]}), "\"1\"").await;
    assert_eq!(edited.header("etag"), Some("\"2\""));
    let edited = edited.expect(200).json();
    assert_eq!((text(&edited, "/name"), &edited["permissions"]), ("Runner", &json!(["pipelines:read"])));
    assert!(edited.get("description").is_none());
    assert_eq!(patch(json!({"name": "R"}), "\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    let without = world.patch(&path).key(&key).json(json!({"name": "R"})).await;
    assert_eq!(without.problem(), (428, "precondition_required".to_owned()));

    let delete = |etag: &str| world.delete(&path).key(&key).header("if-match", etag).send();
    assert_eq!(delete("\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    delete("\"2\"").await.expect(204);
    assert_eq!(world.get(&path).key(&key).send().await.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.delete(&path).key(&key).send().await.problem(), (404, "not_found".to_owned()));
}

async fn a_repeated_creation_is_one_role(world: Arc<World>) {
    let create = async |name: &str| {
        let call = world.post(&world.demo("/roles")).key(world.operator());
        call.header("idempotency-key", "once").json(json!({"name": name})).await
    };
    let first = create("Runner").await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = create("Runner").await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    assert_eq!(create("Other").await.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn what_a_role_may_not_be_is_said_at_its_place(world: Arc<World>) {
    let post = |body: Value| world.post(&world.demo("/roles")).key(world.operator()).json(body);
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    for name in ["owner", "Admin", " member ", "role_0Uk5xVJ3pYqG8dTzMw2Rf6"] {
        assert_eq!(post(json!({"name": name})).await.faults(), fault("/name", "reserved"), "{name}");
    }
    let listed = |names: &[&str]| json!({"name": "R", "permissions": names});
    let wrong = post(listed(&["pipelines:read", "no:such", "operator:act", "keys:read"])).await;
    let expected = [
        ("/permissions/1", "unknown_permission"),
        ("/permissions/2", "operator_only"),
        ("/permissions/3", "unknown_permission"),
    ];
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.faults(), expected.map(|(at, code)| (at.to_owned(), code.to_owned())));
    assert_eq!(post(listed(&["a:b", "a:b"])).await.faults()[0], fault("/permissions/1", "repeated")[0]);
    let many: Vec<_> = (0..101).map(|n| format!("a:b{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(post(listed(&many)).await.faults(), fault("/permissions", "too_many"));
    assert_eq!(post(json!({"name": " "})).await.status, 400);
    assert_eq!(post(json!({"name": "R", "level": "all"})).await.faults(), fault("/level", "unknown_field"));
    let role = create(&world, "Runner", &[]).await;
    let taken = post(json!({"name": "Runner"})).await;
    assert_eq!(taken.problem(), (409, "name_in_use".to_owned()));
    let path = world.demo(&format!("/roles/{}", text(&role, "/id")));
    let call = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
    assert_eq!(call.json(json!({"built_in": true})).await.faults(), fault("/built_in", "immutable"));
}

async fn a_role_never_exceeds_its_author(world: Arc<World>) {
    let narrow = world.service_key(&["admin:members", "pipelines:read"]).await;
    let post = |body: Value| world.post(&world.demo("/roles")).key(&narrow).json(body);
    let beyond = post(json!({"name": "R", "permissions": ["pipelines:read", "pipelines:run"]})).await;
    assert_eq!(beyond.problem(), (403, "exceeds_own_rights".to_owned()));
    assert_eq!(beyond.faults(), [("/permissions/1".to_owned(), "exceeds_own_rights".to_owned())]);
    post(json!({"name": "R", "permissions": ["pipelines:read"]})).await.expect(201);
    // Of another's role one may take, and give what one holds.
    let role = create(&world, "Wide", &["admin:keys", "pipelines:run"]).await;
    let path = world.demo(&format!("/roles/{}", text(&role, "/id")));
    let patch = |etag: &str, names: &[&str]| {
        let call = world.patch(&path).key(&narrow).header("if-match", etag);
        call.json(json!({"permissions": names}))
    };
    patch("\"1\"", &["pipelines:read", "admin:keys"]).await.expect(200);
    let back = patch("\"2\"", &["pipelines:read", "admin:keys", "pipelines:run"]).await;
    assert_eq!(back.problem(), (403, "exceeds_own_rights".to_owned()));
    let without = world.service_key(&["pipelines:read", "pipelines:run"]).await;
    for call in [world.post(&world.demo("/roles")), world.patch(&path).header("if-match", "\"2\"")] {
        let refused = call.key(&without).json(json!({"name": "S"})).await;
        assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
    }
    let refused = world.delete(&path).key(&without).send().await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn a_built_in_role_neither_changes_nor_goes(world: Arc<World>) {
    for role in ["viewer", "member", "admin", "owner"] {
        let path = world.demo(&format!("/roles/{role}"));
        let call = world.patch(&path).key(world.operator()).header("if-match", "\"1\"");
        assert_eq!(call.json(json!({"permissions": []})).await.problem(), (409, "built_in".to_owned()));
        let deleted = world.delete(&path).key(world.operator()).send().await;
        assert_eq!(deleted.problem(), (409, "built_in".to_owned()));
    }
}

async fn a_role_that_is_held_stays(world: Arc<World>) {
    let role = create(&world, "Runner", &["pipelines:run"]).await;
    let body = json!({"name": "Ops", "grants": [{"role": role["id"]}]});
    let team = world.post(&world.demo("/teams")).key(world.operator()).json(body).await.expect(201).json();
    let path = world.demo(&format!("/roles/{}", text(&role, "/id")));
    let held = world.delete(&path).key(world.operator()).send().await;
    assert_eq!(held.problem(), (409, "role_in_use".to_owned()));
    assert_eq!((&held.json()["members"], &held.json()["teams"]), (&json!(0), &json!(1)));
    let team = world.demo(&format!("/teams/{}", text(&team, "/id")));
    world.delete(&team).key(world.operator()).send().await.expect(204);
    world.delete(&path).key(world.operator()).send().await.expect(204);
}

async fn foreign_and_absent_roles_are_the_same_bytes(world: Arc<World>) {
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let other = deployment.create_organization("Other".to_owned(), None, None).await.unwrap().into_inner().id;
    let path = format!("/v1/organizations/{other}/roles");
    let body = json!({"name": "Foreign"});
    let foreign = world.post(&path).key(world.operator()).json(body).await.expect(201).json();
    let key = admin(&world).await;
    let mut answers = Vec::new();
    for id in [text(&foreign, "/id"), "role_0000000000000000000000", "role_", "Owner", "nonsense"] {
        let path = world.demo(&format!("/roles/{id}"));
        let get = named(world.get(&path), &key).send().await;
        assert_eq!(get.problem(), (404, "not_found".to_owned()), "{id}");
        let patch =
            named(world.patch(&path), &key).header("if-match", "\"1\"").json(json!({"name": "R"})).await;
        let delete = named(world.delete(&path), &key).send().await;
        answers.push([get, patch, delete].map(|answer| (answer.status, answer.headers, answer.body)));
    }
    answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}
