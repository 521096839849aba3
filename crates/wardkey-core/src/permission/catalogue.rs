//! The catalogue: the product's permissions with group, label, and read or write.

use std::collections::HashSet;

use super::set::{PermissionIndex, PermissionSet};
use super::{ADMIN_PERMISSIONS, BuiltInRole, Level, OPERATOR_PERMISSIONS, PermissionName};
use crate::json::JsonWriter;

/// Whether a permission lets look or lets change. `write` does not imply `read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PermissionClass {
    /// List, get, query.
    Read,
    /// Everything else.
    Write,
}

impl PermissionClass {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// One group of permissions as [`permissions!`](crate::permissions) declares it.
#[derive(Debug, Clone, Copy)]
pub struct PermissionGroup {
    /// What people read: "Pipelines".
    pub label: &'static str,
    /// Name, class and label of each permission.
    pub permissions: &'static [(&'static str, PermissionClass, &'static str)],
}

impl PermissionGroup {
    /// The declared groups as a JSON file.
    pub fn catalogue_file(groups: &[Self]) -> String {
        let mut json = JsonWriter::new();
        json.object(|json| {
            json.array("groups", groups, |json, group| {
                json.object(|json| {
                    json.text("label", group.label);
                    json.array("permissions", group.permissions, |json, (name, class, label)| {
                        json.object(|json| {
                            json.text("name", name);
                            json.text("class", class.as_str());
                            json.text("label", label);
                        });
                    });
                });
            });
        });
        json.finish()
    }
}

/// The product's permissions, as the deployment knows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// In the order in which people read them.
    pub groups: Vec<CatalogueGroup>,
}

/// A group of permissions in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueGroup {
    /// What people read: "Pipelines".
    pub label: String,
    /// In the order in which people read them.
    pub permissions: Vec<CataloguePermission>,
}

/// A permission in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CataloguePermission {
    /// `resource:action`.
    pub name: PermissionName,
    /// Read or write.
    pub class: PermissionClass,
    /// What people read: "See pipelines".
    pub label: String,
}

impl Catalogue {
    /// The catalogue of the groups that [`permissions!`](crate::permissions) declared.
    pub fn declared(groups: &[PermissionGroup]) -> Self {
        let permission = |(name, class, label): &(&str, _, &str)| CataloguePermission {
            name: name.parse().expect("the declaration has checked the grammar"),
            class: *class,
            label: (*label).to_owned(),
        };
        let groups = groups.iter().map(|group| CatalogueGroup {
            label: group.label.to_owned(),
            permissions: group.permissions.iter().map(permission).collect(),
        });
        Self { groups: groups.collect() }
    }

    /// Every permission, group by group.
    pub fn permissions(&self) -> impl Iterator<Item = &CataloguePermission> {
        self.groups.iter().flat_map(|group| &group.permissions)
    }

    /// Which of `names` the catalogue does not list, in their order and once each.
    pub fn missing<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let known: HashSet<_> = self.permissions().map(|permission| permission.name.as_str()).collect();
        let mut seen = HashSet::new();
        names.into_iter().filter(|name| !known.contains(name) && seen.insert(*name)).collect()
    }
}

/// The catalogue as sets, from which levels and roles are computed.
#[derive(Debug, Clone)]
pub struct CatalogueIndex {
    product: PermissionSet,
    product_read: PermissionSet,
    keys_write: PermissionSet,
    admin: PermissionSet,
    operator: PermissionSet,
}

impl CatalogueIndex {
    /// Numbers the permissions of `catalogue` and sorts them into sets. A reserved name in it is left out.
    pub fn new(catalogue: &Catalogue) -> Self {
        let product = || catalogue.permissions().filter(|permission| !permission.name.is_reserved());
        Self {
            product: product().map(|permission| &permission.name).collect(),
            product_read: product()
                .filter(|permission| permission.class == PermissionClass::Read)
                .map(|permission| &permission.name)
                .collect(),
            keys_write: built_in(&["keys:write"]),
            admin: built_in(ADMIN_PERMISSIONS),
            operator: built_in(OPERATOR_PERMISSIONS),
        }
    }

    /// Every product permission.
    pub fn product(&self) -> &PermissionSet {
        &self.product
    }

    /// Whether the name is in the catalogue or built in.
    pub fn knows(&self, name: &PermissionName) -> bool {
        PermissionIndex::find(name.as_str()).is_some_and(|index| {
            [&self.product, &self.keys_write, &self.admin, &self.operator]
                .iter()
                .any(|set| set.contains(index))
        })
    }

    /// Those of `names` that the catalogue lists or that are built in: an unknown name is held by nobody.
    pub fn known<'a>(&self, names: impl IntoIterator<Item = &'a PermissionName>) -> PermissionSet {
        names.into_iter().filter(|name| self.knows(name)).collect()
    }

    /// What `level` gives a service-account key: product permissions only.
    pub fn service_level(&self, level: Level) -> PermissionSet {
        match level {
            Level::All => self.product.clone(),
            Level::ReadOnly => self.product_read.clone(),
            Level::Restricted => PermissionSet::EMPTY,
        }
    }

    /// What `level` lets through of the rights of a key's user: `all` gives everything but making keys and running
    /// the deployment, which must be listed.
    pub fn user_level(&self, level: Level) -> PermissionSet {
        let mut given = self.service_level(level);
        if level == Level::All {
            given.extend(&self.admin.difference(&built_in(&["admin:keys"])));
        }
        given
    }

    /// What a built-in role gives in a tenant, or in the operator organization.
    pub fn role(&self, role: BuiltInRole, operator: bool) -> PermissionSet {
        if role == BuiltInRole::Viewer {
            return self.product_read.clone();
        }
        let mut given = self.product.clone();
        given.extend(&self.keys_write);
        if role != BuiltInRole::Member {
            given.extend(&self.admin);
        }
        if role == BuiltInRole::Owner && operator {
            given.extend(&self.operator);
        }
        given
    }

    /// The `operator:…` permissions.
    pub fn operator(&self) -> &PermissionSet {
        &self.operator
    }
}

fn built_in(names: &[&str]) -> PermissionSet {
    let mut set = PermissionSet::EMPTY;
    names.iter().for_each(|name| set.insert(PermissionIndex::intern(name)));
    set
}
