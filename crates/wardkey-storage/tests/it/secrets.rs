use std::sync::Arc;
use std::time::Duration;

use wardkey_core::Timestamp;
use wardkey_storage::{Conflict, Key, NewKey, Once, StorageError};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found, conflict};

async fn rotate(world: &World, key: &Key, overlap: Duration) -> Result<Key, StorageError> {
    let secret = world.new_secret();
    match world.storage.rotate_key(&world.act(), world.demo, key.id, None, secret, overlap, None).await? {
        Once::Done(key) => Ok(key),
        Once::Replayed(_) => panic!("nothing to replay"),
    }
}

fn ends(key: &Key) -> Vec<Option<Timestamp>> {
    key.secrets.iter().map(|secret| secret.ends_at).collect()
}

async fn rotation_keeps_key_and_values_and_lets_the_old_secret_overlap(world: Arc<World>) {
    let (key, old) = world.issued().await;
    let secret = world.new_secret();
    let (id, digest) = (secret.id, secret.digest);
    let done =
        world.storage.rotate_key(&world.act(), world.demo, key.id, Some(1), secret, DAY, None).await.unwrap();
    let Once::Done(rotated) = done else { panic!("nothing to replay") };
    let end = world.now().saturating_add(DAY);
    assert_eq!((rotated.secrets[0].id, ends(&rotated)), (id, vec![None, Some(end)]), "the new one first");
    assert_eq!(rotated.version, 2);
    assert_eq!(
        Key { secrets: key.secrets.clone(), version: 1, ..rotated.clone() },
        key,
        "nothing else moves"
    );
    assert_eq!((world.record(digest).await.secret, world.record(digest).await.secret_ends_at), (id, None));
    assert_eq!(world.record(old).await.secret_ends_at, Some(end));
    let stale = world
        .storage
        .rotate_key(&world.act(), world.demo, key.id, Some(1), world.new_secret(), DAY, None)
        .await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })));
}
on_both!(rotation_keeps_key_and_values_and_lets_the_old_secret_overlap);

async fn rotation_without_overlap_ends_the_old_secret_at_once(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let rotated = rotate(&world, &key, Duration::ZERO).await.unwrap();
    assert_eq!(ends(&rotated), [None, Some(world.now())]);
    // It is not live any more: the next rotation is free.
    let again = rotate(&world, &key, Duration::ZERO).await.unwrap();
    assert_eq!(again.secrets.len(), 3);
}
on_both!(rotation_without_overlap_ends_the_old_secret_at_once);

async fn at_most_two_secrets_are_live(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let first = rotate(&world, &key, DAY).await.unwrap();
    assert_eq!(conflict(rotate(&world, &key, DAY).await), Conflict::RotationInProgress);
    assert_eq!(conflict(rotate(&world, &key, Duration::ZERO).await), Conflict::RotationInProgress);
    world.clock.advance(DAY);
    let second = rotate(&world, &key, DAY).await.expect("the overlap is over");
    let now = world.now();
    assert_eq!(ends(&second), [None, Some(now.saturating_add(DAY)), Some(now)]);
    assert_eq!(second.secrets[1].id, first.secrets[0].id);
}
on_both!(at_most_two_secrets_are_live);

async fn rotation_never_lengthens_a_life(world: Arc<World>) {
    let expires_at = Some(world.now().saturating_add(DAY / 2));
    let key = world.issue(NewKey { expires_at, ..world.new_key() }).await.unwrap();
    assert_eq!(ends(&rotate(&world, &key, DAY).await.unwrap()), [None, expires_at]);
    world.clock.advance(DAY / 2);
    assert_eq!(conflict(rotate(&world, &key, DAY).await), Conflict::KeyExpired);
    world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    assert_eq!(conflict(rotate(&world, &key, DAY).await), Conflict::KeyRevoked);
}
on_both!(rotation_never_lengthens_a_life);

async fn a_rotation_takes_no_place_and_works_while_disabled(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(1)).await.unwrap();
    let (key, _) = world.issued().await;
    world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    rotate(&world, &key, DAY).await.expect("a secret in its overlap takes no place");
}
on_both!(a_rotation_takes_no_place_and_works_while_disabled);

async fn a_known_digest_is_refused_at_rotation(world: Arc<World>) {
    let (key, digest) = world.issued().await;
    let mut secret = world.new_secret();
    secret.digest = digest;
    let refused = world.storage.rotate_key(&world.act(), world.demo, key.id, None, secret, DAY, None).await;
    assert_eq!(conflict(refused), Conflict::DigestInUse);
    let found = world.storage.find_key(world.demo, key.id).await.unwrap();
    assert_eq!(found, Some(key), "nothing of it was kept");
}
on_both!(a_known_digest_is_refused_at_rotation);

async fn either_secret_may_be_ended_early_and_the_last_one_not(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let end = async |secret| world.storage.end_secret(&world.act(), world.demo, key.id, secret).await;
    let old = key.secrets[0].id;
    assert_eq!(conflict(end(old).await), Conflict::LastSecret);
    let new = rotate(&world, &key, DAY).await.unwrap().secrets[0].id;
    let before = world.audit(world.demo).await.len();
    for _ in 0..2 {
        let ended = end(new).await.expect("the new one, although the old one ends later");
        assert_eq!(ended.version, 3, "a repeat changes nothing");
        assert_eq!(ended.secrets[0].id, old, "the one that lives comes first");
    }
    assert_eq!(world.audit(world.demo).await.len() - before, 1);
    assert_eq!(conflict(end(old).await), Conflict::LastSecret);
    assert_not_found(end(world.new_secret().id).await);
    world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    end(old).await.expect("a revoked key needs none");
}
on_both!(either_secret_may_be_ended_early_and_the_last_one_not);
