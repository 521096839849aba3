//! Lists, page by page.

use wardkey::core::{BuiltInRole, KeyStatus, Level, PrincipalId};
use wardkey::{IssueKey, KeyFilter, PageRequest, Tenant};

use crate::world::{World, environment, user_input};

on_both!(
    pages_hold_every_key_once,
    a_list_shows_what_passes_the_filter,
    without_administering_keys_one_lists_the_own,
    a_page_is_never_empty_nor_endless,
);

async fn list(tenant: &Tenant, filter: KeyFilter) -> Vec<wardkey::Key> {
    tenant.list_keys(filter, PageRequest { after: None, limit: 100 }).await.unwrap().items
}

async fn pages_hold_every_key_once(world: &World) {
    let demo = world.demo().await;
    let mut made = Vec::new();
    for _ in 0..10 {
        made.push(world.service_key(&[]).await.key.id);
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = demo.list_keys(KeyFilter::default(), PageRequest { after, limit: 3 }).await.unwrap();
        seen.extend(page.items.iter().map(|key| key.id));
        after = seen.last().copied();
        if !page.has_more {
            break;
        }
        assert_eq!(page.items.len(), 3);
    }
    assert_eq!(seen, made, "the newest first");
}

async fn a_list_shows_what_passes_the_filter(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let named = async |name: &str| {
        let input = IssueKey { name: name.to_owned(), ..world.service_input(&[]) };
        demo.issue_key(input).await.unwrap().key
    };
    let active = named("Nightly BUILD 100%").await;
    let disabled = named("build_2").await;
    let revoked = named("Ärger").await;
    let staging = IssueKey { environment: Some(environment("staging")), ..world.service_input(&[]) };
    let staging = demo.issue_key(staging).await.unwrap().key;
    let of_user = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap().key;
    demo.disable_key(disabled.id, None, None).await.unwrap();
    demo.revoke_key(revoked.id, None, None).await.unwrap();

    let found = async |filter: KeyFilter| {
        let mut ids: Vec<_> = list(&demo, filter).await.iter().map(|key| key.id).collect();
        ids.sort();
        ids
    };
    let sorted = |keys: &[&wardkey::Key]| {
        let mut ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        ids.sort();
        ids
    };
    let any = KeyFilter::default;
    assert_eq!(found(any()).await.len(), 5);
    let of_principal = KeyFilter { principal: Some(PrincipalId::User(user)), ..any() };
    assert_eq!(found(of_principal).await, sorted(&[&of_user]));
    let in_staging = KeyFilter { environment: Some(environment("staging")), ..any() };
    assert_eq!(found(in_staging).await, sorted(&[&staging]));
    let with = |statuses: &[KeyStatus]| KeyFilter { statuses: statuses.to_vec(), ..any() };
    assert_eq!(found(with(&[KeyStatus::Disabled])).await, sorted(&[&disabled]));
    assert_eq!(found(with(&[KeyStatus::Revoked, KeyStatus::Disabled])).await, sorted(&[&disabled, &revoked]));
    assert_eq!(found(with(&[KeyStatus::Active])).await, sorted(&[&active, &staging, &of_user]));
    assert!(found(with(&[KeyStatus::Expired])).await.is_empty());
    let search = |text: &str| KeyFilter { search: Some(text.to_owned()), ..any() };
    assert_eq!(found(search("build")).await, sorted(&[&active, &disabled]));
    // What is searched for is text, never a pattern.
    assert_eq!(found(search("%")).await, sorted(&[&active]));
    assert_eq!(found(search("d_2")).await, sorted(&[&disabled]));
    assert!(found(search("a\0b")).await.is_empty());
    assert!(found(search("\\")).await.is_empty());
    let hint = active.secrets[0].hint.as_str().rsplit('…').next().unwrap();
    assert!(found(search(hint)).await.contains(&active.id));
    world.clock.set(active.expires_at.unwrap());
    assert_eq!(found(with(&[KeyStatus::Expired])).await, sorted(&[&active, &disabled, &staging, &of_user]));
}

async fn without_administering_keys_one_lists_the_own(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let bob = world.member("bob", &[BuiltInRole::Member]).await;
    let (of_ada, _of_bob, _service) =
        (world.user_key(ada).await, world.user_key(bob).await, world.service_key(&[]).await);
    let tenant = world.as_key(&of_ada).await;
    let own: Vec<_> = list(&tenant, KeyFilter::default()).await.iter().map(|key| key.id).collect();
    assert_eq!(own, [of_ada.key.id]);
    let of_bob = KeyFilter { principal: Some(PrincipalId::User(bob)), ..KeyFilter::default() };
    assert!(list(&tenant, of_bob).await.is_empty());
    let admin = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    assert_eq!(list(&admin, KeyFilter::default()).await.len(), 4);
}

async fn a_page_is_never_empty_nor_endless(world: &World) {
    let demo = world.demo().await;
    for _ in 0..3 {
        world.service_key(&[]).await;
    }
    let page = demo.list_keys(KeyFilter::default(), PageRequest { after: None, limit: 0 }).await.unwrap();
    assert_eq!((page.items.len(), page.has_more), (1, true));
    let page =
        demo.list_keys(KeyFilter::default(), PageRequest { after: None, limit: u32::MAX }).await.unwrap();
    assert_eq!((page.items.len(), page.has_more), (3, false));
    let page = demo.list_keys(KeyFilter::default(), PageRequest { after: None, limit: 3 }).await.unwrap();
    assert_eq!((page.items.len(), page.has_more), (3, false), "exactly full is not more");
}
