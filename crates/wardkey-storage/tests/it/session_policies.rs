use std::sync::Arc;
use std::time::Duration;

use wardkey_core::IpNetwork;
use wardkey_storage::{EndlessKeys, SessionPolicy, SessionPolicyEdit, StorageError, USUAL_KEY_LIFE};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found};

fn networks(list: &[&str]) -> Vec<IpNetwork> {
    list.iter().map(|network| network.parse().unwrap()).collect()
}

async fn an_organization_has_the_usual_policy_until_somebody_edits_it(world: Arc<World>) {
    let usual = world.storage.find_session_policy(world.demo).await.unwrap();
    assert_eq!(usual, SessionPolicy::default());
    assert_eq!((usual.version, usual.longest_key_life), (0, USUAL_KEY_LIFE));
    let edit = |list: &[&str], life, endless_keys| SessionPolicyEdit {
        ip_allowlist: networks(list),
        longest_key_life: life,
        endless_keys,
    };
    let update = async |version, edit| {
        world.storage.update_session_policy(&world.act(), world.demo, version, edit).await
    };
    let before = world.audit(world.demo).await.len();
    let same = update(0, edit(&[], USUAL_KEY_LIFE, EndlessKeys::Refused)).await.unwrap();
    assert_eq!(same, usual, "equal values change nothing");
    assert_eq!(world.audit(world.demo).await.len(), before);
    let first = update(0, edit(&["10.0.0.0/8", "2001:db8::/32"], DAY, EndlessKeys::Allowed)).await.unwrap();
    assert_eq!(first.ip_allowlist, networks(&["10.0.0.0/8", "2001:db8::/32"]));
    assert_eq!((first.version, first.longest_key_life, first.endless_keys), (1, DAY, EndlessKeys::Allowed));
    assert_eq!(first.updated_at, Some(world.now()));
    let stale = update(0, edit(&[], DAY, EndlessKeys::Allowed)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    let second = update(1, edit(&[], 2 * DAY, EndlessKeys::Allowed)).await.unwrap();
    assert_eq!((second.version, second.ip_allowlist.len()), (2, 0));
    assert_eq!(world.storage.find_session_policy(world.demo).await.unwrap(), second);
    let event = &world.audit(world.demo).await[0];
    assert_eq!((event.action.as_str(), &event.target), ("session_policy.update", &world.demo.to_string()));
    assert_eq!(
        event.details,
        serde_json::json!({
            "before": {"ip_allowlist": ["10.0.0.0/8", "2001:db8::/32"], "longest_key_life_seconds": 86_400},
            "after": {"ip_allowlist": [], "longest_key_life_seconds": 172_800},
        })
    );
}
on_both!(an_organization_has_the_usual_policy_until_somebody_edits_it);

async fn a_policy_binds_its_own_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    let edit = SessionPolicyEdit {
        ip_allowlist: networks(&["203.0.113.0/24"]),
        longest_key_life: Duration::from_secs(7 * 86_400),
        endless_keys: EndlessKeys::Refused,
    };
    let (_, digest) = world.issued().await;
    let update = world.storage.update_session_policy(&world.act(), other.organization, 0, edit.clone()).await;
    update.unwrap();
    assert_eq!(world.storage.find_session_policy(world.demo).await.unwrap(), SessionPolicy::default());
    assert!(world.record(digest).await.networks.is_empty());
    world.storage.update_session_policy(&world.act(), world.demo, 0, edit.clone()).await.unwrap();
    assert_eq!(world.record(digest).await.networks, [networks(&["203.0.113.0/24"])]);
    let nowhere = world.organization_id();
    assert_not_found(world.storage.update_session_policy(&world.act(), nowhere, 0, edit).await);
}
on_both!(a_policy_binds_its_own_organization_alone);
