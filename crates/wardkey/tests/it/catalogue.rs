//! The permission catalogue: replaced, applied from a file, and kept where it is in use.

use wardkey::core::{Catalogue, CatalogueGroup, CataloguePermission, PermissionClass};
use wardkey::{Caller, Error, KeyPatch, Unlisted, read_catalogue, write_catalogue};

use crate::answers::{forbidden, invalid, version_mismatch};
use crate::world::{World, permissions};

on_both!(
    a_permission_that_a_key_lists_stays_in_the_catalogue,
    a_file_adds_and_relabels_and_removes_only_when_told,
    a_catalogue_is_replaced_at_the_version_that_was_read,
    a_catalogue_has_at_most_a_thousand_permissions_in_a_hundred_groups,
    the_catalogue_belongs_to_operators,
);

fn permission(name: &str, label: &str) -> CataloguePermission {
    CataloguePermission { name: name.parse().unwrap(), class: PermissionClass::Read, label: label.to_owned() }
}

fn group(label: &str, permissions: Vec<CataloguePermission>) -> CatalogueGroup {
    CatalogueGroup { label: label.to_owned(), permissions }
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.permissions().map(|permission| permission.name.as_str()).collect()
}

async fn a_permission_that_a_key_lists_stays_in_the_catalogue(world: &World) {
    let deployment = world.deployment().await;
    let key = world.service_key(&["pipelines:read", "connections:read"]).await.key;
    let mut less = deployment.describe().await.unwrap().catalogue;
    for group in &mut less.groups {
        group.permissions.retain(|permission| permission.name.as_str() != "connections:read");
    }
    match deployment.replace_catalogue(1, &less).await {
        Err(Error::PermissionsInUse(uses)) => {
            assert_eq!(uses.len(), 1);
            assert_eq!((uses[0].name.as_str(), uses[0].keys, uses[0].roles), ("connections:read", 1, 0));
        }
        other => panic!("{other:?}"),
    }
    let patch = KeyPatch { permissions: Some(permissions(&["pipelines:read"])), ..KeyPatch::default() };
    world.demo().await.update_key(key.id, key.version, patch).await.unwrap();
    deployment.replace_catalogue(1, &less).await.unwrap();
    let again = world.service_input(&["connections:read"]);
    assert_eq!(
        invalid(world.demo().await.issue_key(again).await),
        [("/permissions/0".to_owned(), "unknown_permission")]
    );
}

async fn a_file_adds_and_relabels_and_removes_only_when_told(world: &World) {
    let deployment = world.deployment().await;
    let file = Catalogue {
        groups: vec![
            group("Pipelines", vec![permission("pipelines:read", "Look at pipelines")]),
            group("Reports", vec![permission("reports:read", "See"), permission("pipelines:run", "Run")]),
        ],
    };
    let applied = deployment.apply_catalogue(&file, Unlisted::Kept).await.unwrap();
    assert_eq!(applied.version, 2);
    let expected =
        ["pipelines:read", "connections:read", "connections:write", "reports:read", "pipelines:run"];
    assert_eq!(
        names(&applied.catalogue),
        expected,
        "what is known keeps its place, or moves to its new group"
    );
    assert_eq!(applied.catalogue.groups[0].permissions[0].label, "Look at pipelines");
    assert_eq!(deployment.apply_catalogue(&file, Unlisted::Kept).await.unwrap().version, 2);
    let pruned = deployment.apply_catalogue(&file, Unlisted::Removed).await.unwrap();
    assert_eq!((pruned.version, &pruned.catalogue), (3, &file));
    assert_eq!(read_catalogue(&write_catalogue(&pruned.catalogue)).unwrap(), file);
    for bad in [
        "",
        "{}",
        r#"{"groups": [], "version": 1}"#,
        r#"{"groups": [], "groups": []}"#,
        r#"{"groups": [{"label": "A", "permissions": [{"name": "A", "class": "read", "label": "A"}]}]}"#,
        r#"{"groups": [{"label": "A", "permissions": [{"name": "a:b", "class": "run", "label": "A"}]}]}"#,
    ] {
        assert!(read_catalogue(bad).is_err(), "{bad}");
    }
}

async fn a_catalogue_is_replaced_at_the_version_that_was_read(world: &World) {
    let deployment = world.deployment().await;
    let one = Catalogue { groups: vec![group("A", vec![permission("a:read", "A")])] };
    assert_eq!(version_mismatch(deployment.replace_catalogue(7, &one).await), 1);
    assert_eq!(deployment.replace_catalogue(1, &one).await.unwrap().version, 2);
    assert_eq!(deployment.replace_catalogue(2, &one).await.unwrap().version, 2, "equal: nothing has changed");
    assert_eq!(deployment.catalogue().await.unwrap().catalogue, one);
}

async fn a_catalogue_has_at_most_a_thousand_permissions_in_a_hundred_groups(world: &World) {
    let deployment = world.deployment().await;
    let numbered = |at: usize| group(&format!("Group {at}"), vec![permission(&format!("a{at}:read"), "A")]);
    let groups = |count| Catalogue { groups: (0..count).map(numbered).collect() };
    let too_many = ("/groups".to_owned(), "too_many");
    assert_eq!(invalid(deployment.replace_catalogue(1, &groups(101)).await), std::slice::from_ref(&too_many));
    let one = |count| {
        let all = (0..count).map(|at| permission(&format!("a{at}:read"), "A")).collect();
        Catalogue { groups: vec![group("All", all)] }
    };
    assert_eq!(invalid(deployment.replace_catalogue(1, &one(1_001)).await), [too_many]);
    assert_eq!(deployment.replace_catalogue(1, &groups(100)).await.unwrap().version, 2);
    assert_eq!(deployment.replace_catalogue(2, &one(1_000)).await.unwrap().version, 3);
}

async fn the_catalogue_belongs_to_operators(world: &World) {
    let admin = world.service_key(&["admin:organization"]).await;
    let handle = world.wardkey.enter_deployment(&world.caller(&admin).await).await.unwrap();
    assert_eq!(handle.catalogue().await.unwrap().version, 1, "anybody may read it");
    let none = Catalogue::default();
    assert_eq!(forbidden(handle.replace_catalogue(1, &none).await), ["operator:catalogue"]);
    assert_eq!(forbidden(handle.apply_catalogue(&none, Unlisted::Removed).await), ["operator:catalogue"]);
    let stand_in = Caller::local("test").acting_as(world.member("ada", &[]).await);
    let handle = world.wardkey.enter_deployment(&stand_in).await.unwrap();
    assert_eq!(forbidden(handle.replace_catalogue(1, &none).await), ["operator:catalogue"]);
}
