//! Members: who gives which role.

use wardkey::core::{BuiltInRole, Code, Id as _, Level, RoleId, UserId, WorkspaceId};
use wardkey::{AddMember, Caller, Conflict, Grant, MemberPatch, RoleRef};

use crate::answers::{conflict, exceeds, forbidden, invalid_field, not_found};
use crate::world::{PRODUCT, World, grants, user_input};

on_both!(
    roles_are_given_within_the_givers_own_rights,
    owners_are_made_and_changed_by_owners_only,
    nobody_changes_somebody_above_them,
    grants_must_make_sense_in_the_organization,
    who_does_not_exist_is_not_found,
    removing_a_member_revokes_that_persons_keys_there_only,
    a_key_issued_while_its_user_leaves_does_not_survive,
    an_owner_is_a_person_who_holds_the_role_now_also_by_their_key,
    whoever_adds_a_member_learns_nothing_of_who_they_are,
);

async fn roles_are_given_within_the_givers_own_rights(world: &World) {
    let user = world.member("ada", &[]).await;
    let listed: Vec<_> = ["admin:members", "keys:write"].into_iter().chain(PRODUCT).collect();
    let giver = world.as_key(&world.service_key(&listed).await).await;
    world.set_member(&giver, user, grants(&[BuiltInRole::Viewer])).await.unwrap();
    world.set_member(&giver, user, grants(&[BuiltInRole::Member])).await.unwrap();
    assert_eq!(exceeds(world.set_member(&giver, user, grants(&[BuiltInRole::Admin])).await), ["/grants"]);
    let without = world.as_key(&world.service_key(&PRODUCT).await).await;
    assert_eq!(forbidden(world.set_member(&without, user, Vec::new()).await), ["admin:members"]);
    assert_eq!(forbidden(without.remove_member(&user.into(), None).await), ["admin:members"]);
}

async fn owners_are_made_and_changed_by_owners_only(world: &World) {
    let demo = world.demo().await;
    let (ada, bob) = (world.member("ada", &[BuiltInRole::Owner]).await, world.member("bob", &[]).await);
    let everything: Vec<_> = [
        "admin:organization",
        "admin:members",
        "admin:workspaces",
        "admin:customers",
        "admin:service_accounts",
        "admin:keys",
        "admin:policy",
        "admin:audit",
        "keys:write",
    ]
    .into_iter()
    .chain(PRODUCT)
    .collect();
    let admin = world.as_key(&world.service_key(&everything).await).await;
    world.set_member(&admin, bob, grants(&[BuiltInRole::Admin])).await.unwrap();
    assert_eq!(exceeds(world.set_member(&admin, bob, grants(&[BuiltInRole::Owner])).await), ["/grants"]);
    assert_eq!(exceeds(world.set_member(&admin, ada, grants(&[BuiltInRole::Viewer])).await), [""]);
    assert_eq!(exceeds(admin.remove_member(&ada.into(), None).await), [""]);
    // Whoever acts with an owner's rights may.
    world.set_member(&demo, bob, grants(&[BuiltInRole::Owner])).await.unwrap();
    demo.remove_member(&ada.into(), None).await.unwrap();
}

async fn nobody_changes_somebody_above_them(world: &World) {
    let ann = world.member("ann", &[BuiltInRole::Admin]).await;
    let listed: Vec<_> = ["admin:members", "keys:write"].into_iter().chain(PRODUCT).collect();
    let giver = world.as_key(&world.service_key(&listed).await).await;
    assert_eq!(exceeds(world.set_member(&giver, ann, grants(&[BuiltInRole::Viewer])).await), [""]);
    assert_eq!(exceeds(giver.remove_member(&ann.into(), None).await), [""]);
}

async fn grants_must_make_sense_in_the_organization(world: &World) {
    let user = world.member("ada", &[]).await;
    let demo = world.demo().await;
    let refused = async |grants| invalid_field(world.set_member(&demo, user, grants).await);
    let viewer = RoleRef::BuiltIn(BuiltInRole::Viewer);
    let unknown = RoleRef::Custom(RoleId::from_bytes([9; 16]));
    let not_found = |member: &str| (format!("/grants/1/{member}"), "not_found");
    let wide = |role| Grant { workspace: None, role };
    assert_eq!(refused(vec![wide(viewer), wide(unknown)]).await, not_found("role"));
    assert_eq!(refused(vec![wide(viewer), wide(viewer)]).await, ("/grants/1".to_owned(), "duplicate"));
    let other = world.create_organization("Other", None).await;
    let foreign = other.create_workspace("W".to_owned(), None, Vec::new()).await.unwrap().into_inner().id;
    for workspace in [foreign, WorkspaceId::from_bytes([9; 16])] {
        let there = Grant { workspace: Some(workspace), role: viewer };
        assert_eq!(refused(vec![wide(viewer), there]).await, not_found("workspace_id"));
    }
    let own = demo.create_workspace("W".to_owned(), None, Vec::new()).await.unwrap().into_inner().id;
    for role in [BuiltInRole::Owner, BuiltInRole::Admin] {
        let there = Grant { workspace: Some(own), role: RoleRef::BuiltIn(role) };
        assert_eq!(refused(vec![there]).await, ("/grants/0/role".to_owned(), "organization_only"));
    }
    assert_eq!(refused(vec![wide(viewer); 101]).await, ("/grants".to_owned(), "too_many"));
}

async fn who_does_not_exist_is_not_found(world: &World) {
    let demo = world.demo().await;
    let nobody = UserId::from_bytes([9; 16]);
    not_found(world.set_member(&demo, nobody, Vec::new()).await);
    not_found(demo.remove_member(&nobody.into(), None).await);
    let user = world.member("ada", &[]).await;
    let other = world.create_organization("Other", None).await;
    not_found(other.remove_member(&user.into(), None).await);
}

async fn removing_a_member_revokes_that_persons_keys_there_only(world: &World) {
    let (ada, bob) = (
        world.member("ada", &[BuiltInRole::Member]).await,
        world.member("bob", &[BuiltInRole::Member]).await,
    );
    let other = world.create_organization("Other", None).await;
    world.set_member(&other, ada, grants(&[BuiltInRole::Member])).await.unwrap();
    let here = world.user_key(ada).await;
    let of_bob = world.user_key(bob).await;
    let input = user_input(ada, Level::All, &[]);
    let there = other.issue_key(input).await.unwrap();
    world.demo().await.remove_member(&ada.into(), None).await.unwrap();
    assert_eq!(world.verify(&here).await.unwrap_err(), Code::KeyRevoked);
    assert!(world.verify(&there).await.is_ok() && world.verify(&of_bob).await.is_ok());
}

async fn a_key_issued_while_its_user_leaves_does_not_survive(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    for _ in 0..10 {
        let (leaving, joining) = (demo.clone(), demo.clone());
        let input = user_input(user, Level::All, &[]);
        let removal = tokio::spawn(async move { leaving.remove_member(&user.into(), None).await });
        let issued = tokio::spawn(async move { joining.issue_key(input).await });
        removal.await.unwrap().unwrap();
        let issued = issued.await.unwrap();
        // Whoever comes back does not find a key alive that was made while leaving.
        world.set_member(&demo, user, grants(&[BuiltInRole::Member])).await.unwrap();
        match issued {
            Ok(key) => assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked),
            Err(wardkey::Error::NotFound | wardkey::Error::Invalid(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(world.counted_keys().await, 0);
}

async fn an_owner_is_a_person_who_holds_the_role_now_also_by_their_key(world: &World) {
    let (ada, bob) =
        (world.member("ada", &[BuiltInRole::Owner]).await, world.member("bob", &[BuiltInRole::Member]).await);
    let acting = Caller::local("test").acting_as(ada);
    let as_ada = world.wardkey.enter(&acting, &world.first.demo_organization.into()).await.unwrap();
    let owner = vec![Grant::organization_wide(BuiltInRole::Owner).into()];
    let patch = MemberPatch { name: None, grants: Some(owner.clone()) };
    let bobs = as_ada.update_member(&bob.into(), 1, patch).await.unwrap();
    assert_eq!(bobs.grants, grants(&[BuiltInRole::Owner]));
    let input = user_input(ada, Level::All, &["admin:keys", "keys:write"]);
    let by_key = world.as_key(&as_ada.issue_key(input).await.unwrap()).await;
    let somebody = |email: &str| AddMember { email: email.to_owned(), name: None, grants: owner.clone() };
    by_key.add_member(somebody("cy@example.com")).await.unwrap();
    // Who was an owner a moment ago is none now, also where the rights are those of a moment ago.
    world.set_member(&world.demo().await, ada, grants(&[BuiltInRole::Admin])).await.unwrap();
    assert_eq!(exceeds(as_ada.add_member(somebody("dee@example.com")).await), ["/grants"]);
    assert_eq!(exceeds(by_key.add_member(somebody("dee@example.com")).await), ["/grants"]);
}

async fn whoever_adds_a_member_learns_nothing_of_who_they_are(world: &World) {
    let deployment = world.deployment().await;
    let known = deployment.create_user(
        "Known@Example.com".to_owned(),
        "What others call them".to_owned(),
        Some("p-1".to_owned()),
    );
    let known = known.await.unwrap().into_inner().id;
    let demo = world.demo().await;
    let add = async |email: &str| {
        let input = AddMember { email: email.to_owned(), name: None, grants: Vec::new() };
        demo.add_member(input).await.unwrap()
    };
    let (old, new) = (add("knOWN@example.com").await, add("knEW@example.com").await);
    assert_eq!(
        (old.member.user, old.member.email.as_str(), old.member.name.as_str()),
        (known, "known@example.com", "knOWN")
    );
    assert_eq!((new.member.email.as_str(), new.member.name.as_str()), ("knew@example.com", "knEW"));
    assert_eq!((old.member.version, old.member.created_at), (new.member.version, new.member.created_at));
    assert_eq!(old.link.unwrap().ends_at, new.link.unwrap().ends_at);
    let by_name = demo.get_member(&wardkey::core::Reference::from("p-1")).await.unwrap();
    assert_eq!(by_name, old.member);
    let other = world.create_organization("Other", None).await;
    not_found(other.get_member(&wardkey::core::Reference::from("p-1")).await);
    not_found(other.get_member(&known.into()).await);
    let again = AddMember { email: "KNOWN@example.com".to_owned(), name: None, grants: Vec::new() };
    assert_eq!(conflict(demo.add_member(again).await), Conflict::AlreadyMember);
}
