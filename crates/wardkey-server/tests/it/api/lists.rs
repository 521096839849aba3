//! Lists, page by page.

use std::sync::Arc;

use serde_json::{Value, json};
use wardkey::Caller;
use wardkey_core::BuiltInRole;

use super::world::{World, text};

on_both!(
    pages_follow_one_another_until_none_is_left,
    a_cursor_is_good_for_its_own_list_only,
    every_parameter_is_checked_and_an_unknown_one_refused,
    keys_are_found_by_status_environment_principal_and_text,
    without_admin_keys_one_sees_only_ones_own,
    a_scoped_key_sees_its_workspaces,
);

async fn items(world: &World, path: &str, key: &str) -> Vec<Value> {
    let page = world.get(path).key(key).send().await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| text(item, "/name")).collect()
}

/// Issues keys with these names.
async fn issue_named(world: &World, all: &[&str]) {
    for name in all {
        let mut body = world.wanted(&[]);
        body["name"] = (*name).into();
        world.issue(body).await;
    }
}

async fn pages_follow_one_another_until_none_is_left(world: Arc<World>) {
    issue_named(&world, &["a", "b", "c", "d", "e"]).await;
    let mut seen = Vec::new();
    let mut path = world.demo("/keys?limit=2");
    let mut sizes = Vec::new();
    loop {
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        sizes.push(items.len());
        seen.extend(items.iter().map(|item| text(item, "/id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = world.demo(&format!("/keys?limit=2&cursor={cursor}")),
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 5);
    let all = items(&world, &world.demo("/keys"), world.operator()).await;
    assert_eq!(all.iter().map(|item| text(item, "/id")).collect::<Vec<_>>(), seen);
    for path in
        ["/v1/organizations?limit=1".to_owned(), world.demo("/workspaces"), world.demo("/service-accounts")]
    {
        assert_eq!(items(&world, &path, world.operator()).await.len(), 1, "{path}");
    }
}

async fn a_cursor_is_good_for_its_own_list_only(world: Arc<World>) {
    issue_named(&world, &["a", "b"]).await;
    let page = world.get(&world.demo("/keys?limit=1")).key(world.operator()).send().await.expect(200).json();
    let cursor = text(&page, "/next_cursor");
    let mut forged = cursor.to_owned();
    forged.replace_range(3..4, if forged.as_bytes()[3] == b'A' { "B" } else { "A" });
    let operator = format!("/v1/organizations/{}/keys", world.first.operator_key.key.organization);
    for path in [
        world.demo(&format!("/keys?cursor={forged}")),
        world.demo("/keys?cursor=AAAA"),
        world.demo(&format!("/keys?status=active&cursor={cursor}")),
        world.demo(&format!("/keys?search=a&cursor={cursor}")),
        world.demo(&format!("/workspaces?cursor={cursor}")),
        format!("{operator}?cursor={cursor}"),
        format!("/v1/organizations?cursor={cursor}"),
    ] {
        let answer = world.get(&path).key(world.operator()).send().await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{path}");
        assert_eq!(answer.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())], "{path}");
    }
    // The page size is no part of the list.
    world
        .get(&world.demo(&format!("/keys?limit=7&cursor={cursor}")))
        .key(world.operator())
        .send()
        .await
        .expect(200);
}

async fn every_parameter_is_checked_and_an_unknown_one_refused(world: Arc<World>) {
    for (query, expected) in [
        ("limit=0", vec![("limit", "out_of_range")]),
        ("limit=101", vec![("limit", "out_of_range")]),
        ("limit=ten", vec![("limit", "wrong_type")]),
        ("limit=1&limit=2", vec![("limit", "repeated")]),
        ("cursor=", vec![("cursor", "too_short")]),
        ("status=sleeping", vec![("status/0", "unknown_value")]),
        ("enviroment=staging", vec![("enviroment", "unknown_field")]),
        ("principal=somebody", vec![("principal", "too_short")]),
        ("search=%00", vec![("search", "invalid_character")]),
        (
            "environment=No&limit=x&page=2",
            vec![("environment", "malformed"), ("limit", "wrong_type"), ("page", "unknown_field")],
        ),
    ] {
        let answer = world.get(&world.demo(&format!("/keys?{query}"))).key(world.operator()).send().await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{query}");
        let expected: Vec<_> =
            expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
        assert_eq!(answer.faults(), expected, "{query}");
    }
    for path in [
        "/v1/organizations?page=2".to_owned(),
        world.demo("/workspaces?name=x"),
        world.demo("/service-accounts?x=1"),
    ] {
        let answer = world.get(&path).key(world.operator()).send().await;
        assert_eq!(answer.problem(), (400, "invalid_request".to_owned()), "{path}");
    }
}

async fn keys_are_found_by_status_environment_principal_and_text(world: Arc<World>) {
    issue_named(&world, &["Nightly export", "Weekly report", "Old import"]).await;
    let mut staging = world.wanted(&[]);
    staging["environment"] = "staging".into();
    staging["name"] = "Staging".into();
    world.issue(staging).await;
    let all = items(&world, &world.demo("/keys"), world.operator()).await;
    let id_of = |name: &str| {
        all.iter().find(|key| key["name"] == name).map(|key| text(key, "/id").to_owned()).unwrap()
    };
    let act = async |name: &str, verb: &str| {
        let path = world.demo(&format!("/keys/{}/{verb}", id_of(name)));
        world.post(&path).key(world.operator()).send().await.expect(200);
    };
    act("Weekly report", "disable").await;
    act("Old import", "revoke").await;
    let found = async |query: &str| {
        let items = items(&world, &world.demo(&format!("/keys?{query}")), world.operator()).await;
        let mut names = names(&items).into_iter().map(str::to_owned).collect::<Vec<_>>();
        names.sort();
        names
    };
    assert_eq!(found("status=active").await, ["Nightly export", "Staging"]);
    assert_eq!(found("status=disabled&status=revoked").await, ["Old import", "Weekly report"]);
    assert_eq!(found("status=expired").await, Vec::<String>::new());
    assert_eq!(found("environment=staging").await, ["Staging"]);
    assert_eq!(found("search=PORT").await, ["Nightly export", "Old import", "Weekly report"]);
    let account = world.first.demo_service_account;
    assert_eq!(found(&format!("principal={account}")).await.len(), 4);
    assert_eq!(found("principal=sa_0000000000000000000000").await, Vec::<String>::new());
}

async fn without_admin_keys_one_sees_only_ones_own(world: Arc<World>) {
    let ada = world.user_key(world.member("ada", BuiltInRole::Member).await).await;
    let bob = world.user_key(world.member("bob", BuiltInRole::Member).await).await;
    let own = items(&world, &world.demo("/keys"), &ada).await;
    assert_eq!(own.len(), 1);
    assert_eq!(items(&world, &world.demo("/keys"), world.operator()).await.len(), 2);
    let path = world.demo(&format!("/keys/{}", text(&own[0], "/id")));
    world.get(&path).key(&ada).send().await.expect(200);
    assert_eq!(world.get(&path).key(&bob).send().await.problem(), (404, "not_found".to_owned()));
    let revoke = format!("{path}/revoke");
    assert_eq!(world.post(&revoke).key(&bob).send().await.problem(), (404, "not_found".to_owned()));
    world.post(&revoke).key(&ada).send().await.expect(200);
}

async fn a_scoped_key_sees_its_workspaces(world: Arc<World>) {
    let tenant =
        world.wardkey.enter(&Caller::local("test"), &world.first.demo_organization.into()).await.unwrap();
    tenant.create_workspace("Other".to_owned(), Some("eu-1".to_owned()), Vec::new()).await.unwrap();
    let mut body = world.wanted(&["pipelines:read"]);
    body["workspaces"] = json!({ "access": "specific", "ids": ["eu-1"] });
    let scoped = world.issue(body).await;
    let seen = items(&world, &world.demo("/workspaces"), text(&scoped, "/secret")).await;
    assert_eq!(names(&seen), ["Other"]);
    assert_eq!(seen[0]["external_id"], "eu-1");
    assert_eq!(items(&world, &world.demo("/workspaces"), world.operator()).await.len(), 2);
}
