//! What a key may do: level, list, role, scope.

use wardkey_core::permission::{AdminKeys, AdminMembers, KeysWrite, OperatorVerify};
use wardkey_core::testing::TestKeys;
use wardkey_core::{
    Access, BuiltInRole, Catalogue, CatalogueIndex, Code, CustomerId, Excess, Id, KeyRecord, Level, OneOf,
    OrganizationId, OrganizationKind, PermissionSet, PrincipalKind, Reference, Rights, Role, RoleGrant,
    UserId, WorkspaceId,
};

wardkey_core::permissions! {
    "Pipelines" {
        PipelinesRead = "pipelines:read", read, "See pipelines";
        PipelinesRun = "pipelines:run", write, "Run pipelines";
    }
}

fn ws(n: u8) -> WorkspaceId {
    WorkspaceId::from_bytes([n; 16])
}

fn rights(record: &KeyRecord) -> Rights {
    Rights::of_key(record, &CatalogueIndex::new(&Catalogue::declared(CATALOGUE)))
}

fn names(rights: &Rights) -> Vec<String> {
    rights.anywhere().names().iter().map(ToString::to_string).collect()
}

/// A key of a user who holds these roles.
fn user_key(level: Level, listed: &[&str], grants: &[(Option<WorkspaceId>, BuiltInRole)]) -> KeyRecord {
    let keys = TestKeys::new(CATALOGUE, &[ws(1), ws(2)]);
    let mut record = keys.record(listed);
    record.level = level;
    let grants = grants
        .iter()
        .map(|(workspace, role)| RoleGrant { workspace: *workspace, role: Role::BuiltIn(*role) });
    record.principal.kind = PrincipalKind::User { id: UserId::from_bytes([9; 16]), grants: grants.collect() };
    record
}

#[test]
fn a_service_account_key_has_exactly_what_level_and_list_give() {
    let keys = TestKeys::new(CATALOGUE, &[ws(1)]);
    let mut record = keys.record(&["admin:keys", "unknown:thing"]);
    assert_eq!(names(&rights(&record)), ["admin:keys"], "an unknown name is held by nobody");
    record.level = Level::ReadOnly;
    assert_eq!(names(&rights(&record)), ["admin:keys", "pipelines:read"]);
    record.level = Level::All;
    assert_eq!(names(&rights(&record)), ["admin:keys", "pipelines:read", "pipelines:run"]);
}

#[test]
fn level_all_of_a_user_key_gives_everything_but_making_keys() {
    let owner = [(None, BuiltInRole::Owner)];
    let all = rights(&user_key(Level::All, &[], &owner));
    assert!(all.require::<AdminMembers>().is_ok());
    assert!(all.require::<OneOf<(KeysWrite, AdminKeys)>>().is_err());
    let listed = rights(&user_key(Level::All, &["keys:write"], &owner));
    assert!(listed.require::<KeysWrite>().is_ok());
}

#[test]
fn a_user_key_never_exceeds_its_user() {
    let viewer = [(None, BuiltInRole::Viewer)];
    let record = user_key(Level::All, &["pipelines:run", "admin:keys", "keys:write"], &viewer);
    assert_eq!(names(&rights(&record)), ["pipelines:read"]);
}

#[test]
fn a_role_on_a_workspace_shows_that_workspace_only_and_gives_nothing_reserved() {
    let rights = rights(&user_key(Level::All, &["keys:write"], &[(Some(ws(1)), BuiltInRole::Owner)]));
    assert_eq!(names(&rights), ["pipelines:read", "pipelines:run"]);
    assert!(rights.organization_wide().is_empty() && !rights.sees_all_workspaces());
    assert_eq!(rights.workspaces_with::<PipelinesRun>(None).collect::<Vec<_>>(), [ws(1)]);
    let elsewhere = rights.require_in_workspace::<PipelinesRun>(&Reference::Id(ws(2)), None);
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_permission_counts_only_in_its_place() {
    let grants = [(Some(ws(1)), BuiltInRole::Member), (Some(ws(2)), BuiltInRole::Viewer)];
    let rights = rights(&user_key(Level::All, &[], &grants));
    assert!(rights.require::<PipelinesRun>().is_ok(), "held in at least one place");
    let visible = rights.require_in_workspace::<PipelinesRun>(&Reference::Id(ws(2)), None);
    assert_eq!(visible.unwrap_err().code(), Code::InsufficientPermissions);
    assert_eq!(rights.workspaces_with::<PipelinesRead>(None).count(), 2);
}

#[test]
fn a_key_for_specific_workspaces_has_nothing_organization_wide() {
    let keys = TestKeys::new(CATALOGUE, &[ws(1), ws(2)]);
    let mut record = keys.record(&["pipelines:read", "admin:keys"]);
    record.workspaces = Access::specific([ws(2), ws(3)]);
    let rights = rights(&record);
    assert_eq!(names(&rights), ["pipelines:read"]);
    assert!(rights.require::<AdminKeys>().is_err());
    let listed: Vec<_> = rights.workspaces().map(|workspace| workspace.id).collect();
    assert_eq!(listed, [ws(2)], "a workspace that the organization does not have is not visible");
}

#[test]
fn operator_permissions_exist_only_in_the_operator_organization() {
    let keys = TestKeys::new(CATALOGUE, &[]);
    let mut record = keys.record(&["operator:verify"]);
    assert!(rights(&record).require::<OperatorVerify>().is_err());
    record.organization.kind = OrganizationKind::Operator;
    assert!(rights(&record).require::<OperatorVerify>().is_ok());
}

#[test]
fn a_backend_may_speak_its_own_ids() {
    let keys = TestKeys::new(CATALOGUE, &[ws(1)]);
    let mut record = keys.record(&["pipelines:read"]);
    record.organization.workspaces[0].external_id = Some("eu-1".to_owned());
    let rights = rights(&record);
    assert_eq!(rights.require_in_workspace::<PipelinesRead>(&"eu-1".into(), None), Ok(ws(1)));
    assert!(rights.require_in_workspace::<PipelinesRead>(&"eu-2".into(), None).is_err());
}

#[test]
fn excess_is_found_in_permissions_places_and_the_future() {
    let keys = TestKeys::new(CATALOGUE, &[ws(1), ws(2)]);
    let wide = rights(&keys.record(&["pipelines:read", "pipelines:run"]));
    let mut narrow_record = keys.record(&["pipelines:read"]);
    narrow_record.workspaces = Access::specific([ws(1)]);
    let narrow = rights(&narrow_record);
    assert!(narrow.excess_over(&wide).is_empty());
    let excess = wide.excess_over(&narrow);
    assert!(
        excess.future_workspaces
            && excess.workspaces == [ws(2)]
            && excess.permissions.contains_name("pipelines:run")
    );
}

#[test]
fn what_was_made_since_the_bound_was_computed_is_within_who_has_all_of_them() {
    let (before, now) = (TestKeys::new(CATALOGUE, &[ws(1)]), TestKeys::new(CATALOGUE, &[ws(1), ws(2)]));
    let bound = rights(&before.record(&["pipelines:read"]));
    let same = rights(&now.record(&["pipelines:read"]));
    assert!(same.excess_over(&bound).is_empty(), "all of them are all of them, then and now");
    let more = rights(&now.record(&["pipelines:read", "pipelines:run"])).excess_over(&bound);
    assert!(more.workspaces.is_empty() && !more.future_workspaces);
    assert!(more.permissions.contains_name("pipelines:run"));

    // Who has some of them has none of those to come, and reaches none that the other does not.
    let some = |keys: &TestKeys, place| {
        let mut record = keys.record(&["pipelines:read"]);
        record.workspaces = Access::specific([ws(place)]);
        rights(&record)
    };
    assert!(some(&now, 1).excess_over(&some(&now, 1)).is_empty());
    assert!(some(&now, 2).excess_over(&bound).is_empty());
    let elsewhere = some(&now, 2).excess_over(&some(&before, 1));
    assert_eq!((elsewhere.workspaces, elsewhere.future_workspaces), (vec![ws(2)], false));
}

#[test]
fn excess_in_any_one_respect_is_excess() {
    let none = || Excess {
        permissions: PermissionSet::default(),
        workspaces: Vec::new(),
        future_workspaces: false,
        customers: false,
    };
    assert!(none().is_empty());
    for excess in [
        Excess { permissions: PermissionSet::from_iter(&["pipelines:run".parse().unwrap()]), ..none() },
        Excess { workspaces: vec![ws(1)], ..none() },
        Excess { future_workspaces: true, ..none() },
        Excess { customers: true, ..none() },
    ] {
        assert!(!excess.is_empty(), "{excess:?}");
    }
}

#[test]
fn rights_are_equal_only_if_they_are_in_every_respect() {
    let record = TestKeys::new(CATALOGUE, &[ws(1), ws(2)]).record(&["pipelines:read"]);
    assert_eq!(rights(&record), rights(&record.clone()));
    let other = |change: fn(&mut KeyRecord)| {
        let mut other = record.clone();
        change(&mut other);
        rights(&other)
    };
    for (what, other) in [
        ("organization", other(|record| record.organization.id = OrganizationId::from_bytes([7; 16]))),
        ("external id", other(|record| record.organization.external_id = Some("acme".to_owned()))),
        ("kind", other(|record| record.organization.kind = OrganizationKind::Operator)),
        ("permissions", other(|record| record.permissions.push("pipelines:run".parse().unwrap()))),
        ("workspaces", other(|record| record.organization.workspaces.truncate(1))),
        ("those to come", other(|record| record.workspaces = Access::specific([ws(1), ws(2)]))),
        ("customers", other(|record| record.customers = Access::specific([CustomerId::from_bytes([1; 16])]))),
    ] {
        assert_ne!(rights(&record), other, "{what}");
    }
}

#[test]
fn a_role_of_a_tenants_own_gives_nothing_of_the_operators() {
    let named = |names: &[&str]| Role::Custom(names.iter().map(|name| name.parse().unwrap()).collect());
    let catalogue = CatalogueIndex::new(&Catalogue::declared(CATALOGUE));
    let mut organization = TestKeys::new(CATALOGUE, &[ws(1)]).record(&[]).organization;
    organization.external_id = Some("acme".to_owned());
    let grants =
        [RoleGrant { workspace: None, role: named(&["operator:verify", "admin:members", "pipelines:run"]) }];
    let tenant = Rights::of_user(&organization, &grants, &catalogue);
    assert_eq!(names(&tenant), ["admin:members", "pipelines:run"]);
    assert_eq!(tenant.organization_wide().names().len(), 2);
    assert_eq!(
        (tenant.organization_external_id(), tenant.organization_kind()),
        (Some("acme"), OrganizationKind::Tenant)
    );
    organization.kind = OrganizationKind::Operator;
    organization.external_id = None;
    let operator = Rights::of_user(&organization, &grants, &catalogue);
    assert!(operator.require::<OperatorVerify>().is_ok());
    assert_eq!(operator.organization_external_id(), None);
}

#[test]
fn a_workspace_is_reached_from_its_own_networks_alone() {
    let keys = TestKeys::new(CATALOGUE, &[ws(1), ws(2)]);
    let mut record = keys.record(&["pipelines:read"]);
    record.organization.workspaces[0].networks = vec!["203.0.113.0/24".parse().unwrap()];
    let key = rights(&record);
    let from = |place: &str| Some(place.parse().unwrap());
    let one = |place| key.require_in_workspace::<PipelinesRead>(&Reference::Id(ws(1)), place);
    assert_eq!(one(from("203.0.113.7")).unwrap(), ws(1));
    for place in [from("198.51.100.7"), from("2001:db8::1"), None] {
        assert_eq!(one(place).unwrap_err().code(), Code::IpNotAllowed, "{place:?}");
        assert_eq!(key.workspaces_with::<PipelinesRead>(place).collect::<Vec<_>>(), [ws(2)], "{place:?}");
    }
    let both: Vec<_> = key.workspaces_with::<PipelinesRead>(from("203.0.113.7")).collect();
    assert_eq!(both, [ws(1), ws(2)]);
    // Whoever cannot see it is not told from where it could be reached.
    record.workspaces = Access::specific([ws(2)]);
    let blind = rights(&record);
    let hidden = blind.require_in_workspace::<PipelinesRead>(&Reference::Id(ws(1)), None);
    assert_eq!(hidden.unwrap_err().code(), Code::NotFound);
    // From elsewhere nobody is told either what would be missing there.
    let run = key.require_in_workspace::<PipelinesRun>(&Reference::Id(ws(1)), None);
    assert_eq!(run.unwrap_err().code(), Code::IpNotAllowed);
}
