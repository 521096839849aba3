use std::sync::Arc;

use wardkey_core::{CustomerId, KeyStore, OrganizationId, Reference};
use wardkey_storage::{
    Conflict, Customer, CustomerEdit, CustomerFilter, NewCustomer, Once, Page, StorageError,
};

use crate::database::on_both;
use crate::idempotency::once;
use crate::world::{World, assert_not_found, conflict};

fn named(world: &World, name: &str, external_id: Option<&str>) -> NewCustomer {
    let id = world.customer_id();
    NewCustomer { id, name: name.to_owned(), external_id: external_id.map(str::to_owned) }
}

async fn create(world: &World, organization: OrganizationId, new: NewCustomer) -> Customer {
    world.storage.create_customer(&world.act(), organization, new, None).await.unwrap().into_inner()
}

async fn a_customer_is_resolved_in_its_organization_alone(world: Arc<World>) {
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let resolve = async |organization, reference: &Reference<CustomerId>| {
        KeyStore::find_customer(&world.storage, organization, reference).await.unwrap()
    };
    for reference in [Reference::Id(tenant.customer), Reference::External("acme".to_owned())] {
        let found = resolve(tenant.organization, &reference).await;
        assert_eq!(found.value, Some(tenant.customer));
        assert!(found.position.number > 0 && found.position.epoch == 42);
        let elsewhere = resolve(world.demo, &reference).await;
        assert_eq!(
            (elsewhere.value, elsewhere.position),
            (None, found.position),
            "not found has a position too"
        );
        let whole = world.storage.find_customer(tenant.organization, &reference).await.unwrap();
        assert_eq!(whole.unwrap().id, tenant.customer);
        assert_eq!(world.storage.find_customer(world.demo, &reference).await.unwrap(), None);
    }
    let own = resolve(other.organization, &Reference::External("acme".to_owned())).await;
    assert_eq!(own.value, Some(other.customer), "the same external id, another customer");
}
on_both!(a_customer_is_resolved_in_its_organization_alone);

async fn an_external_id_names_one_customer_of_an_organization(world: Arc<World>) {
    let tenant = world.tenant().await;
    let new = || named(&world, "A", Some("acme"));
    let again = world.storage.create_customer(&world.act(), tenant.organization, new(), None).await;
    assert_eq!(conflict(again), Conflict::ExternalIdInUse);
    assert_not_found(world.storage.create_customer(&world.act(), world.organization_id(), new(), None).await);
    let second = create(&world, tenant.organization, named(&world, "B", None)).await;
    let edit = CustomerEdit { name: "B".to_owned(), external_id: Some("acme".to_owned()) };
    let taken = world.storage.update_customer(&world.act(), tenant.organization, second.id, 1, edit).await;
    assert_eq!(conflict(taken), Conflict::ExternalIdInUse);
}
on_both!(an_external_id_names_one_customer_of_an_organization);

async fn a_repeated_creation_creates_one_customer(world: Arc<World>) {
    let create = async || {
        let new = named(&world, "A", None);
        world.storage.create_customer(&world.act(), world.demo, new, once("c", 1)).await
    };
    let Once::Done(first) = create().await.unwrap() else { panic!("it is the first") };
    assert_eq!(create().await.unwrap(), Once::Replayed(first.clone()));
    world.storage.delete_customer(&world.act(), world.demo, first.id, None).await.unwrap();
    assert_not_found(create().await);
}
on_both!(a_repeated_creation_creates_one_customer);

async fn an_edit_moves_the_version_and_names_what_it_changed(world: Arc<World>) {
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let update = async |organization, version, name: &str| {
        let edit = CustomerEdit { name: name.to_owned(), external_id: Some("acme".to_owned()) };
        world.storage.update_customer(&world.act(), organization, tenant.customer, version, edit).await
    };
    let events = world.audit(tenant.organization).await.len();
    let edited = update(tenant.organization, 1, "Acme & Co").await.unwrap();
    assert_eq!((edited.name.as_str(), edited.version), ("Acme & Co", 2));
    assert_eq!(update(tenant.organization, 2, "Acme & Co").await.unwrap(), edited);
    let stale = update(tenant.organization, 1, "x").await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 2 })), "{stale:?}");
    assert_not_found(update(other.organization, 2, "x").await);
    let audit = world.audit(tenant.organization).await;
    assert_eq!(audit.len(), events + 1, "equal values and refusals are no events");
    let details = serde_json::json!({"before": {"name": "Acme"}, "after": {"name": "Acme & Co"}});
    assert_eq!((audit[0].action.as_str(), &audit[0].details), ("customer.update", &details));
}
on_both!(an_edit_moves_the_version_and_names_what_it_changed);

async fn a_deleted_customer_is_found_nowhere_and_gives_back_its_external_id(world: Arc<World>) {
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let delete = async |organization, version| {
        world.storage.delete_customer(&world.act(), organization, tenant.customer, version).await
    };
    assert_not_found(delete(other.organization, None).await);
    let stale = delete(tenant.organization, Some(2)).await;
    assert!(matches!(stale, Err(StorageError::VersionMismatch { current: 1 })), "{stale:?}");
    delete(tenant.organization, Some(1)).await.unwrap();
    assert_not_found(delete(tenant.organization, None).await);
    let acme = Reference::External("acme".to_owned());
    assert_eq!(world.storage.find_customer(tenant.organization, &acme).await.unwrap(), None);
    let found = KeyStore::find_customer(&world.storage, tenant.organization, &acme).await.unwrap();
    assert_eq!(found.value, None);
    create(&world, tenant.organization, named(&world, "Acme", Some("acme"))).await;
    assert!(world.storage.find_customer(other.organization, &acme).await.unwrap().is_some());
}
on_both!(a_deleted_customer_is_found_nowhere_and_gives_back_its_external_id);

async fn customers_are_listed_page_by_page_and_as_the_filter_says(world: Arc<World>) {
    world.tenant().await;
    let mut newest_first = Vec::new();
    for (name, external_id) in [("Eins", None), ("ZWEI 100%", Some("b")), ("zweierlei", Some("c"))] {
        newest_first.insert(0, create(&world, world.demo, named(&world, name, external_id)).await.id);
    }
    let list = async |filter: CustomerFilter, after, limit| {
        let page = world.storage.list_customers(world.demo, &filter, Page { after, limit }).await.unwrap();
        page.into_iter().map(|customer| customer.id).collect::<Vec<_>>()
    };
    let every = CustomerFilter::default;
    let search = |text: &str| CustomerFilter { search: Some(text.to_owned()), ..every() };
    assert_eq!(list(every(), None, 2).await, newest_first[..2]);
    assert_eq!(list(every(), Some(newest_first[1]), 2).await, newest_first[2..]);
    assert_eq!(list(search("zwei"), None, 9).await, newest_first[..2]);
    assert_eq!(list(search("0%"), None, 9).await, newest_first[1..2]);
    let external_id = CustomerFilter { external_id: Some("c".to_owned()), ..every() };
    assert_eq!(list(external_id, None, 9).await, newest_first[..1]);
    let only = CustomerFilter { only: Some(vec![newest_first[2]]), ..every() };
    assert_eq!(list(only, None, 9).await, newest_first[2..]);
    let none = CustomerFilter { only: Some(Vec::new()), ..every() };
    assert_eq!(list(none, None, 9).await, []);
}
on_both!(customers_are_listed_page_by_page_and_as_the_filter_says);
