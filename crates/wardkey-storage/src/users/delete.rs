//! Deleting a user.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, PrincipalId, Subject, Timestamp, UserId};

use super::lock_version;
use crate::audit::{Done, record_each};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::find_operator_organization;
use crate::links::end_links_of_user;
use crate::members::{end_membership, is_member};
use crate::organizations::{LockedOrganization, lock_organization};
use crate::schema::{members, passwords, users};
use crate::sessions::end_sessions_of;
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Deletes a user for ever: ends every membership and revokes the person's keys, ends sessions and links, forgets
    /// password, address and name. The row stays, hidden; address and external id are free again. Audited in each
    /// organization that the person leaves, and in the operator organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch);
    /// [`LastOwner`](crate::Conflict::LastOwner) if an organization would be left without one.
    pub async fn delete_user(
        &self,
        act: &Act,
        user: UserId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let before = lock_version(conn, user, version).await?;
                let operator = find_operator_organization(conn).await?;
                let places = lock_places(conn, &act, user, operator).await?;
                let subject = [Subject::Principal(PrincipalId::User(user))];
                let mut events = Vec::new();
                for place in &places {
                    let organization = place.organization.id;
                    let left = if is_member(conn, organization, user).await? {
                        Some(end_membership(conn, place, user).await?)
                    } else {
                        None
                    };
                    let (action, details) = match left {
                        left if organization == operator => {
                            let mut details = json!({"before": {"external_id": before.external_id}});
                            if let Some(left) = left {
                                details["membership"] = left;
                            }
                            ("user.delete", details)
                        }
                        Some(details) => ("member.remove", details),
                        None => continue,
                    };
                    let (at, target) = (place.now, user.to_string());
                    events.push(Done { organization, at, action, target, details, subjects: &subject });
                }
                let now = places.iter().map(|place| place.now).max().unwrap_or(act.now);
                erase(conn, user, now).await?;
                record_each(conn, &act, events).await
            }
            .boxed()
        })
        .await
    }
}

/// Locks every organization that the person leaves, and the operator organization, in the order of their ids. The user's
/// lock is held, so that none is joined meanwhile.
async fn lock_places(
    conn: &mut Conn,
    act: &Act,
    user: UserId,
    operator: OrganizationId,
) -> Result<Vec<LockedOrganization>, StorageError> {
    let joined = on!(conn, c => members::table
        .filter(members::user_id.eq(Stored(user)))
        .select(members::organization_id)
        .load::<Stored<OrganizationId>>(c))?;
    let mut ids: Vec<_> = joined.into_iter().map(|id| id.0).chain([operator]).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut locked = Vec::new();
    for id in ids {
        match lock_organization(conn, id, act).await {
            Ok(place) => locked.push(place),
            // One that was deleted. Whoever may not act is refused by the operator organization all the same.
            Err(StorageError::NotFound) if id != operator => {}
            Err(error) => return Err(error),
        }
    }
    Ok(locked)
}

/// Forgets what is kept of the person alone.
async fn erase(conn: &mut Conn, user: UserId, now: Timestamp) -> Result<(), StorageError> {
    // What is left are those of organizations that were deleted.
    on!(conn, c => diesel::delete(members::table.filter(members::user_id.eq(Stored(user)))).execute(c))?;
    end_sessions_of(conn, user).await?;
    end_links_of_user(conn, user).await?;
    on!(conn, c => diesel::delete(passwords::table.find(Stored(user))).execute(c))?;
    on!(conn, c => diesel::update(users::table.find(Stored(user)))
        .set((
            users::email.eq(""),
            users::folded_email.eq(""),
            users::name.eq(""),
            users::version.eq(users::version + 1),
            users::updated_at.eq(Stored(now)),
            users::deleted_at.eq(Stored(now)),
        ))
        .execute(c))?;
    Ok(())
}
