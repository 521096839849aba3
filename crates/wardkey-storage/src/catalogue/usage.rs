//! Who lists the catalogue's permissions.

use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use wardkey_core::PermissionName;

use crate::StorageError;
use crate::connection::{Conn, on};
use crate::schema::{concat, deployment, keys, organizations, permissions, roles};

/// How often a permission is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionUse {
    /// The permission.
    pub name: PermissionName,
    /// How many keys that are not revoked list it, in all organizations.
    pub keys: u32,
    /// How many custom roles list it, in all organizations.
    pub roles: u32,
}

/// Those of the permissions that keys or roles list. Nobody begins to while the deployment's row is held.
pub(super) async fn find_uses(
    conn: &mut Conn,
    names: &[PermissionName],
) -> Result<Vec<PermissionUse>, StorageError> {
    let mut uses = Vec::new();
    for name in names {
        // As it stands in a list, in quotes. The one character of a name that means something to LIKE is the underscore.
        let pattern = format!("%\"{}\"%", name.as_str().replace('_', "\\_"));
        let in_keys = on!(conn, c => keys::table
            .filter(keys::state.ne("revoked"))
            .filter(keys::deleted_at.is_null())
            .filter(keys::permissions.is_not_null())
            .filter(concat(keys::permissions).like(&pattern).escape('\\'))
            .count()
            .get_result::<i64>(c))?;
        // Of an organization that is gone nobody could delete them.
        let in_roles = on!(conn, c => roles::table
            .inner_join(organizations::table.on(organizations::id.eq(roles::organization_id)))
            .filter(organizations::deleted_at.is_null())
            .filter(concat(roles::permissions.nullable()).like(&pattern).escape('\\'))
            .count()
            .get_result::<i64>(c))?;
        if in_keys + in_roles > 0 {
            let count = |count: i64| u32::try_from(count).map_err(StorageError::unavailable);
            uses.push(PermissionUse { name: name.clone(), keys: count(in_keys)?, roles: count(in_roles)? });
        }
    }
    Ok(uses)
}

/// Whether the catalogue still has these permissions, which a key or a role is about to list; those that are built in stay
/// anyway. Holds the catalogue as it is to the end of the transaction: on PostgreSQL by a share of the deployment's row,
/// which who replaces the catalogue takes for itself alone; on SQLite there is one writer at a time. Comes after the
/// organization's lock.
///
/// # Errors
/// [`NotFound`](StorageError::NotFound) if one has left it.
pub(crate) async fn check_listed(conn: &mut Conn, names: &[PermissionName]) -> Result<(), StorageError> {
    let product: Vec<_> =
        names.iter().filter(|name| !name.is_reserved()).map(PermissionName::as_str).collect();
    if product.is_empty() {
        return Ok(());
    }
    if let Conn::Postgres(conn) = conn {
        deployment::table.select(deployment::id).for_share().load::<i16>(&mut **conn).await?;
    }
    let found = on!(conn, c => permissions::table
        .filter(permissions::name.eq_any(&product))
        .count()
        .get_result::<i64>(c))?;
    if usize::try_from(found) == Ok(product.len()) { Ok(()) } else { Err(StorageError::NotFound) }
}
