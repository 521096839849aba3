use std::sync::Arc;

use wardkey_core::{Reference, Standing};
use wardkey_storage::{Conflict, NewServiceAccount, Page};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

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
    let listed = world.storage.list_service_accounts(other.organization, Page::first(10)).await.unwrap();
    assert_eq!(listed.iter().map(|account| account.id).collect::<Vec<_>>(), [other.account]);
}
on_both!(a_service_account_is_found_in_its_organization_alone);

async fn an_external_id_names_one_service_account_of_an_organization(world: Arc<World>) {
    let new = NewServiceAccount {
        id: world.account_id(),
        name: "Again".to_owned(),
        external_id: Some("pipelines".to_owned()),
    };
    let again = world.storage.create_service_account(&world.act(), world.demo, new).await;
    assert_eq!(conflict(again), Conflict::ExternalIdInUse);
}
on_both!(an_external_id_names_one_service_account_of_an_organization);

async fn suspending_a_service_account_is_reversible_and_binds_its_organization(world: Arc<World>) {
    let other = world.tenant().await;
    let set = async |organization, state| {
        world.storage.set_service_account_state(&world.act(), organization, world.account, state).await
    };
    assert_not_found(set(other.organization, Standing::Inactive).await);
    let before = world.audit(world.demo).await.len();
    for state in [Standing::Inactive, Standing::Inactive, Standing::Active] {
        assert_eq!(set(world.demo, state).await.unwrap().state, state);
    }
    assert_eq!(world.audit(world.demo).await.len() - before, 2, "a repeat changes nothing");
}
on_both!(suspending_a_service_account_is_reversible_and_binds_its_organization);
