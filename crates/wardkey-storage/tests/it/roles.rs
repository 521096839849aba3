use std::sync::Arc;

use serde_json::json;
use wardkey_core::{BuiltInRole, Id as _, Role, RoleId};
use wardkey_storage::{
    Conflict, CustomRole, Grant, Idempotency, NewRole, NewTeam, Once, ROLE_LIMIT, RoleEdit, RoleRef,
    StorageError, TeamEdit,
};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict, role};

pub(crate) fn named(name: &str, permissions: &[&str]) -> RoleEdit {
    RoleEdit {
        name: name.to_owned(),
        description: None,
        permissions: permissions.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

pub(crate) async fn create(world: &World, values: RoleEdit) -> Result<CustomRole, StorageError> {
    let new = NewRole { id: world.role_id(), values };
    world.storage.create_role(&world.act(), world.demo, new, None).await.map(Once::into_inner)
}

fn custom(role: RoleId) -> Grant {
    Grant { workspace: None, role: RoleRef::Custom(role) }
}

async fn a_role_is_found_in_its_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    let values = RoleEdit { description: Some("Why".to_owned()), ..named("Runners", &["pipelines:run"]) };
    let created = create(&world, values.clone()).await.unwrap();
    assert_eq!((created.organization, created.version, created.to_edit()), (world.demo, 1, values.clone()));
    assert_eq!(world.storage.find_role(world.demo, created.id).await.unwrap(), Some(created.clone()));
    assert_eq!(world.storage.find_role(other.organization, created.id).await.unwrap(), None);
    assert_eq!(world.storage.list_roles(other.organization).await.unwrap(), []);
    let act = || world.act();
    assert_not_found(world.storage.update_role(&act(), other.organization, created.id, 1, values).await);
    assert_not_found(world.storage.delete_role(&act(), other.organization, created.id, None).await);
    assert_eq!(world.storage.list_roles(world.demo).await.unwrap(), [created]);
}
on_both!(a_role_is_found_in_its_organization_alone);

async fn an_edit_says_what_was_and_what_is(world: Arc<World>) {
    let created = create(&world, named("Runners", &["pipelines:run"])).await.unwrap();
    let (id, storage) = (created.id, &world.storage);
    let edit = named("Runners", &["pipelines:read"]);
    let edited = storage.update_role(&world.act(), world.demo, id, 1, edit.clone()).await.unwrap();
    assert_eq!((edited.version, edited.to_edit()), (2, edit.clone()));
    let audited = world.audit(world.demo).await;
    assert_eq!((audited[0].action.as_str(), audited[0].target.clone()), ("role.update", id.to_string()));
    let expected = json!({
        "before": {"permissions": ["pipelines:run"]},
        "after": {"permissions": ["pipelines:read"]},
    });
    assert_eq!(audited[0].details, expected);
    // Equal values change nothing; another version is nobody's.
    let same = storage.update_role(&world.act(), world.demo, id, 2, edit.clone()).await.unwrap();
    assert_eq!(same, edited);
    for version in [1, 3] {
        let stale = storage.update_role(&world.act(), world.demo, id, version, edit.clone()).await;
        assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    }
    let stale = storage.delete_role(&world.act(), world.demo, id, Some(1)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    storage.delete_role(&world.act(), world.demo, id, Some(2)).await.unwrap();
    let after = world.audit(world.demo).await;
    assert_eq!(after.len(), audited.len() + 1);
    assert_eq!(after[0].details["before"]["name"], "Runners");
    assert_not_found(storage.delete_role(&world.act(), world.demo, id, None).await);
}
on_both!(an_edit_says_what_was_and_what_is);

async fn a_name_is_unique_in_its_organization(world: Arc<World>) {
    let first = create(&world, named("Runners", &[])).await.unwrap();
    let second = create(&world, named("Readers", &[])).await.unwrap();
    assert_eq!(conflict(create(&world, named("Runners", &[])).await), Conflict::NameInUse);
    let edit = named("Runners", &[]);
    let taken = world.storage.update_role(&world.act(), world.demo, second.id, 1, edit.clone()).await;
    assert_eq!(conflict(taken), Conflict::NameInUse);
    let other = world.tenant().await.organization;
    let new = NewRole { id: world.role_id(), values: edit.clone() };
    world.storage.create_role(&world.act(), other, new, None).await.unwrap();
    world.storage.delete_role(&world.act(), world.demo, first.id, None).await.unwrap();
    world.storage.update_role(&world.act(), world.demo, second.id, 1, edit).await.unwrap();
}
on_both!(a_name_is_unique_in_its_organization);

async fn a_role_that_somebody_holds_stays(world: Arc<World>) {
    let created = create(&world, named("Runners", &["pipelines:run"])).await.unwrap();
    let (ada, bob) = (world.member().await, world.member().await);
    let here = Grant { workspace: Some(world.workspace), role: RoleRef::Custom(created.id) };
    // Twice by one member is one member.
    let storage = &world.storage;
    world.set_member(world.demo, ada, vec![custom(created.id), here]).await.unwrap();
    world.set_member(world.demo, bob, vec![here]).await.unwrap();
    let values = TeamEdit { name: "Ops".to_owned(), external_id: None, grants: vec![custom(created.id)] };
    let team = NewTeam { id: world.team_id(), values };
    let team = storage.create_team(&world.act(), world.demo, team, None).await.unwrap().into_inner();
    let delete = async || storage.delete_role(&world.act(), world.demo, created.id, None).await;
    let audited = world.audit(world.demo).await.len();
    assert_eq!(conflict(delete().await), Conflict::RoleInUse { members: 2, teams: 1 });
    assert_eq!(world.audit(world.demo).await.len(), audited);
    for user in [ada, bob] {
        world.set_member(world.demo, user, vec![role(BuiltInRole::Viewer)]).await.unwrap();
    }
    assert_eq!(conflict(delete().await), Conflict::RoleInUse { members: 0, teams: 1 });
    storage.delete_team(&world.act(), world.demo, team.id, 1).await.unwrap();
    delete().await.unwrap();
    assert_not_found(world.set_member(world.demo, ada, vec![custom(created.id)]).await);
}
on_both!(a_role_that_somebody_holds_stays);

async fn a_role_is_deleted_or_given_but_never_both(world: Arc<World>) {
    let user = world.member().await;
    for round in 0..10 {
        let created = create(&world, named(&format!("R{round}"), &["pipelines:run"])).await.unwrap();
        let (giving, deleting) = (Arc::clone(&world), Arc::clone(&world));
        let grants = vec![custom(created.id)];
        let given = tokio::spawn(async move { giving.set_member(giving.demo, user, grants).await });
        let deleted = tokio::spawn(async move {
            deleting.storage.delete_role(&deleting.act(), deleting.demo, created.id, None).await
        });
        let held = match (given.await.unwrap(), deleted.await.unwrap()) {
            (Ok(()), Err(StorageError::Conflict(Conflict::RoleInUse { members: 1, teams: 0 }))) => true,
            (Err(StorageError::NotFound), Ok(())) => false,
            other => panic!("{other:?}"),
        };
        let member = world.storage.find_member(world.demo, user).await.unwrap().unwrap();
        let names = Role::Custom(created.permissions.clone());
        assert_eq!(member.held.iter().any(|grant| grant.role == names), held);
        world.set_member(world.demo, user, Vec::new()).await.unwrap();
    }
}
on_both!(a_role_is_deleted_or_given_but_never_both);

async fn an_organization_has_a_limited_number_of_roles(world: Arc<World>) {
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..ROLE_LIMIT + 5 {
        let world = Arc::clone(&world);
        creating.spawn(async move { create(&world, named(&format!("Role {number}"), &[])).await });
    }
    let refused = creating.join_all().await.into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.len(), 5);
    for error in refused {
        assert_eq!(conflict::<()>(Err(error)), Conflict::TooMany { limit: ROLE_LIMIT });
    }
    assert_eq!(world.storage.list_roles(world.demo).await.unwrap().len(), ROLE_LIMIT as usize);
}
on_both!(an_organization_has_a_limited_number_of_roles);

async fn a_repeated_creation_makes_one_role(world: Arc<World>) {
    let request = |request| Some(Idempotency { scope: [1; 32], key: "a".to_owned(), request: [request; 32] });
    let new = || NewRole { id: world.role_id(), values: named("Runners", &[]) };
    let create = async |body| world.storage.create_role(&world.act(), world.demo, new(), request(body)).await;
    let Once::Done(first) = create(1).await.unwrap() else { panic!("nothing to replay") };
    let audited = world.audit(world.demo).await.len();
    assert_eq!(create(1).await.unwrap(), Once::Replayed(first.clone()));
    assert_eq!(conflict(create(2).await), Conflict::IdempotencyMismatch);
    assert_eq!(world.audit(world.demo).await.len(), audited);
    world.storage.delete_role(&world.act(), world.demo, first.id, None).await.unwrap();
    assert_not_found(create(1).await);
    assert_eq!(world.storage.find_role(world.demo, RoleId::from_bytes([9; 16])).await.unwrap(), None);
}
on_both!(a_repeated_creation_makes_one_role);
