//! Environments: deployment-wide, each key is bound to one.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use wardkey_core::Environment;

use crate::StorageError;
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::environments;

/// Rows for new environments, in this order.
pub(crate) async fn insert_environments(conn: &mut Conn, new: &[Environment]) -> Result<(), StorageError> {
    for (position, Environment { name, tag }) in (0i32..).zip(new) {
        on!(conn, c => diesel::insert_into(environments::table)
            .values((
                environments::name.eq(name.as_str()),
                environments::tag.eq(tag),
                environments::position.eq(position),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// All environments, in their order.
pub(crate) async fn load_environments(conn: &mut Conn) -> Result<Vec<Environment>, StorageError> {
    let rows = on!(conn, c => environments::table
        .order(environments::position)
        .select((environments::name, environments::tag))
        .load::<(String, String)>(c))?;
    let read = |(name, tag): (String, String)| {
        Ok(Environment { name: name.parse().map_err(|_| Corrupt("environments.name"))?, tag })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}
