use std::sync::Arc;

use wardkey_core::{Access, BuiltInRole, OrganizationId, Reference};
use wardkey_storage::{
    Conflict, Grant, KeyEdit, NewKey, NewWorkspace, Once, Page, RoleRef, StorageError, WORKSPACE_LIMIT,
    Workspace, WorkspaceEdit, WorkspaceFilter,
};

use crate::database::on_both;
use crate::idempotency::once;
use crate::world::{World, assert_not_found, conflict, role};

fn named(world: &World, external_id: Option<&str>) -> NewWorkspace {
    NewWorkspace {
        id: world.workspace_id(),
        name: "EU".to_owned(),
        external_id: external_id.map(str::to_owned),
        ip_allowlist: Vec::new(),
    }
}

async fn create(world: &World, organization: OrganizationId, new: NewWorkspace) -> Workspace {
    world.storage.create_workspace(&world.act(), organization, new, None).await.unwrap().into_inner()
}

async fn a_workspace_is_found_in_its_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    let created = create(&world, world.demo, named(&world, Some("eu-1"))).await;
    assert_eq!((created.organization, created.version), (world.demo, 1));
    for reference in [Reference::Id(created.id), Reference::External("eu-1".to_owned())] {
        assert_eq!(
            world.storage.find_workspace(world.demo, &reference).await.unwrap(),
            Some(created.clone())
        );
        assert_eq!(world.storage.find_workspace(other.organization, &reference).await.unwrap(), None);
    }
    let (unknown, new) = (world.organization_id(), named(&world, None));
    assert_not_found(world.storage.create_workspace(&world.act(), unknown, new, None).await);
}
on_both!(a_workspace_is_found_in_its_organization_alone);

async fn an_external_id_is_unique_in_its_organization(world: Arc<World>) {
    let other = world.tenant().await;
    let create = async |organization| {
        let new = named(&world, Some("eu-1"));
        world.storage.create_workspace(&world.act(), organization, new, None).await
    };
    create(world.demo).await.unwrap();
    create(other.organization).await.unwrap();
    assert_eq!(conflict(create(world.demo).await), Conflict::ExternalIdInUse);
}
on_both!(an_external_id_is_unique_in_its_organization);

async fn a_list_can_be_narrowed_to_what_a_caller_may_see(world: Arc<World>) {
    let mut ids = vec![world.workspace];
    for _ in 0..4 {
        ids.push(create(&world, world.demo, named(&world, None)).await.id);
    }
    let list = async |only: Option<&[_]>, after, limit| {
        let filter = WorkspaceFilter { only: only.map(<[_]>::to_vec), ..WorkspaceFilter::default() };
        let page = world.storage.list_workspaces(world.demo, &filter, Page { after, limit }).await.unwrap();
        page.into_iter().map(|workspace| workspace.id).collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(list(None, None, 100).await, newest_first);
    assert_eq!(list(None, Some(newest_first[1]), 2).await, newest_first[2..4]);
    let foreign = world.tenant().await.workspace;
    assert_eq!(list(Some(&[ids[1], ids[3], foreign]), None, 100).await, [ids[3], ids[1]]);
    assert_eq!(list(Some(&[]), None, 100).await, []);
}
on_both!(a_list_can_be_narrowed_to_what_a_caller_may_see);

async fn an_organization_has_no_more_workspaces_than_a_record_carries(world: Arc<World>) {
    for _ in 1..WORKSPACE_LIMIT {
        create(&world, world.demo, named(&world, None)).await;
    }
    let one_more = world.storage.create_workspace(&world.act(), world.demo, named(&world, None), None).await;
    assert_eq!(conflict(one_more), Conflict::WorkspaceLimitReached { limit: WORKSPACE_LIMIT });
    let (_, digest) = world.issued().await;
    let workspaces = world.record(digest).await.organization.workspaces;
    assert_eq!(workspaces.len(), 1_000);
    assert!(workspaces.is_sorted_by(|a, b| a.id < b.id), "in ascending order, as a record promises");
}
on_both!(an_organization_has_no_more_workspaces_than_a_record_carries);

async fn a_workspace_is_found_by_external_id_and_by_part_of_its_name(world: Arc<World>) {
    let mut ids = Vec::new();
    for (name, external_id) in [("Ünited", None), ("United_1", Some("eu-1")), ("Other", Some("eu-2"))] {
        let new = NewWorkspace { name: name.to_owned(), ..named(&world, external_id) };
        ids.push(create(&world, world.demo, new).await.id);
    }
    let list = async |filter: WorkspaceFilter| {
        let page = world.storage.list_workspaces(world.demo, &filter, Page::first(9)).await.unwrap();
        page.into_iter().map(|workspace| workspace.id).collect::<Vec<_>>()
    };
    let search = |text: &str| WorkspaceFilter { search: Some(text.to_owned()), ..WorkspaceFilter::default() };
    assert_eq!(list(search("NITED")).await, [ids[1], ids[0]]);
    assert_eq!(list(search("ÜN")).await, [ids[0]]);
    assert_eq!(list(search("d_")).await, [ids[1]]);
    let external_id =
        |id: &str| WorkspaceFilter { external_id: Some(id.to_owned()), ..WorkspaceFilter::default() };
    assert_eq!(list(external_id("eu-2")).await, [ids[2]]);
    assert_eq!(list(external_id("EU-2")).await, []);
}
on_both!(a_workspace_is_found_by_external_id_and_by_part_of_its_name);

async fn a_repeated_creation_creates_one_workspace(world: Arc<World>) {
    let create = async |request| {
        let new = named(&world, None);
        world.storage.create_workspace(&world.act(), world.demo, new, once("w", request)).await
    };
    let Once::Done(first) = create(1).await.unwrap() else { panic!("it is the first") };
    assert_eq!(create(1).await.unwrap(), Once::Replayed(first));
    assert_eq!(conflict(create(2).await), Conflict::IdempotencyMismatch);
}
on_both!(a_repeated_creation_creates_one_workspace);

async fn an_edit_moves_the_version_and_reaches_every_record(world: Arc<World>) {
    let other = world.tenant().await;
    let (_, digest) = world.issued().await;
    let edit = WorkspaceEdit {
        name: "Main".to_owned(),
        external_id: Some("main".to_owned()),
        ip_allowlist: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let update = async |organization, version| {
        let (act, edit) = (world.act(), edit.clone());
        world.storage.update_workspace(&act, organization, world.workspace, version, edit).await
    };
    assert_not_found(update(other.organization, 1).await);
    let edited = update(world.demo, 1).await.unwrap();
    assert_eq!((edited.version, &edited.ip_allowlist), (2, &edit.ip_allowlist));
    assert_eq!(update(world.demo, 2).await.unwrap(), edited, "equal values change nothing");
    let stale = update(world.demo, 1).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    let record = &world.record(digest).await.organization.workspaces[0];
    assert_eq!((record.external_id.as_deref(), &record.networks), (Some("main"), &edit.ip_allowlist));
    let event = world.audit(world.demo).await.remove(0);
    let details = serde_json::json!({
        "before": {"external_id": null, "ip_allowlist": []},
        "after": {"external_id": "main", "ip_allowlist": ["10.0.0.0/8"]},
    });
    assert_eq!((event.action.as_str(), event.details), ("workspace.update", details));
}
on_both!(an_edit_moves_the_version_and_reaches_every_record);

async fn a_deletion_takes_the_roles_that_were_given_there_and_nothing_else(world: Arc<World>) {
    let other = world.tenant().await;
    let user = world.user().await;
    let here = Grant { workspace: Some(world.workspace), role: RoleRef::BuiltIn(BuiltInRole::Admin) };
    let grants = vec![role(BuiltInRole::Viewer), here];
    world.set_member(world.demo, user, grants).await.unwrap();
    let bystander = world.member().await;
    let find = async |user| world.storage.find_member(world.demo, user).await.unwrap().unwrap();
    let (before, unmoved) = (find(user).await, find(bystander).await);
    let delete = async |organization, version| {
        world.storage.delete_workspace(&world.act(), organization, world.workspace, version).await
    };
    assert_not_found(delete(other.organization, None).await);
    let stale = delete(world.demo, Some(7)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    delete(world.demo, Some(1)).await.unwrap();
    assert_not_found(delete(world.demo, None).await);
    let after = find(user).await;
    assert_eq!(after.grants, [role(BuiltInRole::Viewer)]);
    assert_eq!(after.version, before.version + 1, "what was read of the member is no longer so");
    assert_eq!(find(bystander).await, unmoved);
    let event = world.audit(world.demo).await.remove(0);
    assert_eq!(event.action, "workspace.delete");
    assert_eq!(event.details["members"], serde_json::json!([user.to_string()]));
    assert_eq!(event.details["before"]["name"], "Main");
}
on_both!(a_deletion_takes_the_roles_that_were_given_there_and_nothing_else);

async fn a_key_that_names_a_deleted_workspace_reaches_nothing_and_can_be_renamed(world: Arc<World>) {
    let second = create(&world, world.demo, named(&world, None)).await.id;
    let (gone, foreign) = (world.workspace, world.tenant().await.workspace);
    let key = NewKey { workspaces: Access::specific([gone]), ..world.new_key() };
    let digest = key.secret.digest;
    let key = world.issue(key).await.unwrap();
    world.storage.delete_workspace(&world.act(), world.demo, gone, None).await.unwrap();
    let record = world.record(digest).await;
    assert_eq!(record.workspaces, Access::specific([gone]), "its ids stay");
    assert!(record.organization.workspaces.iter().all(|workspace| workspace.id != gone));
    let update = async |version, name: &str, workspaces| {
        let edit = KeyEdit {
            name: name.to_owned(),
            description: None,
            metadata: serde_json::Map::new(),
            level: key.level,
            permissions: Vec::new(),
            workspaces,
            customers: Access::All,
            ip_allowlist: Vec::new(),
            rate_limits: key.rate_limits.clone(),
            expires_at: None,
        };
        world.storage.update_key(&world.act(), world.demo, key.id, version, edit).await
    };
    let renamed = update(1, "renamed", Access::specific([gone])).await.unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.workspaces), ("renamed", &Access::specific([gone])));
    for unknown in [foreign, world.workspace_id()] {
        assert_not_found(update(2, "x", Access::specific([gone, unknown])).await);
    }
    update(2, "widened", Access::specific([gone, second])).await.unwrap();
    let narrowed = update(3, "narrowed", Access::specific([second])).await.unwrap();
    assert_not_found(update(4, "back", Access::specific([gone, second])).await);
    assert_eq!(narrowed.version, 4);
}
on_both!(a_key_that_names_a_deleted_workspace_reaches_nothing_and_can_be_renamed);
