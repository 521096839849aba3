//! Passwords: what is kept of one is its hash, apart from the users.

use std::fmt;

use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{Timestamp, UserId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::links::end_operator_links;
use crate::schema::passwords;
use crate::sessions::end_sessions_of;
use crate::users::lock_user;
use crate::{Act, Storage, StorageError};

/// What a password is compared with. It has no `Display` and no `Serialize`; `Debug` prints its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash in the form in which whoever made it reads it again; nothing here looks into it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash, to compare a password with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl Storage {
    /// Gives a user this password, the first or another, and ends every session of the person, that of the actor
    /// included. Operators' links end, unless the person sets it: whoever has got hold of the password must not keep an
    /// operator from giving the account back. Audited in the operator organization, without a word on the password.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such user, or if the actor's session is over.
    pub async fn set_password(
        &self,
        act: &Act,
        user: UserId,
        hash: PasswordHash,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let operator = lock_operator_organization(conn, &act).await?;
                write_password(conn, user, &hash, operator.now).await?;
                if act.actor.user() != Some(user) {
                    end_operator_links(conn, user).await?;
                }
                let ended = end_sessions_of(conn, user).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.set_password",
                        target: user.to_string(),
                        details: json!({"ended_sessions": ended}),
                        subjects: &[],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
}

/// Writes the hash down; the user's lock is held. An organization's link leads to logging in from now on, and stays.
pub(crate) async fn write_password(
    conn: &mut Conn,
    user: UserId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<(), StorageError> {
    on!(conn, c => diesel::insert_into(passwords::table)
        .values((
            passwords::user_id.eq(Stored(user)),
            passwords::hash.eq(hash.expose()),
            passwords::changed_at.eq(Stored(now)),
        ))
        .on_conflict(passwords::user_id)
        .do_update()
        .set((
            passwords::hash.eq(excluded(passwords::hash)),
            passwords::changed_at.eq(excluded(passwords::changed_at)),
        ))
        .execute(c))?;
    Ok(())
}

/// The user's hash, if the person has a password.
pub(crate) async fn load_password(
    conn: &mut Conn,
    user: UserId,
) -> Result<Option<PasswordHash>, StorageError> {
    let hash = on!(conn, c => passwords::table
        .find(Stored(user))
        .select(passwords::hash)
        .first::<String>(c))
    .optional()?;
    Ok(hash.map(PasswordHash))
}
