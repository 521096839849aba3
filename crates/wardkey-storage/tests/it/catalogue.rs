use std::sync::Arc;

use serde_json::json;
use wardkey_core::{Catalogue, CatalogueGroup, PermissionName};
use wardkey_storage::{KeyEdit, NewKey, NewRole, PermissionUse, RoleEdit, StorageError};

use crate::database::on_both;
use crate::world::{World, assert_not_found, catalogue};

fn names(names: &[&str]) -> Vec<PermissionName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn the_catalogue_is_replaced_as_a_whole_and_keeps_its_order(world: Arc<World>) {
    let mut groups = catalogue(&["z:write", "a:read"]).groups;
    groups.push(CatalogueGroup { label: "Another".to_owned(), ..catalogue(&["m:read"]).groups.remove(0) });
    let mut new = Catalogue { groups };
    for version in [1, 2] {
        let replaced = world.storage.replace_catalogue(&world.act(), version, &new).await.unwrap();
        assert_eq!((replaced.version, &replaced.catalogue), (2, &new));
        assert_eq!(world.storage.find_catalogue().await.unwrap(), replaced);
        assert_eq!(world.storage.load_deployment().await.unwrap().catalogue, new);
    }
    let events = world.audit(world.operator).await;
    assert_eq!(events.len(), 2, "a repeat changes nothing");
    assert_eq!(events[0].details["before"].as_object().unwrap().len(), 2);
    let added = json!({"group": "Another", "class": "read", "label": "Label of m:read"});
    assert_eq!(events[0].details["after"]["m:read"], added);
    new.groups.push(CatalogueGroup { label: "Empty".to_owned(), permissions: Vec::new() });
    world.storage.replace_catalogue(&world.act(), 2, &new).await.unwrap();
    new.groups.pop();
    assert_eq!(world.storage.load_deployment().await.unwrap().catalogue, new);
    let stale = world.storage.replace_catalogue(&world.act(), 1, &catalogue(&["b:read"])).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    new.groups[0].label = "Renamed".to_owned();
    world.storage.replace_catalogue(&world.act(), 2, &new).await.unwrap();
    let renamed = &world.audit(world.operator).await[0].details;
    let group = |side: &str| renamed[side]["z:write"]["group"].clone();
    assert_eq!((group("before"), group("after")), (json!("Group"), json!("Renamed")));
    assert_eq!(renamed["after"].get("m:read"), None, "only what differs");
}
on_both!(the_catalogue_is_replaced_as_a_whole_and_keeps_its_order);

async fn a_permission_that_is_listed_stays(world: Arc<World>) {
    // The underscore is no wildcard.
    let all = catalogue(&["pipelines:read", "pipelines:run", "data_sets:read", "dataxsets:read"]);
    world.storage.replace_catalogue(&world.act(), 1, &all).await.unwrap();
    let listing = |listed: &[&str]| NewKey { permissions: names(listed), ..world.new_key() };
    let first = world.issue(listing(&["pipelines:read", "dataxsets:read"])).await.unwrap();
    let second = world.issue(listing(&["pipelines:read"])).await.unwrap();
    world.storage.disable_key(&world.act(), world.demo, second.id, None, None).await.unwrap();
    let remove = async || world.storage.replace_catalogue(&world.act(), 2, &catalogue(&["b:read"])).await;
    let used = |name: &str, keys| PermissionUse { name: name.parse().unwrap(), keys, roles: 0 };
    let before = world.audit(world.operator).await.len();
    match remove().await {
        Err(StorageError::PermissionsInUse(uses)) => {
            assert_eq!(uses, [used("pipelines:read", 2), used("dataxsets:read", 1)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.storage.find_catalogue().await.unwrap().version, 2, "nothing has changed");
    assert_eq!(world.audit(world.operator).await.len(), before);
    world.storage.revoke_key(&world.act(), world.demo, first.id, None, None).await.unwrap();
    world.storage.delete_key(&world.act(), world.demo, second.id, None, None).await.unwrap();
    assert_eq!(remove().await.unwrap().version, 3, "revoked and deleted keys hold nothing");
}
on_both!(a_permission_that_is_listed_stays);

async fn a_permission_that_a_role_lists_stays(world: Arc<World>) {
    let values = |permissions| RoleEdit { name: "Runners".to_owned(), description: None, permissions };
    let new = NewRole { id: world.role_id(), values: values(names(&["pipelines:run"])) };
    let role = new.id;
    world.storage.create_role(&world.act(), world.demo, new, None).await.unwrap();
    let remove = async || world.storage.replace_catalogue(&world.act(), 1, &catalogue(&["b:read"])).await;
    match remove().await {
        Err(StorageError::PermissionsInUse(uses)) => {
            assert_eq!(uses.len(), 1);
            assert_eq!((uses[0].name.as_str(), uses[0].keys, uses[0].roles), ("pipelines:run", 0, 1));
        }
        other => panic!("{other:?}"),
    }
    world.storage.update_role(&world.act(), world.demo, role, 1, values(Vec::new())).await.unwrap();
    remove().await.unwrap();
    let gone = values(names(&["pipelines:run"]));
    assert_not_found(world.storage.update_role(&world.act(), world.demo, role, 2, gone.clone()).await);
    let new = NewRole { id: world.role_id(), values: RoleEdit { name: "Again".to_owned(), ..gone } };
    assert_not_found(world.storage.create_role(&world.act(), world.demo, new, None).await);
}
on_both!(a_permission_that_a_role_lists_stays);

async fn what_left_the_catalogue_is_listed_by_no_new_key_and_no_edit(world: Arc<World>) {
    let (key, _) = world.issued().await;
    world.storage.replace_catalogue(&world.act(), 1, &catalogue(&["pipelines:run"])).await.unwrap();
    let listing = NewKey { permissions: names(&["pipelines:run", "pipelines:read"]), ..world.new_key() };
    assert_not_found(world.issue(listing).await);
    let edit = |permissions| KeyEdit {
        name: key.name.clone(),
        description: None,
        metadata: key.metadata.clone(),
        level: key.level,
        permissions,
        workspaces: key.workspaces.clone(),
        customers: key.customers.clone(),
        ip_allowlist: Vec::new(),
        rate_limits: key.rate_limits.clone(),
        expires_at: None,
    };
    let gone = edit(names(&["pipelines:read"]));
    assert_not_found(world.storage.update_key(&world.act(), world.demo, key.id, 1, gone).await);
    let there = edit(names(&["pipelines:run", "admin:keys"]));
    world.storage.update_key(&world.act(), world.demo, key.id, 1, there).await.unwrap();
}
on_both!(what_left_the_catalogue_is_listed_by_no_new_key_and_no_edit);

/// Of an issue that lists a permission and a removal of it one happens, whichever comes first.
async fn a_permission_is_never_removed_and_listed_at_once(world: Arc<World>) {
    for round in 0..10 {
        let version = world.storage.find_catalogue().await.unwrap().version;
        let both = catalogue(&["pipelines:read", "rounds:run"]);
        let version = world.storage.replace_catalogue(&world.act(), version, &both).await.unwrap().version;
        let listing = NewKey { permissions: names(&["rounds:run"]), ..world.new_key() };
        let (issuing, removing) = (Arc::clone(&world), Arc::clone(&world));
        let issued = tokio::spawn(async move { issuing.issue(listing).await });
        let removed = tokio::spawn(async move {
            let less = catalogue(&["pipelines:read"]);
            removing.storage.replace_catalogue(&removing.act(), version, &less).await
        });
        let (issued, removed) = (issued.await.unwrap(), removed.await.unwrap());
        match (issued, removed) {
            (Ok(key), Err(StorageError::PermissionsInUse(_))) => {
                world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            }
            (Err(StorageError::NotFound), Ok(_)) => {}
            other => panic!("round {round}: {other:?}"),
        }
    }
}
on_both!(a_permission_is_never_removed_and_listed_at_once);
