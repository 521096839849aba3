use std::sync::Arc;

use wardkey_core::{KeyStore as _, Reference};
use wardkey_storage::{Conflict, NewCustomer};

use crate::database::on_both;
use crate::world::{World, assert_not_found, conflict};

async fn a_customer_is_resolved_in_its_organization_alone(world: Arc<World>) {
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    for reference in [Reference::Id(tenant.customer), Reference::External("acme".to_owned())] {
        let found = world.storage.find_customer(tenant.organization, &reference).await.unwrap();
        assert_eq!(found.value, Some(tenant.customer));
        assert!(found.position.number > 0 && found.position.epoch == 42);
        let elsewhere = world.storage.find_customer(world.demo, &reference).await.unwrap();
        assert_eq!(
            (elsewhere.value, elsewhere.position),
            (None, found.position),
            "not found has a position too"
        );
    }
    let own = world
        .storage
        .find_customer(other.organization, &Reference::External("acme".to_owned()))
        .await
        .unwrap();
    assert_eq!(own.value, Some(other.customer), "the same external id, another customer");
}
on_both!(a_customer_is_resolved_in_its_organization_alone);

async fn an_external_id_names_one_customer_of_an_organization(world: Arc<World>) {
    let tenant = world.tenant().await;
    let new = || NewCustomer {
        id: world.customer_id(),
        name: "A".to_owned(),
        external_id: Some("acme".to_owned()),
    };
    let again = world.storage.create_customer(&world.act(), tenant.organization, new()).await;
    assert_eq!(conflict(again), Conflict::ExternalIdInUse);
    assert_not_found(world.storage.create_customer(&world.act(), world.organization_id(), new()).await);
}
on_both!(an_external_id_names_one_customer_of_an_organization);
