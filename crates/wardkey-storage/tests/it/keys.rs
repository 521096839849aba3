use std::collections::BTreeSet;
use std::sync::Arc;

use wardkey_core::{
    Access, BuiltInRole, KeyState, KeyStatus, KeyStore, Level, PrincipalId, RateLimit, RateLimits, Reference,
    Timestamp,
};
use wardkey_storage::{
    Actor, Conflict, Creator, Key, KeyEdit, KeyFilter, NewCustomer, NewKey, NewSecret, OpenConfig, Page,
    Storage, StorageError,
};

use crate::database::on_both;
use crate::world::{DAY, World, assert_not_found, conflict, environment, role};

/// A key with something in every field.
async fn full(world: &World) -> NewKey {
    let customer = world.customer_id();
    let new = NewCustomer { id: customer, name: "Acme".to_owned(), external_id: None };
    world.storage.create_customer(&world.act(), world.demo, new, None).await.unwrap();
    let metadata =
        serde_json::json!({"team": "Blau ✓", "nested": {"list": [1, 2.5, null, true]}, "quote": "\"\\\n"});
    NewKey {
        environment: environment("staging"),
        description: Some("for the nightly run".to_owned()),
        metadata: metadata.as_object().unwrap().clone(),
        level: Level::Restricted,
        permissions: vec!["pipelines:run".parse().unwrap(), "pipelines:read".parse().unwrap()],
        workspaces: Access::specific([world.workspace]),
        customers: Access::specific([customer]),
        ip_allowlist: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        rate_limits: RateLimits::new(vec![
            RateLimit::new("burst", 10, 1).unwrap(),
            RateLimit::new("monthly", RateLimit::MAX_LIMIT, RateLimit::MAX_WINDOW_SECONDS).unwrap(),
        ])
        .unwrap(),
        expires_at: Some(world.now().saturating_add(DAY)),
        ..world.new_key()
    }
}

/// The key as it must read after being issued.
fn expected(world: &World, new: &NewKey) -> Key {
    let NewKey {
        id,
        environment,
        principal,
        name,
        description,
        metadata,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
        secret: NewSecret { id: secret, digest: _, hint },
    } = new.clone();
    let secret = wardkey_storage::KeySecret {
        id: secret,
        hint,
        created_at: world.now(),
        ends_at: None,
        last_used_at: None,
    };
    Key {
        id,
        organization: world.demo,
        environment,
        principal,
        name,
        description,
        metadata,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
        state: KeyState::Active,
        version: 1,
        created_at: world.now(),
        created_by: Creator::Local,
        updated_at: world.now(),
        last_used_at: None,
        secrets: vec![secret],
    }
}

async fn a_key_reads_back_as_it_was_issued(world: Arc<World>) {
    for new in [world.new_key(), full(&world).await] {
        let expected = expected(&world, &new);
        assert_eq!(world.issue(new).await.unwrap(), expected);
        assert_eq!(world.storage.find_key(world.demo, expected.id).await.unwrap().as_ref(), Some(&expected));
        let listed =
            world.storage.list_keys(world.demo, &KeyFilter::default(), world.now(), Page::first(1)).await;
        assert_eq!(listed.unwrap(), [expected]);
    }
}
on_both!(a_key_reads_back_as_it_was_issued);

async fn a_key_names_the_key_by_which_it_was_issued(world: Arc<World>) {
    let (issuer, _) = world.issued().await;
    let act = wardkey_storage::Act {
        actor: Actor::Key { key: issuer.id, principal: issuer.principal },
        ..world.act()
    };
    let new = world.new_key();
    let id = new.id;
    world.storage.issue_key(&act, world.demo, new, None).await.unwrap();
    let found = world.storage.find_key(world.demo, id).await.unwrap().unwrap();
    assert_eq!(found.created_by, Creator::Key(issuer.id));
}
on_both!(a_key_names_the_key_by_which_it_was_issued);

async fn a_key_that_stopped_working_makes_no_keys(world: Arc<World>) {
    let (issuer, _) = world.issued().await;
    let (other, _) = world.issued().await;
    let (storage, demo) = (&world.storage, world.demo);
    let act = || wardkey_storage::Act {
        actor: Actor::Key { key: issuer.id, principal: issuer.principal },
        ..world.act()
    };
    let rotate =
        async || storage.rotate_key(&act(), demo, other.id, None, world.new_secret(), DAY, None).await;
    storage.disable_key(&world.act(), demo, issuer.id, None, None).await.unwrap();
    let before = world.audit(demo).await.len();
    assert_not_found(storage.issue_key(&act(), demo, world.new_key(), None).await);
    assert_not_found(rotate().await);
    assert_eq!(world.audit(demo).await.len(), before);
    storage.enable_key(&world.act(), demo, issuer.id, None, None).await.unwrap();
    storage.issue_key(&act(), demo, world.new_key(), None).await.unwrap();
    rotate().await.unwrap();
    storage.delete_key(&world.act(), demo, issuer.id, None, None).await.unwrap();
    assert_not_found(storage.issue_key(&act(), demo, world.new_key(), None).await);
}
on_both!(a_key_that_stopped_working_makes_no_keys);

async fn what_a_new_key_names_must_exist_in_its_organization(world: Arc<World>) {
    let other = world.tenant().await;
    let stranger = world.user().await;
    let places = world.storage.count_keys(world.demo, world.now()).await.unwrap();
    for new in [
        NewKey { principal: PrincipalId::ServiceAccount(other.account), ..world.new_key() },
        NewKey { principal: PrincipalId::User(stranger), ..world.new_key() },
        NewKey { workspaces: Access::specific([world.workspace, other.workspace]), ..world.new_key() },
        NewKey { customers: Access::specific([other.customer]), ..world.new_key() },
        NewKey { environment: environment("moon"), ..world.new_key() },
    ] {
        assert_not_found(world.issue(new).await);
    }
    let nowhere = world.organization_id();
    assert_not_found(world.storage.issue_key(&world.act(), nowhere, world.new_key(), None).await);
    assert_eq!(world.storage.count_keys(world.demo, world.now()).await.unwrap(), places);
}
on_both!(what_a_new_key_names_must_exist_in_its_organization);

async fn a_digest_is_one_key(world: Arc<World>) {
    let (_, digest) = world.issued().await;
    let mut new = world.new_key();
    new.secret.digest = digest;
    assert_eq!(conflict(world.issue(new).await), Conflict::DigestInUse);
}
on_both!(a_digest_is_one_key);

async fn at_most_ten(world: Arc<World>) {
    let (mut issued, mut refused) = (0, 0);
    // Half of the calls come from another process.
    let other = Storage::open(&world.url, OpenConfig::default()).await.unwrap();
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let world = Arc::clone(&world);
            let storage = if number % 2 == 0 { other.clone() } else { world.storage.clone() };
            tokio::spawn(
                async move { storage.issue_key(&world.act(), world.demo, world.new_key(), None).await },
            )
        })
        .collect();
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => issued += 1,
            Err(StorageError::Conflict(Conflict::KeyLimitReached { count: 10, limit: 10 })) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((issued, refused), (10, 40));
    let all = world
        .storage
        .list_keys(world.demo, &KeyFilter::default(), world.now(), Page::first(100))
        .await
        .unwrap();
    assert_eq!(all.len(), 10);
    assert_eq!(world.storage.count_keys(world.demo, world.now()).await.unwrap(), 10);
}
on_both!(at_most_ten);

async fn only_active_and_disabled_keys_take_a_place(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(1)).await.unwrap();
    let soon = world.now().saturating_add(DAY);
    let key = world.issue(NewKey { expires_at: Some(soon), ..world.new_key() }).await.unwrap();
    let full = Conflict::KeyLimitReached { count: 1, limit: 1 };
    assert_eq!(conflict(world.issue(world.new_key()).await), full);
    world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    assert_eq!(conflict(world.issue(world.new_key()).await), full, "a disabled one holds its place");
    world.clock.set(soon);
    let second = world.issue(world.new_key()).await.expect("an expired one has left its place");
    let edit = KeyEdit { expires_at: None, ..edit_of(&key) };
    let revived = world.storage.update_key(&world.act(), world.demo, key.id, key.version, edit.clone()).await;
    assert_eq!(conflict(revived), full, "and does not take it back");
    world.storage.revoke_key(&world.act(), world.demo, second.id, None, None).await.unwrap();
    world
        .storage
        .update_key(&world.act(), world.demo, key.id, key.version, edit)
        .await
        .expect("a free place");
    world.storage.delete_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    world.issue(world.new_key()).await.expect("a deleted one has left its place");
    // The operator may lower the limit below what is taken: nothing is revoked, and nothing is added.
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(0)).await.unwrap();
    assert_eq!(world.storage.count_keys(world.demo, world.now()).await.unwrap(), 1);
    assert_eq!(
        conflict(world.issue(world.new_key()).await),
        Conflict::KeyLimitReached { count: 1, limit: 0 }
    );
}
on_both!(only_active_and_disabled_keys_take_a_place);

async fn a_clock_that_steps_back_gives_no_place_back(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(1)).await.unwrap();
    let start = world.now();
    let soon = start.saturating_add(DAY);
    world.issue(NewKey { expires_at: Some(soon), ..world.new_key() }).await.unwrap();
    world.clock.set(soon);
    let second = world.issue(world.new_key()).await.unwrap();
    world.clock.set(start);
    world.storage.revoke_key(&world.act(), world.demo, second.id, None, None).await.unwrap();
    let third = world.issue(world.new_key()).await.expect("the first key stays expired");
    assert_eq!(third.created_at, soon, "time in an organization does not step back");
}
on_both!(a_clock_that_steps_back_gives_no_place_back);

fn edit_of(key: &Key) -> KeyEdit {
    KeyEdit {
        name: key.name.clone(),
        description: key.description.clone(),
        metadata: key.metadata.clone(),
        level: key.level,
        permissions: key.permissions.clone(),
        workspaces: key.workspaces.clone(),
        customers: key.customers.clone(),
        ip_allowlist: key.ip_allowlist.clone(),
        rate_limits: key.rate_limits.clone(),
        expires_at: key.expires_at,
    }
}

async fn an_edit_replaces_every_value_and_moves_the_version_once(world: Arc<World>) {
    let (key, _) = world.issued().await;
    let values = full(&world).await;
    let edit = KeyEdit {
        name: "Renamed".to_owned(),
        description: values.description,
        metadata: values.metadata,
        level: values.level,
        permissions: values.permissions,
        workspaces: values.workspaces,
        customers: values.customers,
        ip_allowlist: values.ip_allowlist,
        rate_limits: values.rate_limits,
        expires_at: values.expires_at,
    };
    let update = async |version, edit: &KeyEdit| {
        world.storage.update_key(&world.act(), world.demo, key.id, version, edit.clone()).await
    };
    let edited = update(1, &edit).await.unwrap();
    assert_eq!((edit_of(&edited), edited.version), (edit.clone(), 2));
    assert!(matches!(update(1, &edit).await, Err(StorageError::VersionMismatch { current: 2 })));
    assert_eq!(update(2, &edit).await.unwrap().version, 2, "equal values change nothing");
    assert_eq!(edit_of(&update(2, &edit_of(&key)).await.unwrap()), edit_of(&key), "and back");
    let events = world.audit(world.demo).await;
    assert_eq!(events.iter().filter(|event| event.action == "key.update").count(), 2);
    // Back to the plain key: what it did not have is left out behind, what it has stands on both sides.
    let names = |side: &str| events[0].details[side].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let differing = [
        "customers",
        "description",
        "expires_at",
        "ip_allowlist",
        "level",
        "metadata",
        "name",
        "permissions",
        "rate_limits",
        "workspaces",
    ];
    assert_eq!(names("before"), differing, "{}", events[0].details);
    let differing = [
        "customers",
        "ip_allowlist",
        "level",
        "metadata",
        "name",
        "permissions",
        "rate_limits",
        "workspaces",
    ];
    assert_eq!(names("after"), differing, "{}", events[0].details);
    assert_eq!(events[0].details["before"]["name"], "Renamed");
    assert_eq!(events[0].details["after"]["workspaces"], serde_json::json!({"access": "all"}));
    let foreign = KeyEdit { workspaces: Access::specific([world.tenant().await.workspace]), ..edit };
    assert_not_found(update(3, &foreign).await);
}
on_both!(an_edit_replaces_every_value_and_moves_the_version_once);

async fn disabling_is_reversible_and_revoking_is_final(world: Arc<World>) {
    let (key, digest) = world.issued().await;
    let act = || world.act();
    let (storage, demo, id) = (&world.storage, world.demo, key.id);
    let before = world.audit(demo).await.len();
    let reason = Some("leaked".to_owned());
    for _ in 0..2 {
        let disabled = storage.disable_key(&act(), demo, id, Some(1), reason.clone()).await.unwrap();
        assert_eq!((disabled.state, disabled.version), (KeyState::Disabled, 1), "the state moves no version");
    }
    assert_eq!(world.record(digest).await.state, KeyState::Disabled);
    for _ in 0..2 {
        assert_eq!(storage.enable_key(&act(), demo, id, None, None).await.unwrap().state, KeyState::Active);
    }
    for _ in 0..2 {
        assert_eq!(
            storage.revoke_key(&act(), demo, id, None, reason.clone()).await.unwrap().state,
            KeyState::Revoked
        );
    }
    assert_eq!(conflict(storage.enable_key(&act(), demo, id, None, None).await), Conflict::KeyRevoked);
    assert_eq!(conflict(storage.disable_key(&act(), demo, id, None, None).await), Conflict::KeyRevoked);
    assert_eq!(conflict(storage.update_key(&act(), demo, id, 1, edit_of(&key)).await), Conflict::KeyRevoked);
    let mismatch = storage.enable_key(&act(), demo, id, Some(7), None).await;
    assert!(matches!(mismatch, Err(StorageError::VersionMismatch { current: 1 })));
    let events = world.audit(demo).await;
    assert_eq!(events.len() - before, 3, "one event each, none for repeats and refusals");
    let expected = serde_json::json!({
        "before": {"state": "active"}, "after": {"state": "revoked"}, "reason": "leaked",
    });
    assert_eq!(events[0].details, expected);
    assert_eq!(world.record(digest).await.state, KeyState::Revoked);
    assert_eq!(storage.find_key(demo, id).await.unwrap().unwrap().state, KeyState::Revoked, "the row stays");
}
on_both!(disabling_is_reversible_and_revoking_is_final);

async fn a_deleted_key_is_hidden_and_still_verifies_as_revoked(world: Arc<World>) {
    let (key, digest) = world.issued().await;
    let delete = async || world.storage.delete_key(&world.act(), world.demo, key.id, None, None).await;
    delete().await.unwrap();
    assert_not_found(delete().await);
    assert_eq!(world.storage.find_key(world.demo, key.id).await.unwrap(), None);
    let listed =
        world.storage.list_keys(world.demo, &KeyFilter::default(), world.now(), Page::first(9)).await;
    assert_eq!(listed.unwrap(), []);
    assert_eq!(world.record(digest).await.state, KeyState::Revoked);
    assert_eq!(world.audit(world.demo).await[0].action, "key.delete", "the history stays");
    // A revoked key can be deleted too.
    let (key, _) = world.issued().await;
    world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
    world.storage.delete_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
}
on_both!(a_deleted_key_is_hidden_and_still_verifies_as_revoked);

async fn no_other_organization_reaches_a_key(world: Arc<World>) {
    let other = world.tenant().await.organization;
    let (key, _) = world.issued().await;
    let (storage, id) = (&world.storage, key.id);
    assert_eq!(storage.find_key(other, id).await.unwrap(), None);
    assert_eq!(
        storage.list_keys(other, &KeyFilter::default(), world.now(), Page::first(9)).await.unwrap(),
        []
    );
    assert_not_found(storage.update_key(&world.act(), other, id, 1, edit_of(&key)).await);
    assert_not_found(storage.disable_key(&world.act(), other, id, None, None).await);
    assert_not_found(storage.enable_key(&world.act(), other, id, None, None).await);
    assert_not_found(storage.revoke_key(&world.act(), other, id, None, None).await);
    assert_not_found(storage.delete_key(&world.act(), other, id, None, None).await);
    assert_not_found(storage.end_secret(&world.act(), other, id, key.secrets[0].id).await);
    assert_not_found(storage.rotate_key(&world.act(), other, id, None, world.new_secret(), DAY, None).await);
    assert_eq!(storage.find_key(world.demo, id).await.unwrap(), Some(key));
}
on_both!(no_other_organization_reaches_a_key);

async fn filters_narrow_a_list(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(100)).await.unwrap();
    let user = world.member().await;
    let mut ids = Vec::new();
    for (name, environment_name, principal) in [
        ("Größe 100%", "production", PrincipalId::ServiceAccount(world.account)),
        ("under_score", "staging", PrincipalId::ServiceAccount(world.account)),
        ("plain", "production", PrincipalId::User(user)),
    ] {
        let environment = environment(environment_name);
        let new = NewKey { name: name.to_owned(), environment, principal, ..world.new_key() };
        ids.push(world.issue(new).await.unwrap());
    }
    let list = async |filter: KeyFilter| {
        let page = world.storage.list_keys(world.demo, &filter, world.now(), Page::first(100)).await.unwrap();
        page.iter().map(|key| ids.iter().position(|known| known.id == key.id).unwrap()).collect::<Vec<_>>()
    };
    let any = KeyFilter::default;
    assert_eq!(list(any()).await, [2, 1, 0]);
    assert_eq!(list(KeyFilter { principal: Some(PrincipalId::User(user)), ..any() }).await, [2]);
    assert_eq!(list(KeyFilter { principal: Some(ids[0].principal), ..any() }).await, [1, 0]);
    assert_eq!(list(KeyFilter { environment: Some(environment("staging")), ..any() }).await, [1]);
    let search = async |text: &str| list(KeyFilter { search: Some(text.to_owned()), ..any() }).await;
    assert_eq!(search("GRÖSSE").await, [0; 0], "case folds, letters do not");
    assert_eq!(search("GRÖßE").await, [0]);
    assert_eq!(search("UNDER").await, [1]);
    assert_eq!(search("r_s").await, [1], "an underscore is itself");
    assert_eq!(search("0%").await, [0], "a percent sign is itself");
    assert_eq!(search("\\").await, [0; 0]);
    assert_eq!(search(&ids[2].secrets[0].hint.as_str().to_uppercase()).await, [2], "in the hint too");
    let page = Page { after: Some(ids[2].id), limit: 1 };
    let older = world.storage.list_keys(world.demo, &any(), world.now(), page).await.unwrap();
    assert_eq!(older, [ids[1].clone()]);
}
on_both!(filters_narrow_a_list);

async fn sql_narrows_to_the_statuses_that_the_core_decides(world: Arc<World>) {
    world.storage.set_key_limit(&world.act(), world.demo, None, Some(100)).await.unwrap();
    let noon = world.now().saturating_add(DAY);
    let moments = [-1, 0, 1].map(|micros| Timestamp::from_micros(noon.as_micros() + micros));
    let mut keys = Vec::new();
    for state in [KeyState::Active, KeyState::Disabled, KeyState::Revoked] {
        for expires_at in [None, Some(noon)] {
            let key = world.issue(NewKey { expires_at, ..world.new_key() }).await.unwrap();
            match state {
                KeyState::Active => {}
                KeyState::Disabled => {
                    world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
                }
                KeyState::Revoked => {
                    world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
                }
            }
            keys.push((key.id, state, expires_at));
        }
    }
    let all = [KeyStatus::Active, KeyStatus::Disabled, KeyStatus::Expired, KeyStatus::Revoked];
    for now in moments {
        for chosen in 0..16u8 {
            let statuses: Vec<_> = (0..4).filter(|bit| chosen >> bit & 1 == 1).map(|bit| all[bit]).collect();
            let filter = KeyFilter { statuses: statuses.clone(), ..KeyFilter::default() };
            let listed = world.storage.list_keys(world.demo, &filter, now, Page::first(100)).await.unwrap();
            let listed: BTreeSet<_> = listed.into_iter().map(|key| key.id).collect();
            let decided = keys
                .iter()
                .filter(|(_, state, expires_at)| {
                    statuses.is_empty() || statuses.contains(&KeyStatus::at(now, *state, *expires_at))
                })
                .map(|(id, _, _)| *id)
                .collect();
            assert_eq!(listed, decided, "{statuses:?} at {now}");
        }
        let places = keys
            .iter()
            .filter(|(_, state, end)| KeyStatus::at(now, *state, *end).counts_towards_limit())
            .count();
        let counted = world.storage.count_keys(world.demo, now).await.unwrap();
        assert_eq!(usize::try_from(counted).unwrap(), places, "{now}");
    }
}
on_both!(sql_narrows_to_the_statuses_that_the_core_decides);

async fn text_that_a_database_refuses_is_an_error_and_no_panic(world: Arc<World>) {
    let named = NewKey { name: "nul \u{0}".to_owned(), ..world.new_key() };
    let mut documented = world.new_key();
    documented.metadata.insert("nul \u{0}".to_owned(), serde_json::json!("\u{0}"));
    for new in [named, documented] {
        match world.issue(new).await {
            Ok(key) => assert!(world.storage.find_key(world.demo, key.id).await.is_ok()),
            Err(StorageError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let reference = Reference::External("nul \u{0}".to_owned());
    let _ = KeyStore::find_customer(&world.storage, world.demo, &reference).await;
    world.storage.ping().await.expect("the pool is whole");
}
on_both!(text_that_a_database_refuses_is_an_error_and_no_panic);

async fn a_user_key_needs_a_member(world: Arc<World>) {
    let user = world.user().await;
    let new = || NewKey { principal: PrincipalId::User(user), ..world.new_key() };
    assert_not_found(world.issue(new()).await);
    world.set_member(world.demo, user, vec![role(BuiltInRole::Viewer)]).await.unwrap();
    assert_eq!(world.issue(new()).await.unwrap().principal, PrincipalId::User(user));
}
on_both!(a_user_key_needs_a_member);
