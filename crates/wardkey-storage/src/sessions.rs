//! Sessions: people who are logged in, each in one browser. What is kept of a refresh token is its digest.
//!
//! A session that was ended has no row any more; one that is over in time has one until it is pruned. Nothing here
//! touches the feed: no cached record depends on a session.

mod open;
mod refresh;

use std::net::IpAddr;
use std::time::Duration;

use diesel::{
    ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{SessionId, Standing, Timestamp, UserId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::error::Corrupt;
use crate::schema::{sessions, users};
use crate::users::lock_user;
use crate::words::write_standing;
use crate::{Act, Storage, StorageError};

pub use open::NewSession;
pub use refresh::Refreshed;

/// How long a session lives at most: 30 days.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// After how long a session ends that is not refreshed: 7 days.
pub const SESSION_IDLE: Duration = Duration::from_secs(7 * 86_400);
/// How long ago a refresh token may have been replaced without a theft being suspected: two tabs of one browser refresh
/// at once, and one comes second. 10 seconds.
pub const REFRESH_GRACE: Duration = Duration::from_secs(10);
/// How precisely it is known when a session was last used: a minute.
pub const LAST_USED_STEP: Duration = Duration::from_secs(60);
/// How many sessions a person has at most; another one ends the oldest.
pub const MOST_SESSIONS: u32 = 100;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When the person logged in.
    pub created_at: Timestamp,
    /// When it was last used, to the [minute](LAST_USED_STEP).
    pub last_used_at: Timestamp,
    /// When it ends unless it is refreshed: [`SESSION_IDLE`] after the last time that it was, and at the latest
    /// [`SESSION_LIFE`] after the person logged in.
    pub ends_at: Timestamp,
    /// From where the person logged in.
    pub address: Option<IpAddr>,
    /// By which browser, in its own words.
    pub user_agent: Option<String>,
}

impl Storage {
    /// When the session was last used, if it is one of this user's, not over, and the user may act.
    pub async fn find_session(
        &self,
        session: SessionId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StorageError> {
        self.read(move |conn| {
            async move {
                let last_used_at = on!(conn, c => sessions::table
                    .inner_join(users::table.on(users::id.eq(sessions::user_id)))
                    .filter(sessions::id.eq(Stored(session)))
                    .filter(sessions::user_id.eq(Stored(user)))
                    .filter(sessions::ends_at.gt(Stored(now)))
                    .filter(users::state.eq(write_standing(Standing::Active)))
                    .filter(users::deleted_at.is_null())
                    .select(sessions::last_used_at)
                    .first::<Stored<Timestamp>>(c))
                .optional()?;
                Ok(last_used_at.map(|at| at.0))
            }
            .boxed()
        })
        .await
    }

    /// Notes that the session was used. It never moves back.
    pub async fn touch_session(&self, session: SessionId, now: Timestamp) -> Result<(), StorageError> {
        self.write(move |conn| {
            async move {
                on!(conn, c => diesel::update(sessions::table
                        .filter(sessions::id.eq(Stored(session)))
                        .filter(sessions::last_used_at.lt(Stored(now))))
                    .set(sessions::last_used_at.eq(Stored(now)))
                    .execute(c))?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// The user's sessions that are not over, the newest first; at most [`MOST_SESSIONS`].
    pub async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => sessions::table
                    .filter(sessions::user_id.eq(Stored(user)))
                    .filter(sessions::ends_at.gt(Stored(now)))
                    .order(sessions::id.desc())
                    .select(SessionRow::as_select())
                    .load(c))?;
                Ok(rows.into_iter().map(Session::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// Ends one of the user's sessions, for good.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user has no such session.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<(), StorageError> {
        self.write(move |conn| {
            async move {
                let ended = on!(conn, c => diesel::delete(sessions::table
                        .filter(sessions::id.eq(Stored(session)))
                        .filter(sessions::user_id.eq(Stored(user))))
                    .execute(c))?;
                if ended == 0 { Err(StorageError::NotFound) } else { Ok(()) }
            }
            .boxed()
        })
        .await
    }

    /// Ends all of the user's sessions but this one, and says how many there were.
    pub async fn end_other_sessions(&self, user: UserId, kept: SessionId) -> Result<usize, StorageError> {
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                Ok(on!(conn, c => diesel::delete(sessions::table
                        .filter(sessions::user_id.eq(Stored(user)))
                        .filter(sessions::id.ne(Stored(kept))))
                    .execute(c))?)
            }
            .boxed()
        })
        .await
    }

    /// Ends all sessions of a user, who may log in again, and says how many there were. Audited in the operator
    /// organization if there was one.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such user.
    pub async fn end_user_sessions(&self, act: &Act, user: UserId) -> Result<usize, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let operator = lock_operator_organization(conn, &act).await?;
                let ended = end_sessions_of(conn, user).await?;
                if ended == 0 {
                    return Ok(0);
                }
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.end_sessions",
                        target: user.to_string(),
                        details: json!({"ended_sessions": ended}),
                        subjects: &[],
                    },
                )
                .await?;
                Ok(ended)
            }
            .boxed()
        })
        .await
    }
}

/// Ends all sessions of a user, whose lock is held, and says how many there were.
pub(crate) async fn end_sessions_of(conn: &mut Conn, user: UserId) -> Result<usize, StorageError> {
    Ok(on!(conn, c => diesel::delete(sessions::table.filter(sessions::user_id.eq(Stored(user)))).execute(c))?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SessionRow {
    id: Stored<SessionId>,
    created_at: Stored<Timestamp>,
    last_used_at: Stored<Timestamp>,
    ends_at: Stored<Timestamp>,
    address: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<SessionRow> for Session {
    type Error = Corrupt;

    fn try_from(row: SessionRow) -> Result<Self, Corrupt> {
        let SessionRow { id, created_at, last_used_at, ends_at, address, user_agent } = row;
        Ok(Self {
            id: id.0,
            created_at: created_at.0,
            last_used_at: last_used_at.0,
            ends_at: ends_at.0,
            address: address.map(|text| text.parse()).transpose().map_err(|_| Corrupt("sessions.address"))?,
            user_agent,
        })
    }
}
