//! Passwords: what is kept of one is its hash, apart from the users.

use std::fmt;

use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Timestamp, UserId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::schema::{links, passwords};
use crate::sessions::end_sessions_of;
use crate::users::lock_user;
use crate::{Act, Actor, Storage, StorageError};

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
    /// The only organization that the user's password lets the person into, if it is bound to one: it came by a link of
    /// that organization, and whoever made the link could have chosen it.
    pub async fn find_password_bound(&self, user: UserId) -> Result<Option<OrganizationId>, StorageError> {
        self.read(move |conn| load_reach(conn, user).boxed()).await
    }

    /// Gives a user this password, the first or another, and ends every session of the person, that of the actor
    /// included, and every link. One that the person chose in place of another lets them in where that one did; one that
    /// somebody else set, everywhere. Audited in the operator organization, without a word on the password.
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
                let reach = match act.actor {
                    Actor::Session { user: actor, .. } if actor == user => Reach::Kept,
                    _ => Reach::Everywhere,
                };
                write_password(conn, user, &hash, reach, operator.now).await?;
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

/// Where a password lets its person in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    /// Where the one before did.
    Kept,
    /// Wherever they are a member.
    Everywhere,
    /// In the organization whose link it came by: whoever made that link could have chosen the password.
    Only(OrganizationId),
}

/// Writes the hash down, and ends every link of the person; the user's lock is held.
pub(crate) async fn write_password(
    conn: &mut Conn,
    user: UserId,
    hash: &PasswordHash,
    reach: Reach,
    now: Timestamp,
) -> Result<(), StorageError> {
    let organization = match reach {
        Reach::Kept => load_reach(conn, user).await?,
        Reach::Everywhere => None,
        Reach::Only(organization) => Some(organization),
    };
    on!(conn, c => diesel::delete(links::table.filter(links::user_id.eq(Stored(user)))).execute(c))?;
    on!(conn, c => diesel::insert_into(passwords::table)
        .values((
            passwords::user_id.eq(Stored(user)),
            passwords::hash.eq(hash.expose()),
            passwords::changed_at.eq(Stored(now)),
            passwords::organization_id.eq(organization.map(Stored)),
        ))
        .on_conflict(passwords::user_id)
        .do_update()
        .set((
            passwords::hash.eq(excluded(passwords::hash)),
            passwords::changed_at.eq(excluded(passwords::changed_at)),
            passwords::organization_id.eq(excluded(passwords::organization_id)),
        ))
        .execute(c))?;
    Ok(())
}

/// The only organization that the user's password lets the person into, if it is bound to one.
async fn load_reach(conn: &mut Conn, user: UserId) -> Result<Option<OrganizationId>, StorageError> {
    let bound = on!(conn, c => passwords::table
        .find(Stored(user))
        .select(passwords::organization_id)
        .first::<Option<Stored<OrganizationId>>>(c))
    .optional()?;
    Ok(bound.flatten().map(|organization| organization.0))
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
