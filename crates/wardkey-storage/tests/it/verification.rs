use std::sync::Arc;

use wardkey_core::testing::SeededRandom;
use wardkey_core::{
    Access, BuiltInRole, FoundKey, InstanceId, KeyRecord, KeyState, KeyStore, Level, OrganizationKind,
    OrganizationRecord, PrincipalId, PrincipalKind, PrincipalRecord, RateLimit, RateLimits, Report, Role,
    RoleGrant, Standing, Usage, WorkspaceRecord,
};
use wardkey_storage::{Grant, NewKey, NewUser, NewWorkspace, OpenConfig, RoleRef, Storage, StorageError};

use crate::database::{Database, connect, on_both};
use crate::world::{DAY, World, environment, role};

async fn the_record_of_a_service_accounts_key_is_complete(world: Arc<World>) {
    let second = world.workspace_id();
    let new = NewWorkspace {
        id: second,
        name: "EU".to_owned(),
        external_id: Some("eu".to_owned()),
        ip_allowlist: Vec::new(),
    };
    world.storage.create_workspace(&world.act(), world.demo, new, None).await.unwrap();
    let new = NewKey {
        level: Level::Restricted,
        permissions: vec!["pipelines:run".parse().unwrap()],
        workspaces: Access::specific([second]),
        ip_allowlist: vec!["203.0.113.0/24".parse().unwrap()],
        rate_limits: RateLimits::new(vec![RateLimit::new("hourly", 1_000, 3_600).unwrap()]).unwrap(),
        expires_at: Some(world.now().saturating_add(DAY)),
        ..world.new_key()
    };
    let (key, secret, digest, expires_at) = (new.id, new.secret.id, new.secret.digest, new.expires_at);
    let rate_limits = new.rate_limits.clone();
    world.issue(new).await.unwrap();
    let at = world.storage.find(&environment("production"), digest).await.unwrap();
    assert_eq!(at.position, world.storage.deployment().await.unwrap().position);
    let expected = KeyRecord {
        key,
        secret,
        secret_ends_at: None,
        environment: environment("production"),
        state: KeyState::Active,
        expires_at,
        organization: OrganizationRecord {
            id: world.demo,
            external_id: None,
            kind: OrganizationKind::Tenant,
            state: Standing::Active,
            workspaces: vec![
                WorkspaceRecord { id: world.workspace, external_id: None, networks: Vec::new() },
                WorkspaceRecord { id: second, external_id: Some("eu".to_owned()), networks: Vec::new() },
            ],
        },
        principal: PrincipalRecord {
            external_id: Some("pipelines".to_owned()),
            state: Standing::Active,
            kind: PrincipalKind::ServiceAccount { id: world.account },
        },
        level: Level::Restricted,
        permissions: vec!["pipelines:run".parse().unwrap()],
        workspaces: Access::specific([second]),
        customers: Access::All,
        networks: vec![vec!["203.0.113.0/24".parse().unwrap()]],
        rate_limits,
    };
    assert_eq!(at.value, Some(FoundKey::Record(Box::new(expected))));
}
on_both!(the_record_of_a_service_accounts_key_is_complete);

async fn the_record_of_a_users_key_holds_the_live_grants(world: Arc<World>) {
    let user = world.user_id();
    let new = NewUser {
        id: user,
        email: "uma@example.com".to_owned(),
        name: "Uma".to_owned(),
        external_id: Some("u-1".to_owned()),
    };
    world.storage.create_user(&world.act(), new, None).await.unwrap();
    let other = world.tenant().await;
    let there = vec![role(BuiltInRole::Owner)];
    world.set_member(other.organization, user, there).await.unwrap();
    let in_workspace =
        Grant { workspace: Some(world.workspace), role: RoleRef::BuiltIn(BuiltInRole::Member) };
    let held = [(None, BuiltInRole::Viewer), (Some(world.workspace), BuiltInRole::Member)];
    let held = held.map(|(workspace, role)| RoleGrant { workspace, role: Role::BuiltIn(role) }).to_vec();
    let grants = vec![role(BuiltInRole::Viewer), in_workspace];
    world.set_member(world.demo, user, grants).await.unwrap();
    let new = NewKey { principal: PrincipalId::User(user), ..world.new_key() };
    let digest = new.secret.digest;
    world.issue(new).await.unwrap();
    let expected = PrincipalRecord {
        external_id: Some("u-1".to_owned()),
        state: Standing::Active,
        kind: PrincipalKind::User { id: user, grants: held },
    };
    assert_eq!(world.record(digest).await.principal, expected);
    world.set_member(world.demo, user, Vec::new()).await.unwrap();
    let kind = PrincipalKind::User { id: user, grants: Vec::new() };
    assert_eq!(world.record(digest).await.principal, PrincipalRecord { kind, ..expected });
}
on_both!(the_record_of_a_users_key_holds_the_live_grants);

async fn suspension_of_organization_and_principal_shows_and_ends(world: Arc<World>) {
    let user = world.member().await;
    let user_key = NewKey { principal: PrincipalId::User(user), ..world.new_key() };
    let user_digest = user_key.secret.digest;
    world.issue(user_key).await.unwrap();
    let (_, digest) = world.issued().await;
    let (storage, demo) = (&world.storage, world.demo);
    for state in [Standing::Inactive, Standing::Active] {
        storage.set_organization_state(&world.act(), demo, None, state, None).await.unwrap();
        storage
            .set_service_account_state(&world.act(), demo, world.account, None, state, None)
            .await
            .unwrap();
        storage.set_user_state(&world.act(), user, None, state, None).await.unwrap();
        let (record, user_record) = (world.record(digest).await, world.record(user_digest).await);
        assert_eq!((record.organization.state, record.principal.state), (state, state));
        assert_eq!((user_record.organization.state, user_record.principal.state), (state, state));
    }
}
on_both!(suspension_of_organization_and_principal_shows_and_ends);

async fn a_key_of_another_environment_is_told_by_its_environment_alone(world: Arc<World>) {
    let new = NewKey { environment: environment("staging"), ..world.new_key() };
    let (key, digest) = (new.id, new.secret.digest);
    world.issue(new).await.unwrap();
    let found = world.storage.find(&environment("production"), digest).await.unwrap().value;
    assert_eq!(found, Some(FoundKey::Elsewhere { environment: environment("staging"), key }));
    let found = world.storage.find(&environment("staging"), digest).await.unwrap().value;
    assert!(matches!(found, Some(FoundKey::Record(record)) if record.key == key));
}
on_both!(a_key_of_another_environment_is_told_by_its_environment_alone);

async fn an_unknown_digest_is_nothing_at_a_position(world: Arc<World>) {
    let at = world.storage.find(&environment("production"), world.new_secret().digest).await.unwrap();
    assert_eq!((at.value, at.position), (None, world.storage.deployment().await.unwrap().position));
}
on_both!(an_unknown_digest_is_nothing_at_a_position);

async fn the_operators_key_says_so(world: Arc<World>) {
    let digest = {
        let mut new = world.new_key();
        new.principal = PrincipalId::ServiceAccount(
            world.storage.bootstrap_state().await.unwrap().unwrap().operator_service_account,
        );
        let digest = new.secret.digest;
        world.storage.issue_key(&world.act(), world.operator, new, None).await.unwrap();
        digest
    };
    assert_eq!(world.record(digest).await.organization.kind, OrganizationKind::Operator);
}
on_both!(the_operators_key_says_so);

/// A record and its position are of one moment: whatever is read under a position contains every change up to it.
async fn a_record_is_never_older_than_its_position(world: Arc<World>) {
    let (key, digest) = world.issued().await;
    let writer = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            let mut disabled_at = Vec::new();
            for round in 0..60 {
                if round % 2 == 0 {
                    world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
                } else {
                    world.storage.enable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
                }
                disabled_at.push(round % 2 == 0);
            }
            disabled_at
        }
    });
    let start = world.storage.find(&environment("production"), digest).await.unwrap().position.number;
    let mut seen = Vec::new();
    while !writer.is_finished() {
        let at = world.storage.find(&environment("production"), digest).await.unwrap();
        let Some(FoundKey::Record(record)) = at.value else { panic!("no record") };
        seen.push((at.position.number, record.state));
    }
    writer.await.unwrap();
    // Each round is one change, counted from before the first: odd ones disable.
    let first = world.storage.deployment().await.unwrap().position.number - 60;
    assert!(start >= first && !seen.is_empty());
    for (number, state) in seen {
        let expected = if (number - first) % 2 == 1 { KeyState::Disabled } else { KeyState::Active };
        assert_eq!(state, expected, "at {number}");
    }
}
on_both!(a_record_is_never_older_than_its_position);

/// What an embedded verifier may do on PostgreSQL, and all that it needs.
const VERIFIER_GRANTS: &str = "
    GRANT SELECT ON __diesel_schema_migrations, deployment, environments, permissions, organizations, workspaces,
        customers, service_accounts, users, members, member_grants,
        team_members, team_grants, roles, session_policies, keys, secrets, change_counter, changes TO {role};
    GRANT SELECT, INSERT, UPDATE ON usage, last_used, instances TO {role};";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_verifier_needs_no_right_to_change_anything_but_what_it_reports() {
    let database = Database::postgres().await;
    let body = {
        let database = Arc::clone(&database);
        async move {
            let world = World::bootstrapped(&database).await;
            let (key, digest) = world.issued().await;
            let role = database.name();
            let owner = connect(&world.url).await;
            owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'verifier'")).await.unwrap();
            owner.batch_execute(&VERIFIER_GRANTS.replace("{role}", role)).await.unwrap();
            let (_, rest) = world.url.split_once("://").unwrap();
            let host = rest.split_once('@').map_or(rest, |(_, host)| host);
            let url = format!("postgres://{role}:verifier@{host}");

            let restricted = Storage::open(&url, OpenConfig::default()).await.unwrap();
            let found = restricted.find(&environment("production"), digest).await.unwrap();
            assert!(matches!(found.value, Some(FoundKey::Record(_))));
            restricted.deployment().await.unwrap();
            let customer = KeyStore::find_customer(&restricted, world.demo, &"acme".into()).await.unwrap();
            assert_eq!(customer.value, None);
            restricted.changes(Some(found.position)).await.unwrap();
            let report = Report {
                instance: InstanceId::mint(world.now(), &SeededRandom::new(5)),
                environment: environment("production"),
                sequence: 1,
                at: world.now(),
                applied: found.position,
                serves_until: world.now(),
                usage: vec![Usage {
                    key: key.id,
                    secret: key.secrets[0].id,
                    verifications: 1,
                    last_used_at: world.now(),
                }],
            };
            restricted.report(&report).await.unwrap();
            restricted.report(&Report { sequence: 2, ..report }).await.unwrap();
            let refused = restricted.revoke_key(&world.act(), world.demo, key.id, None, None).await;
            assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
            assert_eq!(world.record(digest).await.state, KeyState::Active);
        }
    };
    crate::database::run(database, body).await;
}
