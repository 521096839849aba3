//! Disable, enable, revoke, delete.

use wardkey::core::{BuiltInRole, Code, KeyState, KeyStatus, Level};
use wardkey::{Conflict, KeyFilter, PageRequest};

use crate::answers::{conflict, invalid_field, not_found, version_mismatch};
use crate::world::{DAY, World, user_input};

on_both!(
    disabling_is_reversible_and_immediate,
    revoking_is_final_and_keeps_the_row,
    deleting_revokes_and_hides,
    repeats_are_no_events,
    a_revoked_key_is_neither_enabled_nor_disabled,
    a_version_may_be_named_and_must_fit,
    a_reason_stands_in_the_audit_log,
    status_is_revoked_before_expired_before_disabled,
    a_key_may_end_itself,
    whoever_administers_keys_stops_stronger_ones,
    revoking_at_once_is_one_event,
);

async fn disabling_is_reversible_and_immediate(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await;
    let id = key.key.id;
    assert!(world.verify(&key).await.is_ok());
    let disabled = demo.disable_key(id, None, None).await.unwrap();
    assert_eq!(disabled.state, KeyState::Disabled);
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyDisabled);
    let enabled = demo.enable_key(id, None, None).await.unwrap();
    assert_eq!(enabled.state, KeyState::Active);
    assert!(world.verify(&key).await.is_ok());
    assert_eq!(enabled.version, key.key.version, "status does not move the version");
}

async fn revoking_is_final_and_keeps_the_row(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["pipelines:read"]).await;
    let id = key.key.id;
    let revoked = demo.revoke_key(id, None, None).await.unwrap();
    assert_eq!(revoked.state, KeyState::Revoked);
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked);
    assert_eq!(demo.get_key(id).await.unwrap(), revoked);
    assert_eq!(revoked.permissions, key.key.permissions);
    assert!(
        demo.list_keys(KeyFilter::default(), PageRequest::default()).await.unwrap().items.contains(&revoked)
    );
}

async fn deleting_revokes_and_hides(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await;
    let id = key.key.id;
    demo.delete_key(id, None, None).await.unwrap();
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked);
    not_found(demo.get_key(id).await);
    assert!(demo.list_keys(KeyFilter::default(), PageRequest::default()).await.unwrap().items.is_empty());
    not_found(demo.enable_key(id, None, None).await);
    not_found(demo.rotate_key(id, None, DAY).await);
    not_found(demo.update_key(id, key.key.version, wardkey::KeyPatch::default()).await);
    not_found(demo.delete_key(id, None, None).await);
    world.event("key.issue", id).await;
    world.event("key.delete", id).await;
    // A process that has never seen it says the same.
    let elsewhere = world.open_again().await;
    let verifier = elsewhere.verifier(&crate::world::production());
    let verdict = crate::world::verify_with(&verifier, key.secret.as_ref().unwrap(), None).await;
    assert_eq!(verdict.unwrap_err(), Code::KeyRevoked);
}

async fn repeats_are_no_events(world: &World) {
    let demo = world.demo().await;
    let id = world.service_key(&[]).await.key.id;
    let mut audited = world.audited().await;
    let mut changes = async |by: usize| {
        let now = world.audited().await;
        assert_eq!(now, audited + by);
        audited = now;
    };
    demo.enable_key(id, None, None).await.unwrap();
    changes(0).await;
    let first = demo.disable_key(id, None, None).await.unwrap();
    changes(1).await;
    world.clock.advance(DAY);
    assert_eq!(demo.disable_key(id, None, Some("again".to_owned())).await.unwrap(), first);
    changes(0).await;
    demo.enable_key(id, None, None).await.unwrap();
    changes(1).await;
    let first = demo.revoke_key(id, None, None).await.unwrap();
    changes(1).await;
    world.clock.advance(DAY);
    assert_eq!(demo.revoke_key(id, None, None).await.unwrap(), first);
    changes(0).await;
    // Deleting a revoked key hides it: that is a change.
    demo.delete_key(id, None, None).await.unwrap();
    changes(1).await;
}

async fn a_revoked_key_is_neither_enabled_nor_disabled(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await;
    demo.revoke_key(key.key.id, None, None).await.unwrap();
    let audited = world.audited().await;
    assert_eq!(conflict(demo.enable_key(key.key.id, None, None).await), Conflict::KeyRevoked);
    assert_eq!(conflict(demo.disable_key(key.key.id, None, None).await), Conflict::KeyRevoked);
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked);
    assert_eq!(world.audited().await, audited);
}

async fn a_version_may_be_named_and_must_fit(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    let (id, wrong, right) = (key.id, Some(key.version + 1), Some(key.version));
    assert_eq!(version_mismatch(demo.disable_key(id, wrong, None).await), key.version);
    assert_eq!(version_mismatch(demo.enable_key(id, wrong, None).await), key.version);
    assert_eq!(version_mismatch(demo.revoke_key(id, wrong, None).await), key.version);
    assert_eq!(version_mismatch(demo.delete_key(id, wrong, None).await), key.version);
    assert_eq!(demo.get_key(id).await.unwrap(), key);
    demo.disable_key(id, right, None).await.unwrap();
    demo.enable_key(id, right, None).await.unwrap();
    demo.revoke_key(id, right, None).await.unwrap();
    demo.delete_key(id, right, None).await.unwrap();
}

async fn a_reason_stands_in_the_audit_log(world: &World) {
    let demo = world.demo().await;
    let id = world.service_key(&[]).await.key.id;
    let long = || Some("é".repeat(wardkey::MAX_REASON + 1));
    let too_long = ("/reason".to_owned(), "too_long");
    assert_eq!(invalid_field(demo.disable_key(id, None, long()).await), too_long);
    assert_eq!(invalid_field(demo.enable_key(id, None, long()).await), too_long);
    assert_eq!(invalid_field(demo.revoke_key(id, None, long()).await), too_long);
    assert_eq!(invalid_field(demo.delete_key(id, None, long()).await), too_long);
    let nul = demo.revoke_key(id, None, Some("a\0b".to_owned())).await;
    assert_eq!(invalid_field(nul), ("/reason".to_owned(), "control_character"));
    // A wrong request is wrong whatever it is about.
    let nothing = wardkey::core::Id::from_bytes([9; 16]);
    assert_eq!(invalid_field(demo.revoke_key(nothing, None, long()).await), too_long);

    let reason = "é".repeat(wardkey::MAX_REASON);
    demo.revoke_key(id, None, Some(reason.clone())).await.unwrap();
    let event = world.event("key.revoke", id).await;
    assert!(event.details.to_string().contains(&reason), "{:?}", event.details);
}

async fn status_is_revoked_before_expired_before_disabled(world: &World) {
    let demo = world.demo().await;
    let issued = world.service_key(&[]).await;
    let (id, end) = (issued.key.id, issued.key.expires_at.unwrap());
    let seen = async || {
        let key = demo.get_key(id).await.unwrap();
        let status = KeyStatus::at(demo.now(), key.state, key.expires_at);
        (status, world.verify(&issued).await.unwrap_err())
    };
    demo.disable_key(id, None, None).await.unwrap();
    assert_eq!(seen().await, (KeyStatus::Disabled, Code::KeyDisabled));
    world.clock.set(end);
    assert_eq!(seen().await, (KeyStatus::Expired, Code::KeyExpired));
    demo.revoke_key(id, None, None).await.unwrap();
    assert_eq!(seen().await, (KeyStatus::Revoked, Code::KeyRevoked));
}

async fn a_key_may_end_itself(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    for stop in [Code::KeyDisabled, Code::KeyRevoked] {
        let key = world.user_key(user).await;
        let tenant = world.as_key(&key).await;
        if stop == Code::KeyDisabled {
            tenant.disable_key(key.key.id, None, None).await.unwrap();
        } else {
            tenant.delete_key(key.key.id, None, None).await.unwrap();
        }
        assert_eq!(world.verify(&key).await.unwrap_err(), stop);
    }
}

async fn whoever_administers_keys_stops_stronger_ones(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ann", &[BuiltInRole::Admin]).await;
    let of_admin = demo.issue_key(user_input(user, Level::ReadOnly, &[])).await.unwrap();
    let strong = world.service_key(&["admin:members", "admin:policy", "pipelines:run"]).await;
    let admin = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    for key in [of_admin, strong] {
        assert_eq!(admin.get_key(key.key.id).await.unwrap(), key.key);
        admin.disable_key(key.key.id, None, None).await.unwrap();
        assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyDisabled);
        admin.revoke_key(key.key.id, None, None).await.unwrap();
        assert_eq!(world.verify(&key).await.unwrap_err(), Code::KeyRevoked);
    }
}

async fn revoking_at_once_is_one_event(world: &World) {
    let demo = world.demo().await;
    let id = world.service_key(&[]).await.key.id;
    let audited = world.audited().await;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let demo = demo.clone();
        attempts.spawn(async move { demo.revoke_key(id, None, None).await });
    }
    assert!(attempts.join_all().await.iter().all(Result::is_ok));
    assert_eq!(world.audited().await, audited + 1);
}
