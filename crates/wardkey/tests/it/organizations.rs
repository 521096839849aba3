//! Organizations, from the operator's side and from their own.

use wardkey::core::{Code, OrganizationId, Reference, Standing};
use wardkey::{
    Caller, Conflict, Error, IssueKey, MAX_KEY_LIMIT, Once, OrganizationFilter, OrganizationPatch,
    PageRequest, PrincipalRef,
};

use crate::answers::{conflict, forbidden, invalid, invalid_field, not_found, version_mismatch};
use crate::world::{World, permissions};

on_both!(
    organizations_are_run_by_the_operator,
    a_tenant_renames_itself_and_nothing_else,
    organizations_are_found_by_what_they_are,
    a_suspended_organization_stops_its_keys_before_the_call_returns,
    the_operator_organization_is_neither_suspended_nor_deleted,
    a_deleted_organization_is_gone_with_all_its_keys,
    an_external_id_leads_to_whom_the_operator_says,
    the_key_limit_is_the_operators,
    what_no_text_holds_is_not_found,
);

fn named(name: &str) -> OrganizationPatch {
    OrganizationPatch { name: Some(name.to_owned()) }
}

async fn organizations_are_run_by_the_operator(world: &World) {
    let mut others = vec![world.service_key(&["admin:organization", "admin:keys"]).await];
    let listed = ["operator:act", "operator:users", "admin:organization"];
    others.push(world.operator().await.issue_key(world.operator_input(&listed)).await.unwrap());
    for key in others {
        let deployment = world.wardkey.enter_deployment(&world.caller(&key).await).await.unwrap();
        let id = world.first.demo_organization.into();
        for missing in [
            forbidden(deployment.create_organization(String::new(), None, None).await),
            forbidden(
                deployment.list_organizations(OrganizationFilter::default(), PageRequest::default()).await,
            ),
            forbidden(deployment.suspend_organization(&id, None, None).await),
            forbidden(deployment.resume_organization(&id, None, None).await),
            forbidden(deployment.set_key_limit(&id, 1, None).await),
            forbidden(deployment.set_organization_external_id(&id, 1, None).await),
            forbidden(deployment.delete_organization(&"nowhere".into(), None).await),
        ] {
            assert_eq!(missing, ["operator:organizations"]);
        }
    }

    let key =
        world.operator().await.issue_key(world.operator_input(&["operator:organizations"])).await.unwrap();
    let caller = world.caller(&key).await.with_idempotency_key("a", [1; 32]);
    let deployment = world.wardkey.enter_deployment(&caller).await.unwrap();
    let create = async || {
        deployment.create_organization("Acme".to_owned(), Some("acme".to_owned()), Some(3)).await.unwrap()
    };
    let Once::Done(made) = create().await else { panic!("it is the first") };
    assert_eq!((made.key_limit, made.state, made.version), (3, Standing::Active, 1));
    assert_eq!(create().await, Once::Replayed(made.clone()));
    let broken = [("/external_id", "reserved"), ("/key_limit", "out_of_range"), ("/name", "required")]
        .map(|(at, code)| (at.to_owned(), code));
    let limit = Some(MAX_KEY_LIMIT + 1);
    assert_eq!(
        invalid(deployment.create_organization(String::new(), Some(made.id.to_string()), limit).await),
        broken
    );
    // Who has revoked itself creates nothing any more, though it was verified before.
    let own = world.wardkey.enter_self(&caller).await.unwrap();
    own.revoke(None).await.unwrap();
    let fresh = caller.clone().with_idempotency_key("b", [1; 32]);
    let deployment = world.wardkey.enter_deployment(&fresh).await.unwrap();
    not_found(deployment.create_organization("B".to_owned(), None, None).await);
}

async fn a_tenant_renames_itself_and_nothing_else(world: &World) {
    let member = world.as_key(&world.service_key(&["admin:keys"]).await).await;
    assert_eq!(forbidden(member.update_organization(1, named("")).await), ["admin:organization"]);
    let admin = world.as_key(&world.service_key(&["admin:organization"]).await).await;
    assert_eq!(
        invalid_field(admin.update_organization(9, named(" ")).await),
        ("/name".to_owned(), "required")
    );
    assert_eq!(version_mismatch(admin.update_organization(2, named("x")).await), 1);
    let renamed = admin.update_organization(1, named("New")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("New", 2));
    assert_eq!(admin.update_organization(2, OrganizationPatch::default()).await.unwrap(), renamed);
    assert_eq!(admin.organization().await.unwrap(), renamed);
}

async fn organizations_are_found_by_what_they_are(world: &World) {
    let deployment = world.deployment().await;
    let made = world.create_organization("Möbel Nord", Some("nord")).await.organization_id();
    deployment.suspend_organization(&made.into(), None, None).await.unwrap();
    let list = async |filter| {
        let page = deployment.list_organizations(filter, PageRequest::default()).await.unwrap();
        page.items.into_iter().map(|found| found.id).collect::<Vec<_>>()
    };
    let every = OrganizationFilter::default;
    assert_eq!(list(every()).await.len(), 3);
    assert_eq!(list(OrganizationFilter { search: Some("MÖBEL".to_owned()), ..every() }).await, [made]);
    assert_eq!(list(OrganizationFilter { state: Some(Standing::Inactive), ..every() }).await, [made]);
    assert_eq!(list(OrganizationFilter { external_id: Some("nord".to_owned()), ..every() }).await, [made]);
    let neither =
        OrganizationFilter { state: Some(Standing::Active), search: Some("nord".to_owned()), ..every() };
    assert_eq!(list(neither).await, []);
}

async fn a_suspended_organization_stops_its_keys_before_the_call_returns(world: &World) {
    let key = world.service_key(&["pipelines:read"]).await;
    let bystander = world.operator().await.issue_key(world.operator_input(&[])).await.unwrap();
    let deployment = world.deployment().await;
    let id = world.first.demo_organization.into();
    assert!(world.verify(&key).await.is_ok());
    assert_eq!(version_mismatch(deployment.suspend_organization(&id, Some(2), None).await), 1);
    let long = Some("x".repeat(501));
    assert_eq!(invalid_field(deployment.suspend_organization(&id, None, long).await).0, "/reason");
    let reason = Some("unpaid".to_owned());
    let suspended = deployment.suspend_organization(&id, Some(1), reason).await.unwrap();
    assert_eq!((suspended.state, suspended.version), (Standing::Inactive, 1), "the state moves no version");
    assert_eq!(world.verify(&key).await.unwrap_err(), Code::OrganizationSuspended);
    assert!(world.verify(&bystander).await.is_ok());
    let event = world.event("organization.suspend", world.first.demo_organization).await;
    assert_eq!(event.details["reason"], "unpaid");
    deployment.suspend_organization(&id, None, None).await.unwrap();
    world.event("organization.suspend", world.first.demo_organization).await;
    deployment.resume_organization(&id, Some(1), None).await.unwrap();
    assert!(world.verify(&key).await.is_ok());
}

async fn the_operator_organization_is_neither_suspended_nor_deleted(world: &World) {
    let deployment = world.deployment().await;
    let id = world.operator().await.organization_id().into();
    let refused = Conflict::OperatorOrganization;
    assert_eq!(conflict(deployment.suspend_organization(&id, Some(1), None).await), refused);
    assert_eq!(conflict(deployment.delete_organization(&id, Some(1)).await), refused);
    assert_eq!(version_mismatch(deployment.delete_organization(&id, Some(2)).await), 1);
    assert_eq!(deployment.resume_organization(&id, None, None).await.unwrap().state, Standing::Active);
    assert!(world.verify(&world.first.operator_key).await.is_ok());
}

async fn a_deleted_organization_is_gone_with_all_its_keys(world: &World) {
    let tenant = world.create_organization("Acme", Some("acme")).await;
    let id = tenant.organization_id();
    let account = tenant.create_service_account("CI".to_owned(), None).await.unwrap().into_inner();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let input = IssueKey {
            principal: Some(PrincipalRef::ServiceAccount(account.id.into())),
            permissions: permissions(&["admin:organization"]),
            ..world.service_input(&[])
        };
        keys.push(tenant.issue_key(input).await.unwrap());
    }
    tenant.disable_key(keys[1].key.id, None, None).await.unwrap();
    let caller = world.caller(&keys[0]).await;
    let bystander = world.service_key(&[]).await;
    let deployment = world.deployment().await;
    assert_eq!(version_mismatch(deployment.delete_organization(&"acme".into(), Some(2)).await), 1);
    deployment.delete_organization(&"acme".into(), Some(1)).await.unwrap();
    for key in &keys {
        assert_eq!(world.verify(key).await.unwrap_err(), Code::KeyRevoked);
    }
    assert!(world.verify(&bystander).await.is_ok());
    for reference in [id.into(), Reference::<OrganizationId>::from("acme")] {
        not_found(world.wardkey.enter(&Caller::local("test"), &reference).await);
        not_found(deployment.resume_organization(&reference, None, None).await);
        not_found(deployment.delete_organization(&reference, None).await);
    }
    // Whoever was inside meanwhile finds nothing there any more, and changes nothing.
    let inside = world.wardkey.enter(&caller, &id.into()).await.unwrap();
    not_found(inside.organization().await);
    not_found(inside.update_organization(1, named("x")).await);
    not_found(tenant.create_workspace("W".to_owned(), None, Vec::new()).await);
    let reborn = world.create_organization("Acme again", Some("acme")).await;
    assert_ne!(reborn.organization_id(), id);
    let audit = world.audit(world.operator().await.organization_id()).await;
    let event = audit.iter().find(|event| event.action == "organization.delete").unwrap();
    assert_eq!(event.target, id.to_string());
    assert_eq!(event.details["revoked_keys_count"], 2);
}

async fn an_external_id_leads_to_whom_the_operator_says(world: &World) {
    let deployment = world.deployment().await;
    let made = world.create_organization("Acme", Some("old")).await.organization_id();
    let by_id: Reference<OrganizationId> = made.into();
    let set = async |version, external_id: Option<&str>| {
        deployment.set_organization_external_id(&by_id, version, external_id.map(str::to_owned)).await
    };
    assert_eq!(version_mismatch(set(2, Some("new")).await), 1);
    assert_eq!(invalid_field(set(1, Some("a b")).await), ("/external_id".to_owned(), "malformed"));
    assert_eq!(set(1, Some("new")).await.unwrap().version, 2);
    not_found(world.wardkey.enter(&Caller::local("test"), &"old".into()).await);
    let entered = world.wardkey.enter(&Caller::local("test"), &"new".into()).await.unwrap();
    assert_eq!(entered.organization_id(), made);
    world.create_organization("Other", Some("old")).await;
    assert_eq!(conflict(set(2, Some("old")).await), Conflict::ExternalIdInUse);
    assert_eq!(set(2, None).await.unwrap().external_id, None);
}

async fn the_key_limit_is_the_operators(world: &World) {
    let (deployment, id) = (world.deployment().await, world.first.demo_organization.into());
    assert_eq!(version_mismatch(deployment.set_key_limit(&id, 2, Some(1)).await), 1);
    let beyond = deployment.set_key_limit(&id, 1, Some(MAX_KEY_LIMIT + 1)).await;
    assert_eq!(invalid_field(beyond), ("/key_limit".to_owned(), "out_of_range"));
    assert_eq!(deployment.set_key_limit(&id, 1, Some(1)).await.unwrap().key_limit, 1);
    world.service_key(&[]).await;
    let second = world.demo().await.issue_key(world.service_input(&[])).await;
    assert_eq!(conflict(second), Conflict::KeyLimitReached { count: 1, limit: 1 });
    assert_eq!(deployment.set_key_limit(&id, 2, None).await.unwrap().key_limit, 10);
    world.service_key(&[]).await;
}

async fn what_no_text_holds_is_not_found(world: &World) {
    let deployment = world.deployment().await;
    let nul: Reference<OrganizationId> = Reference::External("a\0b".to_owned());
    not_found(deployment.suspend_organization(&nul, None, None).await);
    not_found(deployment.set_key_limit(&nul, 1, None).await);
    not_found(deployment.set_organization_external_id(&nul, 1, None).await);
    not_found(deployment.delete_organization(&nul, None).await);
    for filter in [
        OrganizationFilter { search: Some("\0".to_owned()), ..OrganizationFilter::default() },
        OrganizationFilter { external_id: Some("\0".to_owned()), ..OrganizationFilter::default() },
    ] {
        let page = deployment.list_organizations(filter, PageRequest::default()).await;
        assert!(matches!(page, Ok::<_, Error>(page) if page.items.is_empty()));
    }
}
