//! What is kept for a time only.

use std::time::Duration;

use diesel::{ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::Timestamp;

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::schema::{
    changes, idempotency, instances, links, login_attempts, refresh_tokens, sessions, signing_keys, usage,
};
use crate::sessions::SESSION_IDLE;
use crate::signing_keys::load_signing_keys;
use crate::{Storage, StorageError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A verifier that was away for longer starts anew.
const CHANGES_KEPT: Duration = DAY.saturating_mul(7);
const IDEMPOTENCY_KEPT: Duration = DAY;
const LOGIN_ATTEMPTS_KEPT: Duration = DAY;
/// For as long as a browser may come back with the one it has: what was stolen from it must be noticed then.
const REPLACED_TOKENS_KEPT: Duration = SESSION_IDLE;
const USAGE_KEPT: Duration = DAY.saturating_mul(400);
/// For whoever wonders which verifiers there were.
const INSTANCES_KEPT: Duration = DAY;
/// How long a signing key is kept, at least: longer than anything is valid that it signed.
pub const SIGNING_KEYS_KEPT: Duration = DAY.saturating_mul(60);
/// How many rows one transaction deletes.
const BATCH: i64 = 1_000;

/// What was pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Changes that every verifier has long seen.
    pub changes: u64,
    /// Calls that nobody repeats any more.
    pub idempotency: u64,
    /// Counts of attempts to log in.
    pub login_attempts: u64,
    /// Links that are over.
    pub links: u64,
    /// Sessions that are over.
    pub sessions: u64,
    /// Refresh tokens that were replaced long ago.
    pub refresh_tokens: u64,
    /// Signing keys by which nothing valid is signed any more.
    pub signing_keys: u64,
    /// Counts of usage, per key and hour.
    pub usage: u64,
    /// Verifiers that have stopped.
    pub instances: u64,
}

/// Deletes a batch of the rows whose instant is before another, oldest first.
macro_rules! prune_batch {
    ($storage:expr, $table:ident::$at:ident, $before:expr) => {{
        let before = $before;
        $storage
            .write(move |conn| {
                async move {
                    let oldest = on!(conn, c => $table::table
                        .filter($table::$at.lt(Stored(before)))
                        .select($table::$at.nullable())
                        .order($table::$at)
                        .limit(BATCH)
                        .load::<Option<Stored<Timestamp>>>(c))?;
                    let Some(last) = oldest.last().copied().flatten() else { return Ok(0) };
                    let deleted = on!(conn, c => diesel::delete($table::table.filter($table::$at.le(last))).execute(c))?;
                    u64::try_from(deleted).map_err(StorageError::unavailable)
                }
                .boxed()
            })
            .await?
    }};
}

impl Storage {
    /// Deletes, in batches, what is kept for a time only: changes for seven days; idempotency keys and attempts to log in
    /// for one; links and sessions until they are over; refresh tokens for [`SESSION_IDLE`] after they were replaced;
    /// signing keys but for the newest for [`SIGNING_KEYS_KEPT`]; usage for 400 days; verifiers for one after they stopped.
    /// The one method that is several transactions. Only the
    /// server calls it.
    pub async fn prune(&self, now: Timestamp) -> Result<Pruned, StorageError> {
        let mut pruned = Pruned::default();
        let changes_before = now.saturating_sub(CHANGES_KEPT);
        while let deleted @ 1.. = self.prune_changes(changes_before).await? {
            pruned.changes += deleted;
        }
        let before = now.saturating_sub(IDEMPOTENCY_KEPT);
        while let deleted @ 1.. = prune_batch!(self, idempotency::created_at, before) {
            pruned.idempotency += deleted;
        }
        let before = now.saturating_sub(LOGIN_ATTEMPTS_KEPT);
        while let deleted @ 1.. = prune_batch!(self, login_attempts::last_at, before) {
            pruned.login_attempts += deleted;
        }
        while let deleted @ 1.. = prune_batch!(self, links::ends_at, now) {
            pruned.links += deleted;
        }
        while let deleted @ 1.. = prune_batch!(self, sessions::ends_at, now) {
            pruned.sessions += deleted;
        }
        let before = now.saturating_sub(REPLACED_TOKENS_KEPT);
        while let deleted @ 1.. = prune_batch!(self, refresh_tokens::replaced_at, before) {
            pruned.refresh_tokens += deleted;
        }
        let before = now.saturating_sub(USAGE_KEPT);
        while let deleted @ 1.. = prune_batch!(self, usage::hour, before) {
            pruned.usage += deleted;
        }
        let before = now.saturating_sub(INSTANCES_KEPT);
        while let deleted @ 1.. = prune_batch!(self, instances::serves_until, before) {
            pruned.instances += deleted;
        }
        pruned.signing_keys = self.prune_signing_keys(now.saturating_sub(SIGNING_KEYS_KEPT)).await?;
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

    /// Deletes those that are old, and never the newest, which signs until there is another.
    async fn prune_signing_keys(&self, before: Timestamp) -> Result<u64, StorageError> {
        self.write(move |conn: &mut Conn| {
            async move {
                let Some(newest) = load_signing_keys(conn).await?.into_iter().next() else { return Ok(0) };
                let deleted = on!(conn, c => diesel::delete(signing_keys::table
                        .filter(signing_keys::created_at.lt(Stored(before)))
                        .filter(signing_keys::id.ne(&newest.id[..])))
                    .execute(c))?;
                u64::try_from(deleted).map_err(StorageError::unavailable)
            }
            .boxed()
        })
        .await
    }
}
