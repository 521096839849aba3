//! The first start.

use wardkey::core::KeyState;
use wardkey::{
    Caller, Conflict, Error, OPERATOR_KEY_LIFE, OpenError, OpenVerifierError, OrganizationFilter,
    PageRequest, Wardkey, WorkspaceFilter,
};

use crate::answers::{conflict, not_found};
use crate::world::{PRODUCT, World, environment};

on_both!(
    a_new_deployment_has_what_a_first_minute_needs,
    a_deployment_is_made_once,
    several_first_starts_at_once_make_one_deployment,
    another_seal_is_told,
    the_first_key_lives_a_day_and_runs_the_deployment,
    only_someone_on_the_database_makes_an_operator_key,
    opening_makes_nothing,
);

async fn a_new_deployment_has_what_a_first_minute_needs(world: &World) {
    let described = world.deployment().await.describe().await.unwrap();
    let environments: Vec<_> =
        described.environments.iter().map(|known| (known.name.as_str(), known.tag.as_str())).collect();
    assert_eq!(environments, [("production", "live"), ("staging", "test"), ("development", "dev")]);
    let mut names: Vec<_> =
        described.catalogue.permissions().map(|permission| permission.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, PRODUCT);
    assert_eq!(described.secret_prefixes, ["wk"]);
    let demo = world.demo().await;
    assert_eq!(demo.organization().await.unwrap().name, "Demo");
    let workspaces =
        demo.list_workspaces(WorkspaceFilter::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(workspaces.iter().map(|w| w.id).collect::<Vec<_>>(), [world.first.demo_workspace]);
    let accounts =
        demo.list_service_accounts(Default::default(), PageRequest::default()).await.unwrap().items;
    assert_eq!(accounts.iter().map(|a| a.id).collect::<Vec<_>>(), [world.first.demo_service_account]);
    assert!(world.wardkey.verifier(&environment("staging")).check_ready().await.is_ok());
    assert!(world.wardkey.verifier(&environment("moon")).check_ready().await.is_err());
}

async fn a_deployment_is_made_once(world: &World) {
    assert!(world.wardkey.bootstrap([7; 32]).await.unwrap().is_none());
    assert!(world.open_again().await.bootstrap([7; 32]).await.unwrap().is_none());
    let organizations = world
        .deployment()
        .await
        .list_organizations(OrganizationFilter::default(), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(organizations.items.len(), 2);
    assert!(Wardkey::migrate(&world.url).await.unwrap().applied.is_empty());
}

async fn several_first_starts_at_once_make_one_deployment(world: &World) {
    let empty = world.empty_neighbour().await;
    let mut starts = tokio::task::JoinSet::new();
    for seed in 0..4 {
        let url = empty.url.clone();
        let clock = world.clock.clone();
        starts.spawn(async move {
            Wardkey::migrate(&url).await.unwrap();
            let wardkey = crate::world::open(&url, &clock, Default::default(), 100 + seed).await;
            wardkey.bootstrap([7; 32]).await.unwrap()
        });
    }
    let made: Vec<_> = starts.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    let wardkey = crate::world::open(&empty.url, &world.clock, Default::default(), 200).await;
    let organizations = wardkey
        .enter_deployment(&Caller::local("test"))
        .await
        .unwrap()
        .list_organizations(OrganizationFilter::default(), PageRequest::default())
        .await;
    assert_eq!(organizations.unwrap().items.len(), 2);
    drop(wardkey);
    empty.drop_database().await;
}

async fn another_seal_is_told(world: &World) {
    assert!(world.wardkey.check_seal([7; 32]).await.unwrap());
    assert!(matches!(world.wardkey.check_seal([8; 32]).await, Err(Error::SealMismatch)));
    assert!(matches!(world.wardkey.bootstrap([8; 32]).await, Err(Error::SealMismatch)));
}

async fn the_first_key_lives_a_day_and_runs_the_deployment(world: &World) {
    let first = &world.first.operator_key;
    assert_eq!(first.key.state, KeyState::Active);
    assert_eq!(first.key.expires_at, Some(world.now().saturating_add(OPERATOR_KEY_LIFE)));
    let caller = world.caller(first).await;
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    deployment.create_organization("Made".to_owned(), None, None).await.unwrap();
    let demo = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let issued = demo.issue_key(world.service_input(&["pipelines:read"])).await.unwrap();
    assert!(world.verify(&issued).await.is_ok());
    world.clock.advance(OPERATOR_KEY_LIFE);
    assert_eq!(world.verify(first).await.unwrap_err(), wardkey::core::Code::KeyExpired);
    assert!(world.verify(&issued).await.is_ok());
}

async fn only_someone_on_the_database_makes_an_operator_key(world: &World) {
    let caller = world.caller(&world.first.operator_key).await;
    not_found(world.wardkey.issue_operator_key(&caller).await);
    let local = Caller::local("wardkey key issue --operator");
    world.clock.advance(OPERATOR_KEY_LIFE);
    let next = world.wardkey.issue_operator_key(&local).await.unwrap();
    assert_eq!(next.key.expires_at, Some(world.now().saturating_add(OPERATOR_KEY_LIFE)));
    assert_eq!(next.key.principal.to_bytes(), world.first.operator_key.key.principal.to_bytes());
    let mut same = [next.key.permissions.clone(), world.first.operator_key.key.permissions.clone()];
    same.iter_mut().for_each(|names| names.sort());
    assert_eq!(same[0], same[1]);
    assert!(world.verify(&next).await.is_ok());
    for _ in 0..9 {
        world.wardkey.issue_operator_key(&local).await.unwrap();
    }
    let full = Conflict::KeyLimitReached { count: 10, limit: 10 };
    assert_eq!(conflict(world.wardkey.issue_operator_key(&local).await), full);
}

async fn opening_makes_nothing(world: &World) {
    let empty = world.empty_neighbour().await;
    let opened = Wardkey::open(&empty.url).await;
    assert!(matches!(opened, Err(OpenError::Missing { .. } | OpenError::NotMigrated)), "{opened:?}");
    if let Some(path) = empty.url.strip_prefix("sqlite:") {
        assert!(!std::path::Path::new(path).exists());
    }
    // There and empty is not yet a deployment: nothing can be done in it but to make one.
    Wardkey::migrate(&empty.url).await.unwrap();
    let wardkey = Wardkey::open(&empty.url).await.unwrap();
    not_found(wardkey.issue_operator_key(&Caller::local("test")).await);
    not_found(wardkey.enter(&Caller::local("test"), &world.first.demo_organization.into()).await);
    drop(wardkey);
    empty.drop_database().await;

    for unknown in ["mysql://localhost/wardkey", "wardkey.db", "postgress://localhost/x", ""] {
        let opened = Wardkey::open(unknown).await;
        assert!(matches!(opened, Err(OpenError::UnknownScheme { .. })), "{unknown}: {opened:?}");
        assert!(!std::path::Path::new(unknown).exists());
    }
    assert!(matches!(
        Wardkey::open_verifier(&world.url, "Production").await,
        Err(OpenVerifierError::Environment(_))
    ));
    let verifier = Wardkey::open_verifier(&world.url, "moon").await.unwrap();
    assert!(verifier.check_ready().await.is_err(), "the deployment has no such environment");
}
