//! The catalogue: the product's permissions, in the order in which people read them.

mod usage;

use std::collections::HashSet;

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{Catalogue, CatalogueGroup, CataloguePermission, PermissionName, Subject};

pub use self::usage::PermissionUse;
pub(crate) use self::usage::check_listed;
use self::usage::find_uses;
use crate::audit::{Done, record};
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::error::{Corrupt, NotBootstrapped};
use crate::schema::{deployment, permissions};
use crate::words::read_class;
use crate::{Act, Storage, StorageError};

/// The catalogue as it is at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedCatalogue {
    /// The product's permissions.
    pub catalogue: Catalogue,
    /// Moves with each change of it.
    pub version: i64,
}

impl Storage {
    /// The catalogue and its version.
    ///
    /// # Errors
    /// [`Unavailable`](StorageError::Unavailable) before the deployment is made.
    pub async fn find_catalogue(&self) -> Result<VersionedCatalogue, StorageError> {
        self.read_snapshot(move |conn| load_versioned(conn).boxed()).await
    }

    /// Replaces the catalogue as a whole. A group without permissions is not kept. Equal ones change nothing, not even the
    /// version. Audited in the operator organization.
    ///
    /// # Errors
    /// [`VersionMismatch`](StorageError::VersionMismatch); [`PermissionsInUse`](StorageError::PermissionsInUse) if a
    /// permission would be gone that a role, or a key that is not revoked, lists.
    pub async fn replace_catalogue(
        &self,
        act: &Act,
        version: i64,
        catalogue: &Catalogue,
    ) -> Result<VersionedCatalogue, StorageError> {
        let (act, mut catalogue) = (act.clone(), catalogue.clone());
        catalogue.groups.retain(|group| !group.permissions.is_empty());
        self.write(move |conn| {
            async move {
                let operator = lock_operator_organization(conn, &act).await?;
                // From here to the end nobody lists a permission: see `check_listed`.
                let bumped = on!(conn, c => diesel::update(deployment::table)
                    .set(deployment::catalogue_version.eq(deployment::catalogue_version + 1))
                    .returning(deployment::catalogue_version)
                    .get_result::<i64>(c))?;
                let before =
                    VersionedCatalogue { catalogue: load_catalogue(conn).await?, version: bumped - 1 };
                if before.version != version {
                    return Err(StorageError::VersionMismatch { current: before.version });
                }
                if before.catalogue == catalogue {
                    on!(conn, c => diesel::update(deployment::table)
                        .set(deployment::catalogue_version.eq(before.version))
                        .execute(c))?;
                    return Ok(before);
                }
                let uses = find_uses(conn, &removed(&before.catalogue, &catalogue)).await?;
                if !uses.is_empty() {
                    return Err(StorageError::PermissionsInUse(uses));
                }
                on!(conn, c => diesel::delete(permissions::table).execute(c))?;
                insert_catalogue(conn, &catalogue).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "catalogue.replace",
                        target: "catalogue".to_owned(),
                        details: json!({
                            "before": differing(&before.catalogue, &catalogue),
                            "after": differing(&catalogue, &before.catalogue),
                        }),
                        subjects: &[Subject::Catalogue],
                    },
                )
                .await?;
                Ok(VersionedCatalogue { catalogue, version: bumped })
            }
            .boxed()
        })
        .await
    }
}

/// The permissions that are in the one and not in the other.
fn removed(before: &Catalogue, after: &Catalogue) -> Vec<PermissionName> {
    let kept: HashSet<_> = after.permissions().map(|permission| &permission.name).collect();
    let names = before.permissions().map(|permission| &permission.name);
    names.filter(|name| !kept.contains(name)).cloned().collect()
}

/// By name, what the one says of a permission and the other does not; `order` if that is all there is.
fn differing(one: &Catalogue, other: &Catalogue) -> Value {
    let described = |catalogue: &Catalogue| -> Vec<(String, Value)> {
        let groups = catalogue.groups.iter();
        let rows =
            groups.flat_map(|group| group.permissions.iter().map(|permission| (&group.label, permission)));
        rows.map(|(group, CataloguePermission { name, class, label })| {
            (name.to_string(), json!({"group": group, "class": class.as_str(), "label": label}))
        })
        .collect()
    };
    let known: HashSet<_> = described(other).into_iter().collect();
    described(one).into_iter().filter(|row| !known.contains(row)).collect::<serde_json::Map<_, _>>().into()
}

async fn load_versioned(conn: &mut Conn) -> Result<VersionedCatalogue, StorageError> {
    let version = on!(conn, c => deployment::table
        .select(deployment::catalogue_version)
        .first::<i64>(c))
    .optional()?;
    Ok(VersionedCatalogue {
        version: version.ok_or(NotBootstrapped)?,
        catalogue: load_catalogue(conn).await?,
    })
}

/// Rows for the whole catalogue.
pub(crate) async fn insert_catalogue(conn: &mut Conn, catalogue: &Catalogue) -> Result<(), StorageError> {
    let mut position = 0i32;
    for CatalogueGroup { label: group_label, permissions } in &catalogue.groups {
        for CataloguePermission { name, class, label } in permissions {
            on!(conn, c => diesel::insert_into(permissions::table)
                .values((
                    permissions::name.eq(name.as_str()),
                    permissions::position.eq(position),
                    permissions::group_label.eq(group_label),
                    permissions::class.eq(class.as_str()),
                    permissions::label.eq(label),
                ))
                .execute(c))?;
            position += 1;
        }
    }
    Ok(())
}

/// The catalogue: neighbours with the same group label are one group.
pub(crate) async fn load_catalogue(conn: &mut Conn) -> Result<Catalogue, StorageError> {
    let rows = on!(conn, c => permissions::table
        .order(permissions::position)
        .select((permissions::group_label, permissions::name, permissions::class, permissions::label))
        .load::<(String, String, String, String)>(c))?;
    let mut groups: Vec<CatalogueGroup> = Vec::new();
    for (group, name, class, label) in rows {
        let name = name.parse().map_err(|_| Corrupt("permissions.name"))?;
        let permission = CataloguePermission { name, class: read_class(&class)?, label };
        match groups.last_mut() {
            Some(last) if last.label == group => last.permissions.push(permission),
            _ => groups.push(CatalogueGroup { label: group, permissions: vec![permission] }),
        }
    }
    Ok(Catalogue { groups })
}
