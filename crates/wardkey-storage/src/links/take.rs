//! Taking links in, and whatever else makes a member of who was only invited.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Timestamp, UserId};

use super::{LinkPurpose, end_links_of_member, end_operator_links, load_link};
use crate::audit::{Done, record, record_each};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::find_operator_organization;
use crate::members::{load_member, lock_with_operator};
use crate::organizations::lock_organization;
use crate::passwords::{PasswordHash, load_password, write_password};
use crate::schema::members;
use crate::sessions::end_sessions_of;
use crate::users::lock_user;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Takes a link in and gives its person this password; every session of the person ends. By an organization's link the
    /// person becomes its member in full. Of several at once one does it. Audited in the operator organization, and in that
    /// of the link.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the link is unknown, used or over, or not this user's, or its person has
    /// come to hold more than when it was made.
    /// [`PasswordIsSet`](crate::Conflict::PasswordIsSet) if it leads to logging in only.
    pub async fn redeem_link(
        &self,
        act: &Act,
        user: UserId,
        digest: [u8; 32],
        hash: PasswordHash,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                // Whoever comes second waits here, and finds the link gone.
                let person = lock_user(conn, user).await?;
                let row = load_link(conn, &digest, act.now).await?.filter(|row| row.user == user);
                let row = row.ok_or(StorageError::NotFound)?;
                let operator = find_operator_organization(conn).await?;
                // From here on nobody gives the person more.
                let place = row.organization.unwrap_or(operator);
                let locked = lock_with_operator(conn, &act, place, Some(operator)).await?;
                let (here, now) = (&locked.here, locked.here.now);
                if row.is_outgrown(conn).await? {
                    return Err(StorageError::NotFound);
                }
                if row.purpose(conn, &person).await? == LinkPurpose::LogIn {
                    return Err(Conflict::PasswordIsSet.into());
                }
                let told = locked.operator.as_ref().unwrap_or(here);
                write_password(conn, user, &hash, told.now).await?;
                end_operator_links(conn, user).await?;
                let ended = end_sessions_of(conn, user).await?;
                let invited_to = row.organization.map(|organization| organization.to_string());
                let mut events = vec![Done {
                    organization: operator,
                    at: told.now,
                    action: "user.set_password",
                    target: user.to_string(),
                    details: json!({"ended_sessions": ended, "invited_to": invited_to}),
                    subjects: &[],
                }];
                if let Some(organization) = row.organization {
                    accept(conn, organization, user, now).await?;
                    // In the operator organization's own log the one event says both.
                    if organization != operator {
                        events.push(accepted(organization, user, now));
                    }
                }
                record_each(conn, &act, events).await
            }
            .boxed()
        })
        .await
    }

    /// Takes an organization's link in for the person who is logged in, who becomes its member in full. Audited there.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the link is unknown, used or over, not this user's or not an organization's,
    /// if its person has come to hold more than when it was made, or if the actor's session is over.
    pub async fn accept_link(&self, act: &Act, user: UserId, digest: [u8; 32]) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let row = load_link(conn, &digest, act.now).await?.filter(|row| row.user == user);
                let row = row.ok_or(StorageError::NotFound)?;
                let organization = row.organization.ok_or(StorageError::NotFound)?;
                let locked = lock_organization(conn, organization, &act).await?;
                if row.is_outgrown(conn).await? {
                    return Err(StorageError::NotFound);
                }
                accept(conn, organization, user, locked.now).await?;
                record(conn, &act, accepted(organization, user, locked.now)).await
            }
            .boxed()
        })
        .await
    }

    /// Makes a member in full of somebody whom the actor knows, without a link. Repeating it changes nothing. Audited there.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user is no member;
    /// [`PasswordIsSet`](crate::Conflict::PasswordIsSet) if the person has a password: another's link may have set it.
    pub async fn accept_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let locked = lock_organization(conn, organization, &act).await?;
                let member = load_member(conn, organization, user).await?.ok_or(StorageError::NotFound)?;
                if member.accepted_at.is_some() {
                    return Ok(());
                }
                if load_password(conn, user).await?.is_some() {
                    return Err(Conflict::PasswordIsSet.into());
                }
                accept(conn, organization, user, locked.now).await?;
                record(conn, &act, accepted(organization, user, locked.now)).await
            }
            .boxed()
        })
        .await
    }
}

/// Makes a member in full, whose links here are thereby used; both locks are held.
async fn accept(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
    now: Timestamp,
) -> Result<(), StorageError> {
    end_links_of_member(conn, organization, user).await?;
    let accepted = on!(conn, c => diesel::update(members::table.find((Stored(organization), Stored(user))))
        .set(members::accepted_at.eq(Stored(now)))
        .execute(c))?;
    if accepted == 0 { Err(StorageError::NotFound) } else { Ok(()) }
}

/// What the organization's log says of it. No key depends on it.
fn accepted(organization: OrganizationId, user: UserId, now: Timestamp) -> Done<'static> {
    Done {
        organization,
        at: now,
        action: "member.accept",
        target: user.to_string(),
        details: json!({"before": {"state": "pending"}, "after": {"state": "accepted"}}),
        subjects: &[],
    }
}
