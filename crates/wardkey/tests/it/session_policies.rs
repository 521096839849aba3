//! The session policy: from where, and for how long.

use std::net::IpAddr;

use wardkey::core::{BuiltInRole, Code, IpNetwork, Level};
use wardkey::{
    Caller, EndlessKeys, Error, Expiry, ExpiryPreset, IssueKey, KeyPatch, SessionPolicyPatch, ShuttingOut,
};

use crate::answers::{exceeds, forbidden, invalid, invalid_field, version_mismatch};
use crate::world::{DAY, World, user_input, verify_with};

on_both!(
    a_policy_decides_how_long_keys_may_live,
    a_narrower_policy_leaves_the_keys_that_exist_as_they_are,
    a_policy_lets_keys_in_from_its_networks_alone,
    a_policy_that_shuts_out_its_author_must_be_forced,
    a_policy_keeps_its_rules_and_its_version,
    whoever_enables_a_key_could_have_issued_it,
);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn networks(list: &[&str]) -> Vec<IpNetwork> {
    list.iter().map(|network| network.parse().unwrap()).collect()
}

fn only_from(list: &[&str]) -> SessionPolicyPatch {
    SessionPolicyPatch { ip_allowlist: Some(networks(list)), ..SessionPolicyPatch::default() }
}

fn at_most(days: u32) -> SessionPolicyPatch {
    SessionPolicyPatch { longest_key_life_days: Some(days), ..SessionPolicyPatch::default() }
}

async fn a_policy_decides_how_long_keys_may_live(world: &World) {
    let demo = world.demo().await;
    let issue = async |expiry| demo.issue_key(IssueKey { expiry, ..world.service_input(&[]) }).await;
    let after = |days: u32| world.now().saturating_add(days * DAY);
    demo.update_session_policy(0, at_most(30), ShuttingOut::Refused).await.unwrap();
    let at = |pointer: &str, code| (pointer.to_owned(), code);
    let year = Expiry::In(ExpiryPreset::OneYear);
    assert_eq!(invalid_field(issue(year).await), at("/expires_in", "too_late"));
    assert_eq!(invalid_field(issue(Expiry::At(after(31))).await), at("/expires_at", "too_late"));
    assert_eq!(invalid_field(issue(Expiry::Never).await), at("/never_expires", "not_allowed"));
    let key = issue(Expiry::default()).await.unwrap().key;
    assert_eq!(key.expires_at, Some(after(30)), "ninety days, or as long as may be");
    let moved = |expiry| KeyPatch { expiry: Some(expiry), ..KeyPatch::default() };
    let refused = demo.update_key(key.id, key.version, moved(year)).await;
    assert_eq!(invalid_field(refused), at("/expires_in", "too_late"));
    let patch = SessionPolicyPatch { endless_keys: Some(EndlessKeys::Allowed), ..at_most(3_650) };
    demo.update_session_policy(1, patch, ShuttingOut::Refused).await.unwrap();
    assert_eq!(issue(Expiry::At(after(3_650))).await.unwrap().key.expires_at, Some(after(3_650)));
    assert_eq!(issue(Expiry::Never).await.unwrap().key.expires_at, None);
    demo.update_key(key.id, key.version, moved(Expiry::Never)).await.unwrap();
    // Another organization's policy is its own.
    let other = world.operator().await;
    let foreign = IssueKey { expiry: Expiry::Never, ..world.operator_input(&[]) };
    assert_eq!(invalid_field(other.issue_key(foreign).await), at("/never_expires", "not_allowed"));
}

async fn a_narrower_policy_leaves_the_keys_that_exist_as_they_are(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["pipelines:read"]).await;
    demo.update_session_policy(0, at_most(1), ShuttingOut::Refused).await.unwrap();
    let found = demo.get_key(key.key.id).await.unwrap();
    assert_eq!(found.expires_at, key.key.expires_at);
    assert!(world.verify(&key).await.is_ok());
    let renamed = KeyPatch { name: Some("renamed".to_owned()), ..KeyPatch::default() };
    demo.update_key(found.id, found.version, renamed).await.unwrap();
}

async fn a_policy_lets_keys_in_from_its_networks_alone(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["pipelines:read"]).await;
    let secret = key.secret.as_ref().unwrap();
    let from = async |place: Option<&str>| {
        verify_with(&world.verifier(), secret, place.map(address)).await.map(drop)
    };
    assert_eq!(from(None).await, Ok(()));
    let list = only_from(&["203.0.113.0/24", "2001:db8::/32"]);
    demo.update_session_policy(0, list, ShuttingOut::Refused).await.unwrap();
    for place in [Some("203.0.113.7"), Some("2001:db8::1"), Some("::ffff:203.0.113.7")] {
        assert_eq!(from(place).await, Ok(()), "{place:?}");
    }
    for place in [Some("203.0.114.7"), Some("2001:db9::1"), None] {
        assert_eq!(from(place).await, Err(Code::IpNotAllowed), "{place:?}");
    }
    demo.update_session_policy(1, only_from(&[]), ShuttingOut::Refused).await.unwrap();
    assert_eq!(from(None).await, Ok(()));
}

async fn a_policy_that_shuts_out_its_author_must_be_forced(world: &World) {
    let admin = world.service_key(&["admin:policy"]).await;
    let enter = async |place: Option<&str>| {
        let caller = world.caller(&admin).await.with_address(place.map(address));
        world.wardkey.enter(&caller, &admin.key.organization.into()).await.unwrap()
    };
    let (here, nowhere) = (enter(Some("203.0.113.7")).await, enter(None).await);
    let elsewhere = || only_from(&["198.51.100.0/24"]);
    for (tenant, patch) in
        [(&here, elsewhere()), (&nowhere, elsewhere()), (&nowhere, only_from(&["0.0.0.0/0"]))]
    {
        let refused = tenant.update_session_policy(0, patch, ShuttingOut::Refused).await;
        assert!(matches!(refused, Err(Error::PolicyShutsOutCaller)), "{refused:?}");
    }
    let audited = world.audited().await;
    here.update_session_policy(0, only_from(&["203.0.113.0/24"]), ShuttingOut::Refused).await.unwrap();
    here.update_session_policy(1, elsewhere(), ShuttingOut::Forced).await.unwrap();
    assert_eq!(world.audited().await, audited + 2);
    let secret = admin.secret.as_ref().unwrap();
    let shut_out = verify_with(&world.verifier(), secret, Some(address("203.0.113.7"))).await.map(drop);
    assert_eq!(shut_out, Err(Code::IpNotAllowed));
    // Whoever is on the database, and an operator who acts here, are let in from everywhere.
    let demo = world.demo().await;
    demo.update_session_policy(2, only_from(&["192.0.2.0/24"]), ShuttingOut::Refused).await.unwrap();
    let caller = world.caller(&world.first.operator_key).await;
    let operator = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    operator.update_session_policy(3, only_from(&["192.0.2.9"]), ShuttingOut::Refused).await.unwrap();
}

async fn a_policy_keeps_its_rules_and_its_version(world: &World) {
    let demo = world.demo().await;
    let twice = SessionPolicyPatch { longest_key_life_days: Some(0), ..only_from(&["10.0.0.1", "10.0.0.1"]) };
    let expected =
        [("/ip_allowlist/1".to_owned(), "duplicate"), ("/longest_key_life_days".to_owned(), "out_of_range")];
    assert_eq!(invalid(demo.update_session_policy(9, twice, ShuttingOut::Refused).await), expected);
    let refused = demo.update_session_policy(9, at_most(3_651), ShuttingOut::Refused).await;
    assert_eq!(invalid_field(refused).1, "out_of_range");
    assert_eq!(version_mismatch(demo.update_session_policy(9, at_most(1), ShuttingOut::Refused).await), 0);
    let same = demo.update_session_policy(0, at_most(365), ShuttingOut::Refused).await.unwrap();
    assert_eq!((same.version, same.updated_at), (0, None), "nothing has changed");
    let key = world.service_key(&["admin:organization"]).await;
    let tenant = world.as_key(&key).await;
    assert_eq!(forbidden(tenant.session_policy().await), ["admin:policy"]);
    let patch = at_most(1);
    assert_eq!(
        forbidden(tenant.update_session_policy(0, patch, ShuttingOut::Refused).await),
        ["admin:policy"]
    );
}

async fn whoever_enables_a_key_could_have_issued_it(world: &World) {
    let demo = world.demo().await;
    let strong = world.service_key(&["pipelines:run", "admin:organization"]).await;
    let narrow = world.as_key(&world.service_key(&["admin:keys", "pipelines:run"]).await).await;
    narrow.disable_key(strong.key.id, None, None).await.unwrap();
    assert_eq!(exceeds(narrow.enable_key(strong.key.id, None, None).await), ["/permissions"]);
    assert_eq!(world.verify(&strong).await.map(drop), Err(Code::KeyDisabled));
    demo.enable_key(strong.key.id, None, None).await.unwrap();
    assert!(world.verify(&strong).await.is_ok());
    let weak = world.service_key(&["pipelines:run"]).await;
    narrow.disable_key(weak.key.id, None, None).await.unwrap();
    narrow.enable_key(weak.key.id, None, None).await.unwrap();
    // For a person: their own key is theirs to enable, in whose place it may be.
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let own = demo.issue_key(user_input(ada, Level::All, &[])).await.unwrap();
    let stand_in = Caller::local("keys page").acting_as(ada);
    let page = world.wardkey.enter(&stand_in, &world.first.demo_organization.into()).await.unwrap();
    page.disable_key(own.key.id, None, None).await.unwrap();
    page.enable_key(own.key.id, None, None).await.unwrap();
    assert!(world.verify(&own).await.is_ok());
}
