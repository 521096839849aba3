//! The catalogue: the product's permissions.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use wardkey::VersionedCatalogue;
use wardkey_core::permission::OperatorCatalogue;
use wardkey_core::{Catalogue, CatalogueGroup, CataloguePermission, PermissionClass, PermissionName};

use super::Tag;
use super::answer::{Answer, Refusals};
use super::credentials::{AnyEnvironment, InDeployment};
use super::kinds::Label;
use super::parameters::{IfMatch, etag};
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Permissions;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Permissions")]
impl Permissions {
    /// List permissions
    ///
    /// The catalogue: the product's permissions, group by group, in the order in which people read them. Wardkey's own
    /// (`keys:…`, `admin:…`, `operator:…`) are not among them. Anybody may ask.
    #[oai(path = "/permissions", method = "get", operation_id = "list_permissions")]
    async fn list_permissions(&self, caller: InDeployment<(), AnyEnvironment>) -> Answer<CatalogueAnswer> {
        Ok(caller.deployment.catalogue().await?.into())
    }

    /// Replace permissions
    ///
    /// Replaces the catalogue as a whole, in all organizations at once: at most 1000 permissions in at most 100 groups, of
    /// which no empty one is kept. A permission that a role lists, or a key that is not revoked, stays: a catalogue without
    /// it is refused, and the answer names each. A catalogue beyond the size of a body is applied with
    /// `wardkey --local permissions apply`.
    #[oai(path = "/permissions", method = "put", operation_id = "replace_permissions")]
    async fn replace_permissions(
        &self,
        operator: InDeployment<OperatorCatalogue>,
        /// The `ETag` of the catalogue as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// The whole new catalogue.
        body: Strict<PermissionCatalogue>,
    ) -> Answer<CatalogueAnswer, Replacing> {
        let catalogue = body.value.into();
        Ok(operator.deployment.replace_catalogue(if_match.0, &catalogue).await?.into())
    }
}

/// What can stand in the way of another catalogue.
struct Replacing;

impl Refusals for Replacing {
    const CODES: &'static [Code] = &[Code::PermissionInUse];
}

#[derive(ApiResponse)]
enum CatalogueAnswer {
    /// The catalogue.
    #[oai(status = 200)]
    Ok(
        Json<PermissionCatalogue>,
        /// The catalogue's version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

impl From<VersionedCatalogue> for CatalogueAnswer {
    fn from(found: VersionedCatalogue) -> Self {
        let VersionedCatalogue { catalogue, version } = found;
        let groups = catalogue.groups.into_iter().map(Into::into).collect();
        Self::Ok(Json(PermissionCatalogue { groups }), etag(version))
    }
}

/// The product's permissions, by group.
#[derive(Debug, Object)]
#[oai(example)]
struct PermissionCatalogue {
    /// The groups, in the order in which people read them.
    #[oai(validator(max_items = 100))]
    groups: Vec<Group>,
}

impl From<PermissionCatalogue> for Catalogue {
    fn from(catalogue: PermissionCatalogue) -> Self {
        let PermissionCatalogue { groups } = catalogue;
        Self { groups: groups.into_iter().map(Into::into).collect() }
    }
}

impl Example for PermissionCatalogue {
    fn example() -> Self {
        let permission = Permission { name: Text::example(), label: Text::example(), class: Class::Read };
        Self {
            groups: vec![Group {
                label: Label("Pipelines".to_owned()).into(),
                permissions: vec![permission],
            }],
        }
    }
}

/// Permissions that belong together.
#[derive(Debug, Object)]
#[oai(rename = "PermissionGroup")]
struct Group {
    /// What people call the group.
    label: Text<Label>,
    /// Its permissions, in the order in which people read them.
    #[oai(validator(max_items = 1000))]
    permissions: Vec<Permission>,
}

impl From<CatalogueGroup> for Group {
    fn from(group: CatalogueGroup) -> Self {
        let CatalogueGroup { label, permissions } = group;
        Self { label: Label(label).into(), permissions: permissions.into_iter().map(Into::into).collect() }
    }
}

impl From<Group> for CatalogueGroup {
    fn from(group: Group) -> Self {
        let Group { label, permissions } = group;
        Self { label: label.0.0, permissions: permissions.into_iter().map(Into::into).collect() }
    }
}

/// A permission of the product.
#[derive(Debug, Object)]
struct Permission {
    /// The permission.
    name: Text<PermissionName>,
    /// What it lets do.
    label: Text<Label>,
    /// Whether it lets look or lets change.
    class: Class,
}

impl From<CataloguePermission> for Permission {
    fn from(permission: CataloguePermission) -> Self {
        let CataloguePermission { name, class, label } = permission;
        Self { name: name.into(), label: Label(label).into(), class: class.into() }
    }
}

impl From<Permission> for CataloguePermission {
    fn from(permission: Permission) -> Self {
        let Permission { name, label, class } = permission;
        Self { name: name.0, class: class.into(), label: label.0.0 }
    }
}

/// `read` lets look, `write` lets change. One does not imply the other.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "PermissionClass", rename_all = "snake_case")]
enum Class {
    Read,
    Write,
}

impl From<PermissionClass> for Class {
    fn from(class: PermissionClass) -> Self {
        match class {
            PermissionClass::Read => Self::Read,
            PermissionClass::Write => Self::Write,
        }
    }
}

impl From<Class> for PermissionClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Read => Self::Read,
            Class::Write => Self::Write,
        }
    }
}
