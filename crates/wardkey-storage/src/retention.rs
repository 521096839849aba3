//! What is kept for a time only.

use std::time::Duration;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::Timestamp;

use crate::columns::Stored;
use crate::connection::on;
use crate::schema::{changes, idempotency};
use crate::{Storage, StorageError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A verifier that was away for longer starts anew.
const CHANGES_KEPT: Duration = DAY.saturating_mul(7);
const IDEMPOTENCY_KEPT: Duration = DAY;
/// How many rows one transaction deletes.
const BATCH: i64 = 1_000;

/// What was pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Changes that every verifier has long seen.
    pub changes: u64,
    /// Calls that nobody repeats any more.
    pub idempotency: u64,
}

impl Storage {
    /// Deletes changes older than seven days and idempotency keys older than a day, in batches: the one method that
    /// is several transactions. Only the server calls it.
    pub async fn prune(&self, now: Timestamp) -> Result<Pruned, StorageError> {
        let mut pruned = Pruned::default();
        let changes_before = now.saturating_sub(CHANGES_KEPT);
        while let deleted @ 1.. = self.prune_changes(changes_before).await? {
            pruned.changes += deleted;
        }
        let idempotency_before = now.saturating_sub(IDEMPOTENCY_KEPT);
        while let deleted @ 1.. = self.prune_idempotency(idempotency_before).await? {
            pruned.idempotency += deleted;
        }
        Ok(pruned)
    }

    /// Deletes a batch from the start of the feed, up to the first change that is young: what remains has no gaps.
    async fn prune_changes(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.write(move |conn| {
            async move {
                let first = on!(conn, c => changes::table
                    .select((changes::number, changes::at))
                    .order(changes::number)
                    .limit(BATCH)
                    .load::<(i64, Stored<Timestamp>)>(c))?;
                let old = first.iter().take_while(|(_, at)| at.0 < before).last();
                let Some((last, _)) = old else { return Ok(0) };
                let deleted = on!(conn, c => diesel::delete(changes::table.filter(changes::number.le(*last))).execute(c))?;
                u64::try_from(deleted).map_err(StorageError::unavailable)
            }
            .boxed()
        })
        .await
    }

    /// Deletes a batch, oldest first.
    async fn prune_idempotency(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.write(move |conn| {
            async move {
                let oldest = on!(conn, c => idempotency::table
                    .filter(idempotency::created_at.lt(Stored(before)))
                    .select(idempotency::created_at)
                    .order(idempotency::created_at)
                    .limit(BATCH)
                    .load::<Stored<Timestamp>>(c))?;
                let Some(last) = oldest.last() else { return Ok(0) };
                let deleted = on!(conn, c => diesel::delete(idempotency::table.filter(idempotency::created_at.le(*last))).execute(c))?;
                u64::try_from(deleted).map_err(StorageError::unavailable)
            }
            .boxed()
        })
        .await
    }
}
