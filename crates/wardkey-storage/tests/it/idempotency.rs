use std::sync::Arc;

use wardkey_storage::{Conflict, Idempotency, NewKey, Once, StorageError};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found, conflict};

pub(crate) fn once(key: &str, request: u8) -> Option<Idempotency> {
    Some(Idempotency { scope: [1; 32], key: key.to_owned(), request: [request; 32] })
}

async fn a_repeated_issue_returns_the_first_key_as_it_is_now(world: Arc<World>) {
    let issue = async |new: NewKey, idempotency| {
        world.storage.issue_key(&world.act(), world.demo, new, idempotency).await
    };
    let Once::Done(first) = issue(world.new_key(), once("a", 1)).await.unwrap() else {
        panic!("it is the first")
    };
    let disabled = world.storage.disable_key(&world.act(), world.demo, first.id, None, None).await.unwrap();
    let before = world.audit(world.demo).await.len();
    assert_eq!(issue(world.new_key(), once("a", 1)).await.unwrap(), Once::Replayed(disabled));
    assert_eq!(world.audit(world.demo).await.len(), before, "a replay changes nothing");
    assert_eq!(conflict(issue(world.new_key(), once("a", 2)).await), Conflict::IdempotencyMismatch);
    assert!(matches!(issue(world.new_key(), once("b", 1)).await.unwrap(), Once::Done(_)), "another key");
    let elsewhere = Some(Idempotency { scope: [2; 32], ..once("a", 1).unwrap() });
    assert!(matches!(issue(world.new_key(), elsewhere).await.unwrap(), Once::Done(_)), "another scope");
    world.storage.delete_key(&world.act(), world.demo, first.id, None, None).await.unwrap();
    assert_not_found(issue(world.new_key(), once("a", 1)).await);
}
on_both!(a_repeated_issue_returns_the_first_key_as_it_is_now);

async fn a_repeated_rotation_rotates_once(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let rotate = async || {
        let (act, secret) = (world.act(), world.new_secret());
        world.storage.rotate_key(&act, world.demo, key.id, None, secret, DAY, once("r", 1)).await.unwrap()
    };
    let Once::Done(rotated) = rotate().await else { panic!("it is the first") };
    assert_eq!(rotate().await, Once::Replayed(rotated));
}
on_both!(a_repeated_rotation_rotates_once);

async fn a_refused_call_claims_nothing(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(0)).await.unwrap();
    let issue =
        async || world.storage.issue_key(&world.act(), world.demo, world.new_key(), once("a", 1)).await;
    assert!(matches!(conflict(issue().await), Conflict::KeyLimitReached { .. }));
    world.storage.set_key_limit(&world.act(), world.demo, None, None).await.unwrap();
    assert!(matches!(issue().await, Ok(Once::Done(_))));
}
on_both!(a_refused_call_claims_nothing);

async fn of_many_equal_calls_at_once_one_issues(world: Arc<World>) {
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world.storage.issue_key(&world.act(), world.demo, world.new_key(), once("a", 1)).await
            })
        })
        .collect();
    let (mut done, mut replayed) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await.unwrap() {
            Ok(Once::Done(key)) => done.push(key),
            Ok(Once::Replayed(key)) => replayed.push(key),
            Err(error) => {
                panic!("{error:?}: {:?}", std::error::Error::source(&error).map(ToString::to_string))
            }
        }
    }
    assert_eq!((done.len(), replayed.len()), (1, 19));
    assert!(replayed.iter().all(|key| *key == done[0]));
}
on_both!(of_many_equal_calls_at_once_one_issues);

#[test]
fn errors_for_the_log_keep_their_cause_and_errors_for_the_client_do_not_show_it() {
    let error = StorageError::Unavailable("password=hunter2".into());
    assert_eq!(error.to_string(), "the database does not answer");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "password=hunter2");
}
