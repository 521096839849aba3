//! Editing keys.

use wardkey::core::{Access, BuiltInRole, Code, Level, RateLimit};
use wardkey::{AuditEvent, Conflict, Expiry, ExpiryPreset, IssueKey, KeyPatch, RateLimitInput};

use crate::answers::{conflict, exceeds, invalid, invalid_field, not_found, version_mismatch};
use crate::world::{DAY, PRODUCT, World, permissions, user_input};

on_both!(
    an_edit_names_the_version_that_it_saw,
    of_two_edits_of_one_version_one_wins,
    guessing_the_next_version_undoes_no_narrowing,
    an_edit_changes_what_it_names_and_nothing_else,
    an_edit_that_changes_nothing_is_no_event,
    narrowing_is_always_allowed,
    widening_stays_within_the_editor,
    renaming_needs_no_rights_that_the_key_has,
    a_revoked_key_cannot_be_edited,
    the_key_of_someone_who_left_is_revoked_and_not_missing,
    every_broken_rule_of_an_edit_is_named,
    a_broken_rule_is_said_before_a_stale_version,
    an_expired_key_can_be_edited_and_stays_expired,
    one_edits_the_own_keys_and_not_those_of_others,
    rate_limits_are_chosen_seen_and_edited,
    every_broken_rule_of_a_rate_limit_is_named,
    nobody_lifts_a_limit_of_the_own_key_who_does_not_administer_keys,
);

fn limit(name: &str, limit: u32, window_seconds: u32) -> RateLimitInput {
    RateLimitInput { name: name.to_owned(), limit, window_seconds }
}

fn limited(list: &[(&str, u32, u32)]) -> KeyPatch {
    let limits = list.iter().map(|(name, count, window)| limit(name, *count, *window)).collect();
    KeyPatch { rate_limits: Some(limits), ..KeyPatch::default() }
}

fn name(name: &str) -> KeyPatch {
    KeyPatch { name: Some(name.to_owned()), ..KeyPatch::default() }
}

fn listed(names: &[&str]) -> KeyPatch {
    KeyPatch { permissions: Some(permissions(names)), ..KeyPatch::default() }
}

async fn an_edit_names_the_version_that_it_saw(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    let edited = demo.update_key(key.id, key.version, name("second")).await.unwrap();
    assert!(edited.version > key.version);
    assert_eq!(version_mismatch(demo.update_key(key.id, key.version, name("third")).await), edited.version);
    assert_eq!(
        version_mismatch(demo.update_key(key.id, edited.version + 1, name("x")).await),
        edited.version
    );
    // Status does not move the version, a new secret does.
    demo.disable_key(key.id, None, None).await.unwrap();
    assert_eq!(demo.enable_key(key.id, Some(edited.version), None).await.unwrap().version, edited.version);
    let rotated = demo.rotate_key(key.id, Some(edited.version), DAY).await.unwrap().key;
    assert!(rotated.version > edited.version);
    assert_eq!(version_mismatch(demo.update_key(key.id, edited.version, name("x")).await), rotated.version);
    assert_eq!(demo.get_key(key.id).await.unwrap().name, "second");
}

async fn guessing_the_next_version_undoes_no_narrowing(world: &World) {
    let demo = world.demo().await;
    for round in 0..5 {
        let key = world.service_key(&["pipelines:read", "pipelines:run"]).await.key;
        let mut guesses = tokio::task::JoinSet::new();
        for guess in 0..8 {
            let demo = demo.clone();
            guesses.spawn(async move {
                let rename = name(&format!("{round} {guess}"));
                // Whether it comes before or after the narrowing, it saw what it writes, or writes nothing.
                let _either = demo.update_key(key.id, key.version + 1, rename).await;
            });
        }
        demo.update_key(key.id, key.version, listed(&["pipelines:read"])).await.unwrap();
        while let Some(guess) = guesses.join_next().await {
            guess.unwrap();
        }
        assert_eq!(demo.get_key(key.id).await.unwrap().permissions, permissions(&["pipelines:read"]));
        demo.revoke_key(key.id, None, None).await.unwrap();
    }
}

async fn of_two_edits_of_one_version_one_wins(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    let mut attempts = tokio::task::JoinSet::new();
    for attempt in 0..8 {
        let demo = demo.clone();
        attempts.spawn(async move { demo.update_key(key.id, key.version, name(&attempt.to_string())).await });
    }
    let answers = attempts.join_all().await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let now = demo.get_key(key.id).await.unwrap();
    assert_eq!((&now.name, now.version), (&won[0].name, won[0].version));
    for lost in answers.into_iter().filter(Result::is_err) {
        assert_eq!(version_mismatch(lost), now.version);
    }
}

async fn an_edit_changes_what_it_names_and_nothing_else(world: &World) {
    let demo = world.demo().await;
    let second = demo
        .create_workspace("Second".to_owned(), Some("second".to_owned()), Vec::new())
        .await
        .unwrap()
        .into_inner();
    let demo = world.demo().await;
    let before = world.service_key(&["pipelines:read"]).await;
    world.clock.advance(DAY);
    let metadata =
        serde_json::Map::from_iter([("team".to_owned(), serde_json::json!({"id": 7, "tags": [null, 1.5]}))]);
    let patch = KeyPatch {
        name: Some("new".to_owned()),
        description: Some(Some("why".to_owned())),
        metadata: Some(metadata.clone()),
        level: Some(Level::ReadOnly),
        permissions: Some(permissions(&["connections:write", "pipelines:run"])),
        workspaces: Some(Access::Specific(vec!["second".into(), world.first.demo_workspace.into()])),
        customers: None,
        ip_allowlist: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        rate_limits: Some(vec![limit("hourly", 5, 3_600)]),
        expiry: Some(Expiry::In(ExpiryPreset::SevenDays)),
    };
    let after = demo.update_key(before.key.id, before.key.version, patch).await.unwrap();
    assert_eq!(after.name, "new");
    assert_eq!(after.description.as_deref(), Some("why"));
    assert_eq!(after.metadata, metadata);
    assert_eq!(after.level, Level::ReadOnly);
    assert_eq!(after.permissions, permissions(&["connections:write", "pipelines:run"]));
    assert_eq!(after.workspaces, Access::specific([second.id, world.first.demo_workspace]));
    assert_eq!(after.ip_allowlist, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(after.rate_limits[..], [RateLimit::new("hourly", 5, 3_600).unwrap()]);
    assert_eq!(after.expires_at, Some(world.now().saturating_add(7 * DAY)));
    // For ever: id, organization, environment, principal, who made it and when; and no secret has moved.
    let unmoved = |key: &wardkey::Key| {
        (key.id, key.organization, key.environment.clone(), key.principal, key.created_at, key.created_by)
    };
    assert_eq!(unmoved(&after), unmoved(&before.key));
    assert_eq!((&after.secrets, &after.customers), (&before.key.secrets, &before.key.customers));
    assert_eq!(after.updated_at, world.now());
    assert_eq!(demo.get_key(after.id).await.unwrap(), after);
    // Each alone, and taking away.
    let bare =
        KeyPatch { description: Some(None), metadata: Some(serde_json::Map::new()), ..KeyPatch::default() };
    let bare = demo.update_key(after.id, after.version, bare).await.unwrap();
    assert_eq!((bare.description, bare.metadata.len(), bare.name), (None, 0, after.name));
    assert_eq!(
        (bare.level, bare.permissions, bare.workspaces),
        (after.level, after.permissions, after.workspaces)
    );
}

async fn an_edit_that_changes_nothing_is_no_event(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["pipelines:read"]).await.key;
    let audited = world.audited().await;
    world.clock.advance(DAY);
    let same = KeyPatch {
        name: Some(key.name.clone()),
        permissions: Some(key.permissions.clone()),
        expiry: Some(Expiry::At(key.expires_at.unwrap())),
        ..KeyPatch::default()
    };
    for patch in [KeyPatch::default(), same] {
        assert_eq!(demo.update_key(key.id, key.version, patch).await.unwrap(), key);
    }
    assert_eq!(world.audited().await, audited);
}

async fn narrowing_is_always_allowed(world: &World) {
    let mut input = world.service_input(&["admin:members", "pipelines:run", "pipelines:read"]);
    input.level = Some(Level::All);
    let strong = world.demo().await.issue_key(input).await.unwrap();
    let editor = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    let id = strong.key.id;
    let mut version = strong.key.version;
    let mut narrow = async |patch| {
        let key = editor.update_key(id, version, patch).await.unwrap();
        version = key.version;
        key
    };
    narrow(KeyPatch { level: Some(Level::ReadOnly), ..KeyPatch::default() }).await;
    narrow(KeyPatch { ip_allowlist: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..KeyPatch::default() }).await;
    narrow(KeyPatch { expiry: Some(Expiry::In(ExpiryPreset::SevenDays)), ..KeyPatch::default() }).await;
    narrow(listed(&["pipelines:run"])).await;
    let here = Access::Specific(vec![world.first.demo_workspace.into()]);
    let key = narrow(KeyPatch { workspaces: Some(here), ..KeyPatch::default() }).await;
    assert_eq!(key.permissions, permissions(&["pipelines:run"]));
    // And not back.
    for (patch, pointer) in [
        (KeyPatch { level: Some(Level::All), ..KeyPatch::default() }, "/permissions"),
        (KeyPatch { workspaces: Some(Access::All), ..KeyPatch::default() }, "/permissions"),
    ] {
        assert_eq!(exceeds(editor.update_key(id, key.version, patch).await), [pointer]);
    }
}

async fn widening_stays_within_the_editor(world: &World) {
    let mut calling = world.service_input(&["admin:keys", "pipelines:read"]);
    calling.expiry = Expiry::In(ExpiryPreset::ThirtyDays);
    calling.ip_allowlist = vec!["10.0.0.0/8".parse().unwrap()];
    let calling = world.demo().await.issue_key(calling).await.unwrap();
    let address = Some("10.0.0.1".parse().unwrap());
    let verified = crate::world::verify_with(&world.verifier(), calling.secret.as_ref().unwrap(), address)
        .await
        .unwrap();
    let caller = wardkey::Caller::key(verified);
    let editor = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();

    let mut target = world.service_input(&[]);
    target.expiry = Expiry::In(ExpiryPreset::SevenDays);
    target.ip_allowlist = vec!["10.1.0.0/16".parse().unwrap()];
    let target = world.demo().await.issue_key(target).await.unwrap().key;
    let update = async |patch| editor.update_key(target.id, target.version, patch).await;
    assert_eq!(exceeds(update(listed(&["pipelines:run"])).await), ["/permissions"]);
    let everywhere = KeyPatch { ip_allowlist: Some(Vec::new()), ..KeyPatch::default() };
    assert_eq!(exceeds(update(everywhere).await), ["/ip_allowlist"]);
    let later = KeyPatch { expiry: Some(Expiry::In(ExpiryPreset::SixtyDays)), ..KeyPatch::default() };
    assert_eq!(exceeds(update(later).await), ["/expires_at"]);
    assert_eq!(world.demo().await.get_key(target.id).await.unwrap(), target);
    let within = KeyPatch {
        ip_allowlist: Some(vec!["10.2.0.0/16".parse().unwrap()]),
        expiry: Some(Expiry::In(ExpiryPreset::ThirtyDays)),
        ..listed(&["pipelines:read"])
    };
    let edited = update(within).await.unwrap();
    assert_eq!(edited.expires_at, calling.key.expires_at);
}

async fn renaming_needs_no_rights_that_the_key_has(world: &World) {
    let strong = world.service_key(&["admin:members", "pipelines:run"]).await.key;
    let editor = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    let renamed = editor.update_key(strong.id, strong.version, name("renamed")).await.unwrap();
    assert_eq!(renamed.name, "renamed");
    assert_eq!(renamed.permissions, strong.permissions);
}

async fn a_revoked_key_cannot_be_edited(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["pipelines:read"]).await.key;
    demo.revoke_key(key.id, None, None).await.unwrap();
    let revoked = demo.get_key(key.id).await.unwrap();
    assert_eq!(conflict(demo.update_key(key.id, revoked.version, name("x")).await), Conflict::KeyRevoked);
    assert_eq!(conflict(demo.update_key(key.id, revoked.version, listed(&[])).await), Conflict::KeyRevoked);
    assert_eq!(demo.get_key(key.id).await.unwrap(), revoked);
}

async fn the_key_of_someone_who_left_is_revoked_and_not_missing(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let key = world.user_key(user).await.key;
    demo.remove_member(&user.into(), None).await.unwrap();
    let left = demo.get_key(key.id).await.unwrap();
    assert_eq!(conflict(demo.update_key(key.id, left.version, name("x")).await), Conflict::KeyRevoked);
    assert_eq!(conflict(demo.rotate_key(key.id, None, DAY).await), Conflict::KeyRevoked);
    assert_eq!(conflict(demo.enable_key(key.id, None, None).await), Conflict::KeyRevoked);
    // Coming back revives nothing.
    world.set_member(&demo, user, crate::world::grants(&[BuiltInRole::Member])).await.unwrap();
    assert_eq!(conflict(demo.enable_key(key.id, None, None).await), Conflict::KeyRevoked);
}

async fn every_broken_rule_of_an_edit_is_named(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&["keys:write", "pipelines:read"]).await.key;
    let patch = KeyPatch {
        name: Some(String::new()),
        description: Some(Some("x".repeat(1_001))),
        metadata: None,
        level: None,
        permissions: None,
        workspaces: Some(Access::Specific(vec!["nowhere".into()])),
        customers: None,
        rate_limits: None,
        ip_allowlist: Some(vec!["::1".parse().unwrap(), "::1".parse().unwrap()]),
        expiry: Some(Expiry::Never),
    };
    let expected = [
        ("/description", "too_long"),
        ("/ip_allowlist/1", "duplicate"),
        ("/name", "required"),
        ("/never_expires", "not_allowed"),
        ("/permissions/0", "needs_all_workspaces"),
        ("/workspaces/ids/0", "not_found"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code));
    assert_eq!(invalid(demo.update_key(key.id, key.version, patch).await), expected);
    assert_eq!(demo.get_key(key.id).await.unwrap(), key);
}

async fn a_broken_rule_is_said_before_a_stale_version(world: &World) {
    let demo = world.demo().await;
    let key = world.service_key(&[]).await.key;
    let stale = key.version + 7;
    assert_eq!(invalid_field(demo.update_key(key.id, stale, name("")).await).0, "/name");
    let editor = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    assert_eq!(exceeds(editor.update_key(key.id, stale, listed(&["pipelines:run"])).await), ["/permissions"]);
    assert_eq!(version_mismatch(demo.update_key(key.id, stale, name("x")).await), key.version);
}

async fn an_expired_key_can_be_edited_and_stays_expired(world: &World) {
    let demo = world.demo().await;
    let issued = world.service_key(&PRODUCT).await;
    world.clock.set(issued.key.expires_at.unwrap());
    let renamed = demo.update_key(issued.key.id, issued.key.version, name("old")).await.unwrap();
    assert_eq!(renamed.expires_at, issued.key.expires_at);
    // Sending back the end that it has is no edit of it.
    let same = KeyPatch { expiry: Some(Expiry::At(issued.key.expires_at.unwrap())), ..name("older") };
    let renamed = demo.update_key(renamed.id, renamed.version, same).await.unwrap();
    assert_eq!(renamed.expires_at, issued.key.expires_at);
    assert!(world.verify(&issued).await.is_err());
}

async fn one_edits_the_own_keys_and_not_those_of_others(world: &World) {
    let ada = world.member("ada", &[BuiltInRole::Member]).await;
    let bob = world.member("bob", &[BuiltInRole::Member]).await;
    let (of_ada, of_bob) = (world.user_key(ada).await, world.user_key(bob).await);
    let service = world.service_key(&[]).await.key;
    let tenant = world.as_key(&of_ada).await;
    let own = tenant.issue_key(user_input(ada, Level::ReadOnly, &[])).await.unwrap().key;
    tenant.update_key(own.id, own.version, name("mine")).await.unwrap();
    for other in [&of_bob.key, &service] {
        not_found(tenant.get_key(other.id).await);
        not_found(tenant.update_key(other.id, other.version, name("taken")).await);
        not_found(tenant.update_key(other.id, other.version + 1, name("taken")).await);
        not_found(tenant.rotate_key(other.id, None, DAY).await);
        not_found(tenant.end_secret(other.id, other.secrets[0].id).await);
        not_found(tenant.disable_key(other.id, None, None).await);
        not_found(tenant.revoke_key(other.id, Some(99), None).await);
        not_found(tenant.delete_key(other.id, None, None).await);
    }
    assert!(world.verify(&of_bob).await.is_ok());
}

async fn rate_limits_are_chosen_seen_and_edited(world: &World) {
    let demo = world.demo().await;
    let input = IssueKey { rate_limits: vec![limit("hourly", 3, 3_600)], ..world.service_input(&[]) };
    let issued = demo.issue_key(input).await.unwrap();
    let seen = async || demo.get_key(issued.key.id).await.unwrap();
    assert_eq!(seen().await.rate_limits[..], [RateLimit::new("hourly", 3, 3_600).unwrap()]);
    assert_eq!(world.verify(&issued).await.map(drop), Ok(()));

    // Renamed, rotated, edited: the key goes on where it was.
    let id = issued.key.id;
    let version = demo.update_key(id, issued.key.version, name("renamed")).await.unwrap().version;
    let rotated = demo.rotate_key(id, Some(version), DAY).await.unwrap();
    assert_eq!(world.verify(&rotated).await.map(drop), Ok(()));
    assert_eq!(world.verify(&issued).await.map(drop), Ok(()));
    assert_eq!(world.verify(&rotated).await.map(drop), Err(Code::RateLimited));
    assert_eq!(world.verify(&issued).await.map(drop), Err(Code::RateLimited));
    let wider = limited(&[("hourly", 4, 3_600)]);
    let version = demo.update_key(id, rotated.key.version, wider).await.unwrap().version;
    assert_eq!(world.verify(&issued).await.map(drop), Ok(()));
    assert_eq!(world.verify(&issued).await.map(drop), Err(Code::RateLimited));
    let events = world.audit(world.first.demo_organization).await;
    let wider = serde_json::json!([{"name": "hourly", "limit": 4, "window_seconds": 3_600}]);
    let told =
        |event: &AuditEvent| event.action == "key.update" && event.details["after"]["rate_limits"] == wider;
    assert!(events.iter().any(told), "{events:?}");
    demo.update_key(id, version, limited(&[])).await.unwrap();
    assert_eq!(seen().await.rate_limits[..], []);
    for _ in 0..10 {
        assert_eq!(world.verify(&issued).await.map(drop), Ok(()));
    }
}

async fn every_broken_rule_of_a_rate_limit_is_named(world: &World) {
    let demo = world.demo().await;
    let broken = vec![limit("Hourly", 1, 1), limit("a", 0, 1), limit("b", 1, 0), limit("c", 1, 2_678_401)];
    let input = IssueKey { rate_limits: broken.clone(), ..world.service_input(&[]) };
    let expected = [
        ("/rate_limits/0/name".to_owned(), "malformed"),
        ("/rate_limits/1/limit".to_owned(), "out_of_range"),
        ("/rate_limits/2/window_seconds".to_owned(), "out_of_range"),
        ("/rate_limits/3/window_seconds".to_owned(), "out_of_range"),
    ];
    assert_eq!(invalid(demo.issue_key(input).await), expected);
    let key = world.service_key(&[]).await.key;
    let update = async |patch| demo.update_key(key.id, key.version, patch).await;
    assert_eq!(
        invalid(update(KeyPatch { rate_limits: Some(broken), ..KeyPatch::default() }).await),
        expected
    );
    let twice = update(limited(&[("a", 1, 1), ("b", 1, 1), ("a", 2, 2)])).await;
    assert_eq!(invalid_field(twice), ("/rate_limits/2/name".to_owned(), "duplicate"));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let nine = update(limited(&names.map(|name| (name, 1, 1)))).await;
    assert_eq!(invalid_field(nine), ("/rate_limits".to_owned(), "too_many"));
}

async fn nobody_lifts_a_limit_of_the_own_key_who_does_not_administer_keys(world: &World) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let demo = world.demo().await;
    let imposed = vec![limit("hourly", 10, 3_600)];
    let input = IssueKey { rate_limits: imposed, ..user_input(user, Level::All, &["keys:write"]) };
    let issued = demo.issue_key(input).await.unwrap();
    let id = issued.key.id;
    let browser = world.in_browser(user).await;
    let session = world.wardkey.enter(&browser, &world.first.demo_organization.into()).await.unwrap();
    for own in [world.as_key(&issued).await, session] {
        let version = demo.get_key(id).await.unwrap().version;
        for loosened in [
            &[][..],
            &[("hourly", 11, 3_600)],
            &[("hourly", 10, 3_599)],
            &[("another", 10, 3_600)],
            &[("another", 1, 3_600), ("hourly", 20, 7_200)],
        ] {
            let answer = own.update_key(id, version, limited(loosened)).await;
            assert_eq!(exceeds(answer), ["/rate_limits"], "{loosened:?}");
        }
        let named = own.update_key(id, version, name("mine")).await.unwrap();
        let tighter = limited(&[("hourly", 9, 3_600), ("burst", 1, 1)]);
        let tightened = own.update_key(id, named.version, tighter).await.unwrap();
        assert_eq!(tightened.rate_limits.len(), 2);
        // What one has imposed on oneself is a limit like another.
        assert_eq!(
            exceeds(own.update_key(id, tightened.version, limited(&[("hourly", 9, 3_600)])).await),
            ["/rate_limits"]
        );
        demo.update_key(id, tightened.version, limited(&[("hourly", 10, 3_600)])).await.unwrap();
    }
}
