use std::sync::Arc;

use serde_json::json;
use wardkey_core::{BuiltInRole, OrganizationId, PermissionName, Role, RoleGrant, Standing, UserId};
use wardkey_storage::{
    Acceptance, Act, Actor, Conflict, Grant, LinkPurpose, MemberEdit, Memberships, NewLink, NewRole, NewTeam,
    Page, PasswordHash, RoleEdit, RoleRef, Storage, StorageError, TeamEdit,
};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found, conflict, role};

/// A new member of the demo organization, whom nobody knew, with the link.
async fn invited(world: &World, email: &str) -> (UserId, NewLink) {
    invited_to(world, world.demo, email, vec![role(BuiltInRole::Member)]).await
}

async fn invited_to(
    world: &World,
    organization: OrganizationId,
    email: &str,
    grants: Vec<Grant>,
) -> (UserId, NewLink) {
    let new = world.new_member(email, grants);
    let link = new.link.clone();
    let added = world.storage.add_member(&world.act(), organization, new, None).await.unwrap();
    (added.into_inner().user.id, link)
}

async fn purpose(world: &World, link: &NewLink) -> Option<LinkPurpose> {
    let found = world.storage.find_link(link.digest, world.now()).await.unwrap();
    found.map(|link| link.purpose)
}

async fn redeem(world: &World, user: UserId, link: &NewLink, hash: &str) -> Result<(), StorageError> {
    let act = Act { actor: Actor::Link { user }, ..world.act() };
    world.storage.redeem_link(&act, user, link.digest, PasswordHash::new(hash)).await
}

async fn accept(world: &World, user: UserId, link: &NewLink) -> Result<(), StorageError> {
    world.storage.accept_link(&world.act(), user, link.digest).await
}

async fn is_accepted(world: &World, organization: OrganizationId, user: UserId) -> bool {
    let member = world.storage.find_member(organization, user).await.unwrap().unwrap();
    let accepted = member.accepted_at.is_some();
    let memberships = |acceptance| Memberships {
        kinds: &[wardkey_core::OrganizationKind::Tenant, wardkey_core::OrganizationKind::Operator],
        acceptance,
    };
    let listed = async |acceptance| {
        let page = Page::first(10);
        let found = world.storage.list_organizations_of(user, memberships(acceptance), page).await.unwrap();
        found.iter().any(|found| found.id == organization)
    };
    assert!(listed(Acceptance::NotRequired).await);
    assert_eq!(listed(Acceptance::Required).await, accepted);
    accepted
}

/// Whether a session opens with this password.
async fn logs_in(world: &World, user: UserId, hash: &str) -> bool {
    world.storage.open_session(world.new_session(user, hash), world.now()).await.is_ok()
}

async fn a_link_sets_the_first_password_once_and_makes_a_member(world: Arc<World>) {
    let (user, link) = invited(&world, "new@example.com").await;
    assert_eq!(purpose(&world, &link).await, Some(LinkPurpose::SetPassword));
    assert!(!is_accepted(&world, world.demo, user).await);
    assert_not_found(redeem(&world, world.user_id(), &link, "other").await);
    redeem(&world, user, &link, "first").await.unwrap();
    assert!(logs_in(&world, user, "first").await && is_accepted(&world, world.demo, user).await);
    assert_eq!(purpose(&world, &link).await, None);
    assert_not_found(redeem(&world, user, &link, "second").await);
    assert_not_found(accept(&world, user, &link).await);
    assert!(!logs_in(&world, user, "second").await);
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!((event.action.as_str(), &event.target), ("user.set_password", &user.to_string()));
    assert_eq!(event.actor, Actor::Link { user });
    assert_eq!(event.details, json!({"ended_sessions": 0, "invited_to": world.demo.to_string()}));
    let event = world.audit(world.demo).await.remove(0);
    assert_eq!((event.action.as_str(), &event.target), ("member.accept", &user.to_string()));
    assert_eq!(event.actor, Actor::Link { user });
    assert_eq!(event.details, json!({"before": {"state": "pending"}, "after": {"state": "accepted"}}));
}
on_both!(a_link_sets_the_first_password_once_and_makes_a_member);

async fn a_link_ends_in_time_and_with_a_newer_one(world: Arc<World>) {
    let user = world.user().await;
    let (older, newer) = (world.new_link(), world.new_link());
    for link in [&older, &newer] {
        world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    }
    assert_eq!(
        (purpose(&world, &older).await, purpose(&world, &newer).await),
        (None, Some(LinkPurpose::SetPassword))
    );
    // A link of another kind stays.
    let email = world.storage.find_user(&user.into()).await.unwrap().unwrap().email;
    let (_, members) = invited_to(&world, world.demo, &email, Vec::new()).await;
    assert!(purpose(&world, &newer).await.is_some() && purpose(&world, &members).await.is_some());
    // An operator's makes nobody a member.
    assert_not_found(accept(&world, user, &newer).await);
    let end = newer.ends_at;
    for link in [&newer, &members] {
        assert!(world.storage.find_link(link.digest, end).await.unwrap().is_none());
        let late = Act { actor: Actor::Link { user }, now: end, ..world.act() };
        let redeemed = world.storage.redeem_link(&late, user, link.digest, PasswordHash::new("late")).await;
        assert_not_found(redeemed);
        assert_not_found(world.storage.accept_link(&late, user, link.digest).await);
    }
    assert!(!logs_in(&world, user, "late").await && !is_accepted(&world, world.demo, user).await);
    assert_eq!(world.storage.prune(end.saturating_add(DAY)).await.unwrap().links, 2);
}
on_both!(a_link_ends_in_time_and_with_a_newer_one);

async fn a_member_who_has_not_accepted_is_given_another_link_and_who_has_is_not(world: Arc<World>) {
    let (user, first) = invited(&world, "new@example.com").await;
    let member = || vec![RoleGrant { workspace: None, role: Role::BuiltIn(BuiltInRole::Member) }];
    let another = async |organization| {
        let link = NewLink { held: member(), ..world.new_link() };
        let made = world.storage.create_member_link(&world.act(), organization, user, link.clone()).await;
        made.map(|()| link)
    };
    assert_not_found(another(world.tenant().await.organization).await);
    let second = another(world.demo).await.unwrap();
    assert_eq!(world.audit(world.demo).await[0].action, "member.create_link");
    assert_eq!(purpose(&world, &first).await, None);
    assert_not_found(redeem(&world, user, &first, "first").await);
    redeem(&world, user, &second, "second").await.unwrap();
    assert_eq!(conflict(another(world.demo).await), Conflict::AlreadyMember);
}
on_both!(a_member_who_has_not_accepted_is_given_another_link_and_who_has_is_not);

async fn two_organizations_invite_a_new_person_and_each_is_entered_by_its_own_link(world: Arc<World>) {
    let other = world.tenant().await.organization;
    let (user, here) = invited(&world, "provisioned@example.com").await;
    let (_, there) = invited_to(&world, other, "Provisioned@example.com", Vec::new()).await;
    // Neither stands in the other's way.
    for link in [&here, &there] {
        assert_eq!(purpose(&world, link).await, Some(LinkPurpose::SetPassword));
    }
    redeem(&world, user, &there, "own").await.unwrap();
    assert!(!is_accepted(&world, world.demo, user).await && is_accepted(&world, other, user).await);
    // Whoever kept the older link has no second first password to set.
    assert_eq!(purpose(&world, &here).await, Some(LinkPurpose::LogIn));
    assert_eq!(conflict(redeem(&world, user, &here, "theirs").await), Conflict::PasswordIsSet);
    assert!(logs_in(&world, user, "own").await && !logs_in(&world, user, "theirs").await);
    // Somebody else who is logged in takes it in for nobody.
    let (stranger, _) = world.logged_in().await;
    assert_not_found(accept(&world, stranger, &here).await);
    // A change of the password leaves it good for who logs in.
    world.storage.set_password(&world.act(), user, PasswordHash::new("next")).await.unwrap();
    accept(&world, user, &here).await.unwrap();
    assert!(is_accepted(&world, world.demo, user).await);
    assert_not_found(accept(&world, user, &here).await);
    assert_eq!(world.audit(world.demo).await[0].action, "member.accept");
}
on_both!(two_organizations_invite_a_new_person_and_each_is_entered_by_its_own_link);

async fn no_link_names_the_first_password_of_who_would_be_let_in_elsewhere_by_it(world: Arc<World>) {
    let owner = world.user().await;
    let email = world.storage.find_user(&owner.into()).await.unwrap().unwrap().email;
    let (_, operators) = invited_to(&world, world.operator, &email, vec![role(BuiltInRole::Owner)]).await;
    world.storage.accept_member(&world.act(), world.operator, owner).await.unwrap();
    assert!(is_accepted(&world, world.operator, owner).await);
    assert_eq!(purpose(&world, &operators).await, None, "whoever is vouched for needs no link");
    let (_, link) = invited_to(&world, world.demo, &email, Vec::new()).await;
    assert_eq!(purpose(&world, &link).await, Some(LinkPurpose::LogIn));
    assert_eq!(conflict(redeem(&world, owner, &link, "theirs").await), Conflict::PasswordIsSet);
    // And nobody is vouched for who may have their password from others.
    let (user, link) = invited(&world, "new@example.com").await;
    redeem(&world, user, &link, "theirs").await.unwrap();
    invited_to(&world, world.operator, "new@example.com", Vec::new()).await;
    let vouched = world.storage.accept_member(&world.act(), world.operator, user).await;
    assert_eq!(conflict(vouched), Conflict::PasswordIsSet);
    world.storage.accept_member(&world.act(), world.demo, user).await.unwrap();
    assert_not_found(world.storage.accept_member(&world.act(), world.demo, world.user_id()).await);
}
on_both!(no_link_names_the_first_password_of_who_would_be_let_in_elsewhere_by_it);

async fn whoever_is_given_more_has_outgrown_the_links_that_were_made_before(world: Arc<World>) {
    let permissions =
        |names: &[&str]| -> Vec<PermissionName> { names.iter().map(|name| name.parse().unwrap()).collect() };
    let (custom, team) = (world.role_id(), world.team_id());
    let values =
        |names| RoleEdit { name: "Own".to_owned(), description: None, permissions: permissions(names) };
    let new = NewRole { id: custom, values: values(&["pipelines:read"]) };
    world.storage.create_role(&world.act(), world.demo, new, None).await.unwrap();
    let admins =
        TeamEdit { name: "Team".to_owned(), external_id: None, grants: vec![role(BuiltInRole::Admin)] };
    let new = NewTeam { id: team, values: admins };
    world.storage.create_team(&world.act(), world.demo, new, None).await.unwrap();
    let own = Grant { workspace: None, role: RoleRef::Custom(custom) };
    let invite = async |email: &str| {
        let mut new = world.new_member(email, vec![role(BuiltInRole::Viewer), own]);
        let held = Role::Custom(permissions(&["pipelines:read"]));
        new.link.held.push(RoleGrant { workspace: None, role: held });
        let link = new.link.clone();
        let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
        (added.into_inner().user.id, link)
    };
    let (by_edit, by_team, by_role) =
        (invite("a@example.com").await, invite("b@example.com").await, invite("c@example.com").await);
    let (knowing, session) = world.logged_in().await;
    let email = world.storage.find_user(&knowing.into()).await.unwrap().unwrap().email;
    let by_login = invite(&email).await;
    for (_, link) in [&by_edit, &by_team, &by_role, &by_login] {
        assert!(purpose(&world, link).await.is_some());
    }
    let edit = async |user, grants: Vec<Grant>| {
        let member = world.storage.find_member(world.demo, user).await.unwrap().unwrap();
        let edit = MemberEdit { name: member.name, grants };
        world.storage.update_member(&world.act(), world.demo, user, member.version, edit).await.unwrap();
    };
    for user in [by_edit.0, by_login.0] {
        edit(user, vec![role(BuiltInRole::Owner)]).await;
    }
    world.storage.add_team_member(&world.act(), world.demo, team, by_team.0).await.unwrap();
    for (user, link) in [&by_edit, &by_team] {
        assert_eq!(purpose(&world, link).await, None);
        assert_not_found(redeem(&world, *user, link, "theirs").await);
    }
    assert_not_found(
        world
            .storage
            .accept_link(
                &Act { actor: Actor::Session { session: session.id, user: knowing }, ..world.act() },
                knowing,
                by_login.1.digest,
            )
            .await,
    );
    assert!(!is_accepted(&world, world.demo, knowing).await);
    // Less is no harm.
    edit(by_role.0, vec![own]).await;
    assert!(purpose(&world, &by_role.1).await.is_some());
    let wider = values(&["pipelines:read", "pipelines:run"]);
    world.storage.update_role(&world.act(), world.demo, custom, 1, wider).await.unwrap();
    assert_not_found(redeem(&world, by_role.0, &by_role.1, "theirs").await);
    // An operator's link, likewise, once the person has business in the operator organization.
    let user = world.user().await;
    let link = world.new_link();
    world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    world.set_member(world.demo, user, vec![role(BuiltInRole::Owner)]).await.unwrap();
    assert_eq!(purpose(&world, &link).await, Some(LinkPurpose::SetPassword), "a tenant is no concern of it");
    let email = world.storage.find_user(&user.into()).await.unwrap().unwrap().email;
    invited_to(&world, world.operator, &email, vec![role(BuiltInRole::Viewer)]).await;
    assert_eq!(purpose(&world, &link).await, None);
    assert_not_found(redeem(&world, user, &link, "theirs").await);
    assert!(!logs_in(&world, user, "theirs").await);
}
on_both!(whoever_is_given_more_has_outgrown_the_links_that_were_made_before);

async fn links_end_with_suspension_with_the_membership_and_with_the_organization(world: Arc<World>) {
    let other = world.tenant().await.organization;
    let (user, here) = invited(&world, "new@example.com").await;
    let (_, there) = invited_to(&world, other, "new@example.com", Vec::new()).await;
    world.storage.remove_member(&world.act(), world.demo, user, None).await.unwrap();
    assert_eq!(
        (purpose(&world, &here).await, purpose(&world, &there).await),
        (None, Some(LinkPurpose::SetPassword))
    );
    world.storage.delete_organization(&world.act(), other, None).await.unwrap();
    assert_eq!(purpose(&world, &there).await, None);
    for link in [&here, &there] {
        assert_not_found(redeem(&world, user, link, "theirs").await);
    }
    let (_, link) = invited(&world, "new@example.com").await;
    let operators = world.new_link();
    world.storage.create_link(&world.act(), user, operators.clone()).await.unwrap();
    for state in [Standing::Inactive, Standing::Active] {
        world.storage.set_user_state(&world.act(), user, None, state, None).await.unwrap();
        for link in [&link, &operators] {
            assert_eq!(purpose(&world, link).await, None);
            assert_not_found(redeem(&world, user, link, "theirs").await);
        }
    }
    // Who is invited while suspended is not told apart, and is not let in.
    let (suspended, _) = invited(&world, "suspended@example.com").await;
    world.storage.remove_member(&world.act(), world.demo, suspended, None).await.unwrap();
    world.storage.set_user_state(&world.act(), suspended, None, Standing::Inactive, None).await.unwrap();
    let (_, link) = invited(&world, "suspended@example.com").await;
    assert_eq!(purpose(&world, &link).await, Some(LinkPurpose::LogIn));
    assert_eq!(conflict(redeem(&world, suspended, &link, "theirs").await), Conflict::PasswordIsSet);
    assert!(!logs_in(&world, suspended, "theirs").await);
}
on_both!(links_end_with_suspension_with_the_membership_and_with_the_organization);

async fn an_operators_link_replaces_a_lost_password_and_ends_the_sessions(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let link = world.new_link();
    world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    assert_eq!(purpose(&world, &link).await, Some(LinkPurpose::SetPassword));
    redeem(&world, user, &link, "new").await.unwrap();
    assert!(world.storage.find_session(session.id, user, world.now()).await.unwrap().is_none());
    assert!(logs_in(&world, user, "new").await && !logs_in(&world, user, "hash").await);
    let link = world.new_link();
    assert_not_found(world.storage.create_link(&world.act(), world.user_id(), link.clone()).await);
    // Whoever has a link for a lost password has none any more once the person has named another.
    world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    world.storage.set_password(&world.act(), user, PasswordHash::new("newer")).await.unwrap();
    assert_not_found(redeem(&world, user, &link, "theirs").await);
    // A link that was sent to one address is worth nothing at another, or for who is gone.
    world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    let known = world.storage.find_user(&user.into()).await.unwrap().unwrap();
    let edit = wardkey_storage::UserEdit {
        email: "elsewhere@example.com".to_owned(),
        name: known.name,
        external_id: None,
    };
    world.storage.update_user(&world.act(), user, known.version, edit).await.unwrap();
    assert_eq!(purpose(&world, &link).await, None);
    let link = world.new_link();
    world.storage.create_link(&world.act(), user, link.clone()).await.unwrap();
    world.storage.delete_user(&world.act(), user, None).await.unwrap();
    assert_eq!(purpose(&world, &link).await, None);
    assert_not_found(redeem(&world, user, &link, "gone").await);
}
on_both!(an_operators_link_replaces_a_lost_password_and_ends_the_sessions);

async fn of_many_that_redeem_a_link_at_once_one_does(world: Arc<World>) {
    let (user, link) = invited(&world, "new@example.com").await;
    let redeeming = (0..8).map(|number| {
        let (storage, act): (Storage, _) = (world.storage.clone(), world.act());
        let act = Act { actor: Actor::Link { user }, ..act };
        let digest = link.digest;
        tokio::spawn(async move {
            let hash = PasswordHash::new(format!("hash {number}"));
            storage.redeem_link(&act, user, digest, hash).await
        })
    });
    let redeeming: Vec<_> = redeeming.collect();
    let mut winners = Vec::new();
    for (number, outcome) in redeeming.into_iter().enumerate() {
        match outcome.await.unwrap() {
            Ok(()) => winners.push(number),
            Err(error) => assert!(matches!(error, StorageError::NotFound), "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert!(logs_in(&world, user, &format!("hash {}", winners[0])).await);
    let events = world.audit(world.operator).await;
    assert_eq!(events.iter().filter(|event| event.action == "user.set_password").count(), 1);
}
on_both!(of_many_that_redeem_a_link_at_once_one_does);
