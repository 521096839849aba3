use std::sync::Arc;

use wardkey_core::{KeyState, OrganizationId, OrganizationKind, PrincipalId, Reference, Standing};
use wardkey_storage::{
    Conflict, DEFAULT_KEY_LIMIT, NewKey, NewOrganization, Once, Organization, OrganizationFilter, Page,
    StorageError,
};

use crate::database::on_both;
use crate::idempotency::once;
use crate::world::{World, assert_not_found, conflict};

async fn list(world: &World, filter: OrganizationFilter, page: Page<OrganizationId>) -> Vec<Organization> {
    world.storage.list_organizations(&filter, page).await.unwrap()
}

async fn an_organization_is_found_by_its_id_and_by_its_external_id(world: Arc<World>) {
    let id = world.organization_id();
    let new = NewOrganization {
        id,
        name: "Ünïcode ✓".to_owned(),
        external_id: Some("acme".to_owned()),
        key_limit: None,
    };
    let created = world.storage.create_organization(&world.act(), new, None).await.unwrap().into_inner();
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
    let create = async |external_id: &str| {
        let new = NewOrganization {
            id: world.organization_id(),
            name: "A".to_owned(),
            external_id: Some(external_id.to_owned()),
            key_limit: None,
        };
        world.storage.create_organization(&world.act(), new, None).await
    };
    let first = create("same").await.unwrap().into_inner();
    let second = create("same").await;
    assert_eq!(conflict(second), Conflict::ExternalIdInUse);
    let other = create("other").await.unwrap().into_inner();
    let set = async |version, external_id: Option<&str>| {
        let external_id = external_id.map(str::to_owned);
        world.storage.set_organization_external_id(&world.act(), other.id, version, external_id).await
    };
    assert_eq!(conflict(set(1, Some("same")).await), Conflict::ExternalIdInUse);
    assert_eq!(set(1, None).await.unwrap().external_id, None);
    assert_eq!(set(2, None).await.unwrap().version, 2, "a repeat changes nothing");
    assert!(matches!(set(1, None).await, Err(StorageError::VersionMismatch { current: 2 })));
    world.storage.delete_organization(&world.act(), other.id, None).await.unwrap();
    world.storage.delete_organization(&world.act(), first.id, None).await.unwrap();
    create("same").await.unwrap();
    // Without one there may be many: Operator and Demo have none.
    assert_eq!(list(&world, OrganizationFilter::default(), Page::first(10)).await.len(), 3);
}
on_both!(an_external_id_names_one_organization);

async fn lists_run_from_the_newest_to_the_oldest_page_by_page(world: Arc<World>) {
    for _ in 0..5 {
        world.tenant().await;
    }
    let all = list(&world, OrganizationFilter::default(), Page::first(100)).await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = list(&world, OrganizationFilter::default(), Page { after, limit: 3 }).await;
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, all);
}
on_both!(lists_run_from_the_newest_to_the_oldest_page_by_page);

async fn suspending_is_reversible_and_a_repeat_changes_nothing(world: Arc<World>) {
    let suspend = async |organization, version, state| {
        let (act, reason) = (world.act(), Some("unpaid".to_owned()));
        world.storage.set_organization_state(&act, organization, version, state, reason).await
    };
    let set = async |state| suspend(world.demo, Some(1), state).await.unwrap();
    let before = world.audit(world.demo).await.len();
    assert_eq!(set(Standing::Inactive).await.state, Standing::Inactive);
    assert_eq!(set(Standing::Inactive).await.state, Standing::Inactive);
    let resumed = set(Standing::Active).await;
    assert_eq!((resumed.state, resumed.version), (Standing::Active, 1), "the state moves no version");
    let audit = world.audit(world.demo).await;
    assert_eq!(audit.len() - before, 2);
    let details = serde_json::json!({
        "before": {"state": "active"}, "after": {"state": "inactive"}, "reason": "unpaid",
    });
    assert_eq!((audit[1].action.as_str(), &audit[1].details), ("organization.suspend", &details));
    assert_eq!(audit[0].action, "organization.resume");
    assert_not_found(suspend(world.organization_id(), None, Standing::Inactive).await);
    let stale = suspend(world.demo, Some(2), Standing::Inactive).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    assert_eq!(
        conflict(suspend(world.operator, None, Standing::Inactive).await),
        Conflict::OperatorOrganization
    );
    let stale = suspend(world.operator, Some(9), Standing::Inactive).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "the version comes first");
}
on_both!(suspending_is_reversible_and_a_repeat_changes_nothing);

async fn the_key_limit_is_ten_unless_another_is_set(world: Arc<World>) {
    let set = async |limit| world.storage.set_key_limit(&world.act(), world.demo, None, limit).await.unwrap();
    let edited = set(Some(3)).await;
    assert_eq!((edited.key_limit, edited.version), (3, 2));
    assert_eq!(set(Some(3)).await.version, 2, "a repeat changes nothing");
    let stale = world.storage.set_key_limit(&world.act(), world.demo, Some(1), None).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    let event = world.audit(world.demo).await.remove(0);
    let details = serde_json::json!({"before": {"key_limit": null}, "after": {"key_limit": 3}});
    assert_eq!((event.action.as_str(), event.details), ("organization.set_key_limit", details));
    assert_eq!(set(Some(u32::MAX)).await.key_limit, u32::MAX);
    assert_eq!(set(None).await.key_limit, DEFAULT_KEY_LIMIT);
}
on_both!(the_key_limit_is_ten_unless_another_is_set);

async fn organizations_are_found_by_external_id_state_and_part_of_their_name(world: Arc<World>) {
    let tenant = world.tenant().await.organization;
    let act = world.act();
    world.storage.set_organization_state(&act, tenant, None, Standing::Inactive, None).await.unwrap();
    let found = async |filter| {
        let mut names: Vec<_> =
            list(&world, filter, Page::first(9)).await.into_iter().map(|found| found.name).collect();
        names.sort();
        names
    };
    let every = OrganizationFilter::default;
    let tenants = found(OrganizationFilter { state: Some(Standing::Inactive), ..every() }).await;
    assert_eq!(tenants.len(), 1);
    let external_id = Some(tenants[0].clone());
    assert_eq!(found(OrganizationFilter { external_id, ..every() }).await, tenants);
    assert_eq!(
        found(OrganizationFilter { state: Some(Standing::Active), ..every() }).await,
        ["Demo", "Operator"]
    );
    assert_eq!(found(OrganizationFilter { search: Some("OPER".to_owned()), ..every() }).await, ["Operator"]);
}
on_both!(organizations_are_found_by_external_id_state_and_part_of_their_name);

async fn a_repeated_creation_creates_one_organization(world: Arc<World>) {
    let create = async || {
        let id = world.organization_id();
        let new = NewOrganization { id, name: "A".to_owned(), external_id: None, key_limit: Some(3) };
        world.storage.create_organization(&world.act(), new, once("o", 1)).await.unwrap()
    };
    let Once::Done(first) = create().await else { panic!("it is the first") };
    assert_eq!((first.key_limit, first.version), (3, 1));
    assert_eq!(create().await, Once::Replayed(first));
}
on_both!(a_repeated_creation_creates_one_organization);

async fn a_rename_moves_the_version(world: Arc<World>) {
    let rename = async |version, name: &str| {
        world.storage.rename_organization(&world.act(), world.demo, version, name.to_owned()).await
    };
    assert_eq!(rename(1, "New").await.unwrap().version, 2);
    assert_eq!(rename(2, "New").await.unwrap().version, 2, "a repeat changes nothing");
    assert!(matches!(rename(1, "x").await, Err(StorageError::VersionMismatch { current: 2 })));
    let event = world.audit(world.demo).await.remove(0);
    let details = serde_json::json!({"before": {"name": "Demo"}, "after": {"name": "New"}});
    assert_eq!((event.action.as_str(), event.details), ("organization.update", details));
}
on_both!(a_rename_moves_the_version);

async fn deleting_an_organization_revokes_its_keys_and_hides_it(world: Arc<World>) {
    let (tenant, bystander) = (world.tenant().await, world.issued().await);
    let mut issued = Vec::new();
    for _ in 0..3 {
        let new = NewKey { principal: PrincipalId::ServiceAccount(tenant.account), ..world.new_key() };
        let digest = new.secret.digest;
        let key = world.storage.issue_key(&world.act(), tenant.organization, new, None).await.unwrap();
        issued.push((key.into_inner().id, digest));
    }
    let revoke = world.storage.revoke_key(&world.act(), tenant.organization, issued[2].0, None, None).await;
    revoke.unwrap();
    let events = world.audit(world.operator).await.len();
    let delete = async |organization, version| {
        world.storage.delete_organization(&world.act(), organization, version).await
    };
    let stale = delete(tenant.organization, Some(2)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    assert_eq!(conflict(delete(world.operator, Some(1)).await), Conflict::OperatorOrganization);
    delete(tenant.organization, Some(1)).await.unwrap();
    assert_not_found(delete(tenant.organization, None).await);
    assert_not_found(delete(world.organization_id(), None).await);
    for (_, digest) in &issued {
        let record = world.record(*digest).await;
        assert_eq!((record.state, record.organization.state), (KeyState::Revoked, Standing::Inactive));
    }
    assert_eq!(world.record(bystander.1).await.state, KeyState::Active);
    let reference = Reference::Id(tenant.organization);
    assert_eq!(world.storage.find_organization(&reference).await.unwrap(), None);
    assert_eq!(list(&world, OrganizationFilter::default(), Page::first(9)).await.len(), 2);
    let new = NewKey { principal: PrincipalId::ServiceAccount(tenant.account), ..world.new_key() };
    assert_not_found(world.storage.issue_key(&world.act(), tenant.organization, new, None).await);
    let audit = world.audit(world.operator).await;
    assert_eq!(audit.len(), events + 1);
    let event = &audit[0];
    assert_eq!(
        (event.action.as_str(), &event.target),
        ("organization.delete", &tenant.organization.to_string())
    );
    let mut revoked: Vec<_> =
        event.details["revoked_keys"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    revoked.sort_unstable();
    assert_eq!(revoked, [issued[0].0.to_string(), issued[1].0.to_string()]);
    assert_eq!(event.details["revoked_keys_count"], 2);
}
on_both!(deleting_an_organization_revokes_its_keys_and_hides_it);
