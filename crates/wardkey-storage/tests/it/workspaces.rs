use std::sync::Arc;

use wardkey_core::Reference;
use wardkey_storage::{Conflict, NewWorkspace, Page, WORKSPACE_LIMIT};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

fn named(world: &World, external_id: Option<&str>) -> NewWorkspace {
    NewWorkspace {
        id: world.workspace_id(),
        name: "EU".to_owned(),
        external_id: external_id.map(str::to_owned),
    }
}

async fn a_workspace_is_found_in_its_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    let new = named(&world, Some("eu-1"));
    let created = world.storage.create_workspace(&world.act(), world.demo, new).await.unwrap();
    assert_eq!((created.organization, created.version), (world.demo, 1));
    for reference in [Reference::Id(created.id), Reference::External("eu-1".to_owned())] {
        assert_eq!(
            world.storage.find_workspace(world.demo, &reference).await.unwrap(),
            Some(created.clone())
        );
        assert_eq!(world.storage.find_workspace(other.organization, &reference).await.unwrap(), None);
    }
    assert_not_found(
        world.storage.create_workspace(&world.act(), world.organization_id(), named(&world, None)).await,
    );
}
on_both!(a_workspace_is_found_in_its_organization_alone);

async fn an_external_id_is_unique_in_its_organization(world: Arc<World>) {
    let other = world.tenant().await;
    let create = async |organization| {
        world.storage.create_workspace(&world.act(), organization, named(&world, Some("eu-1"))).await
    };
    create(world.demo).await.unwrap();
    create(other.organization).await.unwrap();
    assert_eq!(conflict(create(world.demo).await), Conflict::ExternalIdInUse);
}
on_both!(an_external_id_is_unique_in_its_organization);

async fn a_list_can_be_narrowed_to_what_a_caller_may_see(world: Arc<World>) {
    let mut ids = vec![world.workspace];
    for _ in 0..4 {
        let new = named(&world, None);
        ids.push(world.storage.create_workspace(&world.act(), world.demo, new).await.unwrap().id);
    }
    let list = async |only: Option<&[_]>, after, limit| {
        let page = world.storage.list_workspaces(world.demo, only, Page { after, limit }).await.unwrap();
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
        world.storage.create_workspace(&world.act(), world.demo, named(&world, None)).await.unwrap();
    }
    let one_more = world.storage.create_workspace(&world.act(), world.demo, named(&world, None)).await;
    assert_eq!(conflict(one_more), Conflict::WorkspaceLimitReached { limit: WORKSPACE_LIMIT });
    let (_, digest) = world.issued().await;
    let workspaces = world.record(digest).await.organization.workspaces;
    assert_eq!(workspaces.len(), 1_000);
    assert!(workspaces.is_sorted_by(|a, b| a.id < b.id), "in ascending order, as a record promises");
}
on_both!(an_organization_has_no_more_workspaces_than_a_record_carries);
