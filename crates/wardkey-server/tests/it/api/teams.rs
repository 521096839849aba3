//! Teams over HTTP.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardkey::{Caller, IssueKey, MemberPatch};
use wardkey_core::{BuiltInRole, UserId};

use super::world::{Call, World, text};

on_both!(
    a_team_lives_from_creation_to_deletion,
    a_repeated_creation_is_one_team,
    members_come_and_go_and_hold_what_the_team_grants,
    teams_are_found_by_external_id_and_text_page_by_page,
    what_a_team_may_not_be_is_said_at_its_place,
    nobody_gives_or_takes_through_a_team_what_they_do_not_hold,
    the_last_owner_stays,
    foreign_and_absent_teams_are_the_same_bytes,
);

async fn create(world: &World, body: Value) -> String {
    let created = world.post(&world.demo("/teams")).key(world.operator()).json(body).await.expect(201);
    world.demo(&format!("/teams/{}", text(&created.json(), "/id")))
}

/// A member who holds nothing.
async fn bare_member(world: &World, name: &str) -> UserId {
    let user = world.member(name, BuiltInRole::Viewer).await;
    let bare = MemberPatch { name: None, grants: Some(Vec::new()) };
    world.demo_tenant().await.update_member(&user.into(), 1, bare).await.unwrap();
    user
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

async fn a_team_lives_from_creation_to_deletion(world: Arc<World>) {
    let key = admin(&world).await;
    let workspace = world.first.demo_workspace.to_string();
    let grants = json!([{"role": "member"}, {"role": "viewer", "workspace_id": workspace}]);
    let body = json!({"name": "Ops", "external_id": "ops", "grants": grants});
    let answer = world.post(&world.demo("/teams")).key(&key).json(body).await.expect(201);
    let team = answer.json();
    let path = world.demo(&format!("/teams/{}", text(&team, "/id")));
    assert!(answer.header("location").unwrap().ends_with(&path));
    assert_eq!((answer.header("etag"), &team["grants"]), (Some("\"1\""), &grants));
    for path in [&path, &world.demo("/teams/ops")] {
        assert_eq!(world.get(path).key(&key).send().await.expect(200).json(), team);
    }

    let patch = |body: Value, etag: &str| world.patch(&path).key(&key).header("if-match", etag).json(body);
    let edited = patch(json!({"external_id": null, "grants": [{"role": "viewer"}]}), "\"1\"").await;
    assert_eq!(edited.header("etag"), Some("\"2\""));
    let edited = edited.expect(200).json();
    assert_eq!((text(&edited, "/name"), &edited["grants"]), ("Ops", &json!([{"role": "viewer"}])));
    assert!(edited.get("external_id").is_none());
    assert_eq!(patch(json!({"name": "O"}), "\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    let without = world.patch(&path).key(&key).json(json!({"name": "O"})).await;
    assert_eq!(without.problem(), (428, "precondition_required".to_owned()));

    let delete = |etag: &str| world.delete(&path).key(&key).header("if-match", etag).send();
    assert_eq!(delete("\"1\"").await.problem(), (412, "version_mismatch".to_owned()));
    delete("\"2\"").await.expect(204);
    assert_eq!(world.get(&path).key(&key).send().await.problem(), (404, "not_found".to_owned()));
    assert_eq!(world.delete(&path).key(&key).send().await.problem(), (404, "not_found".to_owned()));
}

async fn a_repeated_creation_is_one_team(world: Arc<World>) {
    let create = async |name: &str| {
        let call = world.post(&world.demo("/teams")).key(world.operator());
        call.header("idempotency-key", "once").json(json!({"name": name})).await
    };
    let first = create("Ops").await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = create("Ops").await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    assert_eq!(create("Other").await.problem(), (422, "idempotency_mismatch".to_owned()));
}

async fn members_come_and_go_and_hold_what_the_team_grants(world: Arc<World>) {
    let user = bare_member(&world, "uma").await;
    let team = create(&world, json!({"name": "Ops", "grants": [{"role": "viewer"}]})).await;
    let key = world.user_key(user).await;
    let sees = async || {
        let me = world.get("/v1/me").key(&key).send().await.expect(200).json();
        me.to_string().contains("pipelines:read")
    };
    assert!(!sees().await);
    let (path, operator) = (format!("{team}/members/{user}"), world.operator());
    for _ in 0..2 {
        world.put(&path).key(operator).send().await.expect(204);
    }
    assert!(sees().await);
    let listed = world.get(&format!("{team}/members")).key(operator).send().await.expect(200).json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!((items.len(), text(&items[0], "/user_id")), (1, user.to_string().as_str()));
    assert_eq!(text(&items[0], "/name"), "uma");
    // Who is in a team does not move its version.
    assert_eq!(world.get(&team).key(operator).send().await.header("etag"), Some("\"1\""));
    for _ in 0..2 {
        world.delete(&path).key(operator).send().await.expect(204);
    }
    assert!(!sees().await);
    // Who is no member of the organization is in none of its teams.
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let stranger = deployment
        .create_user("s@example.com".to_owned(), "S".to_owned(), None)
        .await
        .unwrap()
        .into_inner()
        .id;
    for nobody in [&stranger.to_string(), "usr_0000000000000000000000", "nobody"] {
        for call in [
            world.put(&format!("{team}/members/{nobody}")),
            world.delete(&format!("{team}/members/{nobody}")),
        ] {
            assert_eq!(call.key(operator).send().await.problem(), (404, "not_found".to_owned()));
        }
    }
    for name in ["ann", "bob"] {
        let user = bare_member(&world, name).await;
        world.put(&format!("{team}/members/{user}")).key(operator).send().await.expect(204);
    }
    let page = |query: &str| world.get(&format!("{team}/members?limit=1{query}")).key(operator).send();
    let first = page("").await.expect(200).json();
    let next = page(&format!("&cursor={}", text(&first, "/next_cursor"))).await.expect(200).json();
    assert!(next.get("next_cursor").is_none());
    assert_ne!(first["items"], next["items"]);
    let other = create(&world, json!({"name": "Other"})).await;
    let path = format!("{other}/members?cursor={}", text(&first, "/next_cursor"));
    let elsewhere = world.get(&path).key(operator).send().await;
    assert_eq!(elsewhere.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())]);
}

async fn teams_are_found_by_external_id_and_text_page_by_page(world: Arc<World>) {
    for (name, id) in [("Ops", "o"), ("Night ops", "n"), ("Data", "d")] {
        create(&world, json!({"name": name, "external_id": id})).await;
        world.clock.advance(Duration::from_secs(1));
    }
    let names = async |query: &str| {
        let path = world.demo(&format!("/teams{query}"));
        let page = world.get(&path).key(world.operator()).send().await.expect(200).json();
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| text(item, "/name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["Data", "Night ops", "Ops"]);
    assert_eq!(names("?search=OPS").await, ["Night ops", "Ops"]);
    assert_eq!(names("?external_id=d").await, ["Data"]);
    assert_eq!(names("?external_id=d&search=ops").await, Vec::<String>::new());
    let first = world.get(&world.demo("/teams?limit=2")).key(world.operator()).send().await.json();
    let cursor = text(&first, "/next_cursor");
    assert_eq!(names(&format!("?limit=2&cursor={cursor}")).await, ["Ops"]);
    let path = world.demo(&format!("/teams?search=ops&cursor={cursor}"));
    let filtered = world.get(&path).key(world.operator()).send().await;
    assert_eq!(filtered.faults(), [("cursor".to_owned(), "invalid_cursor".to_owned())]);
    let member = world.service_key(&["pipelines:read"]).await;
    let refused = world.get(&world.demo("/teams")).key(&member).send().await;
    assert_eq!(refused.problem(), (403, "insufficient_permissions".to_owned()));
}

async fn what_a_team_may_not_be_is_said_at_its_place(world: Arc<World>) {
    let post = |body: Value| world.post(&world.demo("/teams")).key(world.operator()).json(body);
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let own_id = json!({"name": "T", "external_id": "team_0Uk5xVJ3pYqG8dTzMw2Rf6"});
    assert_eq!(post(own_id).await.faults(), fault("/external_id", "reserved"));
    let granted = |grants: Value| post(json!({"name": "T", "grants": grants}));
    let absent = granted(json!([{"role": "role_0000000000000000000000"}])).await;
    assert_eq!(absent.faults(), fault("/grants/0/role", "not_found"));
    let absent = granted(json!([{"role": "viewer", "workspace_id": "nowhere"}])).await;
    assert_eq!(absent.faults(), fault("/grants/0/workspace_id", "not_found"));
    let unknown = granted(json!([{"role": "boss"}])).await;
    assert_eq!((unknown.status, &unknown.faults()[0].0[..]), (400, "/grants/0/role"));
    let twice = granted(json!([{"role": "viewer"}, {"role": "viewer"}])).await;
    assert_eq!(twice.faults(), fault("/grants/1", "duplicate"));
    let many: Vec<_> = (0..101).map(|_| json!({"role": "viewer"})).collect();
    assert_eq!(granted(many.into()).await.faults(), fault("/grants", "too_many"));
    let team = create(&world, json!({"name": "A", "external_id": "a"})).await;
    let taken = post(json!({"name": "B", "external_id": "a"})).await;
    assert_eq!(taken.problem(), (409, "external_id_in_use".to_owned()));
    let call = world.patch(&team).key(world.operator()).header("if-match", "\"1\"");
    assert_eq!(call.json(json!({"version": 7})).await.faults(), fault("/version", "immutable"));
}

async fn nobody_gives_or_takes_through_a_team_what_they_do_not_hold(world: Arc<World>) {
    let user = bare_member(&world, "uma").await;
    let owners = create(&world, json!({"name": "Owners", "grants": [{"role": "owner"}]})).await;
    let admin = admin(&world).await;
    let exceeds = || (403, "exceeds_own_rights".to_owned());
    // An admin holds as much as an owner of a tenant, and is none.
    let calls = [
        world.put(&format!("{owners}/members/{user}")).key(&admin).send().await,
        world.delete(&format!("{owners}/members/{user}")).key(&admin).send().await,
        world.delete(&owners).key(&admin).send().await,
        world.patch(&owners).key(&admin).header("if-match", "\"1\"").json(json!({"name": "O"})).await,
        world.patch(&owners).key(&admin).header("if-match", "\"1\"").json(json!({"grants": []})).await,
        world
            .post(&world.demo("/teams"))
            .key(&admin)
            .json(json!({"name": "T", "grants": [{"role": "owner"}]}))
            .await,
    ];
    for answer in calls {
        assert_eq!(answer.problem(), exceeds());
    }
    let narrow = world.service_key(&["admin:members", "pipelines:read", "connections:read"]).await;
    let viewers = create(&world, json!({"name": "Viewers", "grants": [{"role": "viewer"}]})).await;
    let members = create(&world, json!({"name": "Members", "grants": [{"role": "member"}]})).await;
    world.put(&format!("{viewers}/members/{user}")).key(&narrow).send().await.expect(204);
    assert_eq!(
        world.put(&format!("{members}/members/{user}")).key(&narrow).send().await.problem(),
        exceeds()
    );
    let widen = world.patch(&viewers).key(&narrow).header("if-match", "\"1\"");
    assert_eq!(widen.json(json!({"grants": [{"role": "member"}]})).await.problem(), exceeds());
    let narrowed = world.patch(&members).key(&narrow).header("if-match", "\"1\"");
    assert_eq!(narrowed.json(json!({"grants": [{"role": "viewer"}]})).await.problem(), exceeds());
    world.delete(&format!("{viewers}/members/{user}")).key(&narrow).send().await.expect(204);
}

async fn the_last_owner_stays(world: Arc<World>) {
    let user = bare_member(&world, "uma").await;
    let owners = create(&world, json!({"name": "Owners", "grants": [{"role": "owner"}]})).await;
    let member = format!("{owners}/members/{user}");
    let operator = world.operator();
    world.put(&member).key(operator).send().await.expect(204);
    let narrowed = world.patch(&owners).key(operator).header("if-match", "\"1\"");
    for answer in [
        world.delete(&member).key(operator).send().await,
        world.delete(&owners).key(operator).send().await,
        narrowed.json(json!({"grants": [{"role": "admin"}]})).await,
    ] {
        assert_eq!(answer.problem(), (409, "last_owner".to_owned()));
    }
    world.member("olaf", BuiltInRole::Owner).await;
    world.delete(&owners).key(operator).send().await.expect(204);
}

async fn foreign_and_absent_teams_are_the_same_bytes(world: Arc<World>) {
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let other = deployment.create_organization("Other".to_owned(), None, None).await.unwrap().into_inner().id;
    let path = format!("/v1/organizations/{other}/teams");
    let body = json!({"name": "Foreign", "external_id": "foreign"});
    let foreign = world.post(&path).key(world.operator()).json(body).await.expect(201).json();
    let (key, user) = (admin(&world).await, bare_member(&world, "uma").await);
    let mut answers = Vec::new();
    for id in
        [text(&foreign, "/id"), "foreign", "team_0000000000000000000000", "team_", "nonsense", "%F0%9F%92%A3"]
    {
        let path = world.demo(&format!("/teams/{id}"));
        let get = named(world.get(&path), &key).send().await;
        assert_eq!(get.problem(), (404, "not_found".to_owned()), "{id}");
        let all = [
            get,
            named(world.patch(&path), &key).header("if-match", "\"1\"").json(json!({"name": "T"})).await,
            named(world.delete(&path), &key).send().await,
            named(world.get(&format!("{path}/members")), &key).send().await,
            named(world.put(&format!("{path}/members/{user}")), &key).send().await,
            named(world.delete(&format!("{path}/members/{user}")), &key).send().await,
        ];
        answers.push(all.map(|answer| (answer.status, answer.headers, answer.body)));
    }
    answers.windows(2).for_each(|pair| assert_eq!(pair[0], pair[1]));
}
