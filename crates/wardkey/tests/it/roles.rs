//! Roles: who makes them, and whom an edit reaches.

use std::time::Duration;

use wardkey::core::{BuiltInRole, Level};
use wardkey::{AnyRole, Caller, Conflict, CreateRole, CustomRole, Error, Grant, RolePatch, RoleRef, Tenant};

use crate::answers::{conflict, exceeds, forbidden, invalid, invalid_field, not_found, version_mismatch};
use crate::world::{PRODUCT, World, permissions, production, user_input, verify_with, within};

on_both!(
    a_role_never_exceeds_its_author_also_after_an_edit,
    an_operators_permission_is_in_no_tenants_role,
    a_narrowed_role_takes_effect_before_the_call_returns_and_elsewhere_within_a_second,
    the_built_in_roles_give_what_the_catalogue_holds_now,
    a_version_that_was_not_read_is_not_written,
);

fn wanted(name: &str, listed: &[&str]) -> CreateRole {
    CreateRole { name: name.to_owned(), description: None, permissions: permissions(listed) }
}

fn giving(listed: &[&str]) -> RolePatch {
    RolePatch { permissions: Some(permissions(listed)), ..RolePatch::default() }
}

async fn create(tenant: &Tenant, name: &str, listed: &[&str]) -> CustomRole {
    tenant.create_role(wanted(name, listed)).await.unwrap().into_inner()
}

/// Somebody in whose place the test stands.
async fn as_person(world: &World, name: &str, roles: &[BuiltInRole]) -> Tenant {
    let user = world.member(name, roles).await;
    let caller = Caller::local("test").acting_as(user);
    world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap()
}

async fn a_role_never_exceeds_its_author_also_after_an_edit(world: &World) {
    let demo = world.demo().await;
    let narrow = ["admin:members", "pipelines:read"];
    let author = world.as_key(&world.service_key(&narrow).await).await;
    create(&author, "Held", &narrow).await;
    let beyond = author.create_role(wanted("Beyond", &["pipelines:read", "pipelines:run"])).await;
    assert_eq!(exceeds(beyond), ["/permissions/1"]);
    // In the role of somebody above: what stands there may stay or go, what is added must be held.
    let role = create(&demo, "Wide", &["admin:keys", "pipelines:run"]).await;
    let id = RoleRef::Custom(role.id);
    let edit = async |version, listed| author.update_role(id, version, giving(listed)).await;
    assert_eq!(edit(1, &["admin:keys", "pipelines:run", "pipelines:read"]).await.unwrap().version, 2);
    let added = edit(2, &["admin:policy", "admin:keys"]).await;
    assert_eq!(exceeds(added), ["/permissions/0"]);
    edit(2, &["pipelines:read"]).await.unwrap();
    assert_eq!(exceeds(edit(3, &["pipelines:run"]).await), ["/permissions/0"]);
    // What is held in a workspace is not held for the organization.
    let user = world.member("ada", &[]).await;
    let workspace = Some(world.first.demo_workspace);
    let members = create(&demo, "Administers members", &["admin:members"]).await;
    let grants = vec![
        Grant { workspace: None, role: RoleRef::Custom(members.id) },
        Grant { workspace, role: RoleRef::BuiltIn(BuiltInRole::Member) },
    ];
    world.set_member(&demo, user, grants).await.unwrap();
    let caller = Caller::local("test").acting_as(user);
    let ada = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    assert_eq!(exceeds(ada.create_role(wanted("W", &["pipelines:read"])).await), ["/permissions/0"]);
    create(&ada, "W", &["admin:members"]).await;
    // An admin may write down all of an admin, whom no role makes an owner.
    let admin = as_person(world, "adam", &[BuiltInRole::Admin]).await;
    let all: Vec<_> = ["admin:organization", "admin:keys", "admin:members", "keys:write"]
        .into_iter()
        .chain(PRODUCT)
        .collect();
    create(&admin, "Like an admin", &all).await;
    let member = as_person(world, "mel", &[BuiltInRole::Member]).await;
    assert_eq!(forbidden(member.create_role(wanted("M", &[])).await), ["admin:members"]);
    assert_eq!(forbidden(member.update_role(id, 3, RolePatch::default()).await), ["admin:members"]);
    assert_eq!(forbidden(member.delete_role(id, None).await), ["admin:members"]);
    assert_eq!(member.list_roles().await.unwrap().len(), 4 + 5);
}

async fn an_operators_permission_is_in_no_tenants_role(world: &World) {
    let refused = world.demo().await.create_role(wanted("O", &["no:such", "operator:act"])).await;
    let expected = [("/permissions/0", "unknown_permission"), ("/permissions/1", "operator_only")];
    assert_eq!(invalid(refused), expected.map(|(at, code)| (at.to_owned(), code)));
    let operator = world.operator().await;
    let role = create(&operator, "Verifies", &["operator:verify"]).await;
    not_found(world.demo().await.get_role(RoleRef::Custom(role.id)).await);
    let name = world.demo().await.create_role(wanted("OWNER", &[])).await;
    assert_eq!(invalid_field(name), ("/name".to_owned(), "reserved"));
}

async fn a_narrowed_role_takes_effect_before_the_call_returns_and_elsewhere_within_a_second(world: &World) {
    let demo = world.demo().await;
    let role = create(&demo, "Runner", &["pipelines:read", "pipelines:run"]).await;
    let id = RoleRef::Custom(role.id);
    let user = world.member("ada", &[]).await;
    world.set_member(&demo, user, vec![Grant { workspace: None, role: id }]).await.unwrap();
    let key = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let here = world.verifier();
    let process = world.open_again().await;
    let there = process.verifier(&production());
    let may = async |verifier: &wardkey::core::Verifier| {
        let verified = verify_with(verifier, key.secret.as_ref().unwrap(), None).await.unwrap();
        verified.rights.rights.anywhere().contains_name("pipelines:run")
    };
    let promised = Duration::from_secs(1);
    for round in 0..2 {
        assert!(may(&here).await && may(&there).await, "both have seen the key");
        demo.update_role(id, 1 + 2 * round, giving(&["pipelines:read"])).await.unwrap();
        assert!(!may(&here).await);
        within(promised, "narrowed", async || !may(&there).await).await;
        demo.update_role(id, 2 + 2 * round, giving(&["pipelines:run"])).await.unwrap();
        assert!(may(&here).await);
        within(promised, "widened", async || may(&there).await).await;
    }
    let held = conflict(demo.delete_role(id, None).await);
    assert_eq!(held, Conflict::RoleInUse { members: 1, teams: 0 });
    assert!(may(&here).await);
    world.set_member(&demo, user, Vec::new()).await.unwrap();
    demo.delete_role(id, None).await.unwrap();
}

async fn the_built_in_roles_give_what_the_catalogue_holds_now(world: &World) {
    let viewer = async || match world.demo().await.get_role(RoleRef::BuiltIn(BuiltInRole::Viewer)).await {
        Ok(AnyRole::BuiltIn { permissions, .. }) => permissions,
        other => panic!("{other:?}"),
    };
    assert_eq!(viewer().await, permissions(&["connections:read", "pipelines:read"]));
    world.replace_catalogue(&wardkey::core::Catalogue::default()).await;
    assert_eq!(viewer().await, []);
}

async fn a_version_that_was_not_read_is_not_written(world: &World) {
    let demo = world.demo().await;
    let role = RoleRef::Custom(create(&demo, "R", &[]).await.id);
    assert_eq!(version_mismatch(demo.update_role(role, 2, giving(&["pipelines:read"])).await), 1);
    demo.update_role(role, 1, giving(&["pipelines:read"])).await.unwrap();
    assert_eq!(version_mismatch(demo.update_role(role, 1, RolePatch::default()).await), 2);
    assert_eq!(version_mismatch(demo.delete_role(role, Some(1)).await), 2);
    let built_in = RoleRef::BuiltIn(BuiltInRole::Member);
    assert_eq!(conflict(demo.update_role(built_in, 1, giving(&[])).await), Conflict::BuiltIn);
    assert_eq!(conflict(demo.delete_role(built_in, None).await), Conflict::BuiltIn);
    demo.delete_role(role, Some(2)).await.unwrap();
    assert!(matches!(demo.get_role(role).await, Err(Error::NotFound)));
}
