//! Calls that may be repeated.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use wardkey_core::{KeyId, Timestamp};

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::schema::idempotency;
use crate::{Conflict, Idempotency, StorageError};

/// Claims an idempotency key for a call that is about to issue or rotate `key`: `None` if the call is the first, else
/// the key of the one that was. A second call waits here until the first has ended; if that failed, the claim is gone
/// with everything else that it did.
pub(crate) async fn claim(
    conn: &mut Conn,
    idempotency: Option<Idempotency>,
    key: KeyId,
    now: Timestamp,
) -> Result<Option<KeyId>, StorageError> {
    let Some(Idempotency { scope, key: idempotency_key, request }) = idempotency else { return Ok(None) };
    let inserted = on!(conn, c => diesel::insert_into(idempotency::table)
        .values((
            idempotency::scope.eq(&scope[..]),
            idempotency::idempotency_key.eq(&idempotency_key),
            idempotency::request.eq(&request[..]),
            idempotency::key_id.eq(Stored(key)),
            idempotency::created_at.eq(Stored(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted > 0 {
        return Ok(None);
    }
    let (known, first) = on!(conn, c => idempotency::table
        .find((&scope[..], &idempotency_key))
        .select((idempotency::request, idempotency::key_id))
        .first::<(Vec<u8>, Stored<KeyId>)>(c))?;
    if known == request { Ok(Some(first.0)) } else { Err(Conflict::IdempotencyMismatch.into()) }
}
