//! What a key may do, computed by the core and by a naive model over sets of strings.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use wardkey::core::permission::{ADMIN_PERMISSIONS, OPERATOR_PERMISSIONS};
use wardkey::core::{
    Access, BuiltInRole, Catalogue, CatalogueGroup, CatalogueIndex, CataloguePermission, Id as _, KeyId,
    KeyRecord, KeyState, Level, OrganizationId, OrganizationKind, OrganizationRecord, PermissionClass,
    PrincipalKind, PrincipalRecord, Rights, Role, RoleGrant, SecretId, ServiceAccountId, Standing, UserId,
    WorkspaceId, WorkspaceRecord,
};

use crate::world::{permissions, production};

type Names = BTreeSet<String>;

/// Every name that a catalogue, a role or a list may hold; some are in no catalogue, some are none of Wardkey's.
const NAMES: [&str; 14] = [
    "pipelines:read",
    "pipelines:run",
    "connections:read",
    "connections:write",
    "reports:read",
    "reports:send",
    "keys:write",
    "keys:read",
    "admin:keys",
    "admin:members",
    "admin:everything",
    "operator:act",
    "operator:verify",
    "operator:everything",
];

/// A workspace by its number; there are three at most, and the fourth belongs to somebody else.
const PLACES: [u8; 4] = [1, 2, 3, 4];

#[derive(Debug, Clone)]
enum ModelRole {
    Viewer,
    Member,
    Admin,
    Owner,
    Custom(Vec<&'static str>),
}

#[derive(Debug, Clone)]
struct Case {
    operator: bool,
    workspaces: Vec<u8>,
    /// Name, and whether it is classed read.
    catalogue: BTreeMap<&'static str, bool>,
    /// Of a user; `None` is a service account.
    grants: Option<Vec<(Option<u8>, ModelRole)>>,
    level: Level,
    listed: Vec<&'static str>,
    /// `None` is all.
    scope: Option<Vec<u8>>,
}

fn any_role() -> impl Strategy<Value = ModelRole> {
    prop_oneof![
        Just(ModelRole::Viewer),
        Just(ModelRole::Member),
        Just(ModelRole::Admin),
        Just(ModelRole::Owner),
        vec(select(&NAMES[..]), 0..6).prop_map(ModelRole::Custom),
    ]
}

fn any_case() -> impl Strategy<Value = Case> {
    let grant = (proptest::option::of(select(&PLACES[..])), any_role());
    (
        any::<bool>(),
        0..=3u8,
        proptest::collection::btree_map(select(&NAMES[..]), any::<bool>(), 0..8),
        proptest::option::weighted(0.7, vec(grant, 0..5)),
        select(vec![Level::All, Level::ReadOnly, Level::Restricted]),
        vec(select(&NAMES[..]), 0..7),
        proptest::option::of(vec(select(&PLACES[..]), 1..4)),
    )
        .prop_map(|(operator, workspaces, catalogue, grants, level, listed, scope)| Case {
            operator,
            workspaces: (1..=workspaces).collect(),
            catalogue,
            grants,
            level,
            listed,
            scope,
        })
}

/// What the design says, word by word, with nothing but sets of strings.
struct Model<'a>(&'a Case);

#[derive(Debug, PartialEq, Eq)]
struct Held {
    organization_wide: Names,
    workspaces: BTreeMap<u8, Names>,
    all_workspaces: bool,
}

impl Model<'_> {
    fn is_reserved(name: &str) -> bool {
        ["keys:", "admin:", "operator:"].iter().any(|resource| name.starts_with(resource))
    }

    fn product(&self) -> Names {
        self.0
            .catalogue
            .keys()
            .filter(|name| !Self::is_reserved(name))
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn product_read(&self) -> Names {
        self.product().into_iter().filter(|name| self.0.catalogue[name.as_str()]).collect()
    }

    fn named(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// An unknown name is held by nobody; `operator:…` exists in the operator organization only.
    fn existing(&self, names: &[&str]) -> Names {
        let mut exist = self.product();
        exist.insert("keys:write".to_owned());
        exist.extend(Self::named(ADMIN_PERMISSIONS));
        if self.0.operator {
            exist.extend(Self::named(OPERATOR_PERMISSIONS));
        }
        &Self::named(names) & &exist
    }

    fn role(&self, role: &ModelRole) -> Names {
        let mut given = match role {
            ModelRole::Viewer => return self.product_read(),
            ModelRole::Custom(names) => return self.existing(names),
            _ => self.product(),
        };
        given.insert("keys:write".to_owned());
        if let ModelRole::Admin | ModelRole::Owner = role {
            given.extend(Self::named(ADMIN_PERMISSIONS));
        }
        if let (ModelRole::Owner, true) = (role, self.0.operator) {
            given.extend(Self::named(OPERATOR_PERMISSIONS));
        }
        given
    }

    /// What the key's principal may do: a service account everything that the key is given, a user what the roles say.
    fn principal(&self) -> Held {
        let Some(grants) = &self.0.grants else {
            let all: Vec<_> = NAMES.to_vec();
            let everything = self.existing(&all);
            let in_each = &everything & &self.product();
            return Held {
                organization_wide: everything,
                workspaces: self.0.workspaces.iter().map(|place| (*place, in_each.clone())).collect(),
                all_workspaces: true,
            };
        };
        let wide: Vec<_> = grants.iter().filter(|(place, _)| place.is_none()).collect();
        let organization_wide: Names = wide.iter().flat_map(|(_, role)| self.role(role)).collect();
        let mut workspaces = BTreeMap::new();
        for place in &self.0.workspaces {
            let here: Vec<_> = grants.iter().filter(|(at, _)| at.is_none_or(|at| at == *place)).collect();
            if !here.is_empty() {
                let held: Names = here.iter().flat_map(|(_, role)| self.role(role)).collect();
                workspaces.insert(*place, &held & &self.product());
            }
        }
        Held { organization_wide, workspaces, all_workspaces: !wide.is_empty() }
    }

    /// Whether the key is meant to have what its principal may do.
    fn intends(&self, name: &str) -> bool {
        let listed = self.existing(&self.0.listed).contains(name);
        let by_level = match self.0.level {
            Level::Restricted => false,
            Level::ReadOnly => self.product_read().contains(name),
            Level::All if self.0.grants.is_none() => self.product().contains(name),
            Level::All => !(name == "keys:write" || name == "admin:keys" || name.starts_with("operator:")),
        };
        listed || by_level
    }

    fn key(&self) -> Held {
        let mut held = self.principal();
        held.organization_wide.retain(|name| self.intends(name));
        held.workspaces.values_mut().for_each(|names| names.retain(|name| self.intends(name)));
        if let Some(scope) = &self.0.scope {
            held.organization_wide.clear();
            held.workspaces.retain(|place, _| scope.contains(place));
            held.all_workspaces = false;
        }
        held
    }
}

fn workspace(place: u8) -> WorkspaceId {
    WorkspaceId::from_bytes([place; 16])
}

fn record_of(case: &Case) -> (KeyRecord, CatalogueIndex) {
    let permission = |(name, read): (&&str, &bool)| CataloguePermission {
        name: name.parse().unwrap(),
        class: if *read { PermissionClass::Read } else { PermissionClass::Write },
        label: String::new(),
    };
    let group =
        CatalogueGroup { label: String::new(), permissions: case.catalogue.iter().map(permission).collect() };
    let role = |role: &ModelRole| match role {
        ModelRole::Viewer => Role::BuiltIn(BuiltInRole::Viewer),
        ModelRole::Member => Role::BuiltIn(BuiltInRole::Member),
        ModelRole::Admin => Role::BuiltIn(BuiltInRole::Admin),
        ModelRole::Owner => Role::BuiltIn(BuiltInRole::Owner),
        ModelRole::Custom(names) => Role::Custom(permissions(names)),
    };
    let kind = match &case.grants {
        None => PrincipalKind::ServiceAccount { id: ServiceAccountId::from_bytes([1; 16]) },
        Some(grants) => PrincipalKind::User {
            id: UserId::from_bytes([1; 16]),
            grants: grants
                .iter()
                .map(|(place, given)| RoleGrant { workspace: place.map(workspace), role: role(given) })
                .collect(),
        },
    };
    let record = KeyRecord {
        key: KeyId::from_bytes([1; 16]),
        secret: SecretId::from_bytes([1; 16]),
        secret_ends_at: None,
        environment: production(),
        state: KeyState::Active,
        expires_at: None,
        organization: OrganizationRecord {
            id: OrganizationId::from_bytes([1; 16]),
            external_id: None,
            kind: if case.operator { OrganizationKind::Operator } else { OrganizationKind::Tenant },
            state: Standing::Active,
            workspaces: case
                .workspaces
                .iter()
                .map(|place| WorkspaceRecord {
                    id: workspace(*place),
                    external_id: None,
                    networks: Vec::new(),
                })
                .collect(),
        },
        principal: PrincipalRecord { external_id: None, state: Standing::Active, kind },
        level: case.level,
        permissions: permissions(&case.listed),
        workspaces: case
            .scope
            .as_ref()
            .map_or(Access::All, |scope| Access::specific(scope.iter().map(|place| workspace(*place)))),
        customers: Access::All,
        networks: Vec::new(),
        rate_limits: wardkey::core::RateLimits::NONE,
    };
    (record, CatalogueIndex::new(&Catalogue { groups: vec![group] }))
}

fn names(set: &wardkey::core::PermissionSet) -> Names {
    set.names().iter().map(ToString::to_string).collect()
}

fn held_by(rights: &Rights) -> Held {
    Held {
        organization_wide: names(rights.organization_wide()),
        workspaces: rights
            .workspaces()
            .map(|workspace| (workspace.id.to_bytes()[0], names(workspace.held)))
            .collect(),
        all_workspaces: rights.sees_all_workspaces(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn the_rights_of_a_key_are_those_of_the_naive_model(case in any_case()) {
        let (record, catalogue) = record_of(&case);
        let rights = Rights::of_key(&record, &catalogue);
        let expected = Model(&case).key();
        let anywhere: Names =
            expected.workspaces.values().flatten().chain(&expected.organization_wide).cloned().collect();
        prop_assert_eq!(held_by(&rights), expected);
        prop_assert_eq!(names(rights.anywhere()), anywhere);
    }

    #[test]
    fn a_user_key_never_exceeds_its_user(case in any_case()) {
        let (record, catalogue) = record_of(&case);
        if let PrincipalKind::User { grants, .. } = &record.principal.kind {
            let user = Rights::of_user(&record.organization, grants, &catalogue);
            prop_assert!(Rights::of_key(&record, &catalogue).excess_over(&user).is_empty());
        }
    }

    #[test]
    fn an_excess_is_what_the_model_finds_beyond(one in any_case(), other in any_case()) {
        // Two keys of one organization under one catalogue.
        let other = Case { operator: one.operator, workspaces: one.workspaces.clone(), catalogue: one.catalogue.clone(), ..other };
        let rights = |case: &Case| {
            let (record, catalogue) = record_of(case);
            Rights::of_key(&record, &catalogue)
        };
        let (wanted, bound) = (Model(&one).key(), Model(&other).key());
        let within = wanted.organization_wide.is_subset(&bound.organization_wide)
            && (bound.all_workspaces || !wanted.all_workspaces)
            && wanted.workspaces.iter().all(|(place, held)| {
                bound.workspaces.get(place).is_some_and(|known| held.is_subset(known))
            });
        prop_assert_eq!(rights(&one).excess_over(&rights(&other)).is_empty(), within);
    }
}
