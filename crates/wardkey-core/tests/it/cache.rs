//! What is kept of keys, and how it leaves.

use std::sync::Arc;
use std::time::Duration;

use wardkey_core::testing::{FixedClock, SeededRandom, TestKeys};
use wardkey_core::{
    Clock, Code, Glance, Id, KeyStore, Report, Requirement, SecretStart, Subject, Timestamp, Verifier,
    VerifierConfig, WorkspaceId,
};

use crate::verifier::code;

fn keys() -> TestKeys {
    TestKeys::new(&[], &[])
}

#[tokio::test]
async fn a_flood_of_unknown_secrets_displaces_no_key_and_is_remembered_as_far_as_there_is_room() {
    let keys = keys();
    let secret = keys.issue(&[]);
    let capacity = 16;
    let verifier = keys.verifier_with(VerifierConfig { capacity, ..VerifierConfig::default() });
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    let start = SecretStart::new("wk", "live").unwrap();
    let random = SeededRandom::new(80);
    let flood: Vec<_> = (0..20 * capacity).map(|_| start.generate(&random)).collect();
    for unknown in &flood {
        for _ in 0..2 {
            assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
        }
    }
    let asked = 1 + flood.len() as u64;
    assert_eq!(keys.store().finds(), asked, "each at its first sight and not at its second");
    for unknown in &flood[flood.len() - capacity / 2..] {
        assert_eq!(code(&verifier, unknown.expose().as_bytes()).await, Err(Code::InvalidKey));
    }
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    assert_eq!(keys.store().finds(), asked, "what came lately is remembered, and the key is");
}

#[tokio::test]
async fn nothing_that_a_key_counted_is_lost_when_it_leaves_the_cache() {
    let keys = keys();
    let record = keys.record(&[]);
    let secret = keys.issue_with(&[], |issued| *issued = record.clone());
    let verifier = keys.verifier_with(VerifierConfig { capacity: 4, ..VerifierConfig::default() });
    let mut held = Vec::new();
    for _ in 0..3 {
        let granted = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.unwrap();
        held.push(granted);
        keys.store().change(record.key, Subject::Key(record.key), |_| {});
        verifier.catch_up().await.unwrap();
    }
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    for _ in 0..20 {
        assert_eq!(
            code(&verifier, keys.issue(&[]).expose().as_bytes()).await,
            Ok(()),
            "others take its place"
        );
    }
    verifier.report().await.unwrap();
    drop(held);
    verifier.report().await.unwrap();
    let counted = |report: &Report| {
        let of_key = report.usage.iter().filter(|usage| usage.key == record.key);
        of_key.map(|usage| usage.verifications).sum::<u64>()
    };
    assert_eq!(keys.store().reports().iter().map(counted).collect::<Vec<_>>(), [4, 0]);
}

#[tokio::test]
async fn what_keys_share_is_never_older_than_the_record_of_the_key() {
    let keys = TestKeys::new(&[], &[WorkspaceId::from_bytes([1; 16])]);
    let records = [keys.record(&[]), keys.record(&[])];
    let secrets = records.clone().map(|record| keys.issue_with(&[], |issued| *issued = record.clone()));
    let verifier = keys.verifier();
    let workspaces = async |secret: &wardkey_core::Secret| {
        let granted = verifier.verify(secret.expose().as_bytes(), None, &Requirement::NONE).await.unwrap();
        granted.rights.rights.workspaces().count()
    };
    assert_eq!((workspaces(&secrets[0]).await, workspaces(&secrets[1]).await), (1, 1));
    let organization = records[0].organization.id;
    for record in &records {
        keys.store().change(record.key, Subject::Organization(organization), |record| {
            record.organization.workspaces.clear();
        });
    }
    verifier.catch_up().await.unwrap();
    assert_eq!((workspaces(&secrets[0]).await, workspaces(&secrets[1]).await), (0, 0));
}

#[tokio::test]
async fn a_key_ends_on_time_though_the_clock_is_only_glanced_at() {
    /// A clock of which a glance is a second late.
    struct Late(FixedClock);

    impl Clock for Late {
        fn now(&self) -> Timestamp {
            self.0.now()
        }

        fn monotonic(&self) -> Duration {
            self.0.monotonic()
        }

        fn glance(&self) -> Glance {
            Glance { now: self.now().saturating_sub(Duration::from_millis(999)), monotonic: self.monotonic() }
        }
    }

    let keys = keys();
    let end = keys.started_at().saturating_add(Duration::from_secs(10));
    let secret = keys.issue_with(&[], |record| record.secret_ends_at = Some(end));
    let store = Arc::clone(keys.store()) as Arc<dyn KeyStore>;
    let verifier = Verifier::with_clock(
        store,
        "production".parse().unwrap(),
        VerifierConfig::default(),
        Arc::new(Late(keys.clock().clone())),
        &SeededRandom::new(81),
    );
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    keys.clock().set(Timestamp::from_micros(end.as_micros() - 1));
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Ok(()));
    keys.clock().set(end);
    assert_eq!(code(&verifier, secret.expose().as_bytes()).await, Err(Code::SecretEnded));
}
