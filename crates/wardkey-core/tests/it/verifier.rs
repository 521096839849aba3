//! Verification from memory.

use std::sync::Arc;
use std::time::Duration;

use wardkey_core::testing::TestKeys;
use wardkey_core::{
    At, Changes, Code, CustomerId, Denial, Deployment, FoundKey, Id, KeyState, MissingPermissions, NotReady,
    Position, Reference, Report, Requirement, StoreError, StoreFuture, Subject, VerifierConfig, VerifyError,
};

use crate::feed::within_deadline;

wardkey_core::permissions! { "Pipelines" { PipelinesRead = "pipelines:read", read, "See pipelines" } }

fn keys() -> TestKeys {
    TestKeys::new(CATALOGUE, &[])
}

pub(crate) async fn code(verifier: &wardkey_core::Verifier, secret: &[u8]) -> Result<(), Code> {
    verifier.verify(secret, None, &Requirement::NONE).await.map(drop).map_err(|error| error.code())
}

#[tokio::test]
async fn a_key_is_looked_up_once_and_then_known() {
    let keys = keys();
    let secret = keys.issue(&["pipelines:read"]);
    let verifier = keys.verifier();
    for _ in 0..3 {
        assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    }
    assert_eq!((keys.store().finds(), verifier.cached_keys()), (1, 1));
}

#[tokio::test]
async fn sixty_four_first_sights_at_once_ask_the_store_once() {
    let keys = keys();
    let secret: Arc<str> = keys.issue(&[]).expose().into();
    let verifier = keys.verifier();
    let sights: Vec<_> = (0..64)
        .map(|_| {
            let (verifier, secret) = (verifier.clone(), Arc::clone(&secret));
            tokio::spawn(async move { code(&verifier, secret.as_bytes()).await })
        })
        .collect();
    for sight in sights {
        assert_eq!(sight.await.unwrap(), Ok(()));
    }
    assert_eq!(keys.store().finds(), 1);
}

#[tokio::test]
async fn a_dropped_first_sight_does_not_strand_those_who_wait() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    assert_eq!(verifier.check_ready().await.map_err(drop), Ok(()));
    {
        let nothing = Requirement::NONE;
        let first = verifier.verify(secret.expose().as_bytes(), None, &nothing);
        let mut first = std::pin::pin!(first);
        let poll =
            std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending()));
        assert!(poll.await, "the store takes a moment");
    }
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
}

#[tokio::test]
async fn a_mistyped_secret_costs_no_storage_call() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    let mut mistyped = secret.expose().as_bytes().to_vec();
    mistyped[20] = if mistyped[20] == b'a' { b'b' } else { b'a' };
    for bad in [&mistyped[..], b"", b"wk_live_", b"\xff\xff", &[b'a'; 4096]] {
        assert_eq!(code(&verifier, bad).await, Err(Code::InvalidKey));
    }
    keys.store().set_failing(true);
    assert_eq!(code(&verifier, &mistyped).await, Err(Code::InvalidKey), "not even an outage is noticed");
    assert_eq!(keys.store().finds(), 0);
}

#[tokio::test]
async fn an_unknown_secret_is_remembered_until_its_key_appears() {
    let keys = keys();
    let verifier = keys.verifier();
    let stranger = keys.issue(&[]);
    let record = keys.record(&[]);
    let unknown = wardkey_core::SecretStart::new("wk", "live")
        .unwrap()
        .generate(&wardkey_core::testing::SeededRandom::new(77));
    assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
    assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
    assert_eq!(keys.store().finds(), 1);
    keys.store().put(unknown.digest(), record);
    verifier.catch_up().await.unwrap();
    assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Ok(()));
    assert_eq!(code(&verifier, stranger.expose().as_bytes()).await, Ok(()));
}

#[tokio::test]
async fn an_unknown_secret_is_asked_for_again_after_a_while() {
    let keys = keys();
    let verifier = keys.verifier();
    let unknown = wardkey_core::SecretStart::new("wk", "live")
        .unwrap()
        .generate(&wardkey_core::testing::SeededRandom::new(78));
    assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
    keys.clock().advance(VerifierConfig::default().remember_unknown);
    assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
    assert_eq!(keys.store().finds(), 2);
}

#[tokio::test]
async fn a_secret_of_another_product_is_refused_without_a_lookup_and_a_retired_prefix_is_not() {
    let keys = keys();
    let verifier = keys.verifier();
    let generate = |prefix| {
        wardkey_core::SecretStart::new(prefix, "live")
            .unwrap()
            .generate(&wardkey_core::testing::SeededRandom::new(79))
    };
    assert_eq!(code(&verifier, generate("other").expose().as_bytes()).await, Err(Code::InvalidKey));
    assert_eq!(keys.store().finds(), 0);
    let old = generate("old");
    keys.store().put(old.digest(), keys.record(&[]));
    keys.store().change_deployment(Subject::Deployment, |deployment| {
        deployment.secret_prefixes.push("old".to_owned());
    });
    verifier.catch_up().await.unwrap();
    assert_eq!(code(&verifier, old.expose().as_bytes()).await, Ok(()));
}

#[tokio::test]
async fn a_key_of_another_environment_is_refused_by_the_core() {
    let keys = keys();
    let secret = keys.issue_with(&[], |record| record.environment = "staging".parse().unwrap());
    let verifier = keys.verifier();
    for _ in 0..2 {
        assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::EnvironmentMismatch));
    }
    assert_eq!(keys.store().finds(), 1);
}

#[tokio::test]
async fn an_outage_is_never_a_denial_and_cached_keys_work_until_it_is_too_old() {
    let keys = keys();
    let (known, unseen) = (keys.issue(&[]), keys.issue(&[]));
    let verifier = keys.verifier();
    assert_eq!(code(&verifier, known.expose().as_bytes()).await, Ok(()));
    keys.store().set_failing(true);
    assert_eq!(code(&verifier, known.expose().as_bytes()).await, Ok(()));
    assert_eq!(code(&verifier, unseen.expose().as_bytes()).await, Err(Code::VerifierUnavailable));

    let max_stale = VerifierConfig::default().max_stale;
    keys.clock().advance(max_stale);
    assert_eq!(
        code(&verifier, known.expose().as_bytes()).await,
        Ok(()),
        "exactly at the bound it still works"
    );
    keys.clock().advance(Duration::from_micros(1));
    assert_eq!(code(&verifier, known.expose().as_bytes()).await, Err(Code::VerifierUnavailable));
    assert!(matches!(verifier.check_ready().await, Err(NotReady::Stale(_))));

    keys.store().set_failing(false);
    verifier.catch_up().await.unwrap();
    assert_eq!(code(&verifier, known.expose().as_bytes()).await, Ok(()));
    assert_eq!(code(&verifier, unseen.expose().as_bytes()).await, Ok(()));
}

#[tokio::test]
async fn a_store_that_never_answered_makes_503_of_every_well_formed_key() {
    let keys = keys();
    let secret = keys.issue(&[]);
    keys.store().set_failing(true);
    let verifier = keys.verifier();
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::VerifierUnavailable));
    assert!(matches!(verifier.check_ready().await, Err(NotReady::Store(_))));
}

#[tokio::test]
async fn expiry_takes_effect_at_its_instant_and_a_clock_that_steps_back_revives_nothing() {
    let keys = keys();
    let start = keys.started_at();
    let end = start.saturating_add(Duration::from_secs(10));
    let secret = keys.issue_with(&[], |record| record.expires_at = Some(end));
    let verifier = keys.verifier();
    keys.clock().set(wardkey_core::Timestamp::from_micros(end.as_micros() - 1));
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    keys.clock().set(end);
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::KeyExpired));
    keys.clock().set(start);
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::KeyExpired));
}

#[tokio::test]
async fn what_was_seen_to_end_stays_ended_when_its_record_is_read_anew_and_lives_on_when_its_life_is_lengthened()
 {
    let keys = keys();
    let start = keys.started_at();
    let end = start.saturating_add(Duration::from_secs(10));
    let mut record = keys.record(&[]);
    record.expires_at = Some(end);
    let secret = keys.issue_with(&[], |issued| *issued = record.clone());
    let verifier = keys.verifier();
    keys.clock().set(end);
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::KeyExpired));

    keys.clock().set(start);
    keys.store().change(record.key, Subject::Organization(record.organization.id), |_| {});
    verifier.catch_up().await.unwrap();
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::KeyExpired));

    let later = Some(end.saturating_add(Duration::from_secs(10)));
    keys.store().change(record.key, Subject::Key(record.key), |record| record.expires_at = later);
    verifier.catch_up().await.unwrap();
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
}

#[tokio::test]
async fn a_customer_is_reached_only_if_it_is_the_organizations_and_in_scope() {
    let keys = keys();
    let organization = keys.record(&[]).organization.id;
    let (mine, other) = (CustomerId::from_bytes([1; 16]), CustomerId::from_bytes([2; 16]));
    keys.store().put_customer(organization, Reference::Id(mine), mine);
    keys.store().put_customer(organization, Reference::External("acme".to_owned()), mine);
    keys.store().put_customer(organization, Reference::Id(other), other);
    let secret = keys.issue_with(&[], |record| record.customers = wardkey_core::Access::specific([mine]));
    let verifier = keys.verifier();
    let asked = |customer: Reference<CustomerId>| {
        let requirement = Requirement { customer: Some(customer), ..Requirement::NONE };
        let (verifier, secret) = (verifier.clone(), secret.expose().as_bytes().to_vec());
        async move { verifier.verify(&secret, None, &requirement).await.map(drop).map_err(|error| error.code()) }
    };
    assert_eq!(asked(Reference::Id(mine)).await, Ok(()));
    assert_eq!(asked("acme".into()).await, Ok(()));
    assert_eq!(asked(Reference::Id(other)).await, Err(Code::NotFound), "out of scope");
    assert_eq!(asked("nobody".into()).await, Err(Code::NotFound), "absent");
}

#[tokio::test]
async fn the_cache_stays_within_its_bound_and_keeps_what_is_used() {
    let keys = keys();
    let config = VerifierConfig { capacity: 16, ..VerifierConfig::default() };
    let verifier = keys.verifier_with(config);
    let favourite = keys.issue(&[]);
    assert_eq!(code(&verifier, favourite.expose().as_bytes()).await, Ok(()));
    for _ in 0..200 {
        keys.clock().advance(Duration::from_millis(100));
        let other = keys.issue(&[]);
        verifier.catch_up().await.unwrap();
        assert_eq!(code(&verifier, other.expose().as_bytes()).await, Ok(()));
        assert_eq!(code(&verifier, favourite.expose().as_bytes()).await, Ok(()));
        assert!(verifier.cached_keys() <= 16);
    }
    assert_eq!(keys.store().finds(), 201, "the favourite was never evicted");
}

#[tokio::test]
async fn usage_that_was_not_taken_is_sent_again_as_it_was_and_never_mixed_with_newer() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    for _ in 0..3 {
        assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    }
    keys.store().set_failing(true);
    assert!(verifier.report().await.is_err());
    keys.store().set_failing(false);
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    verifier.report().await.unwrap();
    let sent: Vec<(u64, Vec<u64>)> = keys
        .store()
        .reports()
        .iter()
        .map(|report| (report.sequence, report.usage.iter().map(|used| used.verifications).collect()))
        .collect();
    assert_eq!(sent, [(1, vec![3]), (2, vec![1])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_hears_of_a_revocation_and_ends_with_its_verifier() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    let follower = tokio::spawn(verifier.follow());
    let granted = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.unwrap();
    let key = granted.key.key;
    keys.store().change(key, Subject::Key(key), |record| record.state = KeyState::Revoked);
    within_deadline(async || code(&verifier, secret.expose().as_bytes()).await == Err(Code::KeyRevoked))
        .await;
    drop(verifier);
    tokio::time::timeout(Duration::from_secs(10), follower).await.expect("it ends by itself").unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_has_taken_effect_is_reported_at_once_and_not_again_without_news() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    tokio::spawn(verifier.follow());
    let reported = || keys.store().reports().last().map(|report| report.applied.number);
    let key = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.unwrap().key.key;
    for state in [KeyState::Disabled, KeyState::Active, KeyState::Revoked] {
        keys.store().change(key, Subject::Key(key), |record| record.state = state);
        let position = verifier.catch_up().await.unwrap().number;
        let told = async {
            while reported() != Some(position) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), told).await.expect("long before the next report is due");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = keys.store().reports().len();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let told = keys.store().reports().split_off(before);
    assert!((3..=4).contains(&told.len()), "every 5 s: {}", told.len());
    assert!(told.iter().all(|report| report.serves_until > report.at));

    verifier.leave().await.unwrap();
    let last = keys.store().reports().pop().unwrap();
    assert_eq!(last.serves_until, last.at);
    tokio::time::sleep(Duration::from_secs(20)).await;
    verifier.report().await.unwrap();
    assert_eq!(keys.store().reports().pop(), Some(last), "who has left says no more");
}

#[tokio::test]
async fn a_key_for_an_absent_customer_is_not_counted_as_used() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let verifier = keys.verifier();
    let requirement = Requirement { customer: Some("nobody".into()), ..Requirement::NONE };
    assert!(verifier.verify(secret.expose().as_bytes(), None, &requirement).await.is_err());
    verifier.report().await.unwrap();
    assert!(keys.store().reports().iter().all(|report| report.usage.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_makes_everyone_wait_only_once() {
    let hanging = Arc::new(Hanging);
    let config = VerifierConfig::default();
    let timeout = config.lookup_timeout;
    let verifier = wardkey_core::Verifier::new(hanging, "production".parse().unwrap(), config);
    let secret: Arc<str> = keys().issue(&[]).expose().into();
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, secret) = (verifier.clone(), Arc::clone(&secret));
            tokio::spawn(async move { code(&verifier, secret.as_bytes()).await })
        })
        .collect();
    let all = async {
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Err(Code::VerifierUnavailable));
        }
    };
    tokio::time::timeout(timeout * 2, all).await.expect("no queue in front of a store that hangs");
}

/// A store from which no answer ever comes.
struct Hanging;

impl wardkey_core::KeyStore for Hanging {
    fn find<'a>(
        &'a self,
        _: &'a wardkey_core::EnvironmentName,
        _: wardkey_core::Digest,
    ) -> StoreFuture<'a, Result<At<Option<FoundKey>>, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn find_customer<'a>(
        &'a self,
        _: wardkey_core::OrganizationId,
        _: &'a Reference<CustomerId>,
    ) -> StoreFuture<'a, Result<At<Option<CustomerId>>, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn deployment(&self) -> StoreFuture<'_, Result<At<Deployment>, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn changes(&self, _: Option<Position>) -> StoreFuture<'_, Result<Changes, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn wait_for_change(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn report<'a>(&'a self, _: &'a Report) -> StoreFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_environment_that_the_deployment_lacks_is_named_by_the_readiness_check() {
    let keys = keys();
    let verifier = wardkey_core::Verifier::new(
        Arc::clone(keys.store()) as Arc<dyn wardkey_core::KeyStore>,
        "nowhere".parse().unwrap(),
        VerifierConfig::default(),
    );
    assert!(
        matches!(verifier.check_ready().await, Err(NotReady::UnknownEnvironment(name)) if name.as_str() == "nowhere")
    );
}

#[tokio::test]
async fn a_program_is_told_which_of_its_permissions_the_deployment_lacks() {
    mod newer {
        wardkey_core::permissions! {
            "Pipelines" {
                pub(super) PipelinesRead = "pipelines:read", read, "See pipelines";
                pub(super) PipelinesRun = "pipelines:run", write, "Run pipelines";
            }
        }
    }
    let keys = keys();
    let verifier = keys.verifier();
    let check = async |groups, on_missing| verifier.check_permissions(groups, on_missing).await;
    for tolerance in [MissingPermissions::Tolerated, MissingPermissions::NotReady] {
        assert!(check(CATALOGUE, tolerance).await.is_ok());
    }
    assert!(check(newer::CATALOGUE, MissingPermissions::Tolerated).await.is_ok());
    let refused = check(newer::CATALOGUE, MissingPermissions::NotReady).await;
    assert!(matches!(refused, Err(NotReady::MissingPermissions(missing)) if missing == ["pipelines:run"]));
    let unknown = keys.verifier();
    keys.store().set_failing(true);
    let refused = unknown.check_permissions(CATALOGUE, MissingPermissions::Tolerated).await;
    assert!(matches!(refused, Err(NotReady::Store(_))));
}

#[test]
fn a_denial_tells_the_client_nothing_of_the_other_environment() {
    let denial = Denial::EnvironmentMismatch { environment: "secret-lab".parse().unwrap() };
    let rendered = VerifyError::from(denial).problem("wardkey").render("req_1", None);
    assert!(!String::from_utf8(rendered.body).unwrap().contains("secret-lab"));
}
