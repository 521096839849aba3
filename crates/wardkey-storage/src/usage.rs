//! What verifiers report: how far they have got, and what was used.

use std::collections::{BTreeMap, HashSet};

use diesel::dsl::case_when;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{KeyId, Report, SecretId, Timestamp, Usage};

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::schema::{instances, last_used, secrets, usage};
use crate::{Storage, StorageError};

const HOUR: i64 = 60 * 60 * 1_000_000;
/// How many keys are looked up at once.
const CHUNK: usize = 500;

impl Storage {
    /// Takes a report, once: one that was taken before is not counted again. It never touches a row that an
    /// administrator's write locks.
    pub(crate) async fn write_report(&self, report: Report) -> Result<(), StorageError> {
        let turn = self.turn_to_report().await?;
        self.write(move |conn| {
            async move {
                // Kept to the end of the work, which goes on even if nobody waits for it any more.
                let _turn = turn;
                if !take_note(conn, &report).await? {
                    return Ok(());
                }
                let usage = report.usage;
                let known = known_secrets(conn, &usage).await?;
                let (counts, uses) =
                    summarize(usage.iter().filter(|usage| known.contains(&(usage.key, usage.secret))));
                // In the order of their keys, so that two reports wait for each other and never in a circle.
                for ((key, hour), count) in counts {
                    add_usage(conn, key, hour, count).await?;
                }
                for ((key, secret), at) in uses {
                    touch_secret(conn, key, secret, at).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// Writes down how far an instance has got; false if its usage, or that of a later report, has been counted already.
async fn take_note(conn: &mut Conn, report: &Report) -> Result<bool, StorageError> {
    let Report { instance, environment, sequence, at, applied, serves_until, usage: _ } = report;
    let instance = Stored(*instance);
    let sequence = i64::try_from(*sequence).map_err(StorageError::unavailable)?;
    let progress = (
        instances::environment.eq(environment.as_str()),
        instances::reported_at.eq(Stored(*at)),
        instances::applied_epoch.eq(applied.epoch),
        instances::applied_number.eq(applied.number),
        instances::serves_until.eq(Stored(*serves_until)),
    );
    let row = (instances::id.eq(instance), instances::sequence.eq(sequence), progress);
    // Whoever sends a report again waits here for the first one to be committed.
    let inserted = on!(conn, c => diesel::insert_into(instances::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted > 0 {
        return Ok(true);
    }
    on!(conn, c => diesel::update(instances::table.find(instance)).set(progress).execute(c))?;
    let counted = on!(conn, c => diesel::update(instances::table.find(instance))
        .filter(instances::sequence.lt(sequence))
        .set(instances::sequence.eq(sequence))
        .execute(c))?;
    Ok(counted > 0)
}

/// Those of the reported secrets that exist. One that does not is not counted, rather than refusing all others.
async fn known_secrets(conn: &mut Conn, usage: &[Usage]) -> Result<HashSet<(KeyId, SecretId)>, StorageError> {
    let mut known = HashSet::new();
    for chunk in usage.chunks(CHUNK) {
        let keys: Vec<_> = chunk.iter().map(|usage| Stored(usage.key)).collect();
        let rows = on!(conn, c => secrets::table
            .filter(secrets::key_id.eq_any(&keys))
            .select((secrets::key_id, secrets::id))
            .load::<(Stored<KeyId>, Stored<SecretId>)>(c))?;
        known.extend(rows.into_iter().map(|(key, secret)| (key.0, secret.0)));
    }
    let unknown = usage.iter().filter(|usage| !known.contains(&(usage.key, usage.secret))).count();
    if unknown > 0 {
        tracing::warn!(unknown, "a verifier reports secrets that do not exist; they are not counted");
    }
    Ok(known)
}

type Counts = BTreeMap<(KeyId, Timestamp), i64>;
type Uses = BTreeMap<(KeyId, SecretId), Timestamp>;

/// Counts per key and hour, and the last use of each secret.
fn summarize<'a>(usage: impl Iterator<Item = &'a Usage>) -> (Counts, Uses) {
    let (mut counts, mut uses) = (Counts::new(), Uses::new());
    for Usage { key, secret, verifications, last_used_at } in usage {
        let hour = Timestamp::from_micros(last_used_at.as_micros().div_euclid(HOUR) * HOUR);
        let count = counts.entry((*key, hour)).or_default();
        *count = count.saturating_add(i64::try_from(*verifications).unwrap_or(i64::MAX));
        let at = uses.entry((*key, *secret)).or_insert(*last_used_at);
        *at = (*at).max(*last_used_at);
    }
    (counts, uses)
}

async fn add_usage(conn: &mut Conn, key: KeyId, hour: Timestamp, count: i64) -> Result<(), StorageError> {
    on!(conn, c => diesel::insert_into(usage::table)
        .values((usage::key_id.eq(Stored(key)), usage::hour.eq(Stored(hour)), usage::verifications.eq(count)))
        .on_conflict((usage::key_id, usage::hour))
        .do_update()
        .set(usage::verifications.eq(usage::verifications + count))
        .execute(c))?;
    Ok(())
}

/// Moves the last use forward; a report that comes late does not move it back.
async fn touch_secret(
    conn: &mut Conn,
    key: KeyId,
    secret: SecretId,
    at: Timestamp,
) -> Result<(), StorageError> {
    let later = case_when(last_used::at.lt(excluded(last_used::at)), excluded(last_used::at))
        .otherwise(last_used::at);
    on!(conn, c => diesel::insert_into(last_used::table)
        .values((
            last_used::key_id.eq(Stored(key)),
            last_used::secret_id.eq(Stored(secret)),
            last_used::at.eq(Stored(at)),
        ))
        .on_conflict((last_used::key_id, last_used::secret_id))
        .do_update()
        .set(last_used::at.eq(later))
        .execute(c))?;
    Ok(())
}
