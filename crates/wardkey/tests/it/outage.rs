//! With the database gone.

use std::time::Duration;

use wardkey::core::testing::{FixedClock, SeededRandom};
use wardkey::core::{
    Access, Catalogue, Clock as _, Code, Requirement, SecretStart, Standing, VerifierConfig, VerifyError,
};
use wardkey::{Caller, IssueKey, IssuedKey, KeyFilter, KeyPatch, PageRequest, PrincipalRef, Wardkey};

use crate::answers::unavailable;
use crate::own_postgres::OwnPostgres;
use crate::world::{DAY, open, permissions, production, verify_with, within};

struct Deployment {
    wardkey: Wardkey,
    clock: FixedClock,
    first: wardkey::Bootstrapped,
    key: IssuedKey,
}

async fn deploy(server: &OwnPostgres, verifiers: VerifierConfig) -> Deployment {
    let url = server.url();
    Wardkey::migrate(&url).await.unwrap();
    let clock = FixedClock::new("2026-11-20T08:00:00Z".parse().unwrap());
    let wardkey = open(&url, &clock, verifiers, 1).await;
    let first = wardkey.bootstrap([7; 32]).await.unwrap().unwrap();
    let demo = wardkey.enter(&Caller::local("test"), &first.demo_organization.into()).await.unwrap();
    let key = demo.issue_key(wanted(&first)).await.unwrap();
    Deployment { wardkey, clock, first, key }
}

fn wanted(first: &wardkey::Bootstrapped) -> IssueKey {
    IssueKey {
        principal: Some(PrincipalRef::ServiceAccount(first.demo_service_account.into())),
        permissions: permissions(&["admin:keys", "pipelines:read"]),
        workspaces: Some(Access::All),
        ..IssueKey::named("key")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_that_the_database_does_not_answer_and_recovers() {
    let server = OwnPostgres::new();
    server.start();
    let Deployment { wardkey, first, key, .. } = deploy(&server, VerifierConfig::default()).await;
    let caller = Caller::local("test");
    let tenant = wardkey.enter(&caller, &first.demo_organization.into()).await.unwrap();
    let verification =
        verify_with(&wardkey.verifier(&production()), key.secret.as_ref().unwrap(), None).await.unwrap();
    let by_key = Caller::key(verification);
    let own = wardkey.enter_self(&by_key).unwrap();
    let deployment = wardkey.enter_deployment(&caller);
    let (id, secret, text) = (key.key.id, key.key.secrets[0].id, || "x".to_owned());

    server.stop();
    unavailable(wardkey.enter(&caller, &first.demo_organization.into()).await);
    unavailable(wardkey.enter(&caller, &"nowhere".into()).await);
    unavailable(tenant.organization().await);
    unavailable(tenant.list_workspaces(PageRequest::default()).await);
    unavailable(tenant.list_service_accounts(PageRequest::default()).await);
    unavailable(tenant.list_keys(KeyFilter::default(), PageRequest::default()).await);
    unavailable(tenant.get_key(id).await);
    unavailable(tenant.issue_key(wanted(&first)).await);
    unavailable(tenant.update_key(id, 1, KeyPatch::default()).await);
    unavailable(tenant.rotate_key(id, None, DAY).await);
    unavailable(tenant.end_secret(id, secret).await);
    unavailable(tenant.disable_key(id, None, None).await);
    unavailable(tenant.enable_key(id, None, None).await);
    unavailable(tenant.revoke_key(id, None, None).await);
    unavailable(tenant.delete_key(id, None, None).await);
    unavailable(tenant.create_workspace(text(), None).await);
    unavailable(tenant.create_service_account(text(), None).await);
    unavailable(tenant.set_service_account_state(first.demo_service_account, Standing::Inactive).await);
    unavailable(own.me().await);
    unavailable(own.organizations().await);
    unavailable(own.revoke(None).await);
    unavailable(deployment.describe().await);
    unavailable(deployment.list_organizations(PageRequest::default()).await);
    unavailable(deployment.create_organization(text(), None).await);
    unavailable(deployment.create_user("a@example.com".to_owned(), text(), None).await);
    unavailable(deployment.replace_catalogue(&Catalogue::default()).await);
    unavailable(wardkey.ping().await);
    unavailable(wardkey.prune().await);
    unavailable(wardkey.check_seal([7; 32]).await);
    unavailable(wardkey.bootstrap([7; 32]).await);
    unavailable(wardkey.issue_operator_key(&caller).await);

    server.start();
    within(Duration::from_secs(2), "recovery", async || tenant.get_key(id).await.is_ok()).await;
    assert_eq!(tenant.get_key(id).await.unwrap(), key.key);
    tenant.disable_key(id, None, None).await.unwrap();
    let verifier = wardkey.verifier(&production());
    assert_eq!(
        verify_with(&verifier, key.secret.as_ref().unwrap(), None).await.unwrap_err(),
        Code::KeyDisabled
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_keys_work_until_what_is_known_is_too_old() {
    let server = OwnPostgres::new();
    server.start();
    let verifiers = VerifierConfig { max_stale: Duration::from_secs(60), ..VerifierConfig::default() };
    let Deployment { wardkey, clock, first, key } = deploy(&server, verifiers).await;
    let demo = wardkey.enter(&Caller::local("test"), &first.demo_organization.into()).await.unwrap();
    let unseen = demo.issue_key(wanted(&first)).await.unwrap();
    let verifier = wardkey.verifier(&production());
    let verdict =
        async |key: &IssuedKey| verify_with(&verifier, key.secret.as_ref().unwrap(), None).await.err();
    assert_eq!(verdict(&key).await, None);
    verifier.catch_up().await.unwrap();

    server.stop();
    let unknown = SecretStart::new("wk", "live").unwrap().generate(&SeededRandom::new(5));
    let unknown = async || verify_with(&verifier, &unknown, None).await.unwrap_err();
    assert_eq!(verdict(&key).await, None);
    assert_eq!(verdict(&unseen).await, Some(Code::VerifierUnavailable));
    assert_eq!(unknown().await, Code::VerifierUnavailable);
    // What is malformed is refused without asking anybody.
    let malformed = verifier.verify(b"wk_live_nonsense", None, &Requirement::NONE).await.unwrap_err();
    assert!(matches!(malformed, VerifyError::Denied(_)));

    clock.advance(Duration::from_secs(60));
    assert_eq!(verdict(&key).await, None);
    clock.advance(Duration::from_micros(1));
    assert_eq!(verdict(&key).await, Some(Code::VerifierUnavailable));
    assert_eq!(unknown().await, Code::VerifierUnavailable);
    assert_eq!(
        verifier.verify(b"nonsense", None, &Requirement::NONE).await.unwrap_err().code(),
        Code::InvalidKey
    );

    server.start();
    within(Duration::from_secs(2), "recovery", async || verdict(&key).await.is_none()).await;
    assert_eq!(verdict(&unseen).await, None);
    assert_eq!(unknown().await, Code::InvalidKey);
    // What expires during an outage has expired.
    server.stop();
    clock.set(key.key.expires_at.unwrap());
    assert_eq!(verdict(&key).await, Some(Code::KeyExpired));
    assert!(clock.now() >= key.key.expires_at.unwrap());
}
