//! With the database gone.

use std::time::Duration;

use wardkey::core::testing::{FixedClock, SeededRandom};
use wardkey::core::{
    Access, BuiltInRole, Catalogue, Clock as _, Code, Id as _, Requirement, RoleId, SecretStart, SessionId,
    Standing, TeamId, UserId, VerifierConfig, VerifyError,
};
use wardkey::{
    AddMember, Caller, CreateRole, CreateTeam, CustomerFilter, CustomerPatch, IssueKey, IssuedKey, KeyFilter,
    KeyPatch, LinkToken, MemberFilter, MemberPatch, OrganizationFilter, OrganizationPatch, PageRequest,
    PasswordHash, PrincipalRef, RolePatch, RoleRef, ServiceAccountFilter, ServiceAccountPatch,
    SessionPolicyPatch, ShuttingOut, TeamFilter, TeamPatch, Unlisted, UserFilter, UserPatch, Visitor,
    Wardkey, WorkspaceFilter, WorkspacePatch,
};
use wardkey_testkit::OwnPostgres;

use crate::answers::unavailable;
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
    let own = wardkey.enter_self(&by_key).await.unwrap();
    let deployment = wardkey.enter_deployment(&caller).await.unwrap();
    let (id, secret, text) = (key.key.id, key.key.secrets[0].id, || "x".to_owned());

    server.stop();
    unavailable(wardkey.enter(&caller, &first.demo_organization.into()).await);
    unavailable(wardkey.enter(&caller, &"nowhere".into()).await);
    unavailable(tenant.organization().await);
    unavailable(tenant.list_workspaces(WorkspaceFilter::default(), PageRequest::default()).await);
    unavailable(tenant.list_service_accounts(ServiceAccountFilter::default(), PageRequest::default()).await);
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
    unavailable(tenant.update_organization(1, OrganizationPatch::default()).await);
    unavailable(tenant.create_workspace(text(), None, Vec::new()).await);
    unavailable(tenant.get_workspace(&first.demo_workspace.into()).await);
    unavailable(tenant.update_workspace(&"w".into(), 1, WorkspacePatch::default()).await);
    unavailable(tenant.delete_workspace(&first.demo_workspace.into(), None).await);
    unavailable(tenant.create_customer(text(), None).await);
    unavailable(tenant.list_customers(CustomerFilter::default(), PageRequest::default()).await);
    unavailable(tenant.get_customer(&"c".into()).await);
    unavailable(tenant.update_customer(&"c".into(), 1, CustomerPatch::default()).await);
    unavailable(tenant.delete_customer(&"c".into(), None).await);
    unavailable(tenant.create_service_account(text(), None).await);
    let account = first.demo_service_account.into();
    unavailable(tenant.get_service_account(&account).await);
    unavailable(tenant.update_service_account(&account, 1, ServiceAccountPatch::default()).await);
    unavailable(tenant.set_service_account_state(&account, None, Standing::Inactive, None).await);
    unavailable(tenant.delete_service_account(&account, None).await);
    unavailable(tenant.list_roles().await);
    unavailable(tenant.get_role(RoleRef::BuiltIn(BuiltInRole::Owner)).await);
    unavailable(
        tenant.create_role(CreateRole { name: text(), description: None, permissions: Vec::new() }).await,
    );
    let role = RoleRef::Custom(RoleId::from_bytes([9; 16]));
    unavailable(tenant.update_role(role, 1, RolePatch::default()).await);
    unavailable(tenant.delete_role(role, None).await);
    let (team, user) = (TeamId::from_bytes([9; 16]).into(), UserId::from_bytes([9; 16]).into());
    unavailable(tenant.list_teams(TeamFilter::default(), PageRequest::default()).await);
    unavailable(tenant.get_team(&team).await);
    unavailable(tenant.create_team(CreateTeam { name: text(), external_id: None, grants: Vec::new() }).await);
    unavailable(tenant.update_team(&team, 1, TeamPatch::default()).await);
    unavailable(tenant.delete_team(&team, None).await);
    unavailable(tenant.list_team_members(&team, PageRequest::default()).await);
    unavailable(tenant.add_team_member(&team, &user).await);
    unavailable(tenant.remove_team_member(&team, &user).await);
    unavailable(own.me().await);
    unavailable(own.organizations(PageRequest::default()).await);
    unavailable(own.revoke(None).await);
    let sign_in = wardkey.sign_in(Visitor::default());
    let nobody = (SessionId::from_bytes([1; 16]), UserId::from_bytes([1; 16]));
    unavailable(sign_in.begin_login("ada@example.com").await);
    unavailable(sign_in.refresh([1; 32], [2; 32]).await);
    unavailable(sign_in.resume(nobody.0, nobody.1).await);
    unavailable(sign_in.list_signing_keys().await);
    unavailable(sign_in.add_signing_key([1; 16], vec![1], None).await);
    unavailable(own.list_keys(KeyFilter::default(), PageRequest::default()).await);
    unavailable(wardkey.enter_self(&Caller::local("test").acting_as(nobody.1)).await);
    unavailable(deployment.describe().await);
    unavailable(deployment.list_organizations(OrganizationFilter::default(), PageRequest::default()).await);
    unavailable(deployment.create_organization(text(), None, None).await);
    let demo = first.demo_organization.into();
    unavailable(deployment.suspend_organization(&demo, None, None).await);
    unavailable(deployment.resume_organization(&demo, None, None).await);
    unavailable(deployment.set_key_limit(&demo, 1, None).await);
    unavailable(deployment.set_organization_external_id(&demo, 1, None).await);
    unavailable(deployment.delete_organization(&demo, None).await);
    unavailable(deployment.list_environments().await);
    unavailable(deployment.get_environment(&production()).await);
    unavailable(deployment.create_environment(production(), "eu".to_owned()).await);
    unavailable(deployment.update_environment(&production(), 1, None).await);
    unavailable(deployment.delete_environment(&production(), None).await);
    let user = UserId::from_bytes([1; 16]).into();
    unavailable(deployment.create_user("a@example.com".to_owned(), text(), None).await);
    unavailable(deployment.list_users(UserFilter::default(), PageRequest::default()).await);
    unavailable(deployment.get_user(&user).await);
    unavailable(deployment.update_user(&user, 1, UserPatch::default()).await);
    unavailable(deployment.suspend_user(&user, None, None).await);
    unavailable(deployment.resume_user(&user, None, None).await);
    unavailable(deployment.delete_user(&user, None).await);
    unavailable(deployment.create_user_link(&user).await);
    unavailable(tenant.list_members(MemberFilter::default(), PageRequest::default()).await);
    unavailable(tenant.get_member(&user).await);
    let somebody = AddMember { email: "a@example.com".to_owned(), name: None, grants: Vec::new() };
    unavailable(tenant.add_member(somebody).await);
    unavailable(tenant.update_member(&user, 1, MemberPatch::default()).await);
    unavailable(tenant.remove_member(&user, None).await);
    unavailable(tenant.vouch_for_member(&user).await);
    unavailable(tenant.create_member_link(&user).await);
    let (sign_in, token) = (wardkey.sign_in(Visitor::default()), LinkToken::from_bytes([1; 32]));
    unavailable(sign_in.inspect_link(&token).await);
    unavailable(sign_in.redeem_link(&token, PasswordHash::new("hash")).await);
    unavailable(deployment.catalogue().await);
    unavailable(deployment.apply_catalogue(&Catalogue::default(), Unlisted::Kept).await);
    unavailable(tenant.session_policy().await);
    let patch = SessionPolicyPatch::default();
    unavailable(tenant.update_session_policy(0, patch, ShuttingOut::Refused).await);
    unavailable(deployment.replace_catalogue(1, &Catalogue::default()).await);
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
