//! Customers, and keys that are restricted to some.

use wardkey::core::{Access, Code, CustomerId, Reference, Requirement};
use wardkey::{
    Caller, Conflict, Customer, CustomerFilter, CustomerPatch, IssuedKey, KeyPatch, Once, PageRequest, Tenant,
};

use crate::answers::{conflict, exceeds, forbidden, invalid, not_found, version_mismatch};
use crate::world::World;

on_both!(
    customers_are_administered_by_whoever_holds_the_permission,
    customers_are_found_by_external_id_and_by_part_of_their_name,
    a_customer_of_another_organization_is_not_there,
    a_key_is_restricted_to_the_customers_that_it_names,
    customers_that_a_key_names_exist_and_stand_there_once,
    a_key_makes_keys_for_its_own_customers_only,
    a_restricted_key_administers_its_own_customers_only,
    a_key_that_names_a_deleted_customer_reaches_nothing_and_can_be_edited,
    a_name_that_no_customer_can_have_is_not_found,
);

async fn make(tenant: &Tenant, name: &str, external_id: Option<&str>) -> Customer {
    tenant.create_customer(name.to_owned(), external_id.map(str::to_owned)).await.unwrap().into_inner()
}

fn named(name: &str) -> CustomerPatch {
    CustomerPatch { name: Some(name.to_owned()), ..CustomerPatch::default() }
}

/// A service key for these customers.
async fn restricted(tenant: &Tenant, world: &World, listed: &[&str], customers: &[&str]) -> IssuedKey {
    let mut input = world.service_input(listed);
    input.customers = Some(Access::Specific(customers.iter().map(|id| (*id).into()).collect()));
    tenant.issue_key(input).await.unwrap()
}

async fn reaches(world: &World, key: &IssuedKey, customer: &str) -> Result<(), Code> {
    let secret = key.secret.as_ref().unwrap().expose().as_bytes();
    let requirement = Requirement { customer: Some(customer.to_owned().into()), ..Requirement::NONE };
    world.verifier().verify(secret, None, &requirement).await.map(drop).map_err(|error| error.code())
}

async fn customers_are_administered_by_whoever_holds_the_permission(world: &World) {
    let other = world.as_key(&world.service_key(&["admin:workspaces"]).await).await;
    let (acme, missing) = ("acme".into(), ["admin:customers"]);
    assert_eq!(forbidden(other.create_customer(String::new(), None).await), missing);
    assert_eq!(
        forbidden(other.list_customers(CustomerFilter::default(), PageRequest::default()).await),
        missing
    );
    assert_eq!(forbidden(other.get_customer(&acme).await), missing);
    assert_eq!(forbidden(other.update_customer(&acme, 1, named("")).await), missing);
    assert_eq!(forbidden(other.delete_customer(&acme, None).await), missing);

    let admin = world.as_key(&world.service_key(&["admin:customers"]).await).await;
    let made = make(&admin, "Acme", Some("acme")).await;
    assert_eq!(admin.get_customer(&acme).await.unwrap(), made);
    let renamed = admin.update_customer(&acme, 1, named("Acme & Co")).await.unwrap();
    assert_eq!((renamed.version, renamed.external_id.as_deref()), (2, Some("acme")));
    assert_eq!(version_mismatch(admin.update_customer(&acme, 1, named("x")).await), 2);
    assert_eq!(version_mismatch(admin.update_customer(&acme, 3, named("x")).await), 2);
    let bare = CustomerPatch { external_id: Some(None), ..CustomerPatch::default() };
    assert_eq!(admin.update_customer(&acme, 2, bare).await.unwrap().external_id, None);
    not_found(admin.get_customer(&acme).await);
    assert_eq!(version_mismatch(admin.delete_customer(&made.id.into(), Some(1)).await), 3);
    admin.delete_customer(&made.id.into(), Some(3)).await.unwrap();
    not_found(admin.delete_customer(&made.id.into(), None).await);

    let broken =
        [("/external_id", "reserved"), ("/name", "required")].map(|(at, code)| (at.to_owned(), code));
    let id = Some(made.id.to_string());
    assert_eq!(invalid(admin.create_customer(String::new(), id.clone()).await), broken);
    let patch = CustomerPatch { name: Some(String::new()), external_id: Some(id) };
    assert_eq!(invalid(admin.update_customer(&acme, 1, patch).await), broken);
}

async fn customers_are_found_by_external_id_and_by_part_of_their_name(world: &World) {
    let demo = world.demo().await;
    let mut newest_first = Vec::new();
    for (name, external_id) in [("Alpha", Some("a")), ("Beta", None), ("Alphabet", Some("c"))] {
        newest_first.insert(0, make(&demo, name, external_id).await.id);
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    let list = async |filter, page| {
        let page = demo.list_customers(filter, page).await.unwrap();
        (page.items.into_iter().map(|customer| customer.id).collect::<Vec<_>>(), page.has_more)
    };
    let (every, first) = (CustomerFilter::default, PageRequest::default);
    let two = PageRequest { limit: 2, ..first() };
    assert_eq!(list(every(), two).await, (newest_first[..2].to_vec(), true));
    let rest = PageRequest { after: Some(newest_first[1]), limit: 2 };
    assert_eq!(list(every(), rest).await, (newest_first[2..].to_vec(), false));
    let search = |text: &str| CustomerFilter { search: Some(text.to_owned()), ..every() };
    assert_eq!(list(search("ALPHA"), first()).await.0, [newest_first[0], newest_first[2]]);
    let external_id = |id: &str| CustomerFilter { external_id: Some(id.to_owned()), ..every() };
    assert_eq!(list(external_id("a"), first()).await.0, newest_first[2..]);
    assert_eq!(list(external_id("\0"), first()).await.0, []);
    assert_eq!(list(search("\0"), first()).await.0, []);

    let create = async || {
        let caller = Caller::local("test").with_idempotency_key("a", [1; 32]);
        let demo = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
        demo.create_customer("C".to_owned(), None).await.unwrap()
    };
    let Once::Done(once) = create().await else { panic!("it is the first") };
    assert_eq!(create().await, Once::Replayed(once));
}

async fn a_customer_of_another_organization_is_not_there(world: &World) {
    let other = world.create_organization("Other", None).await;
    let foreign = make(&other, "F", Some("acme")).await;
    let demo = world.demo().await;
    for reference in [foreign.id.into(), "acme".into(), "nowhere".into()] {
        not_found(demo.get_customer(&reference).await);
        not_found(demo.update_customer(&reference, 1, named("x")).await);
        not_found(demo.delete_customer(&reference, None).await);
    }
    make(&demo, "Own", Some("acme")).await;
    let again = demo.create_customer("Own".to_owned(), Some("acme".to_owned())).await;
    assert_eq!(conflict(again), Conflict::ExternalIdInUse);
    assert_eq!(other.get_customer(&foreign.id.into()).await.unwrap(), foreign);
    let key = restricted(&demo, world, &[], &["acme"]).await;
    assert_eq!(reaches(world, &key, &foreign.id.to_string()).await, Err(Code::NotFound));
    assert_eq!(reaches(world, &key, "acme").await, Ok(()));
}

async fn a_key_is_restricted_to_the_customers_that_it_names(world: &World) {
    let demo = world.demo().await;
    let (one, two) = (make(&demo, "1", Some("one")).await, make(&demo, "2", None).await);
    let all = world.service_key(&[]).await;
    assert_eq!(all.key.customers, Access::All);
    let key = restricted(&demo, world, &[], &["one"]).await;
    assert_eq!(key.key.customers, Access::specific([one.id]));
    for (key, of_one, of_two) in [(&all, Ok(()), Ok(())), (&key, Ok(()), Err(Code::NotFound))] {
        assert_eq!(reaches(world, key, "one").await, of_one);
        assert_eq!(reaches(world, key, &one.id.to_string()).await, of_one);
        assert_eq!(reaches(world, key, &two.id.to_string()).await, of_two);
        assert_eq!(reaches(world, key, "nobody").await, Err(Code::NotFound));
    }
    let customers = Some(Access::Specific(vec![two.id.into()]));
    let patch = KeyPatch { customers, ..KeyPatch::default() };
    let moved = demo.update_key(key.key.id, 1, patch).await.unwrap();
    assert_eq!((moved.version, moved.customers), (2, Access::specific([two.id])));
    assert_eq!(reaches(world, &key, "one").await, Err(Code::NotFound), "at once");
    let everybody = KeyPatch { customers: Some(Access::All), ..KeyPatch::default() };
    assert_eq!(demo.update_key(key.key.id, 2, everybody).await.unwrap().customers, Access::All);
    // The customer may get another name, and the key goes on reaching it by that.
    let patch = CustomerPatch { external_id: Some(Some("first".to_owned())), ..CustomerPatch::default() };
    demo.update_customer(&one.id.into(), 1, patch).await.unwrap();
    assert_eq!(reaches(world, &key, "one").await, Err(Code::NotFound));
    assert_eq!(reaches(world, &key, "first").await, Ok(()));
}

async fn customers_that_a_key_names_exist_and_stand_there_once(world: &World) {
    let demo = world.demo().await;
    let own = make(&demo, "Own", Some("own")).await;
    let foreign = make(&world.create_organization("Other", None).await, "F", Some("f")).await;
    let wanted: Vec<Reference<CustomerId>> = vec![
        "own".into(),
        foreign.id.into(),
        Reference::External("f".to_owned()),
        Reference::External("\0".to_owned()),
        own.id.into(),
    ];
    let expected = [
        ("/customers/ids/1", "not_found"),
        ("/customers/ids/2", "not_found"),
        ("/customers/ids/3", "not_found"),
        ("/customers/ids/4", "duplicate"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code));
    let mut input = world.service_input(&[]);
    input.customers = Some(Access::Specific(wanted.clone()));
    assert_eq!(invalid(demo.issue_key(input).await), expected);
    let key = world.service_key(&[]).await.key;
    let patch = KeyPatch { customers: Some(Access::Specific(wanted)), ..KeyPatch::default() };
    assert_eq!(invalid(demo.update_key(key.id, 1, patch).await), expected);
    for (ids, code) in [(Vec::new(), "required"), (vec!["own".into(); 1_001], "too_many")] {
        let patch = KeyPatch { customers: Some(Access::Specific(ids)), ..KeyPatch::default() };
        assert_eq!(invalid(demo.update_key(key.id, 1, patch).await), [("/customers/ids".to_owned(), code)]);
    }
}

async fn a_key_makes_keys_for_its_own_customers_only(world: &World) {
    let demo = world.demo().await;
    for id in ["one", "two"] {
        make(&demo, id, Some(id)).await;
    }
    let calling = restricted(&demo, world, &["admin:keys", "pipelines:read"], &["one"]).await;
    let tenant = world.as_key(&calling).await;
    restricted(&tenant, world, &["pipelines:read"], &["one"]).await;
    let mut input = world.service_input(&["pipelines:read"]);
    assert_eq!(exceeds(tenant.issue_key(input.clone()).await), ["/customers"]);
    // One that the caller does not reach is as one that is not there.
    input.customers = Some(Access::Specific(vec!["one".into(), "two".into()]));
    assert_eq!(invalid(tenant.issue_key(input).await), [("/customers/ids/1".to_owned(), "not_found")]);
    let wide = world.service_key(&["pipelines:read"]).await.key;
    let own = KeyPatch { customers: Some(Access::Specific(vec!["one".into()])), ..KeyPatch::default() };
    let narrowed = tenant.update_key(wide.id, 1, own).await.unwrap();
    let back = KeyPatch { customers: Some(Access::All), ..KeyPatch::default() };
    assert_eq!(exceeds(tenant.update_key(narrowed.id, 2, back).await), ["/customers"]);
}

async fn a_restricted_key_administers_its_own_customers_only(world: &World) {
    let demo = world.demo().await;
    let (own, hidden) = (make(&demo, "1", Some("one")).await, make(&demo, "2", Some("two")).await);
    let tenant = world.as_key(&restricted(&demo, world, &["admin:customers"], &["one"]).await).await;
    assert_eq!(tenant.get_customer(&"one".into()).await.unwrap(), own);
    for reference in [hidden.id.into(), "two".into()] {
        not_found(tenant.get_customer(&reference).await);
        not_found(tenant.update_customer(&reference, 1, named("x")).await);
        not_found(tenant.delete_customer(&reference, None).await);
    }
    for only in [None, Some(vec![own.id, hidden.id])] {
        let filter = CustomerFilter { only, ..CustomerFilter::default() };
        assert_eq!(
            tenant.list_customers(filter, PageRequest::default()).await.unwrap().items,
            std::slice::from_ref(&own)
        );
    }
}

async fn a_key_that_names_a_deleted_customer_reaches_nothing_and_can_be_edited(world: &World) {
    let demo = world.demo().await;
    let gone = make(&demo, "1", Some("one")).await;
    let key = restricted(&demo, world, &[], &["one"]).await;
    assert_eq!(reaches(world, &key, "one").await, Ok(()));
    demo.delete_customer(&"one".into(), None).await.unwrap();
    assert_eq!(reaches(world, &key, "one").await, Err(Code::NotFound));
    assert_eq!(reaches(world, &key, &gone.id.to_string()).await, Err(Code::NotFound));
    let again = make(&demo, "1", Some("one")).await;
    assert_eq!(reaches(world, &key, "one").await, Err(Code::NotFound), "it is another customer");
    let scope = |ids: Vec<CustomerId>| KeyPatch {
        name: Some(format!("of {}", ids.len())),
        customers: Some(Access::Specific(ids.into_iter().map(Into::into).collect())),
        ..KeyPatch::default()
    };
    demo.update_key(key.key.id, 1, scope(vec![gone.id])).await.unwrap();
    demo.update_key(key.key.id, 2, scope(vec![gone.id, again.id])).await.unwrap();
    assert_eq!(reaches(world, &key, "one").await, Ok(()));
    demo.update_key(key.key.id, 3, scope(vec![again.id])).await.unwrap();
    let back = demo.update_key(key.key.id, 4, scope(vec![gone.id])).await;
    assert_eq!(invalid(back), [("/customers/ids/0".to_owned(), "not_found")]);
}

async fn a_name_that_no_customer_can_have_is_not_found(world: &World) {
    let key = world.service_key(&[]).await;
    let long = "ü".repeat(50);
    make(&world.demo().await, "Long", Some(&long)).await;
    assert_eq!(reaches(world, &key, &long).await, Ok(()), "the longest that there can be");
    for name in ["\0", "a\0b", &"x".repeat(101), ""] {
        assert_eq!(reaches(world, &key, name).await, Err(Code::NotFound), "{name:?}");
        not_found(world.demo().await.get_customer(&Reference::External(name.to_owned())).await);
    }
}
