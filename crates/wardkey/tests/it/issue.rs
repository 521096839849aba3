//! Issuing keys: defaults, rules, and who may.

use wardkey::core::{
    Access, BuiltInRole, Catalogue, CatalogueGroup, CataloguePermission, Code, Id as _, Level,
    PermissionClass, PrincipalId, Reference, Standing, UserId, WorkspaceId,
};
use wardkey::{
    Expiry, ExpiryPreset, IssueKey, KeyFilter, MAX_DESCRIPTION, MAX_METADATA, MAX_NAME, PageRequest,
    PrincipalRef, Tenant, USUAL_KEY_LIFE,
};

use crate::answers::{forbidden, invalid, invalid_field};
use crate::world::{DAY, PRODUCT, World, environment, permissions, production, user_input};

on_both!(
    a_user_key_needs_only_a_name,
    a_service_accounts_key_must_say_where_it_reaches,
    every_broken_rule_is_named_at_its_place_and_nothing_happens,
    each_rule_holds_to_the_last_character,
    a_life_is_at_most_a_year,
    a_reserved_permission_needs_all_workspaces,
    operator_permissions_exist_in_the_operator_organization_only,
    who_is_meant_must_exist_and_be_active,
    objects_are_named_by_either_id,
    making_keys_must_be_listed_on_the_key,
    keys_write_makes_keys_for_oneself_only,
    a_service_account_with_keys_write_makes_keys_for_itself,
    level_all_grows_with_the_catalogue,
    a_catalogue_lists_each_product_permission_once,
    a_secret_is_shown_once_and_says_its_environment,
    an_unnamed_environment_is_production,
);

/// A person's own program: level all, and making keys is listed.
async fn own_program(world: &World) -> (UserId, Tenant) {
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let key = world.user_key(user).await;
    (user, world.as_key(&key).await)
}

async fn a_user_key_needs_only_a_name(world: &World) {
    let (user, tenant) = own_program(world).await;
    let issued = tenant.issue_key(IssueKey::named("CI")).await.unwrap();
    let key = &issued.key;
    assert_eq!(key.name, "CI");
    assert_eq!(key.level, Level::All);
    assert_eq!(key.workspaces, Access::All);
    assert_eq!(key.customers, Access::All);
    assert_eq!(key.principal, PrincipalId::User(user));
    assert_eq!(key.environment, production());
    assert_eq!(key.expires_at, Some(world.now().saturating_add(90 * DAY)));
    assert!(key.permissions.is_empty() && key.ip_allowlist.is_empty() && key.metadata.is_empty());
    assert_eq!(key.description, None);

    let rights = world.verify(&issued).await.unwrap().rights;
    let held = rights.rights.organization_wide();
    assert!(PRODUCT.iter().all(|name| held.contains_name(name)));
    assert!(!held.contains_name("keys:write"), "making keys is to be listed");
    assert!(!held.contains_name("admin:members"), "the user holds no such thing");
}

async fn a_service_accounts_key_must_say_where_it_reaches(world: &World) {
    let demo = world.demo().await;
    let account = PrincipalRef::ServiceAccount(world.first.demo_service_account.into());
    let mut input = IssueKey { principal: Some(account), ..IssueKey::named("CI") };
    let required = ("/workspaces".to_owned(), "required");
    assert_eq!(invalid_field(demo.issue_key(input.clone()).await), required);
    input.workspaces = Some(Access::Specific(Vec::new()));
    let required = ("/workspaces/ids".to_owned(), "required");
    assert_eq!(invalid_field(demo.issue_key(input.clone()).await), required);

    input.workspaces = Some(Access::Specific(vec![world.first.demo_workspace.into()]));
    let issued = demo.issue_key(input).await.unwrap();
    assert_eq!(issued.key.level, Level::Restricted);
    assert_eq!(issued.key.workspaces, Access::specific([world.first.demo_workspace]));
    assert_eq!(issued.key.expires_at, Some(world.now().saturating_add(90 * DAY)));
    let rights = world.verify(&issued).await.unwrap().rights;
    assert!(rights.rights.anywhere().is_empty(), "absence grants nothing");
    // Somebody on the database is no user: it must be said for whom.
    let unsaid = ("/principal".to_owned(), "required");
    assert_eq!(invalid_field(demo.issue_key(IssueKey::named("whose?")).await), unsaid);
}

async fn every_broken_rule_is_named_at_its_place_and_nothing_happens(world: &World) {
    let demo = world.demo().await;
    let (audited, keys) = (world.audited().await, world.counted_keys().await);
    let missing = WorkspaceId::from_bytes([9; 16]);
    let here: Reference<WorkspaceId> = world.first.demo_workspace.into();
    let mut metadata = serde_json::Map::new();
    metadata.insert("text".to_owned(), "x".repeat(MAX_METADATA).into());
    let input = IssueKey {
        name: format!("\t{}", "x".repeat(MAX_NAME)),
        description: Some("a\u{7}b".to_owned()),
        metadata,
        environment: Some(environment("nowhere")),
        principal: Some(PrincipalRef::ServiceAccount(Reference::from("nobody"))),
        rate_limits: Vec::new(),
        level: None,
        permissions: permissions(&[
            "pipelines:read",
            "pipelines:fly",
            "pipelines:read",
            "admin:keys",
            "operator:act",
        ]),
        workspaces: Some(Access::Specific(vec![
            missing.into(),
            here.clone(),
            here,
            Reference::from("nowhere"),
        ])),
        customers: None,
        ip_allowlist: vec!["10.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        expiry: Expiry::At(world.now()),
    };
    let mut expected = [
        ("/name", "too_long"),
        ("/name", "control_character"),
        ("/description", "control_character"),
        ("/metadata", "too_long"),
        ("/environment", "unknown_environment"),
        ("/principal/id", "not_found"),
        ("/permissions/1", "unknown_permission"),
        ("/permissions/2", "duplicate"),
        ("/permissions/3", "needs_all_workspaces"),
        ("/permissions/4", "operator_only"),
        ("/permissions/4", "needs_all_workspaces"),
        ("/workspaces/ids/0", "not_found"),
        ("/workspaces/ids/2", "duplicate"),
        ("/workspaces/ids/3", "not_found"),
        ("/ip_allowlist/1", "duplicate"),
        ("/expires_at", "in_the_past"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code));
    expected.sort();
    assert_eq!(invalid(demo.issue_key(input).await), expected);
    assert_eq!((world.audited().await, world.counted_keys().await), (audited, keys));
}

async fn each_rule_holds_to_the_last_character(world: &World) {
    let demo = world.demo().await;
    let plain = || world.service_input(&[]);
    let try_name = async |name: String| demo.issue_key(IssueKey { name, ..plain() }).await;
    try_name("é".repeat(MAX_NAME)).await.unwrap();
    assert_eq!(invalid_field(try_name("é".repeat(MAX_NAME + 1)).await).1, "too_long");
    for blank in ["", " ", "\u{3000}"] {
        assert_eq!(invalid_field(try_name(blank.to_owned()).await), ("/name".to_owned(), "required"));
    }
    for odd in ["a\nb", "a\tb", "a\0b", "a\u{85}b"] {
        assert_eq!(invalid_field(try_name(odd.to_owned()).await), ("/name".to_owned(), "control_character"));
    }

    let describe = async |text: String| demo.issue_key(IssueKey { description: Some(text), ..plain() }).await;
    describe(format!("{}\r\n\t", "é".repeat(MAX_DESCRIPTION - 3))).await.unwrap();
    let too_long = ("/description".to_owned(), "too_long");
    assert_eq!(invalid_field(describe("é".repeat(MAX_DESCRIPTION + 1)).await), too_long);

    let keep = async |text: String| {
        let metadata = serde_json::Map::from_iter([("k".to_owned(), text.into())]);
        demo.issue_key(IssueKey { metadata, ..plain() }).await
    };
    let frame = r#"{"k":""}"#.len();
    let kept = keep("x".repeat(MAX_METADATA - frame)).await.unwrap();
    assert_eq!(kept.key.metadata["k"].as_str().unwrap().len(), MAX_METADATA - frame);
    let too_long = ("/metadata".to_owned(), "too_long");
    assert_eq!(invalid_field(keep("x".repeat(MAX_METADATA - frame + 1)).await), too_long);
    let nul = ("/metadata".to_owned(), "control_character");
    assert_eq!(invalid_field(keep("a\0b".to_owned()).await), nul);
    let named = serde_json::Map::from_iter([("a\0b".to_owned(), 1.into())]);
    assert_eq!(invalid_field(demo.issue_key(IssueKey { metadata: named, ..plain() }).await), nul);
    // The six characters that JSON writes for it are text like any other.
    let literal = keep(r"\u0000".to_owned()).await.unwrap();
    assert_eq!(literal.key.metadata["k"], r"\u0000");

    let networks = |count: u8| (0..count).map(|n| format!("10.0.{n}.0/24").parse().unwrap()).collect();
    let many = demo.issue_key(IssueKey { ip_allowlist: networks(100), ..plain() }).await.unwrap();
    assert_eq!(many.key.ip_allowlist.len(), 100);
    let too_many = demo.issue_key(IssueKey { ip_allowlist: networks(101), ..plain() }).await;
    assert_eq!(invalid_field(too_many), ("/ip_allowlist".to_owned(), "too_many"));
}

async fn a_life_is_at_most_a_year(world: &World) {
    let demo = world.demo().await;
    let issue = async |expiry| demo.issue_key(IssueKey { expiry, ..world.service_input(&[]) }).await;
    for (preset, days) in ExpiryPreset::ALL.into_iter().zip([7, 30, 60, 90, 180, 365]) {
        let issued = issue(Expiry::In(preset)).await.unwrap();
        assert_eq!(issued.key.expires_at, Some(world.now().saturating_add(days * DAY)));
    }
    let last = world.now().saturating_add(USUAL_KEY_LIFE);
    let micro = std::time::Duration::from_micros(1);
    assert_eq!(issue(Expiry::At(last)).await.unwrap().key.expires_at, Some(last));
    let at = "/expires_at".to_owned();
    assert_eq!(invalid_field(issue(Expiry::At(last.saturating_add(micro))).await), (at.clone(), "too_late"));
    assert_eq!(invalid_field(issue(Expiry::At(world.now())).await), (at, "in_the_past"));
    let never = ("/never_expires".to_owned(), "not_allowed");
    assert_eq!(invalid_field(issue(Expiry::Never).await), never);
    let next = world.now().saturating_add(micro);
    assert_eq!(issue(Expiry::At(next)).await.unwrap().key.expires_at, Some(next));
}

async fn a_reserved_permission_needs_all_workspaces(world: &World) {
    let demo = world.demo().await;
    for name in ["keys:write", "admin:keys", "admin:audit"] {
        let mut input = world.service_input(&[name]);
        input.workspaces = Some(Access::Specific(vec![world.first.demo_workspace.into()]));
        let refused = invalid_field(demo.issue_key(input).await);
        assert_eq!(refused, ("/permissions/0".to_owned(), "needs_all_workspaces"));
    }
}

async fn operator_permissions_exist_in_the_operator_organization_only(world: &World) {
    let refused = ("/permissions/0".to_owned(), "operator_only");
    for name in ["operator:act", "operator:verify", "operator:catalogue"] {
        let by_local = world.demo().await.issue_key(world.service_input(&[name])).await;
        assert_eq!(invalid_field(by_local), refused);
    }
    let acting = world.caller(&world.first.operator_key).await;
    let tenant = world.wardkey.enter(&acting, &world.first.demo_organization.into()).await.unwrap();
    let by_operator = tenant.issue_key(world.service_input(&["operator:verify"])).await;
    assert_eq!(invalid_field(by_operator), refused);

    // There, who lists them may give them, and nobody else.
    let mut input = world.operator_input(&["operator:verify"]);
    input.expiry = Expiry::At(world.now().saturating_add(DAY / 2));
    let own = world.as_key(&world.first.operator_key).await;
    own.issue_key(input.clone()).await.unwrap();
    let everything_but = world.operator().await;
    let limited = everything_but.issue_key(world.operator_input(&["admin:keys", "operator:users"])).await;
    let limited = world.as_key(&limited.unwrap()).await;
    assert_eq!(crate::answers::exceeds(limited.issue_key(input.clone()).await), ["/permissions"]);
    input.permissions = permissions(&["operator:users"]);
    limited.issue_key(input).await.unwrap();
}

async fn who_is_meant_must_exist_and_be_active(world: &World) {
    let demo = world.demo().await;
    let issue = async |principal| {
        let input = IssueKey { principal: Some(principal), ..world.service_input(&[]) };
        demo.issue_key(input).await
    };
    let not_found = ("/principal/id".to_owned(), "not_found");
    let foreign = world.create_organization("Foreign", None).await;
    let elsewhere =
        foreign.create_service_account("CI".to_owned(), Some("ci".to_owned())).await.unwrap().into_inner();
    let email = "stranger@example.com".to_owned();
    let stranger = world
        .deployment()
        .await
        .create_user(email, "S".to_owned(), Some("s-1".to_owned()))
        .await
        .unwrap()
        .into_inner();
    for nobody in [
        PrincipalRef::ServiceAccount(elsewhere.id.into()),
        PrincipalRef::ServiceAccount(Reference::from("ci")),
        PrincipalRef::ServiceAccount(Reference::from("a\0b")),
        PrincipalRef::User(stranger.id.into()),
        PrincipalRef::User(Reference::from("s-1")),
        PrincipalRef::User(UserId::from_bytes([3; 16]).into()),
        PrincipalRef::User(Reference::from("a\0b")),
    ] {
        assert_eq!(invalid_field(issue(nobody).await), not_found);
    }
    demo.set_service_account_state(&world.first.demo_service_account.into(), None, Standing::Inactive, None)
        .await
        .unwrap();
    let suspended = issue(PrincipalRef::ServiceAccount(world.first.demo_service_account.into())).await;
    assert_eq!(invalid_field(suspended), ("/principal/id".to_owned(), "inactive"));
}

async fn objects_are_named_by_either_id(world: &World) {
    let demo = world.demo().await;
    let workspace = demo
        .create_workspace("EU".to_owned(), Some("eu-1".to_owned()), Vec::new())
        .await
        .unwrap()
        .into_inner();
    let account =
        demo.create_service_account("CI".to_owned(), Some("ci-1".to_owned())).await.unwrap().into_inner();
    let email = "ada@example.com".to_owned();
    let user = world
        .deployment()
        .await
        .create_user(email, "Ada".to_owned(), Some("u-1".to_owned()))
        .await
        .unwrap()
        .into_inner();
    world.set_member(&demo, user.id, crate::world::grants(&[BuiltInRole::Member])).await.unwrap();
    // The workspace was made after this handle was entered.
    let demo = world.demo().await;
    let mut input = IssueKey {
        principal: Some(PrincipalRef::ServiceAccount(Reference::from("ci-1"))),
        workspaces: Some(Access::Specific(vec![Reference::from("eu-1"), world.first.demo_workspace.into()])),
        ..IssueKey::named("CI")
    };
    let issued = demo.issue_key(input.clone()).await.unwrap();
    assert_eq!(issued.key.principal, PrincipalId::ServiceAccount(account.id));
    assert_eq!(issued.key.workspaces, Access::specific([workspace.id, world.first.demo_workspace]));
    // The same one twice, by its two ids.
    input.workspaces = Some(Access::Specific(vec![Reference::from("eu-1"), workspace.id.into()]));
    let twice = ("/workspaces/ids/1".to_owned(), "duplicate");
    assert_eq!(invalid_field(demo.issue_key(input).await), twice);
    let mut input = user_input(user.id, Level::ReadOnly, &[]);
    input.principal = Some(PrincipalRef::User(Reference::from("u-1")));
    let issued = demo.issue_key(input).await.unwrap();
    assert_eq!(issued.key.principal, PrincipalId::User(user.id));
    let rights = world.verify(&issued).await.unwrap().rights;
    assert_eq!(rights.principal.external_id.as_deref(), Some("u-1"));
}

async fn making_keys_must_be_listed_on_the_key(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let user_all = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let mut input = world.service_input(&["admin:members", "admin:service_accounts"]);
    input.level = Some(Level::All);
    let service_all = demo.issue_key(input).await.unwrap();
    for key in [user_all, service_all] {
        let tenant = world.as_key(&key).await;
        let (own, secret) = (key.key.id, key.key.secrets[0].id);
        let needed = ["keys:write", "admin:keys"];
        assert_eq!(forbidden(tenant.issue_key(IssueKey::named("x")).await), needed);
        assert_eq!(forbidden(tenant.update_key(own, 1, wardkey::KeyPatch::default()).await), needed);
        assert_eq!(forbidden(tenant.rotate_key(own, None, DAY).await), needed);
        assert_eq!(forbidden(tenant.end_secret(own, secret).await), needed);
        assert_eq!(forbidden(tenant.disable_key(own, None, None).await), needed);
        assert_eq!(forbidden(tenant.enable_key(own, None, None).await), needed);
        assert_eq!(forbidden(tenant.revoke_key(own, None, None).await), needed);
        assert_eq!(forbidden(tenant.delete_key(own, None, None).await), needed);
        // The permission is asked for before the object: who lacks it learns nothing about what there is.
        let nothing = wardkey::core::KeyId::from_bytes([9; 16]);
        assert_eq!(forbidden(tenant.disable_key(nothing, None, None).await), needed);
        assert_eq!(forbidden(tenant.end_secret(nothing, secret).await), needed);
        // Looking at the own key needs nothing.
        assert_eq!(tenant.get_key(own).await.unwrap().id, own);
    }
}

async fn keys_write_makes_keys_for_oneself_only(world: &World) {
    let (_, tenant) = own_program(world).await;
    let other = world.member("bob", &[BuiltInRole::Viewer]).await;
    let mut refused = Vec::new();
    for principal in [
        PrincipalRef::User(other.into()),
        PrincipalRef::User(UserId::from_bytes([3; 16]).into()),
        PrincipalRef::User(Reference::from("nobody")),
        PrincipalRef::ServiceAccount(world.first.demo_service_account.into()),
        PrincipalRef::ServiceAccount(Reference::from("nobody")),
    ] {
        let input =
            IssueKey { principal: Some(principal), workspaces: Some(Access::All), ..IssueKey::named("x") };
        refused.push(forbidden(tenant.issue_key(input).await));
    }
    // Who exists is none of their business.
    assert!(refused.iter().all(|missing| missing == &["admin:keys"]), "{refused:?}");
    let keys = tenant.list_keys(KeyFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(keys.items.len(), 1);
}

async fn a_service_account_with_keys_write_makes_keys_for_itself(world: &World) {
    let tenant = world.as_key(&world.service_key(&["keys:write", "pipelines:read"]).await).await;
    let input = world.service_input(&["pipelines:read"]);
    tenant.issue_key(input.clone()).await.unwrap();
    // Its own keys are no default: a service account is not the caller's user.
    let unsaid = ("/principal".to_owned(), "required");
    assert_eq!(invalid_field(tenant.issue_key(IssueKey { principal: None, ..input }).await), unsaid);
    let other =
        world.demo().await.create_service_account("other".to_owned(), None).await.unwrap().into_inner();
    let mut input = world.service_input(&["pipelines:read"]);
    input.principal = Some(PrincipalRef::ServiceAccount(other.id.into()));
    assert_eq!(forbidden(tenant.issue_key(input).await), ["admin:keys"]);
}

async fn level_all_grows_with_the_catalogue(world: &World) {
    let demo = world.demo().await;
    let user = world.member("ada", &[BuiltInRole::Member]).await;
    let issue = async |level, listed: &[&str]| {
        let input = IssueKey { level: Some(level), ..world.service_input(listed) };
        demo.issue_key(input).await.unwrap()
    };
    let all = issue(Level::All, &[]).await;
    let read_only = issue(Level::ReadOnly, &[]).await;
    let restricted = issue(Level::Restricted, &["pipelines:read"]).await;
    let of_user = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let holds = async |key: &wardkey::IssuedKey, name: &str| {
        world.verify(key).await.unwrap().rights.rights.anywhere().contains_name(name)
    };
    for key in [&all, &read_only, &restricted, &of_user] {
        assert!(!holds(key, "reports:read").await && !holds(key, "reports:send").await);
    }
    let permission = |name: &str, class| CataloguePermission {
        name: name.parse().unwrap(),
        class,
        label: name.to_owned(),
    };
    let reports = vec![
        permission("reports:read", PermissionClass::Read),
        permission("reports:send", PermissionClass::Write),
    ];
    // What a key lists stays.
    let listed = vec![permission("pipelines:read", PermissionClass::Read)];
    let group = |label: &str, permissions| CatalogueGroup { label: label.to_owned(), permissions };
    let catalogue = Catalogue { groups: vec![group("Reports", reports), group("Pipelines", listed)] };
    world.replace_catalogue(&catalogue).await;

    for (key, reads, sends) in
        [(&all, true, true), (&read_only, true, false), (&restricted, false, false), (&of_user, true, true)]
    {
        assert_eq!(holds(key, "reports:read").await, reads);
        assert_eq!(holds(key, "reports:send").await, sends);
        assert!(!holds(key, "connections:read").await, "what left the catalogue is held by nobody");
        assert!(!holds(key, "admin:keys").await && !holds(key, "keys:write").await);
    }
}

async fn a_catalogue_lists_each_product_permission_once(world: &World) {
    let permission = |name: &str| CataloguePermission {
        name: name.parse().unwrap(),
        class: PermissionClass::Read,
        label: "a\0b".to_owned(),
    };
    let group = |names: &[&str]| CatalogueGroup {
        label: "x".repeat(101),
        permissions: names.iter().map(|name| permission(name)).collect(),
    };
    let catalogue =
        Catalogue { groups: vec![group(&["pipelines:read", "admin:keys"]), group(&["pipelines:read"])] };
    let expected = [
        ("/groups/0/label", "too_long"),
        ("/groups/0/permissions/0/label", "control_character"),
        ("/groups/0/permissions/1/label", "control_character"),
        ("/groups/0/permissions/1/name", "reserved"),
        ("/groups/1/label", "duplicate"),
        ("/groups/1/label", "too_long"),
        ("/groups/1/permissions/0/label", "control_character"),
        ("/groups/1/permissions/0/name", "duplicate"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code));
    assert_eq!(invalid(world.deployment().await.replace_catalogue(1, &catalogue).await), expected);
    assert_eq!(world.deployment().await.describe().await.unwrap().catalogue.permissions().count(), 4);
}

async fn a_secret_is_shown_once_and_says_its_environment(world: &World) {
    let demo = world.demo().await;
    for (name, tag) in [("production", "live"), ("staging", "test"), ("development", "dev")] {
        let input = IssueKey { environment: Some(environment(name)), ..world.service_input(&[]) };
        let issued = demo.issue_key(input).await.unwrap();
        let secret = issued.secret.as_ref().unwrap();
        assert!(secret.expose().starts_with(&format!("wk_{tag}_")));
        assert_eq!(issued.key.secrets.len(), 1);
        assert_eq!(issued.key.secrets[0].hint, secret.hint());
        assert!(world.verify(&issued).await.is_ok());
        let stored = format!("{:?}", demo.get_key(issued.key.id).await.unwrap());
        assert!(!stored.contains(secret.expose()));
        let audited = format!("{:?}", world.audit(world.first.demo_organization).await);
        assert!(!audited.contains(secret.expose()));
    }
}

async fn an_unnamed_environment_is_production(world: &World) {
    let issued = world.demo().await.issue_key(world.service_input(&[])).await.unwrap();
    assert_eq!(issued.key.environment, production());
    let elsewhere = world.verify_secret(issued.secret.as_ref().unwrap(), &environment("staging")).await;
    assert_eq!(elsewhere.unwrap_err(), Code::EnvironmentMismatch);
}
