//! The feed of changes: numbered in the order of commits, each naming its subject.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{Change, Changes, Digest, Id, Position, PrincipalId, Subject, Timestamp};

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::error::{Corrupt, NotBootstrapped};
use crate::schema::{change_counter, changes};
use crate::{Storage, StorageError};

/// The channel on which PostgreSQL announces commits.
pub(crate) const NOTIFY_CHANNEL: &str = "wardkey_changes";

/// Who is further behind than this had better forget everything than read it all.
const MOST_CHANGES: i64 = 10_000;

/// Appends to the feed. The counter's row is the last that a transaction locks: whoever holds it only commits.
pub(crate) async fn append_changes(
    conn: &mut Conn,
    at: Timestamp,
    subjects: &[Subject],
) -> Result<(), StorageError> {
    if subjects.is_empty() {
        return Ok(());
    }
    if let Conn::Postgres(conn) = conn {
        diesel::sql_query("SELECT pg_notify('wardkey_changes', '')").execute(conn).await?;
    }
    let count = i64::try_from(subjects.len()).map_err(StorageError::unavailable)?;
    let last = on!(conn, c => diesel::update(change_counter::table)
        .set(change_counter::number.eq(change_counter::number + count))
        .returning(change_counter::number)
        .get_result::<i64>(c))?;
    for (number, subject) in (last - count + 1..).zip(subjects) {
        let (kind, bytes) = write_subject(*subject);
        on!(conn, c => diesel::insert_into(changes::table)
            .values((
                changes::number.eq(number),
                changes::kind.eq(kind),
                changes::subject.eq(bytes.as_deref()),
                changes::at.eq(Stored(at)),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// Where the feed stands.
pub(crate) async fn position(conn: &mut Conn) -> Result<Position, StorageError> {
    let rows = on!(conn, c => change_counter::table
        .select((change_counter::epoch, change_counter::number))
        .load::<(i64, i64)>(c))?;
    match *rows {
        [(epoch, number)] => Ok(Position { epoch, number }),
        _ => Err(NotBootstrapped.into()),
    }
}

type ChangeRow = (i64, String, Option<Vec<u8>>);

impl Storage {
    /// What has changed after `after`; see [`KeyStore::changes`](wardkey_core::KeyStore::changes).
    pub(crate) async fn load_changes(&self, after: Option<Position>) -> Result<Changes, StorageError> {
        self.feed().look();
        let known = after.map_or(i64::MAX, |after| after.number);
        let rows = self
            .read(move |conn| {
                async move {
                    // One statement, so that counter and changes are of one moment.
                    let rows = on!(conn, c => change_counter::table
                        .left_join(changes::table.on(changes::number.gt(known).and(changes::number.le(change_counter::number))))
                        .select((
                            (change_counter::epoch, change_counter::number),
                            (changes::number, changes::kind, changes::subject).nullable(),
                        ))
                        .order(changes::number)
                        .limit(MOST_CHANGES + 1)
                        .load::<((i64, i64), Option<ChangeRow>)>(c))?;
                    Ok(rows)
                }
                .boxed()
            })
            .await?;
        let Some(&((epoch, number), _)) = rows.as_slice().first() else { return Err(NotBootstrapped.into()) };
        let position = Position { epoch, number };
        let Some(after) = after else { return Ok(Changes::Since { changes: Vec::new(), position }) };
        let missed = number.checked_sub(after.number).filter(|missed| (0..=MOST_CHANGES).contains(missed));
        let (true, Some(missed)) = (after.epoch == epoch, missed) else {
            return Ok(Changes::Reset { position });
        };
        let changes = rows
            .into_iter()
            .filter_map(|(_, change)| change)
            .map(|(number, kind, subject)| {
                Ok(Change { number, subject: read_subject(&kind, subject.as_deref())? })
            })
            .collect::<Result<Vec<_>, Corrupt>>()?;
        // Pruned ones are missing at the start.
        if i64::try_from(changes.len()) != Ok(missed) {
            return Ok(Changes::Reset { position });
        }
        Ok(Changes::Since { changes, position })
    }
}

fn write_subject(subject: Subject) -> (&'static str, Option<Vec<u8>>) {
    match subject {
        Subject::Digest(digest) => ("digest", Some(digest.as_bytes().to_vec())),
        Subject::Key(id) => ("key", Some(id.to_bytes().to_vec())),
        Subject::Principal(PrincipalId::User(id)) => ("user", Some(id.to_bytes().to_vec())),
        Subject::Principal(PrincipalId::ServiceAccount(id)) => {
            ("service_account", Some(id.to_bytes().to_vec()))
        }
        Subject::Organization(id) => ("organization", Some(id.to_bytes().to_vec())),
        Subject::Catalogue => ("catalogue", None),
        Subject::Deployment => ("deployment", None),
    }
}

fn read_subject(kind: &str, subject: Option<&[u8]>) -> Result<Subject, Corrupt> {
    fn id<I: Id>(subject: Option<&[u8]>) -> Result<I, Corrupt> {
        subject.and_then(|bytes| bytes.try_into().ok()).map(I::from_bytes).ok_or(Corrupt("changes.subject"))
    }
    Ok(match kind {
        "digest" => {
            let bytes = subject.and_then(|bytes| bytes.try_into().ok()).ok_or(Corrupt("changes.subject"))?;
            Subject::Digest(Digest::from_bytes(bytes))
        }
        "key" => Subject::Key(id(subject)?),
        "user" => Subject::Principal(PrincipalId::User(id(subject)?)),
        "service_account" => Subject::Principal(PrincipalId::ServiceAccount(id(subject)?)),
        "organization" => Subject::Organization(id(subject)?),
        "catalogue" => Subject::Catalogue,
        "deployment" => Subject::Deployment,
        _ => return Err(Corrupt("changes.kind")),
    })
}
