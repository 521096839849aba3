//! The catalogue: the product's permissions.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};
use wardkey_core::{CatalogueGroup, CataloguePermission, PermissionClass, PermissionName};

use super::Tag;
use super::answer::Answer;
use super::credentials::{AnyEnvironment, InDeployment};
use super::kinds::Label;
use super::text::Text;

pub(super) struct Permissions;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Permissions")]
impl Permissions {
    /// List permissions
    ///
    /// The product's permissions, group by group, in the order in which people read them. Wardkey's own (`keys:…`,
    /// `admin:…`, `operator:…`) are not among them. Any key may ask.
    #[oai(path = "/permissions", method = "get", operation_id = "list_permissions")]
    async fn list_permissions(
        &self,
        caller: InDeployment<(), AnyEnvironment>,
    ) -> Answer<Json<PermissionList>> {
        let deployment = caller.deployment.describe().await?;
        Ok(Json(PermissionList { items: deployment.catalogue.groups.into_iter().map(Into::into).collect() }))
    }
}

/// The product's permissions, by group.
#[derive(Debug, Object)]
#[oai(example)]
struct PermissionList {
    /// The groups.
    items: Vec<Group>,
}

impl Example for PermissionList {
    fn example() -> Self {
        let permission = Permission { name: Text::example(), label: Text::example(), class: Class::Read };
        Self {
            items: vec![Group { label: Label("Pipelines".to_owned()).into(), permissions: vec![permission] }],
        }
    }
}

/// Permissions that belong together.
#[derive(Debug, Object)]
#[oai(rename = "PermissionGroup")]
struct Group {
    /// What people call the group.
    label: Text<Label>,
    /// Its permissions.
    permissions: Vec<Permission>,
}

impl From<CatalogueGroup> for Group {
    fn from(group: CatalogueGroup) -> Self {
        let CatalogueGroup { label, permissions } = group;
        Self { label: Label(label).into(), permissions: permissions.into_iter().map(Into::into).collect() }
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
