use std::sync::Arc;

use serde_json::json;
use wardkey_core::{BuiltInRole, Id as _, KeyState, PrincipalId, RoleId, Standing};
use wardkey_storage::{
    Conflict, Grant, Idempotency, MemberEdit, MemberFilter, Membership, NewKey, NewUser, Once, Page, RoleRef,
    StorageError, UserFilter,
};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict, role};

async fn a_member_has_exactly_the_grants_last_given(world: Arc<World>) {
    let user = world.user().await;
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None);
    world.set_member(world.demo, user, Vec::new()).await.unwrap();
    let in_workspace =
        Grant { workspace: Some(world.workspace), role: RoleRef::BuiltIn(BuiltInRole::Member) };
    for grants in [vec![in_workspace, role(BuiltInRole::Viewer)], vec![role(BuiltInRole::Admin)], Vec::new()]
    {
        let before = world.audit(world.demo).await.len();
        for _ in 0..2 {
            world.set_member(world.demo, user, grants.clone()).await.unwrap();
        }
        assert_eq!(world.audit(world.demo).await.len() - before, 1, "a repeat changes nothing");
        let member = world.storage.find_member(world.demo, user).await.unwrap().unwrap();
        assert_eq!((member.user.id, member.grants), (user, grants));
    }
}
on_both!(a_member_has_exactly_the_grants_last_given);

async fn a_membership_binds_organization_user_and_workspace(world: Arc<World>) {
    let other = world.tenant().await;
    let user = world.user().await;
    let set = async |organization, user, grants| world.set_member(organization, user, grants).await;
    assert_not_found(set(world.demo, world.user_id(), Vec::new()).await);
    assert_not_found(set(world.organization_id(), user, Vec::new()).await);
    let foreign = Grant { workspace: Some(other.workspace), role: RoleRef::BuiltIn(BuiltInRole::Viewer) };
    assert_not_found(set(world.demo, user, vec![foreign]).await);
    let custom = Grant { workspace: None, role: RoleRef::Custom(RoleId::from_bytes([9; 16])) };
    assert_not_found(set(world.demo, user, vec![custom]).await);
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None, "nothing of it was kept");
}
on_both!(a_membership_binds_organization_user_and_workspace);

async fn removing_a_member_revokes_that_persons_keys_there_and_no_others(world: Arc<World>) {
    let other = world.tenant().await;
    let user = world.member().await;
    world.set_member(other.organization, user, vec![role(BuiltInRole::Owner)]).await.unwrap();
    let new = || NewKey { principal: PrincipalId::User(user), ..world.new_key() };
    let (here, there) = (new(), new());
    let (digest_here, digest_there) = (here.secret.digest, there.secret.digest);
    let key = world.issue(here).await.unwrap();
    world.storage.issue_key(&world.act(), other.organization, there, None).await.unwrap();
    let (account_key, _) = world.issued().await;

    world.storage.remove_member(&world.act(), world.demo, user, None).await.unwrap();
    assert_eq!(world.storage.find_member(world.demo, user).await.unwrap(), None);
    let record = world.record(digest_here).await;
    assert_eq!((record.state, record.principal.state), (KeyState::Revoked, Standing::Inactive));
    let record = world.record(digest_there).await;
    assert_eq!((record.state, record.principal.state), (KeyState::Active, Standing::Active));
    let found = world.storage.find_key(world.demo, account_key.id).await.unwrap().unwrap();
    assert_eq!(found.state, KeyState::Active);
    let event = &world.audit(world.demo).await[0];
    let member = serde_json::json!({"role": "member", "workspace": null});
    let details = serde_json::json!({"before": {"grants": [member]}, "revoked_keys": [key.id.to_string()]});
    assert_eq!(event.details, details);

    assert_not_found(world.storage.remove_member(&world.act(), world.demo, user, None).await);
    // Coming back revives nothing.
    world.set_member(world.demo, user, Vec::new()).await.unwrap();
    assert_eq!(world.record(digest_here).await.state, KeyState::Revoked);
}
on_both!(removing_a_member_revokes_that_persons_keys_there_and_no_others);

async fn the_answer_is_the_same_for_a_known_person_and_a_new_one(world: Arc<World>) {
    let known = NewUser {
        id: world.user_id(),
        email: "Known@Example.com".to_owned(),
        name: "What others call them".to_owned(),
        external_id: Some("p-1".to_owned()),
    };
    world.storage.create_user(&world.act(), known, None).await.unwrap();
    world
        .storage
        .create_user(
            &world.act(),
            NewUser {
                id: world.user_id(),
                email: "suspended@example.com".to_owned(),
                name: "S".to_owned(),
                external_id: None,
            },
            None,
        )
        .await
        .unwrap();
    let filter = UserFilter { email: Some("suspended@example.com".to_owned()), ..UserFilter::default() };
    let suspended = world.storage.list_users(&filter, Page::first(1)).await.unwrap()[0].id;
    world.storage.set_user_state(&world.act(), suspended, None, Standing::Inactive, None).await.unwrap();
    let mut answers = Vec::new();
    for email in ["KNOWN@example.com", "NEW@example.com", "SUSPENDED@example.com"] {
        let new = world.new_member(email, vec![role(BuiltInRole::Member)]);
        let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
        let Membership { user: _, email: shown, name, grants, version, created_at, updated_at, accepted_at } =
            added.into_inner().into();
        assert_eq!(accepted_at, None);
        assert_eq!(shown, email.to_lowercase());
        answers.push((name, grants, version, created_at, updated_at));
        let event = world.audit(world.demo).await.remove(0);
        let grant = json!({"role": "member", "workspace": null});
        assert_eq!(
            (event.action.as_str(), event.details),
            ("member.add", json!({"after": {"grants": [grant]}}))
        );
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let created = world.audit(world.operator).await;
    assert_eq!(created.iter().filter(|event| event.action == "user.create").count(), 3);
}
on_both!(the_answer_is_the_same_for_a_known_person_and_a_new_one);

async fn nobody_is_added_twice(world: Arc<World>) {
    let add = async |email: &str, idempotency| {
        let new = world.new_member(email, Vec::new());
        world.storage.add_member(&world.act(), world.demo, new, idempotency).await
    };
    add("ada@example.com", None).await.unwrap();
    let events = world.audit(world.demo).await.len();
    assert_eq!(conflict(add("ADA@example.com", None).await), Conflict::AlreadyMember);
    assert_eq!(world.audit(world.demo).await.len(), events);
    // A repeated call finds the first one's member, also one who was known before.
    world
        .storage
        .create_user(
            &world.act(),
            NewUser {
                id: world.user_id(),
                email: "bob@example.com".to_owned(),
                name: "Bob".to_owned(),
                external_id: None,
            },
            None,
        )
        .await
        .unwrap();
    for email in ["bob@example.com", "cy@example.com"] {
        let once = Idempotency { scope: [1; 32], key: email.to_owned(), request: [2; 32] };
        let first = add(email, Some(once.clone())).await.unwrap();
        let second = add(email, Some(once.clone())).await.unwrap();
        match (first, second) {
            (Once::Done(first), Once::Replayed(second)) => assert_eq!(first, second),
            other => panic!("{other:?}"),
        }
        let other = Idempotency { request: [3; 32], ..once };
        assert_eq!(conflict(add(email, Some(other)).await), Conflict::IdempotencyMismatch);
    }
    // Two at once who add the same new person make one user and one member.
    let adding: Vec<_> = (0..4)
        .map(|_| {
            let (world, new) = (Arc::clone(&world), world.new_member("dee@example.com", Vec::new()));
            tokio::spawn(async move { world.storage.add_member(&world.act(), world.demo, new, None).await })
        })
        .collect();
    let mut added = 0;
    for outcome in adding {
        match outcome.await.unwrap() {
            Ok(_) => added += 1,
            Err(error) => assert_eq!(conflict::<()>(Err(error)), Conflict::AlreadyMember),
        }
    }
    assert_eq!(added, 1);
}
on_both!(nobody_is_added_twice);

async fn members_are_found_by_role_and_text_and_edited_at_the_version_that_was_read(world: Arc<World>) {
    let add = async |email: &str, grants| {
        let new = world.new_member(email, grants);
        let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
        added.into_inner().user.id
    };
    let in_workspace =
        Grant { workspace: Some(world.workspace), role: RoleRef::BuiltIn(BuiltInRole::Viewer) };
    let ada = add("ada@example.com", vec![role(BuiltInRole::Admin), in_workspace]).await;
    let bob = add("bob@example.com", vec![role(BuiltInRole::Member)]).await;
    let found = async |filter: MemberFilter| {
        let members = world.storage.list_members(world.demo, &filter, Page::first(10)).await.unwrap();
        members.into_iter().map(|member| (member.user, member.grants)).collect::<Vec<_>>()
    };
    let adas = (ada, vec![role(BuiltInRole::Admin), in_workspace]);
    let bobs = (bob, vec![role(BuiltInRole::Member)]);
    let mut both = vec![adas.clone(), bobs.clone()];
    both.sort_by_key(|(user, _)| std::cmp::Reverse(*user));
    assert_eq!(found(MemberFilter::default()).await, both);
    let held = |role| MemberFilter { role: Some(RoleRef::BuiltIn(role)), ..MemberFilter::default() };
    assert_eq!(found(held(BuiltInRole::Viewer)).await, std::slice::from_ref(&adas));
    assert_eq!(found(held(BuiltInRole::Owner)).await, []);
    let custom = RoleRef::Custom(RoleId::from_bytes([9; 16]));
    assert_eq!(found(MemberFilter { role: Some(custom), ..MemberFilter::default() }).await, []);
    let text = |text: &str| MemberFilter { search: Some(text.to_owned()), ..MemberFilter::default() };
    assert_eq!(found(text("BOB@")).await, [bobs]);
    assert_eq!(found(text("mem")).await, both);
    let other = world.tenant().await.organization;
    let foreign = world.storage.list_members(other, &MemberFilter::default(), Page::first(10)).await.unwrap();
    assert_eq!(foreign, []);

    let edit = MemberEdit { name: "Ada".to_owned(), grants: vec![role(BuiltInRole::Viewer)] };
    let update =
        async |version, edit| world.storage.update_member(&world.act(), world.demo, ada, version, edit).await;
    assert!(matches!(update(2, edit.clone()).await, Err(StorageError::VersionMismatch { current: 1 })));
    let edited = update(1, edit.clone()).await.unwrap();
    assert_eq!((edited.version, edited.name.as_str()), (2, "Ada"));
    let event = world.audit(world.demo).await.remove(0);
    assert_eq!(event.details["changed"], json!(["name"]));
    assert_eq!(event.details["after"], json!({"grants": [{"role": "viewer", "workspace": null}]}));
    assert_eq!(update(2, edit).await.unwrap(), edited);
    assert_eq!(world.audit(world.demo).await[0].id, event.id, "equal values change nothing");
    let remove = async |version| world.storage.remove_member(&world.act(), world.demo, ada, version).await;
    assert!(matches!(remove(Some(1)).await, Err(StorageError::VersionMismatch { current: 2 })));
    remove(Some(2)).await.unwrap();
}
on_both!(members_are_found_by_role_and_text_and_edited_at_the_version_that_was_read);

async fn the_last_owner_stays(world: Arc<World>) {
    let owner = world.user().await;
    world.set_member(world.demo, owner, vec![role(BuiltInRole::Owner)]).await.unwrap();
    let demoted = world.set_member(world.demo, owner, vec![role(BuiltInRole::Admin)]).await;
    assert_eq!(conflict(demoted), Conflict::LastOwner);
    let removed = world.storage.remove_member(&world.act(), world.demo, owner, None).await;
    assert_eq!(conflict(removed), Conflict::LastOwner);
    let second = world.user().await;
    world.set_member(world.demo, second, vec![role(BuiltInRole::Owner)]).await.unwrap();
    world.storage.remove_member(&world.act(), world.demo, owner, None).await.unwrap();
}
on_both!(the_last_owner_stays);

async fn an_owner_who_was_only_invited_is_not_the_last_one_who_stays(world: Arc<World>) {
    let invite = async |email: &str| {
        let new = world.new_member(email, vec![role(BuiltInRole::Owner)]);
        let link = new.link.digest;
        let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
        (added.into_inner().user.id, link)
    };
    let remove = async |user| world.storage.remove_member(&world.act(), world.demo, user, None).await;
    let ((first, _), (second, link)) = (invite("a@example.com").await, invite("b@example.com").await);
    // As long as nobody has accepted, one who was invited stays.
    remove(first).await.unwrap();
    assert_eq!(conflict(remove(second).await), Conflict::LastOwner);
    world.storage.accept_link(&world.act(), second, link).await.unwrap();
    let (third, link) = invite("c@example.com").await;
    assert_eq!(conflict(remove(second).await), Conflict::LastOwner);
    world.storage.accept_link(&world.act(), third, link).await.unwrap();
    remove(second).await.unwrap();
}
on_both!(an_owner_who_was_only_invited_is_not_the_last_one_who_stays);
