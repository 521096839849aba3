use std::sync::Arc;

use wardkey_core::{Environment, KeyStore as _};
use wardkey_storage::{Conflict, ENVIRONMENT_LIMIT, NewKey, Once, StorageError};

use crate::database::on_both;
use crate::idempotency::once;
use crate::world::{World, assert_not_found, conflict, environment};

fn new(name: &str) -> Environment {
    Environment { name: environment(name), tag: "eu".to_owned() }
}

async fn an_environment_is_created_listed_and_known_to_verifiers(world: Arc<World>) {
    let create = async |name, idempotency| {
        world.storage.create_environment(&world.act(), new(name), idempotency).await
    };
    let Once::Done(made) = create("eu-1", once("e", 1)).await.unwrap() else { panic!("it is the first") };
    assert_eq!(
        (made.name.as_str(), made.tag.as_str(), made.built_in, made.version),
        ("eu-1", "eu", false, 1)
    );
    assert_eq!(create("eu-1", once("e", 1)).await.unwrap(), Once::Replayed(made.clone()));
    assert_eq!(conflict(create("eu-1", None).await), Conflict::NameInUse);
    assert_eq!(conflict(create("staging", None).await), Conflict::NameInUse);
    let listed = world.storage.list_environments().await.unwrap();
    let names: Vec<_> = listed.iter().map(|known| (known.name.as_str(), known.built_in)).collect();
    assert_eq!(names, [("production", true), ("staging", true), ("development", true), ("eu-1", false)]);
    assert_eq!(world.storage.find_environment(&made.name).await.unwrap(), Some(made));
    let known = world.storage.deployment().await.unwrap().value.environments;
    assert_eq!(known.last(), Some(&new("eu-1")));
    world.issue(NewKey { environment: environment("eu-1"), ..world.new_key() }).await.unwrap();
    let event = world.audit(world.operator).await.remove(0);
    assert_eq!((event.action.as_str(), event.target.as_str()), ("environment.create", "eu-1"));
}
on_both!(an_environment_is_created_listed_and_known_to_verifiers);

async fn another_tag_moves_the_version(world: Arc<World>) {
    let update = async |name, version, tag: &str| {
        world.storage.update_environment(&world.act(), environment(name), version, tag.to_owned()).await
    };
    let edited = update("staging", 1, "stage").await.unwrap();
    assert_eq!((edited.tag.as_str(), edited.version, edited.built_in), ("stage", 2, true));
    assert_eq!(update("staging", 2, "stage").await.unwrap(), edited);
    assert!(matches!(update("staging", 1, "x").await, Err(StorageError::VersionMismatch { current: 2 })));
    assert_not_found(update("nowhere", 1, "x").await);
    let event = world.audit(world.operator).await.remove(0);
    let details = serde_json::json!({"before": {"tag": "test"}, "after": {"tag": "stage"}});
    assert_eq!((event.action.as_str(), event.details), ("environment.update", details));
}
on_both!(another_tag_moves_the_version);

async fn an_environment_is_deleted_unless_it_is_built_in_or_ever_had_a_key(world: Arc<World>) {
    let delete = async |name, version| {
        world.storage.delete_environment(&world.act(), environment(name), version).await
    };
    for name in ["production", "staging", "development"] {
        assert_eq!(conflict(delete(name, None).await), Conflict::BuiltIn);
    }
    for name in ["used", "unused"] {
        world.storage.create_environment(&world.act(), new(name), None).await.unwrap();
    }
    let key = NewKey { environment: environment("used"), ..world.new_key() };
    let key = world.issue(key).await.unwrap();
    world.storage.delete_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    assert_eq!(conflict(delete("used", None).await), Conflict::EnvironmentInUse, "its row stays");
    assert!(matches!(delete("unused", Some(2)).await, Err(StorageError::VersionMismatch { current: 1 })));
    delete("unused", Some(1)).await.unwrap();
    assert_not_found(delete("unused", None).await);
    assert_eq!(world.storage.list_environments().await.unwrap().len(), 4);
}
on_both!(an_environment_is_deleted_unless_it_is_built_in_or_ever_had_a_key);

async fn of_a_deletion_and_an_issue_at_once_one_happens(world: Arc<World>) {
    for round in 0..10 {
        let name = format!("e{round}");
        world.storage.create_environment(&world.act(), new(&name), None).await.unwrap();
        let act = world.act();
        let deletion = world.storage.delete_environment(&act, environment(&name), None);
        let key = NewKey { environment: environment(&name), ..world.new_key() };
        let (deleted, issued) = tokio::join!(deletion, world.issue(key));
        match (deleted, issued) {
            (Ok(()), Err(StorageError::NotFound)) => {}
            (Err(StorageError::Conflict(Conflict::EnvironmentInUse)), Ok(key)) => {
                world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}
on_both!(of_a_deletion_and_an_issue_at_once_one_happens);

async fn there_are_no_more_environments_than_one_list_shows(world: Arc<World>) {
    for number in 3..ENVIRONMENT_LIMIT {
        world.storage.create_environment(&world.act(), new(&format!("e{number}")), None).await.unwrap();
    }
    let one_more = world.storage.create_environment(&world.act(), new("one-more"), None).await;
    assert_eq!(conflict(one_more), Conflict::TooMany { limit: ENVIRONMENT_LIMIT });
}
on_both!(there_are_no_more_environments_than_one_list_shows);
