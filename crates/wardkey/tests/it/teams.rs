//! Teams: who gives and takes through them, and whom it reaches.

use std::time::Duration;

use wardkey::core::{BuiltInRole, Level, Reference, TeamId, UserId, Verifier};
use wardkey::{Caller, Conflict, CreateTeam, Grant, PageRequest, Team, TeamFilter, TeamPatch, Tenant};

use crate::answers::{conflict, exceeds, forbidden, not_found, version_mismatch};
use crate::world::{World, grants, production, user_input, verify_with, within};

on_both!(
    what_goes_takes_effect_before_the_call_returns_and_elsewhere_within_a_second,
    only_owners_touch_a_team_that_makes_owners,
    who_is_made_an_owner_by_a_team_is_one,
    the_last_owner_stays_through_every_way_out,
    a_team_is_deleted_as_it_was_checked,
    who_does_not_exist_is_not_found,
);

fn wanted(roles: &[BuiltInRole]) -> CreateTeam {
    let grants = grants(roles).into_iter().map(Into::into).collect();
    CreateTeam { name: "Team".to_owned(), external_id: None, grants }
}

fn granting(roles: &[BuiltInRole]) -> TeamPatch {
    let grants = grants(roles).into_iter().map(Into::into).collect();
    TeamPatch { grants: Some(grants), ..TeamPatch::default() }
}

async fn create(tenant: &Tenant, roles: &[BuiltInRole]) -> Team {
    tenant.create_team(wanted(roles)).await.unwrap().into_inner()
}

async fn acting_as(world: &World, user: UserId) -> Tenant {
    let caller = Caller::local("test").acting_as(user);
    world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap()
}

async fn what_goes_takes_effect_before_the_call_returns_and_elsewhere_within_a_second(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Viewer]).await;
    let who = user.into();
    let key = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let here = world.verifier();
    let process = world.open_again().await;
    let there = process.verifier(&production());
    let may = async |verifier: &Verifier| {
        let verified = verify_with(verifier, key.secret.as_ref().unwrap(), None).await.unwrap();
        verified.rights.rights.anywhere().contains_name("pipelines:run")
    };
    let promised = Duration::from_secs(1);
    let holds = async |expected: bool, what: &str| {
        assert_eq!(may(&here).await, expected, "{what}");
        within(promised, what, async || may(&there).await == expected).await;
    };
    holds(false, "before").await;
    let team = create(&demo, &[BuiltInRole::Member]).await;
    let id = team.id.into();
    demo.add_team_member(&id, &who).await.unwrap();
    holds(true, "in the team").await;
    demo.remove_team_member(&id, &who).await.unwrap();
    holds(false, "out of the team").await;
    demo.add_team_member(&id, &who).await.unwrap();
    holds(true, "in the team again").await;
    let narrowed = demo.update_team(&id, team.version, granting(&[BuiltInRole::Viewer])).await.unwrap();
    holds(false, "the team is narrowed").await;
    demo.update_team(&id, narrowed.version, granting(&[BuiltInRole::Member])).await.unwrap();
    holds(true, "the team is widened").await;
    demo.delete_team(&id, None).await.unwrap();
    holds(false, "the team is gone").await;
    // What is held from elsewhere stays.
    let verified = verify_with(&here, key.secret.as_ref().unwrap(), None).await.unwrap();
    assert!(verified.rights.rights.organization_wide().contains_name("pipelines:read"));
}

async fn only_owners_touch_a_team_that_makes_owners(world: &World) {
    let demo = world.demo().await;
    world.member("olaf", &[BuiltInRole::Owner]).await;
    let admin = world.member("adam", &[BuiltInRole::Admin]).await;
    let admin = acting_as(world, admin).await;
    let user = Reference::Id(world.member("ada", &[]).await);
    let owners = create(&demo, &[BuiltInRole::Owner]).await;
    let id = owners.id.into();
    assert_eq!(exceeds(admin.create_team(wanted(&[BuiltInRole::Owner])).await), ["/grants"]);
    assert_eq!(exceeds(admin.add_team_member(&id, &user).await), [""]);
    assert_eq!(exceeds(admin.remove_team_member(&id, &user).await), [""]);
    assert_eq!(exceeds(admin.delete_team(&id, None).await), [""]);
    let renamed = TeamPatch { name: Some("Ours".to_owned()), ..TeamPatch::default() };
    assert_eq!(exceeds(admin.update_team(&id, 1, renamed).await), [""]);
    assert_eq!(exceeds(admin.update_team(&id, 1, granting(&[])).await), [""]);
    let plain = create(&admin, &[BuiltInRole::Admin]).await;
    let plain_id = plain.id.into();
    let widened = admin.update_team(&plain_id, 1, granting(&[BuiltInRole::Owner])).await;
    assert_eq!(exceeds(widened), ["/grants"]);
    admin.add_team_member(&plain_id, &user).await.unwrap();
    assert_eq!(admin.list_team_members(&plain_id, PageRequest::default()).await.unwrap().items.len(), 1);
    assert_eq!(demo.get_team(&id).await.unwrap(), owners);
    let member = world.member("mel", &[BuiltInRole::Member]).await;
    let member = acting_as(world, member).await;
    let needed = ["admin:members"];
    assert_eq!(forbidden(member.list_teams(TeamFilter::default(), PageRequest::default()).await), needed);
    assert_eq!(forbidden(member.get_team(&id).await), needed);
    assert_eq!(forbidden(member.list_team_members(&id, PageRequest::default()).await), needed);
    assert_eq!(forbidden(member.add_team_member(&plain_id, &user).await), needed);
}

async fn who_is_made_an_owner_by_a_team_is_one(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Viewer]).await;
    let owners = create(&demo, &[BuiltInRole::Owner]).await.id.into();
    demo.add_team_member(&owners, &user.into()).await.unwrap();
    let ada = acting_as(world, user).await;
    let other = world.member("bob", &[]).await;
    world.set_member(&ada, other, grants(&[BuiltInRole::Owner])).await.unwrap();
    demo.remove_team_member(&owners, &user.into()).await.unwrap();
    let ada = acting_as(world, user).await;
    assert_eq!(forbidden(world.set_member(&ada, other, Vec::new()).await), ["admin:members"]);
}

async fn the_last_owner_stays_through_every_way_out(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[]).await;
    let owners = create(&demo, &[BuiltInRole::Owner]).await;
    let id = owners.id.into();
    demo.add_team_member(&id, &user.into()).await.unwrap();
    let audited = world.audited().await;
    let attempts = [
        demo.remove_team_member(&id, &user.into()).await,
        demo.delete_team(&id, None).await,
        demo.update_team(&id, 1, granting(&[BuiltInRole::Admin])).await.map(drop),
        demo.remove_member(&user.into(), None).await,
    ];
    for attempt in attempts {
        assert_eq!(conflict(attempt), Conflict::LastOwner);
    }
    assert_eq!(world.audited().await, audited);
    world.set_member(&demo, user, grants(&[BuiltInRole::Owner])).await.unwrap();
    demo.delete_team(&id, None).await.unwrap();
}

async fn a_team_is_deleted_as_it_was_checked(world: &World) {
    let demo = world.demo().await;
    let team = create(&demo, &[BuiltInRole::Viewer]).await;
    let id = team.id.into();
    let admin = world.member("adam", &[BuiltInRole::Admin]).await;
    let admin = acting_as(world, admin).await;
    assert_eq!(version_mismatch(demo.delete_team(&id, Some(2)).await), 1);
    assert_eq!(version_mismatch(demo.update_team(&id, 2, TeamPatch::default()).await), 1);
    // An owner widens the team while an admin deletes it: the admin never deletes the wide one.
    for _ in 0..10 {
        let id = create(&demo, &[BuiltInRole::Viewer]).await.id;
        let (widening, deleting) = (demo.clone(), admin.clone());
        let widened = tokio::spawn(async move {
            widening.update_team(&id.into(), 1, granting(&[BuiltInRole::Owner])).await
        });
        let deleted = tokio::spawn(async move { deleting.delete_team(&id.into(), None).await });
        match (widened.await.unwrap(), deleted.await.unwrap()) {
            (Ok(_), refused @ Err(_)) => drop(exceeds(refused)),
            (absent @ Err(_), Ok(())) => not_found(absent),
            other => panic!("{other:?}"),
        }
    }
}

async fn who_does_not_exist_is_not_found(world: &World) {
    let demo = world.demo().await;
    let other = world.create_organization("Other", None).await;
    let foreign = other.create_team(CreateTeam { external_id: Some("t".to_owned()), ..wanted(&[]) }).await;
    let foreign = foreign.unwrap().into_inner().id;
    let user = Reference::Id(world.member("ada", &[]).await);
    let absent: [Reference<TeamId>; 4] = [foreign.into(), "t".into(), "nowhere".into(), "a\0b".into()];
    for team in absent {
        not_found(demo.get_team(&team).await);
        not_found(demo.update_team(&team, 1, TeamPatch::default()).await);
        not_found(demo.delete_team(&team, None).await);
        not_found(demo.list_team_members(&team, PageRequest::default()).await);
        not_found(demo.add_team_member(&team, &user).await);
        not_found(demo.remove_team_member(&team, &user).await);
    }
    // A user who is no member there is nobody.
    for nobody in [user, "nobody".into(), "a\0b".into()] {
        not_found(other.add_team_member(&foreign.into(), &nobody).await);
        not_found(other.remove_team_member(&foreign.into(), &nobody).await);
    }
    let filter = TeamFilter { external_id: None, search: Some("a\0b".to_owned()) };
    assert!(demo.list_teams(filter, PageRequest::default()).await.unwrap().items.is_empty());
    let absent = Grant {
        workspace: Some(
            other.create_workspace("W".to_owned(), None, Vec::new()).await.unwrap().into_inner().id,
        ),
        role: wardkey::RoleRef::BuiltIn(BuiltInRole::Viewer),
    };
    let refused = demo.create_team(CreateTeam { grants: vec![absent.into()], ..wanted(&[]) }).await;
    assert_eq!(crate::answers::invalid_field(refused), ("/grants/0/workspace_id".to_owned(), "not_found"));
}
