//! The doors, and what is behind each.

use wardkey::core::permission::{AdminKeys, AdminMembers, OperatorAct, OperatorUsers, OperatorVerify};
use wardkey::core::{
    Catalogue, EnvironmentName, Id as _, OrganizationId, Permission as _, Reference, Requirement, WorkspaceId,
};
use wardkey::{
    Actor, Caller, Conflict, IssueKey, KeyFilter, OrganizationFilter, PageRequest, PrincipalRef, Via,
    WorkspaceFilter,
};
use wardkey_storage::{NewKey, NewSecret};

use crate::answers::{conflict, forbidden, invalid_field, not_found};
use crate::world::{World, permissions, production};

on_both!(
    foreign_missing_and_random_organizations_are_the_same_not_found,
    a_key_of_another_organization_does_not_exist_here,
    one_enters_the_own_organization_by_either_id,
    an_external_id_never_shadows_an_id,
    an_external_id_is_given_once,
    an_operator_that_acts_has_an_owners_rights_in_every_organization,
    an_operator_that_acts_is_not_bounded_by_the_calling_key,
    in_its_own_organization_an_operator_key_has_its_own_rights,
    without_operator_act_an_operator_enters_no_other_organization,
    operator_permissions_of_a_tenants_key_are_held_by_nobody,
    each_operation_of_the_deployment_needs_its_permission,
    someone_on_the_database_is_audited_as_such,
    the_request_is_audited_with_its_id_and_address,
    a_caller_sees_itself_and_its_own_organization,
    nobody_in_particular_has_no_own_business,
    any_key_may_revoke_itself,
    reading_needs_the_permission_of_changing,
    a_key_without_any_workspace_sees_none,
    an_operator_verifies_in_the_calling_keys_environment,
);

async fn foreign_missing_and_random_organizations_are_the_same_not_found(world: &World) {
    let caller = world.caller(&world.admin_key().await).await;
    let foreign = world.create_organization("Foreign", Some("foreign")).await;
    let random = OrganizationId::from_bytes([0xA7; 16]);
    let operator = world.operator().await.organization_id();
    for organization in [
        foreign.organization_id().into(),
        random.into(),
        operator.into(),
        Reference::from("foreign"),
        Reference::from("FOREIGN"),
        Reference::from("nowhere"),
        Reference::from(""),
        Reference::from("%"),
        Reference::from("a\0b"),
        Reference::from("é".repeat(10_000)),
    ] {
        not_found(world.wardkey.enter(&caller, &organization).await);
    }
    // For someone who may enter every organization, what does not exist does not exist either, and is no outage.
    for missing in [random.into(), Reference::from("nowhere"), Reference::from(""), Reference::from("a\0b")] {
        not_found(world.wardkey.enter(&Caller::local("test"), &missing).await);
    }
}

async fn a_key_of_another_organization_does_not_exist_here(world: &World) {
    // Whoever may do everything here may do nothing there.
    let here = world.create_organization("Other", None).await;
    let foreign = world.service_key(&["pipelines:read"]).await;
    let (id, secret, version) = (foreign.key.id, foreign.key.secrets[0].id, foreign.key.version);
    let audited = world.audited().await;
    not_found(here.get_key(id).await);
    not_found(here.update_key(id, version, wardkey::KeyPatch::default()).await);
    not_found(here.rotate_key(id, Some(version), crate::world::DAY).await);
    not_found(here.end_secret(id, secret).await);
    not_found(here.disable_key(id, None, None).await);
    not_found(here.enable_key(id, None, None).await);
    not_found(here.revoke_key(id, None, None).await);
    not_found(here.delete_key(id, None, None).await);
    let account = world.first.demo_service_account;
    not_found(
        here.set_service_account_state(&account.into(), None, wardkey::core::Standing::Inactive, None).await,
    );
    assert!(here.list_keys(KeyFilter::default(), PageRequest::default()).await.unwrap().items.is_empty());
    assert!(
        here.list_workspaces(WorkspaceFilter::default(), PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(
        here.list_service_accounts(Default::default(), PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let own = here.create_service_account("CI".to_owned(), None).await.unwrap().into_inner();
    let mut input = world.service_input(&[]);
    input.principal = Some(PrincipalRef::ServiceAccount(own.id.into()));
    input.workspaces = Some(wardkey::core::Access::Specific(vec![world.first.demo_workspace.into()]));
    let refused = ("/workspaces/ids/0".to_owned(), "not_found");
    assert_eq!(invalid_field(here.issue_key(input).await), refused);
    assert_eq!(world.demo().await.get_key(id).await.unwrap(), foreign.key);
    assert!(world.verify(&foreign).await.is_ok());
    assert_eq!(world.audited().await, audited);
}

async fn one_enters_the_own_organization_by_either_id(world: &World) {
    let acme = world.create_organization("Acme", Some("acme-1")).await;
    let account =
        acme.create_service_account("CI".to_owned(), Some("ci".to_owned())).await.unwrap().into_inner();
    let mut input = IssueKey::named("CI");
    input.principal = Some(PrincipalRef::ServiceAccount(Reference::from("ci")));
    input.workspaces = Some(wardkey::core::Access::All);
    let key = acme.issue_key(input).await.unwrap();
    assert_eq!(key.key.principal.to_bytes(), account.id.to_bytes());

    let caller = world.caller(&key).await;
    for reference in [acme.organization_id().into(), Reference::from("acme-1")] {
        let tenant = world.wardkey.enter(&caller, &reference).await.unwrap();
        assert_eq!(tenant.organization_id(), acme.organization_id());
    }
    let local = world.wardkey.enter(&Caller::local("test"), &Reference::from("acme-1")).await.unwrap();
    assert_eq!(local.organization_id(), acme.organization_id());
}

async fn an_external_id_never_shadows_an_id(world: &World) {
    let demo = world.demo().await;
    let id = demo.organization_id().to_string();
    let reserved = ("/external_id".to_owned(), "reserved");
    let named = |id: String| ("Shadow".to_owned(), Some(id));

    let (name, shadow) = named(id.clone());
    assert_eq!(
        invalid_field(world.deployment().await.create_organization(name, shadow, None).await),
        reserved
    );
    let (name, shadow) = named(WorkspaceId::from_bytes([1; 16]).to_string());
    assert_eq!(invalid_field(demo.create_workspace(name, shadow, Vec::new()).await), reserved);
    let (name, shadow) = named(world.first.demo_service_account.to_string());
    assert_eq!(invalid_field(demo.create_service_account(name, shadow).await), reserved);
    let user = wardkey::core::UserId::from_bytes([1; 16]).to_string();
    let created =
        world.deployment().await.create_user("a@example.com".to_owned(), "A".to_owned(), Some(user)).await;
    assert_eq!(invalid_field(created), reserved);
    for nonsense in ["", " ", "a b", "a\nb", "a\0b", &"x".repeat(101)] {
        let created = demo.create_workspace("W".to_owned(), Some(nonsense.to_owned()), Vec::new()).await;
        assert_eq!(invalid_field(created), ("/external_id".to_owned(), "malformed"));
    }
    // The id of something else is an external id like any other.
    let workspace =
        demo.create_workspace("W".to_owned(), Some(id.clone()), Vec::new()).await.unwrap().into_inner();
    let found = demo.rights().organization() == demo.organization_id();
    assert!(found && workspace.external_id == Some(id));
}

async fn an_external_id_is_given_once(world: &World) {
    let demo = world.demo().await;
    let taken = || Some("taken".to_owned());
    world.create_organization("First", Some("taken")).await;
    let second = world.deployment().await.create_organization("Second".to_owned(), taken(), None).await;
    assert_eq!(conflict(second), Conflict::ExternalIdInUse);
    demo.create_workspace("First".to_owned(), taken(), Vec::new()).await.unwrap();
    let second = demo.create_workspace("Second".to_owned(), taken(), Vec::new()).await;
    assert_eq!(conflict(second), Conflict::ExternalIdInUse);
    // Another organization gives its own.
    let other = world.create_organization("Other", None).await;
    other.create_workspace("First".to_owned(), taken(), Vec::new()).await.unwrap();
    let email = |text: &str| text.to_owned();
    world.deployment().await.create_user(email("a@example.com"), email("A"), None).await.unwrap();
    let second = world.deployment().await.create_user(email("A@EXAMPLE.com"), email("B"), None).await;
    assert_eq!(conflict(second), Conflict::EmailInUse);
}

async fn an_operator_that_acts_has_an_owners_rights_in_every_organization(world: &World) {
    let input = world.operator_input(&["operator:act"]);
    let acting = world.operator().await.issue_key(input).await.unwrap();

    let caller = world.caller(&acting).await;
    let foreign = world.create_organization("Foreign", Some("foreign")).await;
    for organization in [world.first.demo_organization, foreign.organization_id()] {
        let tenant = world.wardkey.enter(&caller, &organization.into()).await.unwrap();
        let local = world.enter_locally(organization).await;
        assert_eq!(tenant.rights(), local.rights());
        tenant.require::<AdminKeys>().unwrap();
        tenant.require::<AdminMembers>().unwrap();
        // An owner of a tenant, not of the deployment.
        assert_eq!(forbidden(tenant.require::<OperatorAct>()), ["operator:act"]);
    }
    let tenant = world.wardkey.enter(&caller, &Reference::from("foreign")).await.unwrap();
    tenant.create_workspace("Made".to_owned(), None, Vec::new()).await.unwrap();
    let events = world.audit(foreign.organization_id()).await;
    let actor = Actor::Key { key: acting.key.id, principal: acting.key.principal };
    assert!(events.iter().any(|event| event.actor == actor), "{events:?}");
}

async fn an_operator_that_acts_is_not_bounded_by_the_calling_key(world: &World) {
    let mut input = world.operator_input(&["operator:act"]);
    input.ip_allowlist = vec!["203.0.113.0/24".parse().unwrap()];
    input.expiry = wardkey::Expiry::In(wardkey::ExpiryPreset::SevenDays);
    let acting = world.operator().await.issue_key(input).await.unwrap();
    let address = Some("203.0.113.7".parse().unwrap());
    let secret = acting.secret.as_ref().unwrap();
    let verification = crate::world::verify_with(&world.verifier(), secret, address).await.unwrap();

    let caller = Caller::key(verification);
    let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let issued = tenant.issue_key(world.service_input(&["admin:members", "pipelines:run"])).await.unwrap();
    assert!(issued.key.expires_at > acting.key.expires_at);
    assert!(issued.key.ip_allowlist.is_empty());
    assert!(world.verify(&issued).await.is_ok());
}

async fn in_its_own_organization_an_operator_key_has_its_own_rights(world: &World) {
    let input = world.operator_input(&["operator:act"]);
    let acting = world.operator().await.issue_key(input.clone()).await.unwrap();

    let own = world.as_key(&acting).await;
    assert_eq!(forbidden(own.require::<AdminKeys>()), ["admin:keys"]);
    assert_eq!(forbidden(own.issue_key(input).await), ["keys:write", "admin:keys"]);
    assert_eq!(
        forbidden(own.list_service_accounts(Default::default(), PageRequest::default()).await),
        ["admin:service_accounts"]
    );
    assert_eq!(forbidden(own.organization().await), ["admin:organization"]);
    let first = world.first.operator_key.key.id;
    assert_eq!(forbidden(own.revoke_key(first, None, None).await), ["keys:write", "admin:keys"]);
}

async fn without_operator_act_an_operator_enters_no_other_organization(world: &World) {
    let input = world.operator_input(&["operator:organizations", "operator:users", "admin:organization"]);
    let narrow = world.operator().await.issue_key(input).await.unwrap();
    let caller = world.caller(&narrow).await;
    not_found(world.wardkey.enter(&caller, &world.first.demo_organization.into()).await);
    assert!(world.wardkey.enter(&caller, &narrow.key.organization.into()).await.is_ok());
}

async fn operator_permissions_of_a_tenants_key_are_held_by_nobody(world: &World) {
    // No operation writes such a row; a mistake or a restored backup may.
    let secret = wardkey::core::SecretStart::new("wk", "live")
        .unwrap()
        .generate(&wardkey::core::testing::SeededRandom::new(99));
    let random = wardkey::core::testing::SeededRandom::new(98);
    let new = NewKey {
        id: wardkey::core::KeyId::mint(world.now(), &random),
        environment: production(),
        principal: wardkey::core::PrincipalId::ServiceAccount(world.first.demo_service_account),
        name: "smuggled".to_owned(),
        description: None,
        metadata: serde_json::Map::new(),
        level: wardkey::core::Level::Restricted,
        permissions: permissions(&["operator:act", "operator:users", "operator:verify", "pipelines:read"]),
        workspaces: wardkey::core::Access::All,
        customers: wardkey::core::Access::All,
        ip_allowlist: Vec::new(),
        rate_limits: wardkey::core::RateLimits::NONE,
        expires_at: None,
        secret: NewSecret {
            id: wardkey::core::SecretId::mint(world.now(), &random),
            digest: secret.digest(),
            hint: secret.hint(),
        },
    };
    world.storage.issue_key(&world.act(), world.first.demo_organization, new, None).await.unwrap();

    let verification = world.verify_secret(&secret, &production()).await.unwrap();
    assert!(!verification.rights.rights.anywhere().contains(OperatorAct::index()));
    let caller = Caller::key(verification);
    not_found(world.wardkey.enter(&caller, &world.operator().await.organization_id().into()).await);
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    assert_eq!(forbidden(deployment.require::<OperatorUsers>()), ["operator:users"]);
    assert_eq!(forbidden(deployment.require::<OperatorVerify>()), ["operator:verify"]);
}

async fn each_operation_of_the_deployment_needs_its_permission(world: &World) {
    let everything: Vec<_> = [
        "admin:organization",
        "admin:members",
        "admin:workspaces",
        "admin:customers",
        "admin:service_accounts",
        "admin:keys",
        "admin:policy",
        "admin:audit",
        "keys:write",
    ]
    .into_iter()
    .chain(crate::world::PRODUCT)
    .collect();
    let tenant_admin = world.caller(&world.service_key(&everything).await).await;
    let deployment = world.wardkey.enter_deployment(&tenant_admin).await.unwrap();
    let text = || "x".to_owned();
    let email = || "x@example.com".to_owned();
    assert_eq!(
        forbidden(deployment.list_organizations(OrganizationFilter::default(), PageRequest::default()).await),
        ["operator:organizations"]
    );
    assert_eq!(
        forbidden(deployment.create_organization(text(), None, None).await),
        ["operator:organizations"]
    );
    assert_eq!(forbidden(deployment.create_user(email(), text(), None).await), ["operator:users"]);
    assert_eq!(
        forbidden(deployment.replace_catalogue(1, &Catalogue::default()).await),
        ["operator:catalogue"]
    );
    assert_eq!(
        forbidden(deployment.verify(b"x", None, &Requirement::NONE).await.map(|_| ())),
        ["operator:verify"]
    );

    let operator = world.caller(&world.first.operator_key).await;
    let deployment = world.wardkey.enter_deployment(&operator).await.unwrap();
    let listed =
        deployment.list_organizations(OrganizationFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    deployment.create_organization(text(), None, None).await.unwrap();
    deployment.create_user(email(), text(), None).await.unwrap();
}

async fn someone_on_the_database_is_audited_as_such(world: &World) {
    let caller = Caller::local("nightly import");
    let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let key = tenant.issue_key(world.service_input(&[])).await.unwrap();
    let event = world.event("key.issue", key.key.id).await;
    assert_eq!(event.actor, Actor::Local { why: "nightly import".to_owned() });
    assert_eq!(key.key.created_by, wardkey::Creator::Local);
}

async fn the_request_is_audited_with_its_id_and_address(world: &World) {
    let admin = world.admin_key().await;
    let address = "203.0.113.7".parse().unwrap();
    let caller = world.caller(&admin).await.with_request_id("req-1").with_address(Some(address));
    let tenant = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
    let key = tenant.issue_key(world.service_input(&["pipelines:read"])).await.unwrap();
    let event = world.event("key.issue", key.key.id).await;
    assert_eq!(event.actor, Actor::Key { key: admin.key.id, principal: admin.key.principal });
    assert_eq!((event.request_id.as_deref(), event.address), (Some("req-1"), Some(address)));
    assert_eq!(key.key.created_by, wardkey::Creator::Key(admin.key.id));
}

async fn a_caller_sees_itself_and_its_own_organization(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let own = world.wardkey.enter_self(&world.caller(&key).await).await.unwrap();
    let me = own.me().await.unwrap();
    let Via::Key { key: shown, organization, rights } = me.via else { panic!("a key calls") };
    assert_eq!((*shown, me.email), (key.key.clone(), None));
    assert_eq!(me.principal, key.key.principal);
    assert_eq!(me.principal_name, "Demo service account");
    assert_eq!(organization.id, world.first.demo_organization);
    assert!(rights.rights.anywhere().contains_name("pipelines:read"));
    let organizations = own.organizations(PageRequest::default()).await.unwrap().items;
    assert_eq!(organizations.len(), 1);
    assert_eq!(organizations[0].id, world.first.demo_organization);
}

async fn nobody_in_particular_has_no_own_business(world: &World) {
    not_found(world.wardkey.enter_self(&Caller::local("test")).await);
}

async fn any_key_may_revoke_itself(world: &World) {
    let key = world.service_key(&[]).await;
    let caller = world.caller(&key).await;
    let own = world.wardkey.enter_self(&caller).await.unwrap();
    let long = "x".repeat(501);
    assert_eq!(invalid_field(own.revoke(Some(long)).await), ("/reason".to_owned(), "too_long"));
    let before = world.audited().await;
    own.revoke(Some("leaked".to_owned())).await.unwrap();
    assert_eq!(world.verify(&key).await.unwrap_err(), wardkey::core::Code::KeyRevoked);
    // Again, by a request that was verified before: who has ended does nothing any more.
    not_found(own.revoke(None).await);
    assert_eq!(world.audited().await, before + 1);
}

async fn reading_needs_the_permission_of_changing(world: &World) {
    let plain = world.service_key(&crate::world::PRODUCT).await;
    let tenant = world.as_key(&plain).await;
    assert_eq!(forbidden(tenant.organization().await), ["admin:organization"]);
    assert_eq!(
        forbidden(tenant.list_service_accounts(Default::default(), PageRequest::default()).await),
        ["admin:service_accounts"]
    );
    let name = || "x".to_owned();
    assert_eq!(forbidden(tenant.create_workspace(name(), None, Vec::new()).await), ["admin:workspaces"]);
    assert_eq!(forbidden(tenant.create_service_account(name(), None).await), ["admin:service_accounts"]);
    assert_eq!(forbidden(tenant.organization().await), ["admin:organization"]);
    // Without any: the workspaces within one's scope, and the catalogue.
    assert_eq!(
        tenant.list_workspaces(WorkspaceFilter::default(), PageRequest::default()).await.unwrap().items.len(),
        1
    );
    let caller = world.caller(&plain).await;
    let described = world.wardkey.enter_deployment(&caller).await.unwrap().describe().await.unwrap();
    assert_eq!(described.catalogue.permissions().count(), 4);

    let admin =
        world.as_key(&world.service_key(&["admin:organization", "admin:service_accounts"]).await).await;
    assert_eq!(admin.organization().await.unwrap().id, world.first.demo_organization);
    assert_eq!(
        admin.list_service_accounts(Default::default(), PageRequest::default()).await.unwrap().items.len(),
        1
    );
}

async fn a_key_without_any_workspace_sees_none(world: &World) {
    // A member without a role: nothing is visible, and nothing may be done.
    let user = world.member("nobody", &[]).await;
    let input = IssueKey { principal: Some(PrincipalRef::User(user.into())), ..IssueKey::named("empty") };
    let key = world.demo().await.issue_key(input).await.unwrap();
    let tenant = world.as_key(&key).await;
    assert!(tenant.rights().anywhere().is_empty());
    assert!(
        tenant
            .list_workspaces(WorkspaceFilter::default(), PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(forbidden(tenant.issue_key(IssueKey::named("x")).await), ["keys:write", "admin:keys"]);
}

async fn an_operator_verifies_in_the_calling_keys_environment(world: &World) {
    let staging: EnvironmentName = "staging".parse().unwrap();
    let mut input = world.service_input(&["pipelines:read"]);
    input.environment = Some(staging);
    let elsewhere = world.demo().await.issue_key(input).await.unwrap();
    let here = world.service_key(&["pipelines:read"]).await;
    let deployment =
        world.wardkey.enter_deployment(&world.caller(&world.first.operator_key).await).await.unwrap();
    let ask = async |key: &wardkey::IssuedKey| {
        let secret = key.secret.as_ref().unwrap().expose().as_bytes();
        deployment.verify(secret, None, &Requirement::NONE).await.unwrap().map_err(|error| error.code())
    };
    assert!(ask(&here).await.is_ok());
    assert_eq!(ask(&elsewhere).await.unwrap_err(), wardkey::core::Code::EnvironmentMismatch);
    let nonsense = deployment.verify(b"nonsense", None, &Requirement::NONE).await.unwrap();
    assert_eq!(nonsense.unwrap_err().code(), wardkey::core::Code::InvalidKey);
    // Nobody in particular has no environment.
    not_found(world.deployment().await.verify(b"x", None, &Requirement::NONE).await.map(|_| ()));
}
