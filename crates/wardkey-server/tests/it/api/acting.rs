//! Acting in a user's place.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey_core::BuiltInRole;

use super::world::{World, text};

on_both!(
    an_operator_acts_with_the_rights_of_the_user_and_no_others,
    who_may_not_act_for_others_is_told_so,
    the_header_names_one_user,
    the_deployment_is_run_in_nobodys_place,
    the_document_lists_the_header_where_it_is_read,
);

const ACT_AS: &str = "wardkey-act-as";

async fn an_operator_acts_with_the_rights_of_the_user_and_no_others(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Member).await.to_string();
    let keys = world.demo("/keys");
    let own = world.user_key(user.parse().unwrap()).await;
    let body = json!({ "name": "made for her" });
    let made = world.post(&keys).key(world.operator()).header(ACT_AS, &user).json(body).await.expect(201);
    assert_eq!(text(&made.json(), "/key/principal/id"), user);
    world.service_key(&[]).await;
    let seen = world.get(&keys).key(world.operator()).header(ACT_AS, &user).send().await.expect(200).json();
    let hers = world.get(&keys).key(&own).send().await.expect(200).json();
    let ids = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|key| text(key, "/id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&seen), ids(&hers), "her own keys, and no others");
    let accounts = world.demo("/service-accounts");
    let refused = world.get(&accounts).key(world.operator()).header(ACT_AS, &user).send().await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
    let mine = world.get("/v1/me/organizations").key(world.operator()).header(ACT_AS, &user).send().await;
    let mine = mine.expect(200).json();
    assert_eq!(ids(&mine), [world.first.demo_organization.to_string()]);
    // Where the user is nobody, there is nothing.
    let operators = format!("/v1/organizations/{}/keys", world.first.operator_key.key.organization);
    let nowhere = world.get(&operators).key(world.operator()).header(ACT_AS, &user).send().await;
    assert_eq!(nowhere.problem(), (404, "not_found".to_owned()));
}

async fn who_may_not_act_for_others_is_told_so(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Member).await.to_string();
    let key = world.admin_key().await;
    for path in [world.demo("/keys"), "/v1/me/organizations".to_owned()] {
        for named in [user.as_str(), "usr_0000000000000000000000", "nobody"] {
            let answer = world.get(&path).key(&key).header(ACT_AS, named).send().await;
            assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()), "{path} {named}");
            assert_eq!(answer.json()["missing_permissions"], json!(["operator:act"]));
        }
    }
}

async fn the_header_names_one_user(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Member).await.to_string();
    let path = world.demo("/keys");
    for bad in ["", "two words", "\u{fc}", &"x".repeat(101)] {
        let answer = world.get(&path).key(world.operator()).header(ACT_AS, bad).send().await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{bad}");
        assert_eq!(answer.faults()[0].0, "Wardkey-Act-As", "{bad}");
    }
    let twice = world.get(&path).key(world.operator()).header(ACT_AS, &user).header(ACT_AS, &user);
    assert_eq!(twice.send().await.faults(), [("Wardkey-Act-As".to_owned(), "repeated".to_owned())]);
    for nobody in ["usr_0000000000000000000000", "nobody"] {
        let answer = world.get(&path).key(world.operator()).header(ACT_AS, nobody).send().await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{nobody}");
    }
    world.get(&path).key(world.operator()).header(ACT_AS, &user).send().await.expect(200);
}

async fn the_deployment_is_run_in_nobodys_place(world: Arc<World>) {
    let user = world.member("ada", BuiltInRole::Owner).await.to_string();
    let answer = world.get("/v1/organizations").key(world.operator()).header(ACT_AS, &user).send().await;
    assert_eq!(answer.problem(), (403, "insufficient_permissions".to_owned()));
    world.get("/v1/organizations").key(world.operator()).send().await.expect(200);
}

async fn the_document_lists_the_header_where_it_is_read(world: Arc<World>) {
    let lists = |path: &str, method: &str| {
        let parameters = world.document["paths"][path][method]["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == "Wardkey-Act-As"))
    };
    assert!(lists("/v1/organizations/{organization_id}/keys", "post"));
    assert!(lists("/v1/me/organizations", "get"));
    assert!(!lists("/v1/organizations", "get") && !lists("/v1/permissions", "put"));
}
