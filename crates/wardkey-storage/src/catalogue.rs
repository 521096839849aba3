//! The catalogue: the product's permissions, in the order in which people read them.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{Catalogue, CatalogueGroup, CataloguePermission, Subject};

use crate::audit::{Done, record};
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::error::Corrupt;
use crate::schema::permissions;
use crate::words::read_class;
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Replaces the catalogue as a whole. A group without permissions is not kept. Audited in the operator
    /// organization.
    pub async fn replace_catalogue(&self, act: &Act, catalogue: &Catalogue) -> Result<(), StorageError> {
        let (act, mut catalogue) = (act.clone(), catalogue.clone());
        catalogue.groups.retain(|group| !group.permissions.is_empty());
        self.write(move |conn| {
            async move {
                let operator = lock_operator_organization(conn, act.now).await?;
                let before = load_catalogue(conn).await?;
                if before == catalogue {
                    return Ok(());
                }
                on!(conn, c => diesel::delete(permissions::table).execute(c))?;
                insert_catalogue(conn, &catalogue).await?;
                let names = |catalogue: &Catalogue| {
                    catalogue.permissions().map(|permission| permission.name.to_string()).collect::<Vec<_>>()
                };
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "catalogue.replace",
                        target: "catalogue".to_owned(),
                        details: json!({"before": names(&before), "after": names(&catalogue)}),
                        subjects: &[Subject::Catalogue],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
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
