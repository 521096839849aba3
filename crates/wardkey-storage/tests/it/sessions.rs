use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wardkey_core::{Changes, KeyStore as _, Standing};
use wardkey_storage::{
    Actor, MOST_SESSIONS, NewSession, REFRESH_GRACE, Refreshed, SESSION_IDLE, SESSION_LIFE, Session,
};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found};

const MICRO: Duration = Duration::from_micros(1);

async fn is_open(world: &World, session: &NewSession) -> bool {
    world.storage.find_session(session.id, session.user, world.now()).await.unwrap().is_some()
}

async fn refresh(world: &World, presented: [u8; 32], next: [u8; 32]) -> Refreshed {
    world.storage.refresh_session(presented, next, world.now()).await.unwrap()
}

async fn a_session_is_opened_by_the_password_that_the_person_has_and_shows_where(world: Arc<World>) {
    let user = world.user_with_password("hash").await;
    let other = world.user_with_password("hash").await;
    let mut new = world.new_session(user, "hash");
    (new.address, new.user_agent) = (Some("203.0.113.7".parse().unwrap()), Some("Browser".to_owned()));
    let ends_at = world.storage.open_session(new.clone(), world.now()).await.unwrap();
    assert_eq!(ends_at, world.now().saturating_add(SESSION_IDLE));
    let expected = Session {
        id: new.id,
        created_at: world.now(),
        last_used_at: world.now(),
        ends_at,
        address: new.address,
        user_agent: new.user_agent.clone(),
    };
    assert_eq!(world.storage.list_sessions(user, world.now()).await.unwrap(), [expected]);
    assert_eq!(
        world.storage.find_session(new.id, user, world.now()).await.unwrap(),
        Some(world.now()),
        "when it was last used"
    );
    // Not under another person's name, and not by an id that is none.
    assert_eq!(world.storage.find_session(new.id, other, world.now()).await.unwrap(), None);
    assert_eq!(world.storage.find_session(world.session_id(), user, world.now()).await.unwrap(), None);
    assert!(world.storage.list_sessions(other, world.now()).await.unwrap().is_empty());

    assert_not_found(world.storage.open_session(world.new_session(user, "wrong"), world.now()).await);
    let nobody = world.new_session(world.user_id(), "hash");
    assert_not_found(world.storage.open_session(nobody, world.now()).await);
    let without = world.new_session(world.user().await, "hash");
    assert_not_found(world.storage.open_session(without, world.now()).await);
    world.storage.set_user_state(&world.act(), user, None, Standing::Inactive, None).await.unwrap();
    assert_not_found(world.storage.open_session(world.new_session(user, "hash"), world.now()).await);
    assert!(!is_open(&world, &new).await, "nobody acts who is suspended");
    assert_eq!(refresh(&world, new.refresh, world.bytes()).await, Refreshed::Unknown);
}
on_both!(a_session_is_opened_by_the_password_that_the_person_has_and_shows_where);

async fn a_session_that_is_not_refreshed_ends_after_seven_days(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    world.clock.advance(SESSION_IDLE - MICRO);
    assert!(is_open(&world, &session).await);
    let mut act = world.act();
    act.actor = Actor::Session { session: session.id, user };
    world.storage.set_key_limit(&act, world.demo, None, Some(11)).await.unwrap();
    world.clock.advance(MICRO);
    assert!(!is_open(&world, &session).await);
    assert!(world.storage.list_sessions(user, world.now()).await.unwrap().is_empty());
    assert_eq!(refresh(&world, session.refresh, world.bytes()).await, Refreshed::Unknown);
    act = world.act();
    act.actor = Actor::Session { session: session.id, user };
    assert_not_found(world.storage.set_key_limit(&act, world.demo, None, Some(12)).await);
}
on_both!(a_session_that_is_not_refreshed_ends_after_seven_days);

async fn however_often_it_is_refreshed_a_session_ends_after_thirty_days(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let latest = world.now().saturating_add(SESSION_LIFE);
    let mut token = session.refresh;
    for _ in 0..29 {
        world.clock.advance(DAY);
        let next = world.bytes();
        let ends_at = world.now().saturating_add(SESSION_IDLE).min(latest);
        let renewed = Refreshed::Renewed { session: session.id, user, ends_at };
        assert_eq!(refresh(&world, token, next).await, renewed);
        assert_eq!(world.storage.list_sessions(user, world.now()).await.unwrap()[0].ends_at, ends_at);
        token = next;
    }
    world.clock.advance(DAY - MICRO);
    assert!(is_open(&world, &session).await);
    world.clock.advance(MICRO);
    assert!(!is_open(&world, &session).await);
    assert_eq!(refresh(&world, token, world.bytes()).await, Refreshed::Unknown);
}
on_both!(however_often_it_is_refreshed_a_session_ends_after_thirty_days);

async fn a_replaced_token_is_forgiven_for_a_moment_and_then_ends_the_session(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let (second, third) = (world.bytes(), world.bytes());
    assert!(matches!(refresh(&world, session.refresh, second).await, Refreshed::Renewed { .. }));
    world.clock.advance(REFRESH_GRACE - MICRO);
    // The other tab comes second: nothing happens, and what it brought is no token.
    let stray = world.bytes();
    assert_eq!(refresh(&world, session.refresh, stray).await, Refreshed::Superseded);
    assert_eq!(refresh(&world, stray, world.bytes()).await, Refreshed::Unknown);
    assert!(matches!(refresh(&world, second, third).await, Refreshed::Renewed { .. }));
    assert!(is_open(&world, &session).await);

    world.clock.advance(MICRO);
    let reused = Refreshed::Reused { session: session.id, user };
    assert_eq!(refresh(&world, session.refresh, world.bytes()).await, reused);
    assert!(!is_open(&world, &session).await);
    for token in [session.refresh, second, third] {
        assert_eq!(refresh(&world, token, world.bytes()).await, Refreshed::Unknown);
    }
}
on_both!(a_replaced_token_is_forgiven_for_a_moment_and_then_ends_the_session);

async fn of_refreshes_at_once_exactly_one_renews_and_nobody_is_logged_out(world: Arc<World>) {
    let (_, session) = world.logged_in().await;
    let mut token = session.refresh;
    for _ in 0..5 {
        let tabs: Vec<_> = (0..8)
            .map(|_| {
                let (world, next) = (Arc::clone(&world), world.bytes());
                tokio::spawn(async move { (refresh(&world, token, next).await, next) })
            })
            .collect();
        let mut renewed = Vec::new();
        for tab in tabs {
            match tab.await.unwrap() {
                (Refreshed::Renewed { .. }, next) => renewed.push(next),
                (other, _) => assert_eq!(other, Refreshed::Superseded),
            }
        }
        let [next] = renewed[..] else { panic!("{} renewed", renewed.len()) };
        token = next;
    }
    assert!(is_open(&world, &session).await);
}
on_both!(of_refreshes_at_once_exactly_one_renews_and_nobody_is_logged_out);

async fn a_refresh_and_an_end_at_once_leave_no_session(world: Arc<World>) {
    for _ in 0..10 {
        let (user, session) = world.logged_in().await;
        let refreshing = {
            let (world, next) = (Arc::clone(&world), world.bytes());
            tokio::spawn(async move { (refresh(&world, session.refresh, next).await, next) })
        };
        world.storage.end_user_sessions(&world.act(), user).await.unwrap();
        let (refreshed, next) = refreshing.await.unwrap();
        assert!(matches!(refreshed, Refreshed::Renewed { .. } | Refreshed::Unknown), "{refreshed:?}");
        assert_eq!(refresh(&world, next, world.bytes()).await, Refreshed::Unknown);
        assert!(!is_open(&world, &session).await);
    }
}
on_both!(a_refresh_and_an_end_at_once_leave_no_session);

async fn when_a_session_was_last_used_moves_forward_only(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let began = world.now();
    let later = began.saturating_add(DAY);
    for (at, seen) in [(later, later), (began, later), (later.saturating_add(DAY), later.saturating_add(DAY))]
    {
        world.storage.touch_session(session.id, at).await.unwrap();
        assert_eq!(world.storage.find_session(session.id, user, began).await.unwrap(), Some(seen));
    }
    let ends_at = world.storage.list_sessions(user, began).await.unwrap()[0].ends_at;
    assert_eq!(ends_at, began.saturating_add(SESSION_IDLE), "use alone keeps no session alive");
}
on_both!(when_a_session_was_last_used_moves_forward_only);

async fn one_ends_ones_own_sessions_one_by_one_or_all_others(world: Arc<World>) {
    let (user, first) = world.logged_in().await;
    let (other_user, other) = world.logged_in().await;
    let mut more = Vec::new();
    for _ in 0..3 {
        let new = world.new_session(user, "hash");
        world.storage.open_session(new.clone(), world.now()).await.unwrap();
        more.push(new);
    }
    let listed = async || {
        let sessions = world.storage.list_sessions(user, world.now()).await.unwrap();
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [more[2].id, more[1].id, more[0].id, first.id]);
    assert_not_found(world.storage.end_session(user, other.id).await);
    world.storage.end_session(user, more[1].id).await.unwrap();
    assert_not_found(world.storage.end_session(user, more[1].id).await);
    assert_eq!(listed().await, [more[2].id, more[0].id, first.id]);
    assert_eq!(world.storage.end_other_sessions(user, more[0].id).await.unwrap(), 2);
    assert_eq!(world.storage.end_other_sessions(user, more[0].id).await.unwrap(), 0);
    assert_eq!(listed().await, [more[0].id]);
    assert!(is_open(&world, &other).await);
    assert_eq!(world.storage.list_sessions(other_user, world.now()).await.unwrap().len(), 1);
}
on_both!(one_ends_ones_own_sessions_one_by_one_or_all_others);

async fn ending_a_users_sessions_is_audited_once_with_the_operator(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    let audited = world.audit(world.operator).await.len();
    assert_eq!(world.storage.end_user_sessions(&world.act(), user).await.unwrap(), 1);
    assert!(!is_open(&world, &session).await);
    assert_eq!(world.storage.end_user_sessions(&world.act(), user).await.unwrap(), 0);
    let events = world.audit(world.operator).await;
    assert_eq!(events.len(), audited + 1);
    assert_eq!((events[0].action.as_str(), &events[0].target), ("user.end_sessions", &user.to_string()));
    assert_eq!(events[0].details, json!({"ended_sessions": 1}));
    assert_not_found(world.storage.end_user_sessions(&world.act(), world.user_id()).await);
}
on_both!(ending_a_users_sessions_is_audited_once_with_the_operator);

async fn a_person_has_at_most_a_hundred_sessions_and_the_oldest_goes(world: Arc<World>) {
    let (user, first) = world.logged_in().await;
    for _ in 1..MOST_SESSIONS {
        world.storage.open_session(world.new_session(user, "hash"), world.now()).await.unwrap();
    }
    assert!(is_open(&world, &first).await);
    let last = world.new_session(user, "hash");
    world.storage.open_session(last.clone(), world.now()).await.unwrap();
    assert!(!is_open(&world, &first).await && is_open(&world, &last).await);
    let sessions = world.storage.list_sessions(user, world.now()).await.unwrap();
    assert_eq!(sessions.len(), MOST_SESSIONS as usize);
}
on_both!(a_person_has_at_most_a_hundred_sessions_and_the_oldest_goes);

async fn logging_in_and_all_that_follows_touches_neither_feed_nor_audit_log(world: Arc<World>) {
    let user = world.user_with_password("hash").await;
    let before = (world.storage.changes(None).await.unwrap(), world.audit(world.operator).await);
    let (session, next) = (world.new_session(user, "hash"), world.bytes());
    let storage = &world.storage;
    storage.count_login_attempt(world.bytes(), "uma@example.com", world.now()).await.unwrap();
    storage.open_session(session.clone(), world.now()).await.unwrap();
    storage.touch_session(session.id, world.now().saturating_add(DAY)).await.unwrap();
    refresh(&world, session.refresh, next).await;
    world.clock.advance(DAY);
    assert!(matches!(refresh(&world, session.refresh, world.bytes()).await, Refreshed::Reused { .. }));
    storage.add_signing_key([1; 16], vec![1], None, world.now()).await.unwrap();
    assert_eq!((storage.changes(None).await.unwrap(), world.audit(world.operator).await), before);
    // Nor does what is audited touch the feed.
    storage.set_password(&world.act(), user, wardkey_storage::PasswordHash::new("other")).await.unwrap();
    let Changes::Since { position, .. } = storage.changes(None).await.unwrap() else { panic!("a reset") };
    assert_eq!(before.0, Changes::Since { changes: Vec::new(), position });
}
on_both!(logging_in_and_all_that_follows_touches_neither_feed_nor_audit_log);
