//! One organization and another.

use std::sync::Arc;

use wardkey::Caller;
use wardkey_core::{Id as _, OrganizationId};

use super::world::{World, text};

on_both!(
    a_foreign_organization_and_one_that_does_not_exist_are_the_same_bytes,
    a_foreign_key_and_one_that_does_not_exist_are_the_same_bytes,
    an_organization_is_named_by_its_own_id_or_by_the_backends,
    only_operators_list_all_organizations,
    what_a_permission_opens_it_opens_for_the_organization_as_a_whole,
);

const ANOTHER_REQUEST: (&str, &str) = ("x-request-id", "the-same-one");

async fn a_foreign_organization_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let foreign = deployment
        .create_organization("Other".to_owned(), Some("other".to_owned()), None)
        .await
        .unwrap()
        .into_inner();
    let key = world.admin_key().await;
    let absent = OrganizationId::from_bytes([3; 16]).to_string();
    for rest in ["", "/keys", "/workspaces", "/service-accounts", "/keys/key_0000000000000000000000"] {
        let mut answers = Vec::new();
        for organization in [&foreign.id.to_string(), "other", &absent, "nowhere", "a%20b", "%F0%9F%92%A3"] {
            let (name, value) = ANOTHER_REQUEST;
            let path = format!("/v1/organizations/{organization}{rest}");
            let answer = world.get(&path).key(&key).header(name, value).send().await;
            assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
            answers.push((answer.status, answer.headers, answer.body));
        }
        answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1], "{rest}"));
    }
}

async fn a_foreign_key_and_one_that_does_not_exist_are_the_same_bytes(world: Arc<World>) {
    let key = world.admin_key().await;
    let mut bodies = Vec::new();
    let foreign = world.first.operator_key.key.id.to_string();
    for id in [&foreign, "key_0000000000000000000000", "key_", "nonsense"] {
        let (name, value) = ANOTHER_REQUEST;
        let answer =
            world.get(&world.demo(&format!("/keys/{id}"))).key(&key).header(name, value).send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{id}");
        bodies.push(answer.body);
    }
    bodies.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}

async fn an_organization_is_named_by_its_own_id_or_by_the_backends(world: Arc<World>) {
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let created = deployment
        .create_organization("Acme".to_owned(), Some("tenant-42".to_owned()), None)
        .await
        .unwrap()
        .into_inner();
    let by_id = format!("/v1/organizations/{}", created.id);
    for path in [&by_id, "/v1/organizations/tenant-42"] {
        let answer = world.get(path).key(world.operator()).send().await.expect(200);
        assert_eq!(answer.header("etag"), Some("\"1\""));
        let organization = answer.json();
        assert_eq!(text(&organization, "/id"), created.id.to_string());
        assert_eq!(text(&organization, "/external_id"), "tenant-42");
        assert_eq!((text(&organization, "/kind"), text(&organization, "/state")), ("tenant", "active"));
        assert_eq!(organization["key_limit"], 10);
    }
}

async fn only_operators_list_all_organizations(world: Arc<World>) {
    let page = world.get("/v1/organizations").key(world.operator()).send().await.expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let key = world.admin_key().await;
    let answer = world.get("/v1/organizations").key(&key).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn what_a_permission_opens_it_opens_for_the_organization_as_a_whole(world: Arc<World>) {
    let key = world.service_key(&["admin:service_accounts"]).await;
    world.get(&world.demo("/service-accounts")).key(&key).send().await.expect(200);
    let answer = world.get(&world.demo("")).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    assert_eq!(answer.json()["missing_permissions"], serde_json::json!(["admin:organization"]));
    let key = world.service_key(&["admin:organization"]).await;
    world.get(&world.demo("")).key(&key).send().await.expect(200);
    let answer = world.get(&world.demo("/service-accounts")).key(&key).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
}
