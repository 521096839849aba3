use std::sync::Arc;

use wardkey_core::{KeyState, PrincipalId, Reference, Standing};
use wardkey_storage::{
    Conflict, Idempotency, NewKey, NewServiceAccount, Once, Page, ServiceAccountEdit, ServiceAccountFilter,
    StorageError,
};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

fn everything() -> ServiceAccountFilter {
    ServiceAccountFilter::default()
}

async fn a_service_account_is_found_in_its_organization_alone(world: Arc<World>) {
    let other = world.tenant().await;
    for reference in [Reference::Id(world.account), Reference::External("pipelines".to_owned())] {
        let found = world.storage.find_service_account(world.demo, &reference).await.unwrap().unwrap();
        assert_eq!(
            (found.id, found.organization, found.state),
            (world.account, world.demo, Standing::Active)
        );
        assert_eq!(world.storage.find_service_account(other.organization, &reference).await.unwrap(), None);
    }
    let listed =
        world.storage.list_service_accounts(other.organization, &everything(), Page::first(10)).await;
    assert_eq!(listed.unwrap().iter().map(|account| account.id).collect::<Vec<_>>(), [other.account]);
}
on_both!(a_service_account_is_found_in_its_organization_alone);

async fn an_external_id_names_one_service_account_of_an_organization(world: Arc<World>) {
    let new = NewServiceAccount {
        id: world.account_id(),
        name: "Again".to_owned(),
        external_id: Some("pipelines".to_owned()),
    };
    let again = world.storage.create_service_account(&world.act(), world.demo, new, None).await;
    assert_eq!(conflict(again), Conflict::ExternalIdInUse);
    let other = world.tenant().await;
    let edit = ServiceAccountEdit { name: "CI".to_owned(), external_id: Some("pipelines".to_owned()) };
    let act = world.act();
    world
        .storage
        .update_service_account(&act, other.organization, other.account, 1, edit.clone())
        .await
        .unwrap();
    let beside = create(&world, "Beside", None).await;
    let taken = world.storage.update_service_account(&world.act(), world.demo, beside, 1, edit).await;
    assert_eq!(conflict(taken), Conflict::ExternalIdInUse);
}
on_both!(an_external_id_names_one_service_account_of_an_organization);

async fn suspending_a_service_account_is_reversible_and_binds_its_organization(world: Arc<World>) {
    let other = world.tenant().await;
    let set = async |organization, state| {
        let (act, account) = (world.act(), world.account);
        world.storage.set_service_account_state(&act, organization, account, None, state, None).await
    };
    assert_not_found(set(other.organization, Standing::Inactive).await);
    let before = world.audit(world.demo).await.len();
    for state in [Standing::Inactive, Standing::Inactive, Standing::Active] {
        let set = set(world.demo, state).await.unwrap();
        assert_eq!((set.state, set.version), (state, 1));
    }
    assert_eq!(world.audit(world.demo).await.len() - before, 2, "a repeat changes nothing");
}
on_both!(suspending_a_service_account_is_reversible_and_binds_its_organization);

async fn an_edit_of_a_service_account_needs_its_version_and_equal_values_change_nothing(world: Arc<World>) {
    let edit =
        |name: &str| ServiceAccountEdit { name: name.to_owned(), external_id: Some("pipelines".to_owned()) };
    let update = async |version, edit| {
        world.storage.update_service_account(&world.act(), world.demo, world.account, version, edit).await
    };
    let before = world.audit(world.demo).await.len();
    assert_eq!(update(1, edit("Pipelines")).await.unwrap().version, 1);
    assert_eq!(world.audit(world.demo).await.len(), before);
    assert_eq!(update(1, edit("Runs")).await.unwrap().version, 2);
    let stale = update(1, edit("Later")).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    let event = &world.audit(world.demo).await[0];
    assert_eq!(event.action, "service_account.update");
    assert_eq!(
        event.details,
        serde_json::json!({"before": {"name": "Pipelines"}, "after": {"name": "Runs"}})
    );
}
on_both!(an_edit_of_a_service_account_needs_its_version_and_equal_values_change_nothing);

async fn a_deleted_service_account_is_hidden_its_keys_are_revoked_and_its_external_id_is_free(
    world: Arc<World>,
) {
    let (key, digest) = world.issued().await;
    let (ended, _) = world.issued().await;
    world.storage.revoke_key(&world.act(), world.demo, ended.id, None, None).await.unwrap();
    let other = create(&world, "Other", None).await;
    let kept = NewKey { principal: PrincipalId::ServiceAccount(other), ..world.new_key() };
    let kept = world.issue(kept).await.unwrap();

    let delete = async |organization, version| {
        world.storage.delete_service_account(&world.act(), organization, world.account, version).await
    };
    assert_not_found(delete(world.tenant().await.organization, None).await);
    let stale = delete(world.demo, Some(2)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    delete(world.demo, Some(1)).await.unwrap();
    assert_not_found(delete(world.demo, None).await);

    assert_eq!(world.record(digest).await.state, KeyState::Revoked);
    let kept = world.storage.find_key(world.demo, kept.id).await.unwrap().unwrap();
    assert_eq!(kept.state, KeyState::Active, "another account's key is nobody's business");
    for reference in [Reference::Id(world.account), Reference::External("pipelines".to_owned())] {
        assert_eq!(world.storage.find_service_account(world.demo, &reference).await.unwrap(), None);
    }
    let listed =
        world.storage.list_service_accounts(world.demo, &everything(), Page::first(9)).await.unwrap();
    assert_eq!(listed.iter().map(|account| account.id).collect::<Vec<_>>(), [other]);
    let (act, account) = (world.act(), world.account);
    let resumed = world
        .storage
        .set_service_account_state(&act, world.demo, account, None, Standing::Active, None)
        .await;
    assert_not_found(resumed);
    assert_not_found(world.issue(world.new_key()).await);
    create(&world, "Heir", Some("pipelines")).await;

    let event = world.audit(world.demo).await;
    let event = event.iter().find(|event| event.action == "service_account.delete").unwrap();
    assert_eq!(event.details["revoked_keys"], serde_json::json!([key.id.to_string()]));
}
on_both!(a_deleted_service_account_is_hidden_its_keys_are_revoked_and_its_external_id_is_free);

async fn the_operators_first_service_account_stays(world: Arc<World>) {
    let account = world.storage.bootstrap_state().await.unwrap().unwrap().operator_service_account;
    let deleted = world.storage.delete_service_account(&world.act(), world.operator, account, None).await;
    assert_eq!(conflict(deleted), Conflict::BuiltIn);
    let (act, inactive) = (world.act(), Standing::Inactive);
    let suspended =
        world.storage.set_service_account_state(&act, world.operator, account, None, inactive, None).await;
    assert_eq!(conflict(suspended), Conflict::BuiltIn);
}
on_both!(the_operators_first_service_account_stays);

async fn a_repeated_creation_makes_one_service_account_while_it_exists(world: Arc<World>) {
    let call = || Idempotency { scope: [1; 32], key: "once".to_owned(), request: [2; 32] };
    let create = async || {
        let new = NewServiceAccount { id: world.account_id(), name: "CI".to_owned(), external_id: None };
        world.storage.create_service_account(&world.act(), world.demo, new, Some(call())).await
    };
    let Once::Done(first) = create().await.unwrap() else { panic!("a replay") };
    let Once::Replayed(again) = create().await.unwrap() else { panic!("no replay") };
    assert_eq!(first, again);
    world.storage.delete_service_account(&world.act(), world.demo, first.id, None).await.unwrap();
    assert_not_found(create().await);
}
on_both!(a_repeated_creation_makes_one_service_account_while_it_exists);

async fn service_accounts_are_listed_by_external_id_state_and_name(world: Arc<World>) {
    let suspended = create(&world, "100% Ähre", Some("b")).await;
    let (act, inactive) = (world.act(), Standing::Inactive);
    world.storage.set_service_account_state(&act, world.demo, suspended, None, inactive, None).await.unwrap();
    let list = async |filter: ServiceAccountFilter| {
        let listed = world.storage.list_service_accounts(world.demo, &filter, Page::first(9)).await.unwrap();
        listed.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    let search = |text: &str| ServiceAccountFilter { search: Some(text.to_owned()), ..everything() };
    let external = |id: &str| ServiceAccountFilter { external_id: Some(id.to_owned()), ..everything() };
    let state = |state| ServiceAccountFilter { state: Some(state), ..everything() };
    assert_eq!(list(everything()).await, [suspended, world.account]);
    assert_eq!(list(search("äHRE")).await, [suspended]);
    assert_eq!(list(search("0%")).await, [suspended]);
    assert_eq!(list(search("_")).await, []);
    assert_eq!(list(external("pipelines")).await, [world.account]);
    assert_eq!(list(external("Pipelines")).await, []);
    assert_eq!(list(state(Standing::Active)).await, [world.account]);
    assert_eq!(list(state(Standing::Inactive)).await, [suspended]);
}
on_both!(service_accounts_are_listed_by_external_id_state_and_name);

async fn create(world: &World, name: &str, external_id: Option<&str>) -> wardkey_core::ServiceAccountId {
    let id = world.account_id();
    let new = NewServiceAccount { id, name: name.to_owned(), external_id: external_id.map(str::to_owned) };
    world.storage.create_service_account(&world.act(), world.demo, new, None).await.unwrap();
    id
}
