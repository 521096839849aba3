//! Logging in, and what a person who is logged in does to the own sessions and password.

use std::time::Duration;

use wardkey::core::{BuiltInRole, Id as _, SessionId};
use wardkey::{
    ATTEMPTS_WINDOW, ActiveSession, Actor, Caller, Error, LAST_USED_STEP, MOST_ATTEMPTS, OpenedSession, Own,
    PasswordHash, REFRESH_GRACE, Refreshed, SESSION_IDLE, SignIn, Visitor,
};

use crate::answers::not_found;
use crate::world::{DAY, World, random_digest};

on_both!(
    who_knows_the_password_is_logged_in_until_the_session_ends,
    an_address_that_nobody_has_has_as_many_attempts_as_any,
    a_session_left_open_is_no_way_to_guess_the_password,
    another_password_ends_every_session_and_opens_one_again,
    when_a_session_was_used_is_noted_once_a_minute,
    a_token_renews_once_is_forgiven_for_a_moment_and_then_ends_the_session,
    what_a_browser_says_of_itself_is_kept_as_one_short_line,
    one_sees_and_ends_ones_own_sessions_only,
    a_key_and_a_stand_in_have_no_sessions_and_no_password,
    of_servers_that_rotate_at_once_one_adds_a_signing_key,
);

fn too_many<T: std::fmt::Debug>(answer: Result<T, Error>) -> Duration {
    match answer {
        Err(Error::TooManyAttempts { retry_after }) => retry_after,
        other => panic!("expected too many attempts, got {other:?}"),
    }
}

fn visit(world: &World) -> SignIn {
    world.wardkey.sign_in(Visitor::default())
}

async fn own(world: &World, session: ActiveSession) -> Own {
    world.wardkey.enter_self(&Caller::session(session)).await.unwrap()
}

async fn is_open(world: &World, session: ActiveSession) -> bool {
    visit(world).resume(session.id(), session.user()).await.unwrap() == Some(session)
}

async fn who_knows_the_password_is_logged_in_until_the_session_ends(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    world.set_password(ada, "hash").await;
    let credential = visit(world).begin_login("ADA@example.com").await.unwrap().credential.unwrap();
    assert_eq!((credential.user, credential.hash.expose()), (ada, "hash"));
    assert!(!format!("{credential:?}").contains("hash\""), "{credential:?}");

    let opened = visit(world).open_session(&credential, random_digest()).await.unwrap();
    assert_eq!(opened.ends_at, world.now().saturating_add(SESSION_IDLE));
    assert!(is_open(world, opened.session).await);
    let bob = world.member("bob", &[]).await;
    assert_eq!(visit(world).resume(opened.session.id(), bob).await.unwrap(), None);
    let random = SessionId::from_bytes([0xA7; 16]);
    assert_eq!(visit(world).resume(random, ada).await.unwrap(), None);

    visit(world).close_session(&opened.session).await.unwrap();
    assert!(!is_open(world, opened.session).await);
    visit(world).close_session(&opened.session).await.unwrap();
    let again = visit(world).open_session(&credential, random_digest()).await.unwrap();
    world.clock.advance(SESSION_IDLE);
    assert!(!is_open(world, again.session).await);
}

async fn an_address_that_nobody_has_has_as_many_attempts_as_any(world: &World) {
    let ada = world.member("ada", &[]).await;
    world.set_password(ada, "hash").await;
    world.member("bob", &[]).await;
    for (email, known) in [("ada", true), ("bob", false), ("nobody", false), ("\0", false)] {
        let email = format!("{email}@example.com");
        for _ in 0..MOST_ATTEMPTS {
            let attempt = visit(world).begin_login(&email).await.unwrap();
            assert_eq!(attempt.credential.is_some(), known, "{email:?}");
        }
        assert_eq!(too_many(visit(world).begin_login(&email).await), ATTEMPTS_WINDOW);
        assert_eq!(too_many(visit(world).begin_login(&email.to_uppercase()).await), ATTEMPTS_WINDOW);
    }
    world.clock.advance(ATTEMPTS_WINDOW);
    let credential = visit(world).begin_login("ada@example.com").await.unwrap().credential.unwrap();
    visit(world).open_session(&credential, random_digest()).await.unwrap();
    for _ in 0..MOST_ATTEMPTS {
        visit(world).begin_login("ada@example.com").await.unwrap();
    }
    too_many(visit(world).begin_login("ada@example.com").await);
}

async fn a_session_left_open_is_no_way_to_guess_the_password(world: &World) {
    let ada = world.member("ada", &[]).await;
    let own = own(world, world.log_in(ada).await).await;
    for _ in 0..MOST_ATTEMPTS {
        assert_eq!(own.password_hash().await.unwrap().hash.expose(), "hash of ada");
    }
    assert_eq!(too_many(own.password_hash().await), ATTEMPTS_WINDOW);
    assert_eq!(too_many(visit(world).begin_login("ada@example.com").await), ATTEMPTS_WINDOW);
}

async fn another_password_ends_every_session_and_opens_one_again(world: &World) {
    let ada = world.member("ada", &[]).await;
    let (first, second) = (world.log_in(ada).await, world.log_in(ada).await);
    let bystander = world.log_in(world.member("bob", &[]).await).await;
    let present = own(world, first).await.password_hash().await.unwrap();
    not_found(own(world, bystander).await.change_password(present.clone(), PasswordHash::new("bad")).await);
    let next =
        own(world, first).await.change_password(present.clone(), PasswordHash::new("next")).await.unwrap();
    for ended in [first, second] {
        assert!(!is_open(world, ended).await);
        let own = own(world, ended).await;
        not_found(own.change_password(present.clone(), PasswordHash::new("bad")).await);
    }
    assert!(is_open(world, bystander).await);
    not_found(visit(world).open_session(&present, random_digest()).await);
    let OpenedSession { session, .. } = visit(world).open_session(&next, random_digest()).await.unwrap();
    assert!(is_open(world, session).await);
    let credential = visit(world).begin_login("ada@example.com").await.unwrap().credential.unwrap();
    assert_eq!(credential.hash.expose(), "next");

    let mut events = world.audit(world.first.operator_key.key.organization).await;
    events.retain(|event| {
        event.action == "user.set_password"
            && event.actor == Actor::Session { session: first.id(), user: ada }
    });
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.target, ada.to_string());
    assert_eq!(event.details, serde_json::json!({"ended_sessions": 2}));
}

async fn when_a_session_was_used_is_noted_once_a_minute(world: &World) {
    let ada = world.member("ada", &[]).await;
    let session = world.log_in(ada).await;
    let began = world.now();
    let last_used_at = async || own(world, session).await.list_sessions().await.unwrap()[0].last_used_at;
    world.clock.advance(LAST_USED_STEP - Duration::from_micros(1));
    assert!(is_open(world, session).await);
    assert_eq!(last_used_at().await, began);
    world.clock.advance(Duration::from_micros(1));
    assert!(is_open(world, session).await);
    assert_eq!(last_used_at().await, began.saturating_add(LAST_USED_STEP));
}

async fn a_token_renews_once_is_forgiven_for_a_moment_and_then_ends_the_session(world: &World) {
    let ada = world.member("ada", &[]).await;
    world.set_password(ada, "hash").await;
    let credential = visit(world).begin_login("ada@example.com").await.unwrap().credential.unwrap();
    let (first, second) = (random_digest(), random_digest());
    let opened = visit(world).open_session(&credential, first).await.unwrap();
    world.clock.advance(DAY);
    let ends_at = world.now().saturating_add(SESSION_IDLE);
    match visit(world).refresh(first, second).await.unwrap() {
        Refreshed::Renewed(renewed) => {
            assert_eq!((renewed.session, renewed.ends_at), (opened.session, ends_at));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(visit(world).refresh(first, random_digest()).await.unwrap(), Refreshed::Superseded);
    assert!(is_open(world, opened.session).await);
    world.clock.advance(REFRESH_GRACE);
    assert_eq!(visit(world).refresh(first, random_digest()).await.unwrap(), Refreshed::Reused);
    assert!(!is_open(world, opened.session).await);
    assert_eq!(visit(world).refresh(second, random_digest()).await.unwrap(), Refreshed::Unknown);
}

async fn what_a_browser_says_of_itself_is_kept_as_one_short_line(world: &World) {
    let ada = world.member("ada", &[]).await;
    world.set_password(ada, "hash").await;
    let user_agent = Some(format!("Mozilla\0\n\u{7f}{}", "é".repeat(1_000)));
    let address = Some("203.0.113.7".parse().unwrap());
    let visitor = Visitor { address, user_agent, request_id: Some("req-1".to_owned()) };
    let sign_in = world.wardkey.sign_in(visitor);
    let credential = sign_in.begin_login("ada@example.com").await.unwrap().credential.unwrap();
    let opened = sign_in.open_session(&credential, random_digest()).await.unwrap();
    let sessions = own(world, opened.session).await.list_sessions().await.unwrap();
    assert_eq!(sessions[0].address, address);
    let kept = sessions[0].user_agent.clone().unwrap();
    assert_eq!(kept, format!("Mozilla{}", "é".repeat(293)));
}

async fn one_sees_and_ends_ones_own_sessions_only(world: &World) {
    let (ada, bob) = (world.member("ada", &[]).await, world.member("bob", &[]).await);
    let sessions = [world.log_in(ada).await, world.log_in(ada).await, world.log_in(ada).await];
    let foreign = world.log_in(bob).await;
    let own = own(world, sessions[0]).await;
    let listed = async || {
        let mut ids: Vec<_> = own.list_sessions().await.unwrap().iter().map(|one| one.id).collect();
        ids.sort();
        ids
    };
    let sorted = |sessions: &[ActiveSession]| {
        let mut ids: Vec<_> = sessions.iter().map(ActiveSession::id).collect();
        ids.sort();
        ids
    };
    assert_eq!(listed().await, sorted(&sessions));
    not_found(own.end_session(foreign.id()).await);
    not_found(own.end_session(SessionId::from_bytes([0xA7; 16])).await);
    own.end_session(sessions[1].id()).await.unwrap();
    not_found(own.end_session(sessions[1].id()).await);
    assert_eq!(listed().await, sorted(&[sessions[0], sessions[2]]));
    own.end_other_sessions().await.unwrap();
    assert_eq!(listed().await, [sessions[0].id()]);
    assert!(is_open(world, foreign).await);
    own.end_session(sessions[0].id()).await.unwrap();
    assert!(!is_open(world, sessions[0]).await);
}

async fn a_key_and_a_stand_in_have_no_sessions_and_no_password(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let session = world.log_in(ada).await;
    let present = own(world, session).await.password_hash().await.unwrap();
    let key = world.user_key(ada).await;
    for caller in [world.caller(&key).await, Caller::local("test").acting_as(ada)] {
        let own = world.wardkey.enter_self(&caller).await.unwrap();
        not_found(own.list_sessions().await);
        not_found(own.end_session(session.id()).await);
        not_found(own.end_other_sessions().await);
        not_found(own.password_hash().await);
        not_found(own.change_password(present.clone(), PasswordHash::new("bad")).await);
    }
    assert!(is_open(world, session).await);
    not_found(own(world, session).await.revoke(None).await);
}

async fn of_servers_that_rotate_at_once_one_adds_a_signing_key(world: &World) {
    let (here, there) = (visit(world), world.open_again().await.sign_in(Visitor::default()));
    assert!(here.list_signing_keys().await.unwrap().is_empty());
    let (one, other) = tokio::join!(
        here.add_signing_key([1; 16], vec![1], None),
        there.add_signing_key([2; 16], vec![2], None)
    );
    one.and(other).unwrap();
    let keys = here.list_signing_keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys, there.list_signing_keys().await.unwrap());
    here.add_signing_key([3; 16], vec![3], Some(keys[0].id)).await.unwrap();
    let ids: Vec<_> = there.list_signing_keys().await.unwrap().iter().map(|key| key.id).collect();
    assert_eq!(ids, [[3; 16], keys[0].id]);
}
