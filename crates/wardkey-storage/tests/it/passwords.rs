use std::sync::Arc;

use serde_json::json;
use wardkey_storage::{Actor, CountedAttempt, PasswordHash};

use crate::database::on_both;
use crate::login_attempts::{account, email_of};
use crate::world::{World, assert_not_found};

#[test]
fn a_hash_cannot_be_read_in_a_log() {
    assert_eq!(format!("{:?}", Some(PasswordHash::new("$argon2id$secret"))), "Some(PasswordHash)");
}

async fn a_new_password_ends_every_session_and_is_audited_without_a_word_on_it(world: Arc<World>) {
    let (user, session) = world.logged_in().await;
    world.storage.open_session(world.new_session(user, "hash"), world.now()).await.unwrap();
    let (_, bystander) = world.logged_in().await;

    let mut act = world.act();
    act.actor = Actor::Session { session: session.id, user };
    world.storage.set_password(&act, user, PasswordHash::new("other")).await.unwrap();

    assert!(world.storage.list_sessions(user, world.now()).await.unwrap().is_empty());
    assert!(world.storage.find_session(session.id, user, world.now()).await.unwrap().is_none());
    let kept = world.storage.find_session(bystander.id, bystander.user, world.now()).await.unwrap();
    assert!(kept.is_some(), "the session of somebody else goes on");
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!((event.action.as_str(), event.target), ("user.set_password", user.to_string()));
    assert_eq!((event.actor, event.details), (act.actor.clone(), json!({"ended_sessions": 2})));
    // By a session that is over nothing is changed any more.
    act.audit_id = world.act().audit_id;
    assert_not_found(world.storage.set_password(&act, user, PasswordHash::new("third")).await);
    let email = email_of(&world, user).await;
    let attempt = world.storage.count_login_attempt(account(&email), &email, world.now()).await.unwrap();
    let CountedAttempt::Counted { credential: Some(found) } = attempt else { panic!("{attempt:?}") };
    assert_eq!((found.user, found.hash.expose()), (user, "other"));
    assert_not_found(
        world.storage.set_password(&world.act(), world.user_id(), PasswordHash::new("hash")).await,
    );
}
on_both!(a_new_password_ends_every_session_and_is_audited_without_a_word_on_it);

async fn no_session_of_the_old_password_outlives_the_new_one(world: Arc<World>) {
    for round in 0..5 {
        let user = world.user_with_password("hash").await;
        let logins: Vec<_> = (0..4)
            .map(|_| {
                let world = Arc::clone(&world);
                // One after the other, until it is the old password.
                tokio::spawn(async move {
                    loop {
                        let new = world.new_session(user, "hash");
                        if world.storage.open_session(new, world.now()).await.is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        world.storage.set_password(&world.act(), user, PasswordHash::new("other")).await.unwrap();
        for login in logins {
            login.await.unwrap();
        }
        let sessions = world.storage.list_sessions(user, world.now()).await.unwrap();
        assert!(sessions.is_empty(), "round {round}: {sessions:?}");
    }
}
on_both!(no_session_of_the_old_password_outlives_the_new_one);
