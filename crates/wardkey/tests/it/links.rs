//! Links: who comes in by which, and who does not.

use wardkey::core::permission::OperatorUsers;
use wardkey::core::{BuiltInRole, Level, OrganizationId, Permission as _, PrincipalId, UserId};
use wardkey::{
    AddMember, AddedMember, Caller, Conflict, Error, Grant, IssuedLink, KeyFilter, LinkPurpose, LinkToken,
    MemberPatch, Own, PageRequest, PasswordHash, Tenant, Visitor,
};

use crate::answers::{conflict, exceeds, forbidden, not_found};
use crate::world::{DAY, World, grants, user_input};

on_both!(
    whoever_invites_a_person_becomes_them_nowhere_else,
    an_old_link_is_no_way_in_once_others_have_invited_the_person,
    two_organizations_invite_a_person_and_each_is_entered_without_the_operator,
    a_link_is_good_once_and_for_its_time,
    who_was_only_invited_has_roles_and_keys_and_stand_ins_but_no_session,
    nobody_makes_a_link_for_somebody_above_them,
    whoever_is_given_more_has_outgrown_the_links_of_those_below,
    links_end_when_the_person_is_suspended_removed_or_without_the_organization,
    somebody_on_the_database_vouches_for_who_has_no_password_yet,
);

const VICTIM: &str = "victim@example.com";

async fn invite(tenant: &Tenant, email: &str, role: BuiltInRole) -> (UserId, IssuedLink) {
    let grants = vec![Grant::organization_wide(role).into()];
    let new = AddMember { email: email.to_owned(), name: None, grants };
    let AddedMember { member, link, .. } = tenant.add_member(new).await.unwrap();
    assert_eq!(member.accepted_at, None);
    (member.user, link.unwrap())
}

async fn redeem(world: &World, link: &IssuedLink, hash: &str) -> Result<(), Error> {
    world.wardkey.sign_in(Visitor::default()).redeem_link(&link.token, PasswordHash::new(hash)).await
}

async fn purpose(world: &World, link: &IssuedLink) -> Result<LinkPurpose, Error> {
    let found = world.wardkey.sign_in(Visitor::default()).inspect_link(&link.token).await;
    found.map(|link| link.purpose)
}

/// Whoever knows this person's password, logged in.
async fn log_in(world: &World, user: UserId) -> (Caller, Own) {
    let caller = Caller::session(world.log_in(user).await);
    let own = world.wardkey.enter_self(&caller).await.unwrap();
    (caller, own)
}

async fn enter(world: &World, caller: &Caller, organization: OrganizationId) -> Result<Tenant, Error> {
    world.wardkey.enter(caller, &organization.into()).await
}

async fn organizations(own: &Own) -> Vec<OrganizationId> {
    let page = own.organizations(PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|organization| organization.id).collect()
}

async fn count_own_keys(own: &Own) -> usize {
    own.list_keys(KeyFilter::default(), PageRequest::default()).await.unwrap().items.len()
}

async fn whoever_invites_a_person_becomes_them_nowhere_else(world: &World) {
    let (mallorys, demo, operator) =
        (world.create_organization("Mallory", None).await, world.demo().await, world.operator().await);
    // Mallory opens the link that was meant for somebody else.
    let (victim, link) = invite(&mallorys, VICTIM, BuiltInRole::Member).await;
    redeem(world, &link, "mallorys").await.unwrap();
    let (caller, own) = log_in(world, victim).await;
    enter(world, &caller, mallorys.organization_id()).await.unwrap();
    // Then others invite that person, also to run the deployment.
    let (_, theirs) = invite(&demo, VICTIM, BuiltInRole::Owner).await;
    let (_, operators) = invite(&operator, VICTIM, BuiltInRole::Owner).await;
    demo.issue_key(user_input(victim, Level::ReadOnly, &[])).await.unwrap();
    let (again, _) = log_in(world, victim).await;
    for caller in [&caller, &again] {
        for closed in [&demo, &operator] {
            not_found(enter(world, caller, closed.organization_id()).await);
        }
        let deployment = world.wardkey.enter_deployment(caller).await.unwrap();
        assert_eq!(forbidden(deployment.require::<OperatorUsers>()), [OperatorUsers::NAME]);
        assert!(forbidden(world.wardkey.act_as(caller.clone(), &victim.into()).await).len() == 1);
    }
    assert_eq!(organizations(&own).await, [mallorys.organization_id()]);
    assert_eq!(count_own_keys(&own).await, 0);
    // What Mallory can make does not open what others have: neither another link, nor another membership.
    mallorys.remove_member(&victim.into(), None).await.unwrap();
    let (_, link) = invite(&mallorys, VICTIM, BuiltInRole::Member).await;
    own.accept_link(&link.token).await.unwrap();
    assert_eq!(organizations(&own).await, [mallorys.organization_id()]);
    // The person has their account back by the operator, and comes in by the links that only they have.
    let back = world.deployment().await.create_user_link(&victim.into()).await.unwrap();
    not_found(own.accept_link(&back.token).await);
    redeem(world, &back, "own").await.unwrap();
    not_found(own.accept_link(&theirs.token).await);
    let (caller, own) = log_in(world, victim).await;
    not_found(enter(world, &caller, demo.organization_id()).await);
    own.accept_link(&theirs.token).await.unwrap();
    own.accept_link(&operators.token).await.unwrap();
    enter(world, &caller, demo.organization_id()).await.unwrap();
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    deployment.require::<OperatorUsers>().unwrap();
    assert_eq!((organizations(&own).await.len(), count_own_keys(&own).await), (3, 1));
}

async fn an_old_link_is_no_way_in_once_others_have_invited_the_person(world: &World) {
    let (mallorys, demo) = (world.create_organization("Mallory", None).await, world.demo().await);
    let (victim, old) = invite(&mallorys, VICTIM, BuiltInRole::Member).await;
    let (_, theirs) = invite(&demo, VICTIM, BuiltInRole::Owner).await;
    // Before the person has come: a password, but no way into the other organization.
    redeem(world, &old, "mallorys").await.unwrap();
    let (caller, _) = log_in(world, victim).await;
    not_found(enter(world, &caller, demo.organization_id()).await);
    assert_eq!(purpose(world, &theirs).await.unwrap(), LinkPurpose::LogIn);
    // After: not even a password.
    let (other, old) = invite(&mallorys, "other@example.com", BuiltInRole::Member).await;
    let (_, theirs) = invite(&demo, "other@example.com", BuiltInRole::Owner).await;
    redeem(world, &theirs, "own").await.unwrap();
    assert_eq!(conflict(redeem(world, &old, "mallorys").await), Conflict::PasswordIsSet);
    let (caller, own) = log_in(world, other).await;
    assert_eq!(organizations(&own).await, [demo.organization_id()]);
    not_found(enter(world, &caller, mallorys.organization_id()).await);
    // Nor by the person of another account.
    let (_, mallory) = log_in(world, victim).await;
    not_found(mallory.accept_link(&old.token).await);
}

async fn two_organizations_invite_a_person_and_each_is_entered_without_the_operator(world: &World) {
    let (demo, other) = (world.demo().await, world.create_organization("Other", None).await);
    let (ada, here) = invite(&demo, "ada@example.com", BuiltInRole::Member).await;
    let (_, there) = invite(&other, "ADA@example.com", BuiltInRole::Admin).await;
    assert_eq!(purpose(world, &here).await.unwrap(), LinkPurpose::SetPassword);
    redeem(world, &there, "own").await.unwrap();
    let (caller, own) = log_in(world, ada).await;
    enter(world, &caller, other.organization_id()).await.unwrap();
    not_found(enter(world, &caller, demo.organization_id()).await);
    own.accept_link(&here.token).await.unwrap();
    enter(world, &caller, demo.organization_id()).await.unwrap();
    for tenant in [demo, other] {
        let member = tenant.get_member(&ada.into()).await.unwrap();
        assert_eq!((member.accepted_at, member.version), (Some(world.now()), 1));
    }
}

async fn a_link_is_good_once_and_for_its_time(world: &World) {
    let demo = world.demo().await;
    let (ada, link) = invite(&demo, "ada@example.com", BuiltInRole::Member).await;
    redeem(world, &link, "own").await.unwrap();
    not_found(redeem(world, &link, "again").await);
    not_found(purpose(world, &link).await);
    let (_, own) = log_in(world, ada).await;
    not_found(own.accept_link(&link.token).await);
    not_found(own.accept_link(&LinkToken::from_bytes([0; 32])).await);
    let (bob, late) = invite(&demo, "bob@example.com", BuiltInRole::Member).await;
    assert_eq!(late.ends_at, world.now().saturating_add(wardkey::LINK_LIFE));
    world.clock.advance(7 * DAY);
    not_found(purpose(world, &late).await);
    not_found(redeem(world, &late, "late").await);
    let another = demo.create_member_link(&bob.into()).await.unwrap();
    redeem(world, &another, "own").await.unwrap();
    assert_eq!(conflict(demo.create_member_link(&bob.into()).await), Conflict::AlreadyMember);
    assert_eq!(format!("{:?}", another.token), "LinkToken");
    let operators = world.deployment().await.create_user_link(&bob.into()).await.unwrap();
    redeem(world, &operators, "new").await.unwrap();
    not_found(redeem(world, &operators, "newer").await);
}

async fn who_was_only_invited_has_roles_and_keys_and_stand_ins_but_no_session(world: &World) {
    let demo = world.demo().await;
    let (ada, _) = invite(&demo, "ada@example.com", BuiltInRole::Member).await;
    let key = demo.issue_key(user_input(ada, Level::All, &[])).await.unwrap();
    assert_eq!(key.key.principal, PrincipalId::User(ada));
    world.verify(&key).await.unwrap();
    // The product's own backend knows whom it acts for.
    let caller = Caller::local("keys page").acting_as(ada);
    enter(world, &caller, demo.organization_id()).await.unwrap();
    let stand_in = world.wardkey.enter_self(&caller).await.unwrap();
    assert_eq!(organizations(&stand_in).await, [demo.organization_id()]);
    assert_eq!(count_own_keys(&stand_in).await, 1);
    world.set_password(ada, "hash").await;
    let (caller, own) = log_in(world, ada).await;
    not_found(enter(world, &caller, demo.organization_id()).await);
    assert_eq!((organizations(&own).await.len(), count_own_keys(&own).await), (0, 0));
    // Who acts everywhere enters as they do where they are no member.
    let (root, _) = invite(&world.operator().await, "root@example.com", BuiltInRole::Owner).await;
    world.operator().await.vouch_for_member(&root.into()).await.unwrap();
    invite(&demo, "root@example.com", BuiltInRole::Viewer).await;
    let (caller, _) = log_in(world, root).await;
    let entered = enter(world, &caller, demo.organization_id()).await.unwrap();
    assert_eq!(entered.rights(), demo.rights());
}

async fn nobody_makes_a_link_for_somebody_above_them(world: &World) {
    let demo = world.demo().await;
    let admin = world.as_key(&world.service_key(&["admin:members", "pipelines:read"]).await).await;
    let (owner, _) = invite(&demo, "owner@example.com", BuiltInRole::Owner).await;
    assert_eq!(exceeds(admin.create_member_link(&owner.into()).await), [""]);
    let without = world.as_key(&world.service_key(&["pipelines:read"]).await).await;
    assert_eq!(forbidden(without.create_member_link(&owner.into()).await), ["admin:members"]);
    demo.create_member_link(&owner.into()).await.unwrap();
    let elsewhere = world.create_organization("Other", None).await;
    not_found(elsewhere.create_member_link(&owner.into()).await);
    // Who may do more with the deployment is above whoever governs its users, also before they have accepted.
    let (root, _) = invite(&world.operator().await, "root@example.com", BuiltInRole::Owner).await;
    let helper = world.operator().await.issue_key(world.operator_input(&["operator:users"])).await.unwrap();
    let helper = world.wardkey.enter_deployment(&world.caller(&helper).await).await.unwrap();
    assert_eq!(exceeds(helper.create_user_link(&root.into()).await), [""]);
}

async fn whoever_is_given_more_has_outgrown_the_links_of_those_below(world: &World) {
    let (demo, operator) = (world.demo().await, world.operator().await);
    let admin = world.member("admin", &[BuiltInRole::Admin]).await;
    let admin = enter(world, &Caller::local("test").acting_as(admin), demo.organization_id()).await.unwrap();
    let (ada, link) = invite(&admin, "ada@example.com", BuiltInRole::Viewer).await;
    let another = admin.create_member_link(&ada.into()).await.unwrap();
    not_found(purpose(world, &link).await);
    let promote = async |tenant: &Tenant, user: UserId| {
        let grants = Some(vec![Grant::organization_wide(BuiltInRole::Owner).into()]);
        let version = tenant.get_member(&user.into()).await.unwrap().version;
        tenant.update_member(&user.into(), version, MemberPatch { name: None, grants }).await.unwrap();
    };
    promote(&demo, ada).await;
    not_found(purpose(world, &another).await);
    not_found(redeem(world, &another, "admins").await);
    // Nor does a session, of whoever knows the password.
    let bob = world.person("bob").await;
    let (_, own) = log_in(world, bob).await;
    let (_, link) = invite(&admin, "bob@example.com", BuiltInRole::Viewer).await;
    promote(&demo, bob).await;
    not_found(own.accept_link(&link.token).await);
    // The owner makes one that is good.
    let owners = demo.create_member_link(&bob.into()).await.unwrap();
    own.accept_link(&owners.token).await.unwrap();

    let helper = operator.issue_key(world.operator_input(&["operator:users"])).await.unwrap();
    let helper = world.wardkey.enter_deployment(&world.caller(&helper).await).await.unwrap();
    let cy = world.person("cy").await;
    let (before, after) = (helper.create_user_link(&cy.into()).await.unwrap(), world.person("dee").await);
    let dees = helper.create_user_link(&after.into()).await.unwrap();
    world.set_member(&operator, cy, grants(&[BuiltInRole::Owner])).await.unwrap();
    world.set_member(&demo, after, grants(&[BuiltInRole::Owner])).await.unwrap();
    not_found(redeem(world, &before, "helpers").await);
    assert!(world.deployment().await.create_user_link(&cy.into()).await.is_ok());
    redeem(world, &dees, "own").await.unwrap();
}

async fn links_end_when_the_person_is_suspended_removed_or_without_the_organization(world: &World) {
    let (demo, other) = (world.demo().await, world.create_organization("Other", None).await);
    let deployment = world.deployment().await;
    let (ada, suspended) = invite(&demo, "ada@example.com", BuiltInRole::Member).await;
    let operators = deployment.create_user_link(&ada.into()).await.unwrap();
    deployment.suspend_user(&ada.into(), None, None).await.unwrap();
    deployment.resume_user(&ada.into(), None, None).await.unwrap();
    let (bob, removed) = invite(&demo, "bob@example.com", BuiltInRole::Member).await;
    demo.remove_member(&bob.into(), None).await.unwrap();
    let (_, gone) = invite(&other, "bob@example.com", BuiltInRole::Member).await;
    deployment.delete_organization(&other.organization_id().into(), None).await.unwrap();
    for link in [suspended, operators, removed, gone] {
        not_found(purpose(world, &link).await);
        not_found(redeem(world, &link, "theirs").await);
    }
    let another = demo.create_member_link(&ada.into()).await.unwrap();
    redeem(world, &another, "own").await.unwrap();
}

async fn somebody_on_the_database_vouches_for_who_has_no_password_yet(world: &World) {
    let (operator, demo) = (world.operator().await, world.demo().await);
    let (root, _) = invite(&operator, "root@example.com", BuiltInRole::Owner).await;
    for _ in 0..2 {
        operator.vouch_for_member(&root.into()).await.unwrap();
    }
    assert!(operator.get_member(&root.into()).await.unwrap().accepted_at.is_some());
    // Whoever invites them elsewhere names no password by which they would run the deployment.
    let (_, link) = invite(&demo, "root@example.com", BuiltInRole::Viewer).await;
    assert_eq!(purpose(world, &link).await.unwrap(), LinkPurpose::LogIn);
    assert_eq!(conflict(redeem(world, &link, "theirs").await), Conflict::PasswordIsSet);
    // Nor is anybody let run it whose password others may have named.
    let (ada, link) = invite(&demo, "ada@example.com", BuiltInRole::Viewer).await;
    redeem(world, &link, "theirs").await.unwrap();
    invite(&operator, "ada@example.com", BuiltInRole::Owner).await;
    assert_eq!(conflict(operator.vouch_for_member(&ada.into()).await), Conflict::PasswordIsSet);
    // It is for nobody else to say.
    let (bob, _) = invite(&demo, "bob@example.com", BuiltInRole::Viewer).await;
    let owner = world.member("owner", &[BuiltInRole::Owner]).await;
    for caller in [
        world.in_browser(owner).await,
        world.caller(&world.first.operator_key).await,
        Caller::local("test").acting_as(owner),
    ] {
        let tenant = enter(world, &caller, demo.organization_id()).await.unwrap();
        not_found(tenant.vouch_for_member(&bob.into()).await);
    }
    assert_eq!(demo.get_member(&bob.into()).await.unwrap().accepted_at, None);
}
