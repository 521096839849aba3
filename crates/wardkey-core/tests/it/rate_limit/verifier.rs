//! One node.

use std::sync::Arc;
use std::time::Duration;

use wardkey_core::testing::TestKeys;
use wardkey_core::{
    Code, CustomerId, Denial, Guard, Id, KeyState, RateLimit, RateLimits, Reference, Requirement, SecretId,
    SecretStart, Subject, VerifierConfig, VerifyError,
};

use super::{admitted, code, limits};

fn keys() -> TestKeys {
    TestKeys::new(&[], &[])
}

#[tokio::test]
async fn a_key_reaches_its_bound_and_never_exceeds_it() {
    let keys = keys();
    let secret = keys.issue_with(&[], |record| record.rate_limits = limits(&[("burst", 7, 10)]));
    let unlimited = keys.issue(&[]);
    let verifier = keys.verifier();
    let mut total = 0;
    for elapsed in [0, 1_428_571, 1_428_572, 5_000_000, 9_999_999, 10_000_000, 18_571_428, 18_571_429_u64] {
        let now = keys.clock();
        now.advance(Duration::from_micros(elapsed) - wardkey_core::Clock::monotonic(now));
        total += admitted(&verifier, secret.expose()).await;
        assert_eq!(total as u64, 7 + elapsed * 7 / 10_000_000, "after {elapsed} µs");
        assert_eq!(code(&verifier, unlimited.expose()).await, Ok(()));
    }
}

#[tokio::test]
async fn both_secrets_of_a_rotation_share_what_is_left() {
    let keys = keys();
    let mut record = keys.record(&[]);
    record.rate_limits = limits(&[("monthly", 5, RateLimit::MAX_WINDOW_SECONDS)]);
    let secrets = [1, 2].map(|seed| {
        let random = wardkey_core::testing::SeededRandom::new(seed);
        let secret = SecretStart::new("wk", "live").unwrap().generate(&random);
        record.secret = SecretId::mint(keys.started_at(), &random);
        keys.store().put(secret.digest(), record.clone());
        secret
    });
    let verifier = keys.verifier();
    for secret in [&secrets[0], &secrets[1], &secrets[0]] {
        assert_eq!(code(&verifier, secret.expose()).await, Ok(()));
    }
    assert_eq!(admitted(&verifier, secrets[1].expose()).await, 2);
    assert_eq!(admitted(&verifier, secrets[0].expose()).await, 0);
}

#[tokio::test]
async fn an_edit_of_something_else_changes_nothing() {
    let keys = keys();
    let mut id = None;
    let secret = keys.issue_with(&[], |record| {
        record.rate_limits = limits(&[("hourly", 3, 3_600)]);
        id = Some(record.key);
    });
    let id = id.unwrap();
    let verifier = keys.verifier();
    assert_eq!(code(&verifier, secret.expose()).await, Ok(()));
    // The name stands in no record: all that a verifier hears is that the key has changed.
    for _ in 0..5 {
        keys.store().change(id, Subject::Key(id), |_| {});
        verifier.catch_up().await.unwrap();
        assert_eq!(verifier.cached_keys(), 0, "the record is read anew");
    }
    assert_eq!(admitted(&verifier, secret.expose()).await, 2);

    keys.store().change(id, Subject::Key(id), |record| record.rate_limits = limits(&[("hourly", 10, 3_600)]));
    verifier.catch_up().await.unwrap();
    assert_eq!(admitted(&verifier, secret.expose()).await, 7, "what was spent stays spent");
    keys.store().change(id, Subject::Key(id), |record| record.rate_limits = RateLimits::NONE);
    verifier.catch_up().await.unwrap();
    for _ in 0..100 {
        assert_eq!(code(&verifier, secret.expose()).await, Ok(()));
    }
}

#[tokio::test]
async fn a_record_that_is_pushed_out_of_memory_takes_nothing_with_it() {
    let keys = keys();
    let hourly = limits(&[("hourly", 3, 3_600)]);
    let secrets: Vec<_> =
        (0..100).map(|_| keys.issue_with(&[], |record| record.rate_limits = hourly.clone())).collect();
    let verifier = keys.verifier_with(VerifierConfig { capacity: 2, ..VerifierConfig::default() });
    for round in 0..4 {
        for secret in &secrets[..16] {
            let expected = if round < 3 { Ok(()) } else { Err(Code::RateLimited) };
            assert_eq!(code(&verifier, secret.expose()).await, expected);
        }
    }
    assert!(keys.store().finds() >= 60, "nearly every request had to read the record");
}

#[tokio::test]
async fn a_clock_that_is_set_grants_nothing() {
    let keys = keys();
    let secret = keys.issue_with(&[], |record| record.rate_limits = limits(&[("hourly", 3, 3_600)]));
    let verifier = keys.verifier();
    assert_eq!(admitted(&verifier, secret.expose()).await, 3);
    for wall in ["2026-11-20T09:00:00Z", "2031-01-01T00:00:00Z", TestKeys::NOW] {
        keys.clock().set(wall.parse().unwrap());
        assert_eq!(admitted(&verifier, secret.expose()).await, 0, "{wall}");
    }
}

#[tokio::test]
async fn only_what_is_granted_is_charged_and_only_what_is_charged_is_counted() {
    let keys = keys();
    let mut id = None;
    let secret = keys.issue_with(&[], |record| {
        record.rate_limits = limits(&[("hourly", 3, 3_600), ("daily", 3, 86_400)]);
        id = Some((record.key, record.organization.id));
    });
    let (id, organization) = id.unwrap();
    let customer = CustomerId::from_bytes([9; 16]);
    keys.store().put_customer(organization, Reference::Id(customer), customer);
    let verifier = keys.verifier();
    let asked = async |customer| {
        let requirement = Requirement { customer: Some(Reference::Id(customer)), ..Requirement::NONE };
        verifier.verify(secret.expose().as_bytes(), None, &requirement).await.map_err(|error| error.code())
    };
    for _ in 0..10 {
        assert_eq!(asked(CustomerId::from_bytes([8; 16])).await.unwrap_err(), Code::NotFound);
    }
    let set_state = |state| keys.store().change(id, Subject::Key(id), move |record| record.state = state);
    set_state(KeyState::Disabled);
    verifier.catch_up().await.unwrap();
    for _ in 0..10 {
        assert_eq!(code(&verifier, secret.expose()).await, Err(Code::KeyDisabled));
    }
    set_state(KeyState::Active);
    verifier.catch_up().await.unwrap();
    // With the customer and without: charged once.
    let verified = asked(customer).await.unwrap();
    assert_eq!(verified.rate_limits().iter().map(|limit| limit.remaining).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(admitted(&verifier, secret.expose()).await, 2);
    assert_eq!(asked(customer).await.unwrap_err(), Code::RateLimited);
    verifier.report().await.unwrap();
    let reports = keys.store().reports();
    let counted: u64 = reports.iter().flat_map(|report| &report.usage).map(|usage| usage.verifications).sum();
    assert_eq!(counted, 3);
}

#[tokio::test]
async fn a_refusal_and_an_admission_tell_the_limits() {
    let keys = keys();
    let secret =
        keys.issue_with(&[], |record| record.rate_limits = limits(&[("burst", 2, 1), ("hourly", 3, 3_600)]));
    let guard = Arc::new(Guard::new(keys.verifier()));
    let request = super::super::guard::Plain { headers: &[("x-api-key", secret.expose())], peer: None };
    let policy = ("ratelimit-policy", r#""burst";q=2;w=1, "hourly";q=3;w=3600"#.to_owned());

    let admission = Arc::clone(&guard).admit(&request).await.unwrap();
    let told = [policy.clone(), ("ratelimit", r#""burst";r=1;t=1, "hourly";r=2;t=1200"#.to_owned())];
    assert_eq!(admission.rate_limit_fields(), told);
    Arc::clone(&guard).admit(&request).await.unwrap();
    let refusal = Arc::clone(&guard).admit(&request).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code), (429, "rate_limited"));
    for field in [
        ("retry-after", "1".to_owned()),
        policy,
        ("ratelimit", r#""burst";r=0;t=1, "hourly";r=1;t=2400"#.to_owned()),
    ] {
        assert!(refusal.headers.contains(&field), "{field:?} in {:?}", refusal.headers);
    }

    let unlimited = keys.issue(&[]);
    let request = super::super::guard::Plain { headers: &[("x-api-key", unlimited.expose())], peer: None };
    assert_eq!(guard.admit(&request).await.unwrap().rate_limit_fields(), []);
}

#[tokio::test]
async fn a_refusal_says_how_long_to_wait() {
    let keys = keys();
    let secret = keys.issue_with(&[], |record| record.rate_limits = limits(&[("a", 4, 1), ("b", 2, 60)]));
    let verifier = keys.verifier();
    assert_eq!(admitted(&verifier, secret.expose()).await, 2);
    let refused = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await;
    let Err(VerifyError::Denied(Denial::RateLimited { retry_after, limits })) = refused else { panic!() };
    assert_eq!(retry_after, Duration::from_secs(30));
    assert_eq!(limits.iter().map(|limit| limit.remaining).collect::<Vec<_>>(), [2, 0]);
    keys.clock().advance(retry_after);
    assert_eq!(admitted(&verifier, secret.expose()).await, 1);
}
