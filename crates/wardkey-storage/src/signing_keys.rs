//! The keys that sign what a session shows with each request, wrapped: nobody can sign who has the database alone.

use std::time::Duration;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::Timestamp;

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_deployment;
use crate::error::Corrupt;
use crate::schema::signing_keys;
use crate::{Storage, StorageError};

/// A private key that signs, as it is kept. `Debug` leaves out what is wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its id.
    pub id: [u8; 16],
    /// The key, wrapped by whoever added it.
    pub wrapped: Vec<u8>,
    /// When it was added; the newest signs.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, wrapped: _, created_at } = self;
        f.debug_struct("SigningKey").field("id", id).field("created_at", created_at).finish_non_exhaustive()
    }
}

impl Storage {
    /// All of them, the newest first.
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKey>, StorageError> {
        self.read(|conn| load_signing_keys(conn).boxed()).await
    }

    /// Adds a key that is the newest from now on, if the newest is still `if_newest`: of servers that rotate at once
    /// one adds a key, and the others find it.
    pub async fn add_signing_key(
        &self,
        id: [u8; 16],
        wrapped: Vec<u8>,
        if_newest: Option<[u8; 16]>,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.write(move |conn| {
            async move {
                lock_deployment(conn).await?;
                let newest = load_signing_keys(conn).await?.into_iter().next();
                if newest.as_ref().map(|key| key.id) != if_newest {
                    return Ok(());
                }
                // Whichever server's clock is behind: what was added later is newer.
                let created_at = newest.map_or(now, |newest| {
                    now.max(newest.created_at.saturating_add(Duration::from_micros(1)))
                });
                on!(conn, c => diesel::insert_into(signing_keys::table)
                    .values((
                        signing_keys::id.eq(&id[..]),
                        signing_keys::wrapped.eq(&wrapped),
                        signing_keys::created_at.eq(Stored(created_at)),
                    ))
                    .execute(c))?;
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

pub(crate) async fn load_signing_keys(conn: &mut Conn) -> Result<Vec<SigningKey>, StorageError> {
    let rows = on!(conn, c => signing_keys::table
        .order(signing_keys::created_at.desc())
        .select((signing_keys::id, signing_keys::wrapped, signing_keys::created_at))
        .load::<(Vec<u8>, Vec<u8>, Stored<Timestamp>)>(c))?;
    let read = |(id, wrapped, created_at): (Vec<u8>, Vec<u8>, Stored<Timestamp>)| {
        let id = id.try_into().map_err(|_| Corrupt("signing_keys.id"))?;
        Ok(SigningKey { id, wrapped, created_at: created_at.0 })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}
