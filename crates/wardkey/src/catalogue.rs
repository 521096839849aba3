//! The permission catalogue: what the product lets its users do.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::json;
use wardkey_core::permission::OperatorCatalogue;
use wardkey_core::{Catalogue, CatalogueGroup, CataloguePermission, PermissionClass};
use wardkey_storage::VersionedCatalogue;

use crate::deployment::DeploymentHandle;
use crate::error::Error;
use crate::rules::Findings;

/// The most permissions of a catalogue.
pub const MAX_PERMISSIONS: usize = 1_000;
/// The most groups of a catalogue.
pub const MAX_GROUPS: usize = 100;

/// What becomes of the permissions that an applied catalogue does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// They stay.
    Kept,
    /// They are removed.
    Removed,
}

impl DeploymentHandle {
    /// The permission catalogue and its version; needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn catalogue(&self) -> Result<VersionedCatalogue, Error> {
        Ok(self.wardkey.storage().find_catalogue().await?)
    }

    /// Replaces the permission catalogue, which must be at `version`; needs `operator:catalogue`.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for a name that is reserved or stands there twice, and for too many of
    /// them; [`Error::VersionMismatch`]; [`Error::PermissionsInUse`] if a permission would be gone that a role, or a key
    /// that is not revoked, lists; [`Error::Unavailable`].
    pub async fn replace_catalogue(
        &self,
        version: i64,
        catalogue: &Catalogue,
    ) -> Result<VersionedCatalogue, Error> {
        self.require::<OperatorCatalogue>()?;
        check_catalogue(catalogue)?;
        let act = self.wardkey.act(&self.caller);
        let replaced = self.wardkey.storage().replace_catalogue(&act, version, catalogue).await?;
        self.wardkey.publish().await;
        Ok(replaced)
    }

    /// Adds the permissions of `file` to the catalogue, and gives those that it has the file's group, class and label;
    /// needs `operator:catalogue`.
    ///
    /// # Errors
    /// As for [`replace_catalogue`](Self::replace_catalogue); [`Error::VersionMismatch`] if somebody else changes the
    /// catalogue at the same time.
    pub async fn apply_catalogue(
        &self,
        file: &Catalogue,
        unlisted: Unlisted,
    ) -> Result<VersionedCatalogue, Error> {
        self.require::<OperatorCatalogue>()?;
        check_catalogue(file)?;
        let VersionedCatalogue { catalogue, version } = self.catalogue().await?;
        let wanted = match unlisted {
            Unlisted::Kept => merge(catalogue, file),
            Unlisted::Removed => file.clone(),
        };
        self.replace_catalogue(version, &wanted).await
    }
}

fn check_catalogue(catalogue: &Catalogue) -> Result<(), Error> {
    let mut findings = Findings::default();
    if catalogue.groups.len() > MAX_GROUPS {
        findings.add("/groups", "too_many", format!("must hold at most {MAX_GROUPS} groups"));
    }
    if catalogue.permissions().count() > MAX_PERMISSIONS {
        findings.add("/groups", "too_many", format!("must hold at most {MAX_PERMISSIONS} permissions"));
    }
    let (mut labels, mut names) = (HashSet::new(), HashSet::new());
    for (at, CatalogueGroup { label, permissions }) in catalogue.groups.iter().enumerate() {
        findings.label(&format!("/groups/{at}/label"), label);
        if !labels.insert(label) {
            findings.add(format!("/groups/{at}/label"), "duplicate", "another group has this label");
        }
        for (within, CataloguePermission { name, class: _, label }) in permissions.iter().enumerate() {
            let pointer = format!("/groups/{at}/permissions/{within}");
            findings.label(&format!("{pointer}/label"), label);
            if name.is_reserved() {
                findings.add(format!("{pointer}/name"), "reserved", "is one of Wardkey's own resources");
            }
            if !names.insert(name) {
                findings.add(format!("{pointer}/name"), "duplicate", "stands here twice");
            }
        }
    }
    findings.into_result()
}

/// The catalogue with what the file says: what is known keeps its place unless the file has it in another group, and what
/// is new comes at the end of its group.
fn merge(mut catalogue: Catalogue, file: &Catalogue) -> Catalogue {
    for CatalogueGroup { label, permissions } in &file.groups {
        for permission in permissions {
            let elsewhere = catalogue.groups.iter_mut().filter(|group| group.label != *label);
            elsewhere.for_each(|group| group.permissions.retain(|known| known.name != permission.name));
            let at = match catalogue.groups.iter().position(|group| group.label == *label) {
                Some(at) => at,
                None => {
                    catalogue.groups.push(CatalogueGroup { label: label.clone(), permissions: Vec::new() });
                    catalogue.groups.len() - 1
                }
            };
            let group = &mut catalogue.groups[at].permissions;
            match group.iter_mut().find(|known| known.name == permission.name) {
                Some(known) => *known = permission.clone(),
                None => group.push(permission.clone()),
            }
        }
    }
    catalogue.groups.retain(|group| !group.permissions.is_empty());
    catalogue
}

/// The text is no catalogue.
#[derive(Debug, thiserror::Error)]
#[error("not a permission catalogue: {0}")]
pub struct InvalidCatalogue(String);

/// A catalogue as a JSON file: the body of `PUT /v1/permissions`, which is also what
/// [`PermissionGroup::catalogue_file`](wardkey_core::PermissionGroup::catalogue_file) makes of what a program declares.
///
/// ```
/// let text = r#"{"groups": [{"label": "Reports", "permissions": [
///     {"name": "reports:read", "class": "read", "label": "See reports"}
/// ]}]}"#;
/// let catalogue = wardkey::read_catalogue(text)?;
/// assert_eq!(catalogue.permissions().count(), 1);
/// assert_eq!(wardkey::read_catalogue(&wardkey::write_catalogue(&catalogue))?, catalogue);
/// # Ok::<(), wardkey::InvalidCatalogue>(())
/// ```
///
/// # Errors
/// If it is not JSON, has unknown, repeated or missing members, or a name that is no permission. Whether a deployment takes
/// it is for [`DeploymentHandle::apply_catalogue`] to say.
pub fn read_catalogue(text: &str) -> Result<Catalogue, InvalidCatalogue> {
    let CatalogueFile { groups } =
        serde_json::from_str(text).map_err(|error| InvalidCatalogue(error.to_string()))?;
    let permission = |PermissionInFile { name, class, label }| match name.parse() {
        Ok(name) => Ok(CataloguePermission { name, class: class.into(), label }),
        Err(error) => Err(InvalidCatalogue(format!("{name:?}: {error}"))),
    };
    let group = |GroupInFile { label, permissions }| {
        let permissions = permissions.into_iter().map(permission).collect::<Result<_, _>>()?;
        Ok(CatalogueGroup { label, permissions })
    };
    Ok(Catalogue { groups: groups.into_iter().map(group).collect::<Result<_, _>>()? })
}

/// The inverse of [`read_catalogue`], indented for people.
pub fn write_catalogue(catalogue: &Catalogue) -> String {
    let permission = |CataloguePermission { name, class, label }: &CataloguePermission| json!({"name": name.as_str(), "class": class.as_str(), "label": label});
    let group = |CatalogueGroup { label, permissions }: &CatalogueGroup| json!({"label": label, "permissions": permissions.iter().map(permission).collect::<Vec<_>>()});
    let file = json!({"groups": catalogue.groups.iter().map(group).collect::<Vec<_>>()});
    format!("{file:#}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    groups: Vec<GroupInFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupInFile {
    label: String,
    permissions: Vec<PermissionInFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionInFile {
    name: String,
    class: ClassInFile,
    label: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClassInFile {
    Read,
    Write,
}

impl From<ClassInFile> for PermissionClass {
    fn from(class: ClassInFile) -> Self {
        match class {
            ClassInFile::Read => Self::Read,
            ClassInFile::Write => Self::Write,
        }
    }
}
