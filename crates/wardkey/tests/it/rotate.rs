//! New secrets for old ones.

use std::time::Duration;

use wardkey::core::{BuiltInRole, Code, Id as _, Level, SecretId};
use wardkey::{Conflict, IssuedKey, LONGEST_OVERLAP};

use crate::answers::{conflict, exceeds, invalid_field, not_found, version_mismatch};
use crate::world::{DAY, World, user_input};

on_both!(
    without_overlap_the_old_secret_ends_at_once,
    with_overlap_both_secrets_work_until_the_instant,
    an_overlap_is_at_most_a_week,
    an_overlap_never_outlives_the_key,
    a_third_rotation_waits_for_the_second,
    a_key_does_not_cut_itself_off,
    a_dead_key_is_not_rotated,
    a_disabled_key_is_rotated_and_stays_disabled,
    a_rotation_changes_nothing_else,
    a_rotation_shows_no_secret_beyond_the_caller,
    a_rotation_may_name_the_version,
    rotating_at_once_leaves_two_secrets,
    a_secret_is_ended_before_its_time,
    the_last_secret_is_not_ended,
    a_clock_that_steps_back_revives_no_secret,
);

const MICRO: Duration = Duration::from_micros(1);

/// The verdict on this secret of the key.
async fn verdict(world: &World, key: &IssuedKey) -> Option<Code> {
    world.verify(key).await.err()
}

async fn without_overlap_the_old_secret_ends_at_once(world: &World) {
    let old = world.service_key(&[]).await;
    assert_eq!(verdict(world, &old).await, None);
    let new = world.demo().await.rotate_key(old.key.id, None, Duration::ZERO).await.unwrap();
    assert_eq!(verdict(world, &old).await, Some(Code::SecretEnded));
    assert_eq!(verdict(world, &new).await, None);
    assert_eq!(new.key.id, old.key.id);
    assert_ne!(new.key.secrets[0].id, old.key.secrets[0].id);
    assert_eq!(new.key.secrets[0].hint, new.secret.as_ref().unwrap().hint());
}

async fn with_overlap_both_secrets_work_until_the_instant(world: &World) {
    let old = world.service_key(&[]).await;
    let overlap = Duration::from_secs(3_600);
    let new = world.demo().await.rotate_key(old.key.id, None, overlap).await.unwrap();
    let end = world.now().saturating_add(overlap);
    let ends: Vec<_> = new.key.secrets.iter().map(|secret| secret.ends_at).collect();
    assert_eq!(ends, [None, Some(end)]);

    world.clock.set(end.saturating_sub(MICRO));
    assert_eq!(verdict(world, &old).await, None);
    assert_eq!(verdict(world, &new).await, None);
    world.clock.set(end);
    assert_eq!(verdict(world, &old).await, Some(Code::SecretEnded));
    assert_eq!(verdict(world, &new).await, None);
}

async fn an_overlap_is_at_most_a_week(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    for beyond in [LONGEST_OVERLAP + MICRO, LONGEST_OVERLAP + DAY, Duration::MAX] {
        let refused = invalid_field(demo.rotate_key(key.id, None, beyond).await);
        assert_eq!(refused, ("/overlap_seconds".to_owned(), "too_long"));
    }
    // A wrong request is wrong whatever it is about.
    let nothing = wardkey::core::KeyId::from_bytes([9; 16]);
    assert_eq!(invalid_field(demo.rotate_key(nothing, None, Duration::MAX).await).1, "too_long");
    not_found(demo.rotate_key(nothing, None, DAY).await);
    assert_eq!(demo.get_key(key.id).await.unwrap(), key);
    let rotated = demo.rotate_key(key.id, None, LONGEST_OVERLAP).await.unwrap();
    assert_eq!(rotated.key.secrets[1].ends_at, Some(world.now().saturating_add(7 * DAY)));
}

async fn an_overlap_never_outlives_the_key(world: &World) {
    let demo = world.demo().await;
    let old = world.service_key(&[]).await;
    let end = old.key.expires_at.unwrap();
    world.clock.set(end.saturating_sub(Duration::from_secs(60)));
    let new = demo.rotate_key(old.key.id, None, DAY).await.unwrap();
    assert_eq!(new.key.secrets[1].ends_at, Some(end));
    assert_eq!(new.key.expires_at, Some(end), "a rotation never lengthens a life");
    world.clock.set(end.saturating_sub(MICRO));
    assert_eq!((verdict(world, &old).await, verdict(world, &new).await), (None, None));
    world.clock.set(end);
    assert_eq!(verdict(world, &old).await, Some(Code::KeyExpired));
    assert_eq!(verdict(world, &new).await, Some(Code::KeyExpired));
}

async fn a_third_rotation_waits_for_the_second(world: &World) {
    let demo = world.demo().await;
    let first = world.service_key(&[]).await;
    let id = first.key.id;
    let second = demo.rotate_key(id, None, DAY).await.unwrap();
    for overlap in [DAY, Duration::ZERO] {
        assert_eq!(conflict(demo.rotate_key(id, None, overlap).await), Conflict::RotationInProgress);
    }
    assert_eq!((verdict(world, &first).await, verdict(world, &second).await), (None, None));
    // Over when the overlap is over.
    world.clock.advance(DAY);
    let third = demo.rotate_key(id, None, DAY).await.unwrap();
    assert_eq!(verdict(world, &first).await, Some(Code::SecretEnded));
    assert_eq!((verdict(world, &second).await, verdict(world, &third).await), (None, None));
    // Or when it is ended.
    assert_eq!(conflict(demo.rotate_key(id, None, DAY).await), Conflict::RotationInProgress);
    demo.end_secret(id, second.key.secrets[0].id).await.unwrap();
    demo.rotate_key(id, None, Duration::ZERO).await.unwrap();
    assert_eq!(verdict(world, &third).await, Some(Code::SecretEnded));
}

async fn a_key_does_not_cut_itself_off(world: &World) {
    let key = world.service_key(&["keys:write"]).await;
    let tenant = world.as_key(&key).await;
    let refused = invalid_field(tenant.rotate_key(key.key.id, None, Duration::ZERO).await);
    assert_eq!(refused, ("/overlap_seconds".to_owned(), "own_secret"));
    assert_eq!(verdict(world, &key).await, None);
    let new = tenant.rotate_key(key.key.id, None, Duration::from_secs(60)).await.unwrap();
    assert_eq!((verdict(world, &key).await, verdict(world, &new).await), (None, None));
    // Another key of the same account is another key.
    let other = world.service_key(&[]).await;
    tenant.rotate_key(other.key.id, None, Duration::ZERO).await.unwrap();
}

async fn a_dead_key_is_not_rotated(world: &World) {
    let demo = world.demo().await;
    let revoked = world.service_key(&[]).await.key;
    demo.revoke_key(revoked.id, None, None).await.unwrap();
    assert_eq!(conflict(demo.rotate_key(revoked.id, None, DAY).await), Conflict::KeyRevoked);
    let expired = world.service_key(&[]).await.key;
    world.clock.set(expired.expires_at.unwrap());
    assert_eq!(conflict(demo.rotate_key(expired.id, None, DAY).await), Conflict::KeyExpired);
    assert_eq!(demo.get_key(expired.id).await.unwrap().secrets.len(), 1);
}

async fn a_disabled_key_is_rotated_and_stays_disabled(world: &World) {
    let demo = world.demo().await;
    let old = world.service_key(&[]).await;
    demo.disable_key(old.key.id, None, None).await.unwrap();
    let new = demo.rotate_key(old.key.id, None, DAY).await.unwrap();
    assert_eq!(verdict(world, &new).await, Some(Code::KeyDisabled));
    demo.enable_key(old.key.id, None, None).await.unwrap();
    assert_eq!((verdict(world, &old).await, verdict(world, &new).await), (None, None));
}

async fn a_rotation_changes_nothing_else(world: &World) {
    let before = world.service_key(&["pipelines:read"]).await.key;
    world.clock.advance(DAY);
    let mut after = world.demo().await.rotate_key(before.id, None, DAY).await.unwrap().key;
    assert!(after.version > before.version);
    assert_eq!(after.secrets.len(), 2);
    after.secrets = before.secrets.clone();
    (after.version, after.updated_at) = (before.version, before.updated_at);
    assert_eq!(after, before);
}

async fn a_rotation_shows_no_secret_beyond_the_caller(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let narrow = demo.issue_key(user_input(user, Level::Restricted, &["keys:write", "pipelines:read"])).await;
    let narrow = world.as_key(&narrow.unwrap()).await;
    let wide = world.user_key(user).await;
    assert_eq!(exceeds(narrow.rotate_key(wide.key.id, None, DAY).await), ["/permissions"]);
    // Stopping it is another matter: that is what somebody does who finds it leaked.
    narrow.disable_key(wide.key.id, None, None).await.unwrap();

    let plain = world.service_key(&["pipelines:run"]).await;
    let admin = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    assert_eq!(exceeds(admin.rotate_key(plain.key.id, None, DAY).await), ["/permissions"]);
    admin.revoke_key(plain.key.id, None, None).await.unwrap();
}

async fn a_rotation_may_name_the_version(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    assert_eq!(version_mismatch(demo.rotate_key(key.id, Some(key.version + 1), DAY).await), key.version);
    demo.rotate_key(key.id, Some(key.version), DAY).await.unwrap();
    assert!(version_mismatch(demo.rotate_key(key.id, Some(key.version), DAY).await) > key.version);
}

async fn rotating_at_once_leaves_two_secrets(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let demo = demo.clone();
        attempts.spawn(async move { demo.rotate_key(key.id, None, DAY).await });
    }
    let mut rotated = 0;
    for answer in attempts.join_all().await {
        match answer {
            Ok(_) => rotated += 1,
            lost => assert_eq!(conflict(lost), Conflict::RotationInProgress),
        }
    }
    assert_eq!(rotated, 1);
    assert_eq!(demo.get_key(key.id).await.unwrap().secrets.len(), 2);
}

async fn a_secret_is_ended_before_its_time(world: &World) {
    let demo = world.demo().await;
    let old = world.service_key(&[]).await;
    let id = old.key.id;
    let new = demo.rotate_key(id, None, DAY).await.unwrap();
    let [newer, older] = [&new.key.secrets[0], &new.key.secrets[1]];
    assert_eq!(older.id, old.key.secrets[0].id);
    let audited = world.audited().await;
    let ended = demo.end_secret(id, older.id).await.unwrap();
    assert_eq!(verdict(world, &old).await, Some(Code::SecretEnded));
    assert_eq!(verdict(world, &new).await, None);
    assert!(ended.version > new.key.version);
    // Again: nothing happens.
    world.clock.advance(DAY / 2);
    assert_eq!(demo.end_secret(id, older.id).await.unwrap(), ended);
    assert_eq!(world.audited().await, audited + 1);

    not_found(demo.end_secret(id, SecretId::from_bytes([9; 16])).await);
    let other = world.service_key(&[]).await.key;
    not_found(demo.end_secret(other.id, newer.id).await);
    assert_eq!(verdict(world, &new).await, None);
    // The newer one may be ended as well, as long as the older lives.
    let third = demo.rotate_key(id, None, DAY).await.unwrap();
    demo.end_secret(id, third.key.secrets[0].id).await.unwrap();
    assert_eq!(verdict(world, &third).await, Some(Code::SecretEnded));
    assert_eq!(verdict(world, &new).await, None);
}

async fn the_last_secret_is_not_ended(world: &World) {
    let demo = world.demo().await;
    let issued = world.service_key(&[]).await;
    let (id, secret) = (issued.key.id, issued.key.secrets[0].id);
    assert_eq!(conflict(demo.end_secret(id, secret).await), Conflict::LastSecret);
    let rotated = demo.rotate_key(id, None, DAY).await.unwrap();
    world.clock.advance(DAY);
    // The overlap is over: the new one is the last.
    let last = rotated.key.secrets[0].id;
    assert_eq!(conflict(demo.end_secret(id, last).await), Conflict::LastSecret);
    assert_eq!(verdict(world, &rotated).await, None);
    demo.end_secret(id, secret).await.unwrap();
    // Of a revoked key it may be.
    demo.revoke_key(id, None, None).await.unwrap();
    demo.end_secret(id, last).await.unwrap();
    assert_eq!(verdict(world, &rotated).await, Some(Code::KeyRevoked));
}

async fn a_clock_that_steps_back_revives_no_secret(world: &World) {
    let demo = world.demo().await;
    let old = world.service_key(&[]).await;
    demo.rotate_key(old.key.id, None, DAY).await.unwrap();
    let start = world.now();
    world.clock.advance(DAY);
    assert_eq!(verdict(world, &old).await, Some(Code::SecretEnded));
    world.clock.set(start);
    assert_eq!(verdict(world, &old).await, Some(Code::SecretEnded));
    // Nor is its rotation in progress again, once the organization was written at the later instant.
    world.clock.advance(DAY);
    world.service_key(&[]).await;
    world.clock.set(start);
    demo.rotate_key(old.key.id, None, DAY).await.unwrap();
}
