use std::sync::Arc;

use serde_json::json;
use wardkey_core::{BuiltInRole, KeyState, PrincipalId, Reference, Standing};
use wardkey_storage::{Conflict, NewKey, NewUser, Page, StorageError, UserEdit, UserFilter};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict, role};

async fn a_user_is_found_by_id_and_external_id_and_audited_with_the_operator(world: Arc<World>) {
    let id = world.user_id();
    let new = NewUser {
        id,
        email: "Uma@Example.com".to_owned(),
        name: "Uma".to_owned(),
        external_id: Some("u-1".to_owned()),
    };
    let created = world.storage.create_user(&world.act(), new, None).await.unwrap().into_inner();
    assert_eq!((created.email.as_str(), created.state), ("Uma@Example.com", Standing::Active));
    for reference in [Reference::Id(id), Reference::External("u-1".to_owned())] {
        assert_eq!(world.storage.find_user(&reference).await.unwrap(), Some(created.clone()));
    }
    let event = &world.audit(world.operator).await[0];
    assert_eq!((event.action.as_str(), event.target.as_str()), ("user.create", id.to_string().as_str()));
}
on_both!(a_user_is_found_by_id_and_external_id_and_audited_with_the_operator);

async fn an_email_address_is_one_user_in_whatever_case(world: Arc<World>) {
    let create = async |email: &str, external_id: &str| {
        let (email, external_id) = (email.to_owned(), Some(external_id.to_owned()));
        let new = NewUser { id: world.user_id(), email, name: "Uma".to_owned(), external_id };
        world.storage.create_user(&world.act(), new, None).await
    };
    create("uma@exämple.com", "a").await.unwrap();
    assert_eq!(conflict(create("UMA@EXÄMPLE.COM", "b").await), Conflict::EmailInUse);
    assert_eq!(conflict(create("other@example.com", "a").await), Conflict::ExternalIdInUse);
}
on_both!(an_email_address_is_one_user_in_whatever_case);

async fn users_are_found_by_address_external_id_state_and_text(world: Arc<World>) {
    let create = async |email: &str, name: &str, external_id: Option<&str>| {
        let new = NewUser {
            id: world.user_id(),
            email: email.to_owned(),
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
        };
        world.storage.create_user(&world.act(), new, None).await.unwrap().into_inner().id
    };
    let ada = create("Ada@Exämple.com", "Ada Lovelace", Some("p-1")).await;
    let bob = create("bob@example.com", "Bob_Ross", None).await;
    world.storage.set_user_state(&world.act(), bob, None, Standing::Inactive, None).await.unwrap();
    let found = async |filter: UserFilter| {
        let users = world.storage.list_users(&filter, Page::first(10)).await.unwrap();
        users.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let mut both = [ada, bob];
    both.sort_by_key(|id| std::cmp::Reverse(*id));
    assert_eq!(found(UserFilter::default()).await, both);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(UserFilter { email: text("ADA@EXÄMPLE.COM"), ..UserFilter::default() }).await, [ada]);
    assert_eq!(found(UserFilter { email: text("ada"), ..UserFilter::default() }).await, []);
    assert_eq!(found(UserFilter { external_id: text("p-1"), ..UserFilter::default() }).await, [ada]);
    assert_eq!(found(UserFilter { state: Some(Standing::Inactive), ..UserFilter::default() }).await, [bob]);
    for (wanted, expected) in [
        ("LOVE", vec![ada]),
        ("exämple", vec![ada]),
        ("b_r", vec![bob]),
        ("a%l", vec![]),
        ("@", both.to_vec()),
    ] {
        assert_eq!(
            found(UserFilter { search: text(wanted), ..UserFilter::default() }).await,
            expected,
            "{wanted}"
        );
    }
    let rest = Page { after: Some(both[0]), limit: 10 };
    let rest = world.storage.list_users(&UserFilter::default(), rest).await.unwrap();
    assert_eq!(rest.iter().map(|user| user.id).collect::<Vec<_>>(), [both[1]]);
}
on_both!(users_are_found_by_address_external_id_state_and_text);

async fn an_edit_of_a_user_is_of_the_version_that_was_read_and_tells_the_log_no_address(world: Arc<World>) {
    let user = world.user().await;
    let before = world.storage.find_user(&user.into()).await.unwrap().unwrap();
    let edit = UserEdit {
        email: "Other@example.com".to_owned(),
        name: before.name.clone(),
        external_id: Some("p-2".to_owned()),
    };
    let update = async |version, edit| world.storage.update_user(&world.act(), user, version, edit).await;
    assert!(matches!(update(7, edit.clone()).await, Err(StorageError::VersionMismatch { current: 1 })));
    let after = update(1, edit.clone()).await.unwrap();
    assert_eq!((after.version, after.email.as_str()), (2, "Other@example.com"));
    let event = world.audit(world.operator).await.remove(0);
    let details = json!({
        "before": {"external_id": null},
        "after": {"external_id": "p-2"},
        "changed": ["email"],
    });
    assert_eq!((event.action.as_str(), event.details), ("user.update", details));
    // Equal values change nothing, not even the version.
    assert_eq!(update(2, edit.clone()).await.unwrap(), after);
    assert_eq!(world.audit(world.operator).await[0].id, event.id);

    let other = world.user().await;
    let taken = UserEdit { email: "OTHER@example.com".to_owned(), external_id: None, ..edit.clone() };
    let refused = world.storage.update_user(&world.act(), other, 1, taken).await;
    assert_eq!(conflict(refused), Conflict::EmailInUse);
    let taken = UserEdit { email: "third@example.com".to_owned(), ..edit };
    let refused = world.storage.update_user(&world.act(), other, 1, taken).await;
    assert_eq!(conflict(refused), Conflict::ExternalIdInUse);
}
on_both!(an_edit_of_a_user_is_of_the_version_that_was_read_and_tells_the_log_no_address);

async fn a_deleted_user_leaves_every_organization_with_its_keys_and_is_forgotten(world: Arc<World>) {
    let others = [world.tenant().await, world.tenant().await];
    let id = world.user_id();
    let new = |id| NewUser {
        id,
        email: "leaver@example.com".to_owned(),
        name: "Lea".to_owned(),
        external_id: Some("p-9".to_owned()),
    };
    world.storage.create_user(&world.act(), new(id), None).await.unwrap();
    let places = [world.demo, others[0].organization, others[1].organization];
    let mut digests = Vec::new();
    for place in places {
        world.set_member(place, id, vec![role(BuiltInRole::Member)]).await.unwrap();
        let key = NewKey { principal: PrincipalId::User(id), ..world.new_key() };
        digests.push((place, key.id, key.secret.digest));
        world.storage.issue_key(&world.act(), place, key, None).await.unwrap();
    }
    let (account_key, _) = world.issued().await;
    assert!(matches!(
        world.storage.delete_user(&world.act(), id, Some(7)).await,
        Err(StorageError::VersionMismatch { current: 1 })
    ));
    world.storage.delete_user(&world.act(), id, Some(1)).await.unwrap();

    for (place, key, digest) in digests {
        assert_eq!(world.record(digest).await.state, KeyState::Revoked);
        assert_eq!(world.storage.find_member(place, id).await.unwrap(), None);
        let event = world.audit(place).await.remove(0);
        assert_eq!((event.action.as_str(), event.target), ("member.remove", id.to_string()));
        assert_eq!(event.details["revoked_keys"], json!([key.to_string()]));
    }
    let kept = world.storage.find_key(world.demo, account_key.id).await.unwrap().unwrap();
    assert_eq!(kept.state, KeyState::Active);
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!((event.action.as_str(), event.target), ("user.delete", id.to_string()));
    assert_eq!(event.details, json!({"before": {"external_id": "p-9"}}));

    for reference in [Reference::Id(id), Reference::External("p-9".to_owned())] {
        assert_eq!(world.storage.find_user(&reference).await.unwrap(), None);
    }
    assert_eq!(world.storage.list_users(&UserFilter::default(), Page::first(10)).await.unwrap(), []);
    assert_not_found(world.storage.delete_user(&world.act(), id, None).await);
    assert_not_found(world.storage.set_user_state(&world.act(), id, None, Standing::Active, None).await);
    assert_not_found(world.set_member(world.demo, id, Vec::new()).await);
    // Address and external id are free again.
    world.storage.create_user(&world.act(), new(world.user_id()), None).await.unwrap();
}
on_both!(a_deleted_user_leaves_every_organization_with_its_keys_and_is_forgotten);

async fn the_only_owner_of_an_organization_cannot_be_deleted(world: Arc<World>) {
    let (first, second) = (world.member().await, world.member().await);
    let other = world.tenant().await;
    let owner = vec![role(BuiltInRole::Owner)];
    for (place, user) in [(world.demo, first), (other.organization, first), (world.demo, second)] {
        world.set_member(place, user, owner.clone()).await.unwrap();
    }
    let events = world.audit(world.demo).await.len();
    assert_eq!(conflict(world.storage.delete_user(&world.act(), first, None).await), Conflict::LastOwner);
    assert!(world.storage.find_member(world.demo, first).await.unwrap().is_some(), "nothing has happened");
    assert_eq!(world.audit(world.demo).await.len(), events);
    // To suspend is not to delete.
    world.storage.set_user_state(&world.act(), first, None, Standing::Inactive, None).await.unwrap();
    world.set_member(other.organization, second, owner).await.unwrap();
    world.storage.delete_user(&world.act(), first, None).await.unwrap();
    assert_eq!(conflict(world.storage.delete_user(&world.act(), second, None).await), Conflict::LastOwner);
}
on_both!(the_only_owner_of_an_organization_cannot_be_deleted);

async fn a_member_of_the_operator_organization_is_deleted_with_one_event_there(world: Arc<World>) {
    let user = world.user().await;
    let viewer = vec![role(BuiltInRole::Viewer)];
    world.set_member(world.operator, user, viewer).await.unwrap();
    let before = world.audit(world.operator).await.len();
    world.storage.delete_user(&world.act(), user, None).await.unwrap();
    let events = world.audit(world.operator).await;
    assert_eq!(events.len() - before, 1);
    assert_eq!(events[0].action, "user.delete");
    assert_eq!(events[0].details["membership"]["before"]["grants"][0]["role"], "viewer");
}
on_both!(a_member_of_the_operator_organization_is_deleted_with_one_event_there);

async fn suspending_a_user_is_reversible_and_says_why(world: Arc<World>) {
    let user = world.user().await;
    let set = async |user, version, state| {
        let reason = Some("on leave".to_owned());
        world.storage.set_user_state(&world.act(), user, version, state, reason).await
    };
    for state in [Standing::Inactive, Standing::Inactive, Standing::Active] {
        let found = set(user, Some(1), state).await.unwrap();
        assert_eq!((found.state, found.version), (state, 1), "the state moves no version");
    }
    assert!(matches!(
        set(user, Some(2), Standing::Inactive).await,
        Err(StorageError::VersionMismatch { current: 1 })
    ));
    let events = world.audit(world.operator).await;
    let events: Vec<_> = events.iter().filter(|event| event.action == "user.set_state").collect();
    assert_eq!(events.len(), 2);
    let details = json!({"before": {"state": "active"}, "after": {"state": "inactive"}, "reason": "on leave", "ended_sessions": 0});
    assert_eq!(events[1].details, details);
    assert_not_found(set(world.user_id(), None, Standing::Inactive).await);
}
on_both!(suspending_a_user_is_reversible_and_says_why);

async fn suspension_and_deletion_end_every_session_and_forget_the_password(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let (other, others) = world.logged_in().await;
    let is_open =
        async |session, user| world.storage.find_session(session, user, world.now()).await.unwrap().is_some();
    assert!(is_open(session.id, user).await);
    world.storage.set_user_state(&world.act(), user, None, Standing::Inactive, None).await.unwrap();
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!(event.details["ended_sessions"], 1);
    world.storage.set_user_state(&world.act(), user, None, Standing::Active, None).await.unwrap();
    assert!(!is_open(session.id, user).await, "who is resumed logs in anew");
    let again = world.new_session(user, "hash");
    world.storage.open_session(again.clone(), world.now()).await.unwrap();
    world.storage.delete_user(&world.act(), user, None).await.unwrap();
    assert!(!is_open(again.id, user).await);
    assert_not_found(world.storage.open_session(world.new_session(user, "hash"), world.now()).await);
    assert!(is_open(others.id, other).await);
}
on_both!(suspension_and_deletion_end_every_session_and_forget_the_password);
