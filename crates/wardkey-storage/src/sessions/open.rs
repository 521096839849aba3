//! A session begins.

use std::net::IpAddr;

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{SessionId, Standing, Timestamp, UserId};

use super::{MOST_SESSIONS, SESSION_IDLE};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::login_attempts::forget_attempts;
use crate::passwords::{PasswordHash, load_password};
use crate::schema::{refresh_tokens, sessions};
use crate::users::lock_user;
use crate::{Storage, StorageError};

/// A session to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id, minted by the caller.
    pub id: SessionId,
    /// The person.
    pub user: UserId,
    /// With what the person's password was compared.
    pub hash: PasswordHash,
    /// By which account attempts were counted.
    pub account: [u8; 32],
    /// The digest of its first refresh token.
    pub refresh: [u8; 32],
    /// From where the person logs in.
    pub address: Option<IpAddr>,
    /// By which browser, in its own words.
    pub user_agent: Option<String>,
}

impl Storage {
    /// Opens a session for a person whose password was right, forgets the attempts that it took, and says when it ends
    /// unless it is refreshed.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the person may not act any more, or has another password by now.
    pub async fn open_session(&self, new: NewSession, now: Timestamp) -> Result<Timestamp, StorageError> {
        self.write(move |conn| {
            async move {
                let NewSession { id, user, hash, account, refresh, address, user_agent } = new;
                let person = lock_user(conn, user).await?;
                let current = load_password(conn, user).await?;
                if person.state != Standing::Active || current != Some(hash) {
                    return Err(StorageError::NotFound);
                }
                let ends_at = now.saturating_add(SESSION_IDLE);
                on!(conn, c => diesel::insert_into(sessions::table)
                    .values((
                        sessions::id.eq(Stored(id)),
                        sessions::user_id.eq(Stored(user)),
                        sessions::created_at.eq(Stored(now)),
                        sessions::last_used_at.eq(Stored(now)),
                        sessions::ends_at.eq(Stored(ends_at)),
                        sessions::address.eq(address.map(|address| address.to_string())),
                        sessions::user_agent.eq(&user_agent),
                    ))
                    .execute(c))?;
                insert_token(conn, id, &refresh, now).await?;
                end_surplus(conn, user).await?;
                forget_attempts(conn, &account).await?;
                Ok(ends_at)
            }
            .boxed()
        })
        .await
    }
}

/// The token that is good from now on.
pub(super) async fn insert_token(
    conn: &mut Conn,
    session: SessionId,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<(), StorageError> {
    on!(conn, c => diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::digest.eq(&digest[..]),
            refresh_tokens::session_id.eq(Stored(session)),
            refresh_tokens::created_at.eq(Stored(now)),
        ))
        .execute(c))?;
    Ok(())
}

/// Ends the oldest sessions of a user, whose lock is held, as far as there are too many.
async fn end_surplus(conn: &mut Conn, user: UserId) -> Result<(), StorageError> {
    let surplus = on!(conn, c => sessions::table
        .filter(sessions::user_id.eq(Stored(user)))
        .order(sessions::id.desc())
        .offset(i64::from(MOST_SESSIONS))
        .limit(i64::from(MOST_SESSIONS))
        .select(sessions::id)
        .load::<Stored<SessionId>>(c))?;
    if !surplus.is_empty() {
        on!(conn, c => diesel::delete(sessions::table.filter(sessions::id.eq_any(&surplus))).execute(c))?;
    }
    Ok(())
}
