//! A session goes on: its refresh token is replaced.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{SessionId, Standing, Timestamp, UserId};

use super::open::insert_token;
use super::{REFRESH_GRACE, SESSION_IDLE, SESSION_LIFE};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::schema::{refresh_tokens, sessions, users};
use crate::words::write_standing;
use crate::{Storage, StorageError};

/// What became of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The token was the current one; the next one is from now on.
    Renewed {
        /// The session.
        session: SessionId,
        /// The person.
        user: UserId,
        /// When the session ends unless it is refreshed again.
        ends_at: Timestamp,
    },
    /// The token was replaced a moment ago, and nothing happened.
    Superseded,
    /// The token was replaced before; whoever has it stole it, or was stolen from. The session was ended.
    Reused {
        /// The session.
        session: SessionId,
        /// The person.
        user: UserId,
    },
    /// There is no such token, or its session is over.
    Unknown,
}

impl Storage {
    /// Replaces a refresh token, by digest, and moves the end of its session. Of two refreshes at once one renews.
    pub async fn refresh_session(
        &self,
        presented: [u8; 32],
        next: [u8; 32],
        now: Timestamp,
    ) -> Result<Refreshed, StorageError> {
        self.write(move |conn| refresh(conn, presented, next, now).boxed()).await
    }
}

async fn refresh(
    conn: &mut Conn,
    presented: [u8; 32],
    next: [u8; 32],
    now: Timestamp,
) -> Result<Refreshed, StorageError> {
    let session = on!(conn, c => refresh_tokens::table
        .find(&presented[..])
        .select(refresh_tokens::session_id)
        .first::<Stored<SessionId>>(c))
    .optional()?;
    let Some(session) = session else { return Ok(Refreshed::Unknown) };
    // Takes the session's lock: what stands in it and in its tokens from here on is true until the end.
    let held = on!(conn, c => diesel::update(sessions::table.find(session))
        .set(sessions::last_used_at.eq(sessions::last_used_at))
        .returning((sessions::user_id, sessions::created_at, sessions::ends_at))
        .get_result::<(Stored<UserId>, Stored<Timestamp>, Stored<Timestamp>)>(c))
    .optional()?;
    let Some((user, created_at, ends_at)) = held else { return Ok(Refreshed::Unknown) };
    let (session, user) = (session.0, user.0);
    if ends_at.0 <= now || !may_act(conn, user).await? {
        return Ok(Refreshed::Unknown);
    }
    let replaced_at = on!(conn, c => refresh_tokens::table
        .find(&presented[..])
        .select(refresh_tokens::replaced_at)
        .first::<Option<Stored<Timestamp>>>(c))
    .optional()?;
    match replaced_at {
        // Pruned in between.
        None => Ok(Refreshed::Unknown),
        Some(Some(at)) if now < at.0.saturating_add(REFRESH_GRACE) => Ok(Refreshed::Superseded),
        Some(Some(_)) => {
            on!(conn, c => diesel::delete(sessions::table.find(Stored(session))).execute(c))?;
            Ok(Refreshed::Reused { session, user })
        }
        Some(None) => {
            on!(conn, c => diesel::update(refresh_tokens::table.find(&presented[..]))
                .set(refresh_tokens::replaced_at.eq(Stored(now)))
                .execute(c))?;
            insert_token(conn, session, &next, now).await?;
            let latest = created_at.0.saturating_add(SESSION_LIFE);
            let ends_at = now.saturating_add(SESSION_IDLE).min(latest);
            on!(conn, c => diesel::update(sessions::table.find(Stored(session)))
                .set((sessions::last_used_at.eq(Stored(now)), sessions::ends_at.eq(Stored(ends_at))))
                .execute(c))?;
            Ok(Refreshed::Renewed { session, user, ends_at })
        }
    }
}

async fn may_act(conn: &mut Conn, user: UserId) -> Result<bool, StorageError> {
    let count = on!(conn, c => users::table
        .filter(users::id.eq(Stored(user)))
        .filter(users::state.eq(write_standing(Standing::Active)))
        .filter(users::deleted_at.is_null())
        .count()
        .get_result::<i64>(c))?;
    Ok(count > 0)
}
