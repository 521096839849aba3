//! Attempts to log in, counted by account in the database, so that no number of servers makes room for more guesses.

use std::time::Duration;

use diesel::{ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{Standing, Timestamp, UserId};

use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::passwords::PasswordHash;
use crate::schema::{login_attempts, passwords, users};
use crate::users::fold_email;
use crate::words::write_standing;
use crate::{Storage, StorageError};

/// How many attempts in a row an account has.
pub const MOST_ATTEMPTS: u32 = 10;
/// After how long without a counted attempt an account has all of them again: 15 minutes.
pub const ATTEMPTS_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountedAttempt {
    /// It was counted; the password may be looked at.
    Counted {
        /// What it is compared with, if there is an active user of this address who has a password.
        credential: Option<StoredCredential>,
    },
    /// The account has none left, and this one was not counted.
    Refused {
        /// How long until there is one.
        retry_after: Duration,
    },
}

/// Whose password it is, and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The person.
    pub user: UserId,
    /// What is kept of the password.
    pub hash: PasswordHash,
}

impl Storage {
    /// Counts an attempt to log in by this e-mail address before its password is looked at, and finds what that is
    /// compared with. `account` is the SHA-256 of the address [as it is compared](Storage::fold_email): whether there
    /// is such a user makes no difference. The count is forgotten when a session is opened, or when nothing was
    /// counted for [`ATTEMPTS_WINDOW`].
    pub async fn count_login_attempt(
        &self,
        account: [u8; 32],
        email: &str,
        now: Timestamp,
    ) -> Result<CountedAttempt, StorageError> {
        let folded = fold_email(email);
        self.write(move |conn| {
            async move {
                if let Some(retry_after) = count(conn, &account, now).await? {
                    return Ok(CountedAttempt::Refused { retry_after });
                }
                Ok(CountedAttempt::Counted { credential: find_credential(conn, &folded).await? })
            }
            .boxed()
        })
        .await
    }

    /// An e-mail address as it is compared.
    pub fn fold_email(email: &str) -> String {
        fold_email(email)
    }
}

/// Counts the attempt, or says for how long none is possible.
async fn count(
    conn: &mut Conn,
    account: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Duration>, StorageError> {
    // Takes the row's lock, whether it is new or not: of attempts at once each sees those before it.
    let (failures, last_at) = on!(conn, c => diesel::insert_into(login_attempts::table)
        .values((
            login_attempts::account.eq(&account[..]),
            login_attempts::failures.eq(0i64),
            login_attempts::last_at.eq(Stored(now)),
        ))
        .on_conflict(login_attempts::account)
        .do_update()
        .set(login_attempts::failures.eq(login_attempts::failures))
        .returning((login_attempts::failures, login_attempts::last_at))
        .get_result::<(i64, Stored<Timestamp>)>(c))?;
    let over_at = last_at.0.saturating_add(ATTEMPTS_WINDOW);
    let counted = if now < over_at { failures } else { 0 };
    if counted >= i64::from(MOST_ATTEMPTS) {
        return Ok(Some(over_at.saturating_since(now)));
    }
    on!(conn, c => diesel::update(login_attempts::table.find(&account[..]))
        .set((login_attempts::failures.eq(counted + 1), login_attempts::last_at.eq(Stored(now))))
        .execute(c))?;
    Ok(None)
}

async fn find_credential(conn: &mut Conn, folded: &str) -> Result<Option<StoredCredential>, StorageError> {
    // No address holds what the database cannot even be asked for.
    if folded.contains('\0') {
        return Ok(None);
    }
    let row = on!(conn, c => users::table
        .inner_join(passwords::table.on(passwords::user_id.eq(users::id)))
        .filter(users::folded_email.eq(folded))
        .filter(users::deleted_at.is_null())
        .filter(users::state.eq(write_standing(Standing::Active)))
        .select((users::id, passwords::hash))
        .first::<(Stored<UserId>, String)>(c))
    .optional()?;
    Ok(row.map(|(user, hash)| StoredCredential { user: user.0, hash: PasswordHash::new(hash) }))
}

/// Forgets the attempts that were counted for an account.
pub(crate) async fn forget_attempts(conn: &mut Conn, account: &[u8; 32]) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(login_attempts::table.find(&account[..])).execute(c))?;
    Ok(())
}
