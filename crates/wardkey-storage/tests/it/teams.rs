use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::json;
use wardkey_core::{BuiltInRole, Id as _, Reference, Role, RoleGrant, RoleId, TeamId, UserId, WorkspaceId};
use wardkey_storage::{
    Conflict, Grant, Idempotency, NewTeam, Once, Page, RoleRef, StorageError, TEAM_LIMIT, TEAM_MEMBER_LIMIT,
    Team, TeamEdit, TeamFilter,
};

use crate::database::{connect, on_both};
use crate::roles;
use crate::world::{World, assert_not_found, conflict, role};

fn named(name: &str, grants: Vec<Grant>) -> TeamEdit {
    TeamEdit { name: name.to_owned(), external_id: None, grants }
}

async fn create(world: &World, values: TeamEdit) -> Result<Team, StorageError> {
    let new = NewTeam { id: world.team_id(), values };
    world.storage.create_team(&world.act(), world.demo, new, None).await.map(Once::into_inner)
}

async fn held(world: &World, user: UserId) -> Vec<RoleGrant> {
    world.storage.find_member(world.demo, user).await.unwrap().unwrap().held
}

fn everywhere(role: BuiltInRole) -> RoleGrant {
    RoleGrant { workspace: None, role: Role::BuiltIn(role) }
}

/// A member who holds nothing.
async fn bare_member(world: &World) -> UserId {
    let user = world.user().await;
    world.set_member(world.demo, user, Vec::new()).await.unwrap();
    user
}

async fn a_team_is_found_in_its_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    let values =
        TeamEdit { external_id: Some("ops".to_owned()), ..named("Ops", vec![role(BuiltInRole::Viewer)]) };
    let created = create(&world, values.clone()).await.unwrap();
    assert_eq!((created.organization, created.version, created.to_edit()), (world.demo, 1, values.clone()));
    let storage = &world.storage;
    for reference in [Reference::Id(created.id), Reference::External("ops".to_owned())] {
        assert_eq!(storage.find_team(world.demo, &reference).await.unwrap(), Some(created.clone()));
        assert_eq!(storage.find_team(other.organization, &reference).await.unwrap(), None);
    }
    let (act, foreign, id) = (|| world.act(), other.organization, created.id);
    let user = world.user().await;
    world.set_member(foreign, user, Vec::new()).await.unwrap();
    assert_not_found(storage.update_team(&act(), foreign, id, 1, values).await);
    assert_not_found(storage.delete_team(&act(), foreign, id, 1).await);
    assert_not_found(storage.add_team_member(&act(), foreign, id, user).await);
    assert_not_found(storage.remove_team_member(&act(), foreign, id, user).await);
    assert_eq!(storage.list_team_members(foreign, id, Page::first(10)).await.unwrap(), []);
    // A member of another organization is none of this one.
    assert_not_found(storage.add_team_member(&act(), world.demo, id, user).await);
    assert_eq!(storage.list_team_members(world.demo, id, Page::first(10)).await.unwrap(), []);
}
on_both!(a_team_is_found_in_its_organization_alone);

async fn a_list_is_filtered_and_goes_on(world: Arc<World>) {
    let mut ids = Vec::new();
    for name in ["Ops", "Night_ops", "Ärzte", "Data"] {
        let values = TeamEdit {
            external_id: Some(format!("x-{name}")),
            ..named(name, vec![role(BuiltInRole::Viewer), role(BuiltInRole::Member)])
        };
        ids.insert(0, create(&world, values).await.unwrap().id);
    }
    let list = async |external_id: Option<&str>, search: Option<&str>, page| {
        let own = |text: &str| text.to_owned();
        let filter = TeamFilter { external_id: external_id.map(own), search: search.map(own) };
        let teams = world.storage.list_teams(world.demo, &filter, page).await.unwrap();
        assert!(teams.iter().all(|team| team.grants.len() == 2));
        teams.into_iter().map(|team| team.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, Page::first(10)).await, ids);
    assert_eq!(list(None, None, Page { after: Some(ids[0]), limit: 2 }).await, ids[1..3]);
    assert_eq!(list(None, Some("OPS"), Page::first(10)).await, ids[2..]);
    assert_eq!(list(None, Some("t_o"), Page::first(10)).await, ids[2..3]);
    assert_eq!(list(None, Some("är"), Page::first(10)).await, ids[1..2]);
    assert_eq!(list(Some("x-Data"), None, Page::first(10)).await, ids[..1]);
    assert_eq!(list(Some("x-Data"), Some("ops"), Page::first(10)).await, []);
    let foreign = world.tenant().await.organization;
    assert_eq!(world.storage.list_teams(foreign, &TeamFilter::default(), Page::first(10)).await.unwrap(), []);
}
on_both!(a_list_is_filtered_and_goes_on);

async fn a_member_holds_what_each_team_holds(world: Arc<World>) {
    let custom = roles::create(&world, roles::named("Runners", &["pipelines:run"])).await.unwrap();
    let here = Grant { workspace: Some(world.workspace), role: RoleRef::Custom(custom.id) };
    let first = create(&world, named("A", vec![role(BuiltInRole::Viewer)])).await.unwrap();
    let second = create(&world, named("B", vec![here])).await.unwrap();
    let user = bare_member(&world).await;
    let storage = &world.storage;
    for team in [first.id, second.id] {
        storage.add_team_member(&world.act(), world.demo, team, user).await.unwrap();
    }
    let in_workspace =
        RoleGrant { workspace: Some(world.workspace), role: Role::Custom(custom.permissions.clone()) };
    assert_eq!(held(&world, user).await, [everywhere(BuiltInRole::Viewer), in_workspace.clone()]);
    // Repeating it changes nothing.
    let audited = world.audit(world.demo).await;
    assert_eq!(audited[0].action, "team.add_member");
    assert_eq!(audited[0].details, json!({"user": user.to_string()}));
    storage.add_team_member(&world.act(), world.demo, second.id, user).await.unwrap();
    assert_eq!(world.audit(world.demo).await.len(), audited.len());
    let inside = storage.list_team_members(world.demo, first.id, Page::first(10)).await.unwrap();
    assert_eq!(inside.iter().map(|member| member.user).collect::<Vec<_>>(), [user]);
    assert_eq!((inside[0].name.as_str(), inside[0].added_at), ("Mem", world.now()));

    storage.remove_team_member(&world.act(), world.demo, first.id, user).await.unwrap();
    assert_eq!(held(&world, user).await, [in_workspace]);
    let audited = world.audit(world.demo).await.len();
    storage.remove_team_member(&world.act(), world.demo, first.id, user).await.unwrap();
    assert_eq!(world.audit(world.demo).await.len(), audited);
    // Whoever leaves the organization leaves its teams.
    storage.remove_member(&world.act(), world.demo, user, None).await.unwrap();
    world.set_member(world.demo, user, Vec::new()).await.unwrap();
    assert_eq!(held(&world, user).await, []);
}
on_both!(a_member_holds_what_each_team_holds);

async fn an_edit_reaches_everybody_inside(world: Arc<World>) {
    let created = create(&world, named("A", vec![role(BuiltInRole::Member)])).await.unwrap();
    let (id, storage, user) = (created.id, &world.storage, bare_member(&world).await);
    storage.add_team_member(&world.act(), world.demo, id, user).await.unwrap();
    let edit = named("A", vec![role(BuiltInRole::Viewer)]);
    let edited = storage.update_team(&world.act(), world.demo, id, 1, edit.clone()).await.unwrap();
    assert_eq!((edited.version, edited.to_edit()), (2, edit.clone()));
    assert_eq!(held(&world, user).await, [everywhere(BuiltInRole::Viewer)]);
    let audited = world.audit(world.demo).await;
    let of = |role: &str| json!({"grants": [{"role": role, "workspace": null}]});
    assert_eq!(audited[0].details, json!({"before": of("member"), "after": of("viewer")}));
    assert_eq!(storage.update_team(&world.act(), world.demo, id, 2, edit.clone()).await.unwrap(), edited);
    for version in [1, 3] {
        let act = world.act();
        let stale = storage.update_team(&act, world.demo, id, version, edit.clone()).await.map(drop);
        for stale in [stale, storage.delete_team(&act, world.demo, id, version).await] {
            assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
        }
    }
    assert_eq!(world.audit(world.demo).await.len(), audited.len());
    storage.delete_team(&world.act(), world.demo, id, 2).await.unwrap();
    assert_eq!(held(&world, user).await, []);
    let deleted = world.audit(world.demo).await.remove(0);
    assert_eq!(deleted.details["before"]["members"], json!([user.to_string()]));
}
on_both!(an_edit_reaches_everybody_inside);

async fn what_a_grant_names_must_exist_there(world: Arc<World>) {
    let other = world.tenant().await;
    let viewer = RoleRef::BuiltIn(BuiltInRole::Viewer);
    let absent = [
        Grant { workspace: Some(WorkspaceId::from_bytes([9; 16])), role: viewer },
        Grant { workspace: Some(other.workspace), role: viewer },
        Grant { workspace: None, role: RoleRef::Custom(RoleId::from_bytes([9; 16])) },
    ];
    let created = create(&world, named("A", vec![role(BuiltInRole::Viewer)])).await.unwrap();
    let audited = world.audit(world.demo).await.len();
    for grant in absent {
        assert_not_found(create(&world, named("B", vec![grant])).await);
        let edit = named("A", vec![grant]);
        assert_not_found(world.storage.update_team(&world.act(), world.demo, created.id, 1, edit).await);
    }
    let kept = world.storage.find_team(world.demo, &created.id.into()).await.unwrap();
    assert_eq!(kept, Some(created));
    assert_eq!(world.audit(world.demo).await.len(), audited);
}
on_both!(what_a_grant_names_must_exist_there);

async fn the_last_owner_stays_through_a_team(world: Arc<World>) {
    let storage = &world.storage;
    let team = create(&world, named("Owners", vec![role(BuiltInRole::Owner)])).await.unwrap();
    let user = bare_member(&world).await;
    storage.add_team_member(&world.act(), world.demo, team.id, user).await.unwrap();
    let (act, demo, id) = (|| world.act(), world.demo, team.id);
    let audited = world.audit(demo).await.len();
    let narrower = named("Owners", vec![role(BuiltInRole::Admin)]);
    let attempts = [
        storage.remove_team_member(&act(), demo, id, user).await,
        storage.delete_team(&act(), demo, id, 1).await,
        storage.update_team(&act(), demo, id, 1, narrower).await.map(drop),
        storage.remove_member(&act(), demo, user, None).await,
    ];
    for attempt in attempts {
        assert_eq!(conflict(attempt), Conflict::LastOwner);
    }
    assert_eq!(held(&world, user).await, [everywhere(BuiltInRole::Owner)]);
    assert_eq!(world.audit(demo).await.len(), audited);
    // With another owner each of them may happen.
    let other = world.member().await;
    world.set_member(demo, other, vec![role(BuiltInRole::Owner)]).await.unwrap();
    storage.remove_team_member(&act(), demo, id, user).await.unwrap();
    storage.delete_team(&act(), demo, id, 1).await.unwrap();
    let left = world.set_member(demo, other, Vec::new()).await;
    assert_eq!(conflict(left), Conflict::LastOwner);
}
on_both!(the_last_owner_stays_through_a_team);

async fn of_two_last_owners_who_are_removed_at_once_one_stays(world: Arc<World>) {
    let team = create(&world, named("Owners", vec![role(BuiltInRole::Owner)])).await.unwrap().id;
    let users = [bare_member(&world).await, bare_member(&world).await];
    for _ in 0..10 {
        for user in users {
            world.storage.add_team_member(&world.act(), world.demo, team, user).await.unwrap();
        }
        let removals = users.map(|user| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world.storage.remove_team_member(&world.act(), world.demo, team, user).await
            })
        });
        let mut removed = 0;
        for removal in removals {
            match removal.await.unwrap() {
                Ok(()) => removed += 1,
                refused => assert_eq!(conflict(refused), Conflict::LastOwner),
            }
        }
        assert_eq!(removed, 1);
    }
}
on_both!(of_two_last_owners_who_are_removed_at_once_one_stays);

async fn a_repeated_creation_makes_one_team(world: Arc<World>) {
    let request = |request| Some(Idempotency { scope: [1; 32], key: "a".to_owned(), request: [request; 32] });
    let new = || NewTeam { id: world.team_id(), values: named("A", vec![role(BuiltInRole::Viewer)]) };
    let create = async |body| world.storage.create_team(&world.act(), world.demo, new(), request(body)).await;
    let Once::Done(first) = create(1).await.unwrap() else { panic!("nothing to replay") };
    assert_eq!(create(1).await.unwrap(), Once::Replayed(first.clone()));
    assert_eq!(conflict(create(2).await), Conflict::IdempotencyMismatch);
    world.storage.delete_team(&world.act(), world.demo, first.id, 1).await.unwrap();
    assert_not_found(create(1).await);
    assert_eq!(world.storage.find_team(world.demo, &TeamId::from_bytes([9; 16]).into()).await.unwrap(), None);
}
on_both!(a_repeated_creation_makes_one_team);

async fn an_external_id_is_unique_in_its_organization(world: Arc<World>) {
    let values = || TeamEdit { external_id: Some("ops".to_owned()), ..named("Ops", Vec::new()) };
    let first = create(&world, values()).await.unwrap();
    let second = create(&world, named("B", Vec::new())).await.unwrap();
    assert_eq!(conflict(create(&world, values()).await), Conflict::ExternalIdInUse);
    let taken = world.storage.update_team(&world.act(), world.demo, second.id, 1, values()).await;
    assert_eq!(conflict(taken), Conflict::ExternalIdInUse);
    world.storage.delete_team(&world.act(), world.demo, first.id, 1).await.unwrap();
    world.storage.update_team(&world.act(), world.demo, second.id, 1, values()).await.unwrap();
}
on_both!(an_external_id_is_unique_in_its_organization);

/// All teams but one that the organization has already, and all members of that one but one: written past the storage.
async fn fill(world: &World, team: TeamId) {
    let hex = |bytes: [u8; 16]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (demo, team) = (hex(world.demo.to_bytes()), hex(team.to_bytes()));
    let (teams, members) = (TEAM_LIMIT - 1, TEAM_MEMBER_LIMIT - 1);
    let rows = |id: &str, counted: &str, at: &str, binary: fn(&str) -> String| {
        let (demo, team) = (binary(&demo), binary(&team));
        format!(
            "INSERT INTO teams (organization_id, id, name, version, created_at, updated_at)
                 SELECT {demo}, {id}, 'T', 1, {at}, {at} FROM {counted} WHERE n <= {teams};
             INSERT INTO users (id, email, folded_email, name, state, version, created_at, updated_at)
                 SELECT {id}, 'f' || n, 'f' || n, 'Fay', 'active', 1, {at}, {at} FROM {counted} WHERE n <= {members};
             INSERT INTO members (organization_id, user_id, created_at, name, version, updated_at)
                 SELECT {demo}, id, {at}, name, 1, {at} FROM users WHERE name = 'Fay';
             INSERT INTO team_members (organization_id, team_id, user_id, created_at)
                 SELECT {demo}, {team}, id, {at} FROM users WHERE name = 'Fay';"
        )
    };
    if let Some(path) = world.url.strip_prefix("sqlite:") {
        let counted = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000) SELECT n FROM c)";
        let sql = rows("randomblob(16)", counted, "0", |hex| format!("x'{hex}'"));
        SqliteConnection::establish(path).unwrap().batch_execute(&sql).unwrap();
    } else {
        let counted = "generate_series(1, 1000) AS n";
        let sql = rows("gen_random_uuid()", counted, "now()", |hex| format!("'{hex}'::uuid"));
        connect(&world.url).await.batch_execute(&sql).await.unwrap();
    }
}

async fn teams_and_who_is_in_them_are_limited(world: Arc<World>) {
    let team = create(&world, named("Full", Vec::new())).await.unwrap().id;
    fill(&world, team).await;
    let (last, one_more) = (bare_member(&world).await, bare_member(&world).await);
    let add = async |user| world.storage.add_team_member(&world.act(), world.demo, team, user).await;
    add(last).await.unwrap();
    assert_eq!(conflict(add(one_more).await), Conflict::TooMany { limit: TEAM_MEMBER_LIMIT });
    add(last).await.unwrap();
    let refused = create(&world, named("One more", Vec::new())).await;
    assert_eq!(conflict(refused), Conflict::TooMany { limit: TEAM_LIMIT });
    let mut seen = Vec::new();
    loop {
        let page = Page { after: seen.last().copied(), limit: 100 };
        let items = world.storage.list_team_members(world.demo, team, page).await.unwrap();
        if items.is_empty() {
            break;
        }
        seen.extend(items.into_iter().map(|member| member.user));
    }
    assert_eq!(seen.len(), TEAM_MEMBER_LIMIT as usize);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
}
on_both!(teams_and_who_is_in_them_are_limited);
