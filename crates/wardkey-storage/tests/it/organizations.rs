use std::sync::Arc;

use wardkey_core::{OrganizationKind, Reference, Standing};
use wardkey_storage::{Conflict, DEFAULT_KEY_LIMIT, NewOrganization, Page};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

async fn an_organization_is_found_by_its_id_and_by_its_external_id(world: Arc<World>) {
    let id = world.organization_id();
    let new = NewOrganization { id, name: "Ünïcode ✓".to_owned(), external_id: Some("acme".to_owned()) };
    let created = world.storage.create_organization(&world.act(), new).await.unwrap();
    assert_eq!(
        (created.kind, created.state, created.key_limit),
        (OrganizationKind::Tenant, Standing::Active, 10)
    );
    assert_eq!((created.version, created.created_at, created.updated_at), (1, world.now(), world.now()));
    for reference in [Reference::Id(id), Reference::External("acme".to_owned())] {
        assert_eq!(world.storage.find_organization(&reference).await.unwrap(), Some(created.clone()));
    }
    let unknown = Reference::External("nobody".to_owned());
    assert_eq!(world.storage.find_organization(&unknown).await.unwrap(), None);
    let operator = world.storage.find_organization(&Reference::Id(world.operator)).await.unwrap().unwrap();
    assert_eq!(operator.kind, OrganizationKind::Operator);
}
on_both!(an_organization_is_found_by_its_id_and_by_its_external_id);

async fn an_external_id_names_one_organization(world: Arc<World>) {
    let new = |id| NewOrganization { id, name: "A".to_owned(), external_id: Some("same".to_owned()) };
    world.storage.create_organization(&world.act(), new(world.organization_id())).await.unwrap();
    let second = world.storage.create_organization(&world.act(), new(world.organization_id())).await;
    assert_eq!(conflict(second), Conflict::ExternalIdInUse);
    // Without one there may be many: Operator and Demo have none.
    assert_eq!(world.storage.list_organizations(Page::first(10)).await.unwrap().len(), 3);
}
on_both!(an_external_id_names_one_organization);

async fn lists_run_from_the_newest_to_the_oldest_page_by_page(world: Arc<World>) {
    for _ in 0..5 {
        world.tenant().await;
    }
    let all = world.storage.list_organizations(Page::first(100)).await.unwrap();
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = world.storage.list_organizations(Page { after, limit: 3 }).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}
on_both!(lists_run_from_the_newest_to_the_oldest_page_by_page);

async fn suspending_is_reversible_and_a_repeat_changes_nothing(world: Arc<World>) {
    let set =
        async |state| world.storage.set_organization_state(&world.act(), world.demo, state).await.unwrap();
    let before = world.audit(world.demo).await.len();
    assert_eq!(set(Standing::Inactive).await.state, Standing::Inactive);
    assert_eq!(set(Standing::Inactive).await.state, Standing::Inactive);
    let resumed = set(Standing::Active).await;
    assert_eq!((resumed.state, resumed.version), (Standing::Active, 1), "the state moves no version");
    assert_eq!(world.audit(world.demo).await.len() - before, 2);
    let unknown = world.organization_id();
    assert_not_found(world.storage.set_organization_state(&world.act(), unknown, Standing::Inactive).await);
}
on_both!(suspending_is_reversible_and_a_repeat_changes_nothing);

async fn the_key_limit_is_ten_unless_another_is_set(world: Arc<World>) {
    let set = async |limit| world.storage.set_key_limit(&world.act(), world.demo, limit).await.unwrap();
    let edited = set(Some(3)).await;
    assert_eq!((edited.key_limit, edited.version), (3, 2));
    assert_eq!(set(Some(3)).await.version, 2, "a repeat changes nothing");
    assert_eq!(set(Some(u32::MAX)).await.key_limit, u32::MAX);
    assert_eq!(set(None).await.key_limit, DEFAULT_KEY_LIMIT);
}
on_both!(the_key_limit_is_ten_unless_another_is_set);
