//! Calls that may be repeated.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use wardkey_core::{Id, Timestamp};

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::schema::idempotency;
use crate::{Conflict, Idempotency, StorageError};

/// Claims an idempotency key for a call that is about to make `object`, or to rotate it: `None` if the call is the first,
/// else the object of the one that was. A second call waits here until the first has ended; if that failed, the claim is gone
/// with everything else that it did.
pub(crate) async fn claim<I: Id + std::fmt::Debug>(
    conn: &mut Conn,
    idempotency: Option<Idempotency>,
    object: I,
    now: Timestamp,
) -> Result<Option<I>, StorageError> {
    let Some(Idempotency { scope, key: idempotency_key, request }) = idempotency else { return Ok(None) };
    let inserted = on!(conn, c => diesel::insert_into(idempotency::table)
        .values((
            idempotency::scope.eq(&scope[..]),
            idempotency::idempotency_key.eq(&idempotency_key),
            idempotency::request.eq(&request[..]),
            idempotency::object_id.eq(Stored(object)),
            idempotency::created_at.eq(Stored(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted > 0 {
        return Ok(None);
    }
    let (known, first) = on!(conn, c => idempotency::table
        .find((&scope[..], &idempotency_key))
        .select((idempotency::request, idempotency::object_id))
        .first::<(Vec<u8>, Stored<I>)>(c))?;
    if known == request { Ok(Some(first.0)) } else { Err(Conflict::IdempotencyMismatch.into()) }
}

/// Notes what a claimed call has made, if that is not the object for which it was claimed.
pub(crate) async fn settle<I: Id + std::fmt::Debug>(
    conn: &mut Conn,
    idempotency: Option<Idempotency>,
    object: I,
) -> Result<(), StorageError> {
    let Some(Idempotency { scope, key: idempotency_key, request: _ }) = idempotency else { return Ok(()) };
    on!(conn, c => diesel::update(idempotency::table.find((&scope[..], &idempotency_key)))
        .set(idempotency::object_id.eq(Stored(object)))
        .execute(c))?;
    Ok(())
}
