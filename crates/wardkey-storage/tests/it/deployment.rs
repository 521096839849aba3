use std::sync::Arc;

use wardkey_core::{KeyStore as _, Position};
use wardkey_storage::{Bootstrapped, Conflict, OrganizationFilter, StorageError};

use crate::database::{Database, on_both};
use crate::world::{World, catalogue, conflict};

async fn a_deployment_reads_back_as_it_was_made(world: Arc<World>) {
    let made = world.bootstrap();
    let deployment = world.storage.load_deployment().await.unwrap();
    assert_eq!(deployment.secret_prefixes, ["wk"]);
    assert_eq!(deployment.environments, made.environments);
    assert_eq!(deployment.catalogue, made.catalogue);
    let at = world.storage.deployment().await.unwrap();
    assert_eq!((at.value, at.position), (deployment, Position { epoch: 42, number: 2 }));
    let state = world.storage.bootstrap_state().await.unwrap().unwrap();
    let Bootstrapped { seal_fingerprint, operator_organization, operator_service_account } = state;
    assert_eq!((seal_fingerprint, operator_organization), ([7; 32], world.operator));
    let accounts = world
        .storage
        .list_service_accounts(world.operator, &Default::default(), wardkey_storage::Page::first(9))
        .await
        .unwrap();
    assert_eq!(accounts.iter().map(|account| account.id).collect::<Vec<_>>(), [operator_service_account]);
    assert_eq!(world.storage.count_keys(world.operator, world.now()).await.unwrap(), 1, "the operator's key");
    assert_eq!(world.audit(world.operator).await.len(), 1);
}
on_both!(a_deployment_reads_back_as_it_was_made);

async fn of_many_first_starts_at_once_one_bootstraps(database: Arc<Database>) {
    // As processes that start at the same moment: each migrates, opens and bootstraps.
    let starts: Vec<_> = (0..4)
        .map(|seed| {
            let database = Arc::clone(&database);
            tokio::spawn(async move {
                let world = World::new(&database, database.open().await, seed);
                let outcome = world.storage.bootstrap(&world.act(), world.bootstrap()).await;
                (world.operator, outcome)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for start in starts {
        match start.await.unwrap() {
            (operator, Ok(())) => winners.push(operator),
            (_, outcome) => assert_eq!(conflict(outcome), Conflict::AlreadyBootstrapped),
        }
    }
    let storage = database.reopen().await;
    let state = storage.bootstrap_state().await.unwrap().unwrap();
    assert_eq!(winners, [state.operator_organization]);
    let organizations = storage
        .list_organizations(&OrganizationFilter::default(), wardkey_storage::Page::first(99))
        .await
        .unwrap();
    assert_eq!(organizations.len(), 2, "nothing is left of the others");
}
on_both!(empty of_many_first_starts_at_once_one_bootstraps);

async fn before_the_first_start_there_is_nothing_and_no_denial(database: Arc<Database>) {
    let storage = database.open().await;
    assert_eq!(storage.bootstrap_state().await.unwrap(), None);
    assert!(matches!(storage.load_deployment().await, Err(StorageError::Unavailable(_))));
    assert!(storage.changes(None).await.is_err());
    let world = World::new(&database, storage, 1);
    let found = world.storage.find(&crate::world::environment("production"), world.new_secret().digest).await;
    assert!(found.is_err(), "unknown is not what a store says that knows nothing");
    assert!(matches!(
        world.storage.replace_catalogue(&world.act(), 1, &catalogue(&["a:read"])).await,
        Err(StorageError::Unavailable(_))
    ));
}
on_both!(empty before_the_first_start_there_is_nothing_and_no_denial);
