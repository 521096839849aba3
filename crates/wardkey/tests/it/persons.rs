//! People at the doors: who is logged in, and in whose place somebody stands.

use wardkey::core::permission::{AdminKeys, OperatorAct, OperatorUsers};
use wardkey::core::{BuiltInRole, Denial, Id as _, OrganizationId, Permission as _, Standing, UserId};
use wardkey::{
    Actor, Caller, Conflict, CreateRole, CreateTeam, Creator, Error, GrantChoice, RolePatch, RoleRef, Tenant,
    Visitor,
};
use wardkey_storage::{Held, StorageError};

use crate::answers::{conflict, forbidden, not_found};
use crate::world::{PRODUCT, World, grants};

on_both!(
    a_person_enters_with_exactly_the_rights_of_a_member,
    where_a_person_is_no_member_nothing_exists,
    a_person_who_may_act_anywhere_enters_as_an_owner_where_they_are_no_member,
    a_suspended_organization_lets_no_person_in,
    a_person_runs_the_deployment_with_what_the_operator_organization_gave_them,
    what_a_person_does_is_audited_with_the_session,
    by_a_session_that_is_over_nothing_is_changed_any_more,
    what_roles_allowed_that_changed_meanwhile_is_not_done,
    who_is_removed_is_who_was_looked_at,
    who_stands_in_has_the_users_rights_and_is_audited_for_them,
    nobody_stands_in_without_operator_act,
    nobody_stands_in_where_the_user_could_not_act,
    in_a_users_place_one_runs_nothing,
);

async fn enter(world: &World, caller: &Caller, organization: OrganizationId) -> Result<Tenant, Error> {
    world.wardkey.enter(caller, &organization.into()).await
}

fn held(tenant: &Tenant) -> Vec<String> {
    tenant.rights().organization_wide().names().iter().map(ToString::to_string).collect()
}

/// A person of the operator organization with these roles.
async fn operator_person(world: &World, name: &str, roles: &[BuiltInRole]) -> UserId {
    let deployment = world.deployment().await;
    let email = format!("{name}@example.com");
    let user = deployment.create_user(email, name.to_owned(), None).await.unwrap().into_inner().id;
    world.set_member(&world.operator().await, user, grants(roles)).await.unwrap();
    user
}

#[track_caller]
fn suspended(answer: Result<Tenant, Error>) {
    assert!(matches!(answer, Err(Error::Denied(Denial::OrganizationSuspended))), "{answer:?}");
}

async fn a_person_enters_with_exactly_the_rights_of_a_member(world: &World) {
    let demo = world.first.demo_organization;
    let viewer = world.in_browser(world.member("viewer", &[BuiltInRole::Viewer]).await).await;
    assert_eq!(held(&enter(world, &viewer, demo).await.unwrap()), ["connections:read", "pipelines:read"]);
    let member = world.in_browser(world.member("member", &[BuiltInRole::Member]).await).await;
    let mut expected: Vec<_> = PRODUCT.into_iter().chain(["keys:write"]).collect();
    expected.sort_unstable();
    let mut found = held(&enter(world, &member, demo).await.unwrap());
    found.sort_unstable();
    assert_eq!(found, expected);
    let nothing = world.in_browser(world.member("nothing", &[]).await).await;
    assert!(held(&enter(world, &nothing, demo).await.unwrap()).is_empty());
    let owner = world.member("owner", &[BuiltInRole::Owner]).await;
    let owner = enter(world, &world.in_browser(owner).await, demo).await.unwrap();
    assert_eq!(owner.rights(), world.demo().await.rights());
}

async fn where_a_person_is_no_member_nothing_exists(world: &World) {
    let owner = world.in_browser(world.member("ada", &[BuiltInRole::Owner]).await).await;
    let foreign = world.create_organization("Foreign", Some("foreign")).await;
    for organization in [
        foreign.organization_id().into(),
        world.operator().await.organization_id().into(),
        OrganizationId::from_bytes([0xA7; 16]).into(),
        "foreign".into(),
        "nowhere".into(),
        "a\0b".into(),
    ] {
        not_found(world.wardkey.enter(&owner, &organization).await);
    }
}

async fn a_person_who_may_act_anywhere_enters_as_an_owner_where_they_are_no_member(world: &World) {
    let (demo, operator) = (world.demo().await, world.operator().await.organization_id());
    let root = operator_person(world, "root", &[BuiltInRole::Owner]).await;
    let caller = world.in_browser(root).await;
    let entered = enter(world, &caller, demo.organization_id()).await.unwrap();
    assert_eq!(entered.rights(), demo.rights());
    assert_eq!(forbidden(entered.require::<OperatorAct>()), [OperatorAct::NAME]);
    enter(world, &caller, operator).await.unwrap().require::<OperatorAct>().unwrap();
    // As a member they have what members have.
    world.set_member(&demo, root, grants(&[BuiltInRole::Viewer])).await.unwrap();
    let entered = enter(world, &caller, demo.organization_id()).await.unwrap();
    assert_eq!(held(&entered), ["connections:read", "pipelines:read"]);

    let helper = world.in_browser(operator_person(world, "helper", &[BuiltInRole::Viewer]).await).await;
    not_found(enter(world, &helper, demo.organization_id()).await);
}

async fn a_suspended_organization_lets_no_person_in(world: &World) {
    let demo = world.first.demo_organization;
    let ada = world.member("ada", &[BuiltInRole::Owner]).await;
    let caller = world.in_browser(ada).await;
    world.set_organization_state(Standing::Inactive).await;
    suspended(enter(world, &caller, demo).await);
    suspended(enter(world, &Caller::local("test").acting_as(ada), demo).await);
    // Who runs the deployment does, to let it work again.
    let root = world.in_browser(operator_person(world, "root", &[BuiltInRole::Owner]).await).await;
    enter(world, &root, demo).await.unwrap();
    world.set_organization_state(Standing::Active).await;
    enter(world, &caller, demo).await.unwrap();
}

async fn a_person_runs_the_deployment_with_what_the_operator_organization_gave_them(world: &World) {
    let as_person = async |user| {
        let caller = world.in_browser(user).await;
        world.wardkey.enter_deployment(&caller).await.unwrap()
    };
    let root = as_person(operator_person(world, "root", &[BuiltInRole::Owner]).await).await;
    root.require::<OperatorUsers>().unwrap();
    let viewer = as_person(operator_person(world, "viewer", &[BuiltInRole::Viewer]).await).await;
    assert_eq!(forbidden(viewer.require::<OperatorUsers>()), [OperatorUsers::NAME]);
    let tenant = as_person(world.member("ada", &[BuiltInRole::Owner]).await).await;
    assert_eq!(forbidden(tenant.require::<OperatorUsers>()), [OperatorUsers::NAME]);
}

async fn what_a_person_does_is_audited_with_the_session(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Owner]).await;
    let session = world.log_in(ada).await;
    let address = "203.0.113.7".parse().unwrap();
    let caller = Caller::session(session).with_request_id("req-1").with_address(Some(address));
    let tenant = enter(world, &caller, world.first.demo_organization).await.unwrap();
    let key = tenant.issue_key(world.service_input(&["pipelines:read"])).await.unwrap();
    assert_eq!(key.key.created_by, Creator::User(ada));
    let event = world.event("key.issue", key.key.id).await;
    assert_eq!(event.actor, Actor::Session { session: session.id(), user: ada });
    assert_eq!((event.acting_for, event.address), (None, Some(address)));
    assert_eq!(event.request_id.as_deref(), Some("req-1"));
}

async fn by_a_session_that_is_over_nothing_is_changed_any_more(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Owner]).await;
    let session = world.log_in(ada).await;
    let tenant = enter(world, &Caller::session(session), world.first.demo_organization).await.unwrap();
    let audited = world.audited().await;
    world.wardkey.sign_in(Visitor::default()).close_session(&session).await.unwrap();
    not_found(tenant.issue_key(world.service_input(&["pipelines:read"])).await);
    assert_eq!((world.audited().await, world.counted_keys().await), (audited, 0));
}

/// Whatever allows it to the person who entered is taken between the door and the write.
async fn what_roles_allowed_that_changed_meanwhile_is_not_done(world: &World) {
    let (demo, operator) = (world.demo().await, world.operator().await);
    let here = demo.organization_id();
    let enter_as = async |user| enter(world, &world.in_browser(user).await, here).await.unwrap();
    let refused = async |tenant: &Tenant| {
        let audited = world.audited().await;
        let made = tenant.create_workspace("W".to_owned(), None, Vec::new()).await;
        assert_eq!(conflict(made), Conflict::RightsChanged);
        assert_eq!(world.audited().await, audited);
    };

    let demoted = world.member("demoted", &[BuiltInRole::Admin]).await;
    let (browser, stand_in) = (
        enter_as(demoted).await,
        enter(world, &Caller::local("test").acting_as(demoted), here).await.unwrap(),
    );
    world.set_member(&demo, demoted, grants(&[BuiltInRole::Viewer])).await.unwrap();
    refused(&browser).await;
    refused(&stand_in).await;

    let removed = world.member("removed", &[BuiltInRole::Admin]).await;
    let browser = enter_as(removed).await;
    demo.remove_member(&removed.into(), None).await.unwrap();
    refused(&browser).await;

    let permissions = crate::world::permissions(&["admin:workspaces"]);
    let role = CreateRole { name: "Builder".to_owned(), description: None, permissions };
    let role = demo.create_role(role).await.unwrap().into_inner();
    let team = CreateTeam {
        name: "Builders".to_owned(),
        external_id: None,
        grants: vec![GrantChoice { role: RoleRef::Custom(role.id), workspace: None }],
    };
    let team = demo.create_team(team).await.unwrap().into_inner();
    let builder = world.member("builder", &[BuiltInRole::Viewer]).await;
    demo.add_team_member(&team.id.into(), &builder.into()).await.unwrap();
    let browser = enter_as(builder).await;
    let narrower = RolePatch { permissions: Some(Vec::new()), ..RolePatch::default() };
    let narrowed = demo.update_role(RoleRef::Custom(role.id), role.version, narrower).await.unwrap();
    refused(&browser).await;
    let browser = enter_as(builder).await;
    assert_eq!(
        forbidden(browser.create_workspace("W".to_owned(), None, Vec::new()).await),
        ["admin:workspaces"]
    );
    let wider = RolePatch {
        permissions: Some(crate::world::permissions(&["admin:workspaces"])),
        ..RolePatch::default()
    };
    demo.update_role(RoleRef::Custom(role.id), narrowed.version, wider).await.unwrap();
    let browser = enter_as(builder).await;
    demo.remove_team_member(&team.id.into(), &builder.into()).await.unwrap();
    refused(&browser).await;

    operator_person(world, "another", &[BuiltInRole::Owner]).await;
    let root = operator_person(world, "root", &[BuiltInRole::Owner]).await;
    let boss = world.member("boss", &[BuiltInRole::Admin]).await;
    let (tenant, caller) = (enter_as(root).await, world.in_browser(root).await);
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    let stand_in = enter(world, &caller.acting_as(boss), here).await.unwrap();
    world.set_member(&operator, root, grants(&[BuiltInRole::Viewer])).await.unwrap();
    refused(&tenant).await;
    refused(&stand_in).await;
    let made = deployment.create_organization("Acme".to_owned(), None, None).await;
    assert_eq!(conflict(made), Conflict::RightsChanged);
}

async fn who_is_removed_is_who_was_looked_at(world: &World) {
    let bob = world.member("bob", &[BuiltInRole::Viewer]).await;
    let found = world.storage.find_member(world.first.demo_organization, bob).await.unwrap().unwrap();
    let held = Held::by(world.first.demo_organization, &found);
    world.set_member(&world.demo().await, bob, grants(&[BuiltInRole::Owner])).await.unwrap();
    let mut act = world.act();
    act.rests_on.push(held);
    let removed = world.storage.remove_member(&act, world.first.demo_organization, bob, None).await;
    assert!(matches!(removed, Err(StorageError::Conflict(Conflict::RightsChanged))), "{removed:?}");
}

async fn who_stands_in_has_the_users_rights_and_is_audited_for_them(world: &World) {
    let demo = world.first.demo_organization;
    let ada = world.member("ada", &[BuiltInRole::Admin]).await;
    let theirs = enter(world, &world.in_browser(ada).await, demo).await.unwrap();
    let root = operator_person(world, "root", &[BuiltInRole::Owner]).await;
    let session = world.log_in(root).await;
    let acting = world.operator().await.issue_key(world.operator_input(&["operator:act"])).await.unwrap();
    let by_key = Actor::Key { key: acting.key.id, principal: acting.key.principal };
    let cases = [
        (Caller::session(session), Actor::Session { session: session.id(), user: root }),
        (world.caller(&acting).await, by_key),
        (Caller::local("test"), Actor::Local { why: "test".to_owned() }),
    ];
    for (caller, actor) in cases {
        let tenant = enter(world, &caller.acting_as(ada), demo).await.unwrap();
        assert_eq!(tenant.rights(), theirs.rights());
        tenant.require::<AdminKeys>().unwrap();
        let key = tenant.issue_key(world.service_input(&["pipelines:read"])).await.unwrap();
        let event = world.event("key.issue", key.key.id).await;
        assert_eq!((event.actor, event.acting_for), (actor, Some(ada)));
    }
}

async fn nobody_stands_in_without_operator_act(world: &World) {
    let demo = world.first.demo_organization;
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let owner = world.member("owner", &[BuiltInRole::Owner]).await;
    let helper = operator_person(world, "helper", &[BuiltInRole::Viewer]).await;
    let key = world.operator().await.issue_key(world.operator_input(&["operator:users"])).await.unwrap();
    for caller in [
        world.in_browser(owner).await,
        world.in_browser(helper).await,
        world.caller(&key).await,
        world.caller(&world.admin_key().await).await,
    ] {
        assert_eq!(forbidden(enter(world, &caller.acting_as(ada), demo).await), [OperatorAct::NAME]);
    }
}

async fn nobody_stands_in_where_the_user_could_not_act(world: &World) {
    let (demo, operator) = (world.first.demo_organization, world.operator().await.organization_id());
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let root = operator_person(world, "root", &[BuiltInRole::Owner]).await;
    let caller = world.in_browser(root).await;
    enter(world, &caller.clone().acting_as(ada), demo).await.unwrap();
    let foreign = world.create_organization("Foreign", None).await.organization_id();
    not_found(enter(world, &caller.clone().acting_as(ada), foreign).await);
    // Not even for somebody who is a member there.
    not_found(enter(world, &caller.clone().acting_as(root), operator).await);
    not_found(enter(world, &Caller::local("test").acting_as(root), operator).await);
    not_found(enter(world, &caller.clone().acting_as(UserId::from_bytes([0xA7; 16])), demo).await);
    world.suspend(ada).await;
    not_found(enter(world, &caller.acting_as(ada), demo).await);
}

async fn in_a_users_place_one_runs_nothing(world: &World) {
    let root = operator_person(world, "root", &[BuiltInRole::Owner]).await;
    let caller = Caller::local("test").acting_as(root);
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    assert_eq!(forbidden(deployment.require::<OperatorUsers>()), [OperatorUsers::NAME]);
}
