//! Workspaces, from making them to what is left of keys when they are gone.

use wardkey::core::{Access, BuiltInRole, Code, Level, Reference, Requirement, WorkspaceId};
use wardkey::{
    Caller, Conflict, Expiry, ExpiryPreset, KeyPatch, Once, PageRequest, Tenant, Workspace, WorkspaceFilter,
    WorkspacePatch,
};

use crate::answers::{conflict, forbidden, invalid, not_found, version_mismatch};
use crate::world::{PRODUCT, World, user_input};

on_both!(
    administering_workspaces_needs_its_permission_and_seeing_them_does_not,
    an_edit_changes_what_it_names_and_nothing_else,
    an_edit_of_a_version_that_was_not_read_changes_nothing,
    every_broken_rule_is_named,
    a_repeated_creation_creates_one_workspace,
    a_workspace_out_of_scope_is_not_there,
    what_no_text_holds_is_not_found,
    a_deleted_workspace_takes_its_rights_along_at_once,
    rights_never_grow_by_a_deletion,
    a_key_that_names_a_deleted_workspace_can_be_edited,
);

async fn make(tenant: &Tenant, name: &str, external_id: Option<&str>) -> Workspace {
    let external_id = external_id.map(str::to_owned);
    tenant.create_workspace(name.to_owned(), external_id, Vec::new()).await.unwrap().into_inner()
}

fn named(name: &str) -> WorkspacePatch {
    WorkspacePatch { name: Some(name.to_owned()), ..WorkspacePatch::default() }
}

async fn administering_workspaces_needs_its_permission_and_seeing_them_does_not(world: &World) {
    let id = world.first.demo_workspace.into();
    let other = world.as_key(&world.service_key(&["admin:customers", "pipelines:read"]).await).await;
    let missing = ["admin:workspaces"];
    assert_eq!(forbidden(other.create_workspace(String::new(), None, Vec::new()).await), missing);
    assert_eq!(forbidden(other.update_workspace(&id, 1, named("x")).await), missing);
    assert_eq!(forbidden(other.delete_workspace(&"nowhere".into(), None).await), missing);
    assert_eq!(other.get_workspace(&id).await.unwrap().id, world.first.demo_workspace);
    let admin = world.as_key(&world.service_key(&["admin:workspaces"]).await).await;
    assert_eq!(admin.update_workspace(&id, 1, named("x")).await.unwrap().version, 2);
    admin.delete_workspace(&id, Some(2)).await.unwrap();
    not_found(admin.get_workspace(&id).await);
}

async fn an_edit_changes_what_it_names_and_nothing_else(world: &World) {
    let demo = world.demo().await;
    let made = make(&demo, "EU", Some("eu-1")).await;
    let by_external_id: Reference<WorkspaceId> = "eu-1".into();
    let networks = vec!["10.0.0.0/8".parse().unwrap()];
    let patch = WorkspacePatch { ip_allowlist: Some(networks.clone()), ..WorkspacePatch::default() };
    let narrowed = demo.update_workspace(&by_external_id, 1, patch).await.unwrap();
    assert_eq!((narrowed.version, &narrowed.ip_allowlist), (2, &networks));
    assert_eq!((narrowed.name, narrowed.external_id), (made.name, made.external_id));
    let audited = world.audited().await;
    let same = WorkspacePatch { external_id: Some(Some("eu-1".to_owned())), ..named("EU") };
    assert_eq!(demo.update_workspace(&by_external_id, 2, same).await.unwrap().version, 2);
    assert_eq!(world.audited().await, audited, "equal values are no event");
    let bare = WorkspacePatch { external_id: Some(None), ..WorkspacePatch::default() };
    let bare = demo.update_workspace(&by_external_id, 2, bare).await.unwrap();
    assert_eq!((bare.external_id, bare.name.as_str()), (None, "EU"));
    not_found(demo.get_workspace(&by_external_id).await);
}

async fn an_edit_of_a_version_that_was_not_read_changes_nothing(world: &World) {
    let demo = world.demo().await;
    let id = world.first.demo_workspace.into();
    assert_eq!(version_mismatch(demo.update_workspace(&id, 2, named("x")).await), 1);
    assert_eq!(version_mismatch(demo.delete_workspace(&id, Some(2)).await), 1);
    demo.update_workspace(&id, 1, named("x")).await.unwrap();
    assert_eq!(version_mismatch(demo.update_workspace(&id, 1, named("y")).await), 2);
    assert_eq!(demo.get_workspace(&id).await.unwrap().name, "x");
}

async fn every_broken_rule_is_named(world: &World) {
    let demo = world.demo().await;
    let id: WorkspaceId = world.first.demo_workspace;
    let twice = vec!["::1".parse().unwrap(); 2];
    let broken = [("/external_id", "reserved"), ("/ip_allowlist/1", "duplicate"), ("/name", "required")]
        .map(|(pointer, code)| (pointer.to_owned(), code));
    let external_id = Some(id.to_string());
    let created = demo.create_workspace(" ".to_owned(), external_id.clone(), twice.clone()).await;
    assert_eq!(invalid(created), broken);
    let patch = WorkspacePatch {
        name: Some(" ".to_owned()),
        external_id: Some(external_id),
        ip_allowlist: Some(twice),
    };
    // The body is looked at before the object.
    assert_eq!(invalid(demo.update_workspace(&"nowhere".into(), 9, patch).await), broken);
    // As long as a verifier reads: in bytes, not in characters.
    let long = WorkspacePatch { external_id: Some(Some("ü".repeat(51))), ..WorkspacePatch::default() };
    let malformed = [("/external_id".to_owned(), "malformed")];
    assert_eq!(invalid(demo.update_workspace(&id.into(), 1, long).await), malformed);
    make(&demo, "taken", Some("taken")).await;
    let taken = WorkspacePatch { external_id: Some(Some("taken".to_owned())), ..WorkspacePatch::default() };
    assert_eq!(conflict(demo.update_workspace(&id.into(), 1, taken).await), Conflict::ExternalIdInUse);
}

async fn a_repeated_creation_creates_one_workspace(world: &World) {
    let create = async |body| {
        let caller = Caller::local("test").with_idempotency_key("a", [body; 32]);
        let demo = world.wardkey.enter(&caller, &world.first.demo_organization.into()).await.unwrap();
        demo.create_workspace("W".to_owned(), None, Vec::new()).await
    };
    let Once::Done(first) = create(1).await.unwrap() else { panic!("it is the first") };
    assert_eq!(create(1).await.unwrap(), Once::Replayed(first));
    assert_eq!(conflict(create(2).await), Conflict::IdempotencyMismatch);
}

async fn a_workspace_out_of_scope_is_not_there(world: &World) {
    let demo = world.demo().await;
    let (seen, hidden) =
        (make(&demo, "Seen", Some("seen")).await, make(&demo, "Hidden", Some("hidden")).await);
    let foreign = make(&world.create_organization("Other", None).await, "F", Some("foreign")).await;
    let mut input = world.service_input(&["pipelines:read"]);
    input.workspaces = Some(Access::Specific(vec!["seen".into()]));
    let scoped = world.as_key(&world.demo().await.issue_key(input).await.unwrap()).await;
    assert_eq!(scoped.get_workspace(&"seen".into()).await.unwrap(), seen);
    for reference in [hidden.id.into(), "hidden".into(), foreign.id.into(), "foreign".into()] {
        not_found(scoped.get_workspace(&reference).await);
    }
    not_found(demo.get_workspace(&foreign.id.into()).await);
    let list = async |filter| {
        let page = scoped.list_workspaces(filter, PageRequest::default()).await.unwrap();
        page.items.into_iter().map(|workspace| workspace.id).collect::<Vec<_>>()
    };
    assert_eq!(list(WorkspaceFilter::default()).await, [seen.id]);
    let only = WorkspaceFilter { only: Some(vec![hidden.id]), ..WorkspaceFilter::default() };
    assert_eq!(list(only).await, []);
    let external_id =
        |id: &str| WorkspaceFilter { external_id: Some(id.to_owned()), ..WorkspaceFilter::default() };
    assert_eq!(list(external_id("seen")).await, [seen.id]);
    assert_eq!(list(external_id("hidden")).await, []);
}

async fn what_no_text_holds_is_not_found(world: &World) {
    let demo = world.demo().await;
    let nul = "a\0b".to_owned();
    not_found(demo.get_workspace(&Reference::External(nul.clone())).await);
    not_found(demo.update_workspace(&Reference::External(nul.clone()), 1, named("x")).await);
    not_found(demo.delete_workspace(&Reference::External(nul.clone()), None).await);
    for filter in [
        WorkspaceFilter { search: Some(nul.clone()), ..WorkspaceFilter::default() },
        WorkspaceFilter { external_id: Some(nul), ..WorkspaceFilter::default() },
    ] {
        assert!(demo.list_workspaces(filter, PageRequest::default()).await.unwrap().items.is_empty());
    }
}

async fn a_deleted_workspace_takes_its_rights_along_at_once(world: &World) {
    let demo = world.demo().await;
    let gone = make(&demo, "Gone", Some("gone")).await;
    let all = world.service_key(&["pipelines:read"]).await;
    let user = world.member("ada", &[]).await;
    let role =
        wardkey::Grant { workspace: Some(gone.id), role: wardkey::RoleRef::BuiltIn(BuiltInRole::Member) };
    world.set_member(&demo, user, vec![role]).await.unwrap();
    let theirs = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let verify = async |key: &wardkey::IssuedKey| {
        let secret = key.secret.as_ref().unwrap().expose().as_bytes();
        let requirement = Requirement { workspace: Some("gone".into()), ..Requirement::NONE };
        world.verifier().verify(secret, None, &requirement).await.map(drop).map_err(|error| error.code())
    };
    assert_eq!((verify(&all).await, verify(&theirs).await), (Ok(()), Ok(())));
    demo.delete_workspace(&gone.id.into(), None).await.unwrap();
    let none = Err(Code::NotFound);
    assert_eq!((verify(&all).await, verify(&theirs).await), (none, none));
    assert!(world.verify(&theirs).await.unwrap().rights.rights.anywhere().names().is_empty());
    // The same name again is another workspace, where nobody was given anything.
    make(&demo, "Gone", Some("gone")).await;
    assert_eq!((verify(&all).await, verify(&theirs).await), (Ok(()), none));
}

async fn rights_never_grow_by_a_deletion(world: &World) {
    let gone = make(&world.demo().await, "Gone", Some("gone")).await;
    let demo = world.demo().await;
    let mut input = world.service_input(&PRODUCT);
    input.workspaces = Some(Access::Specific(vec!["gone".into()]));
    let key = demo.issue_key(input).await.unwrap();
    demo.delete_workspace(&gone.id.into(), None).await.unwrap();
    let verification = world.verify(&key).await.unwrap();
    let rights = &verification.rights.rights;
    assert!(rights.workspaces().next().is_none() && !rights.sees_all_workspaces());
    assert!(rights.anywhere().names().is_empty());
    let secret = key.secret.as_ref().unwrap().expose().as_bytes();
    for workspace in [world.first.demo_workspace.into(), gone.id.into(), "gone".into()] {
        let requirement = Requirement { workspace: Some(workspace), ..Requirement::NONE };
        let refused = world.verifier().verify(secret, None, &requirement).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
}

async fn a_key_that_names_a_deleted_workspace_can_be_edited(world: &World) {
    let gone = make(&world.demo().await, "Gone", None).await;
    let demo = world.demo().await;
    let (kept, reference) = (world.first.demo_workspace, Reference::Id(gone.id));
    let mut input = world.service_input(&PRODUCT);
    input.workspaces = Some(Access::Specific(vec![reference.clone()]));
    let key = demo.issue_key(input).await.unwrap().key;
    demo.delete_workspace(&reference, None).await.unwrap();
    let demo = world.demo().await;
    let rename = KeyPatch { name: Some("renamed".to_owned()), ..KeyPatch::default() };
    let renamed = demo.update_key(key.id, 1, rename).await.unwrap();
    assert_eq!(renamed.workspaces, Access::specific([gone.id]));
    // As a client does that sends back the whole of what it has read.
    let scope = |ids: Vec<Reference<WorkspaceId>>| KeyPatch {
        workspaces: Some(Access::Specific(ids)),
        ..KeyPatch::default()
    };
    let same = demo.update_key(key.id, 2, scope(vec![reference.clone()])).await.unwrap();
    assert_eq!(same.version, 2);
    let both = demo.update_key(key.id, 2, scope(vec![reference.clone(), kept.into()])).await.unwrap();
    assert_eq!(both.workspaces, Access::specific([gone.id, kept]));
    demo.update_key(key.id, 3, scope(vec![kept.into()])).await.unwrap();
    let back = demo.update_key(key.id, 4, scope(vec![kept.into(), reference])).await;
    assert_eq!(invalid(back), [("/workspaces/ids/1".to_owned(), "not_found")]);
    let expiry = Some(Expiry::In(ExpiryPreset::SevenDays));
    demo.update_key(key.id, 4, KeyPatch { expiry, ..KeyPatch::default() }).await.unwrap();
}
