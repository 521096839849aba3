//! Editing and removing a member.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Subject, UserId};

use super::{Member, MemberEdit, end_membership, load_member};
use crate::audit::{Done, describe_change, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::grants::{count_owners, describe_grants, keep_an_owner, replace_member_grants};
use crate::organizations::lock_organization;
use crate::schema::members;
use crate::users::lock_user;
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Gives a member another name or other direct grants. Equal values change nothing, not even the version. The log is
    /// told that the name changed, and not what it is: it outlives the person's membership.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user is no member, or a workspace or a role does not exist there;
    /// [`VersionMismatch`](StorageError::VersionMismatch), [`LastOwner`](crate::Conflict::LastOwner).
    pub async fn update_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
        version: i64,
        edit: MemberEdit,
    ) -> Result<Member, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_organization(conn, organization, &act).await?;
                let before = load_version(conn, organization, user, Some(version)).await?;
                let MemberEdit { name, grants } = edit;
                if before.name == name && before.grants == grants {
                    return Ok(before);
                }
                let owners = count_owners(conn, organization).await?;
                on!(conn, c => diesel::update(members::table.find((Stored(organization), Stored(user))))
                    .set((
                        members::name.eq(&name),
                        members::version.eq(members::version + 1),
                        members::updated_at.eq(Stored(locked.now)),
                    ))
                    .execute(c))?;
                replace_member_grants(conn, organization, user, &grants).await?;
                keep_an_owner(conn, organization, owners).await?;
                let mut details = describe_change(
                    json!({"grants": describe_grants(&before.grants)}),
                    json!({"grants": describe_grants(&grants)}),
                );
                if before.name != name {
                    details["changed"] = json!(["name"]);
                }
                let after = load_member(conn, organization, user).await?.ok_or(StorageError::NotFound)?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "member.update",
                        target: user.to_string(),
                        details,
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await?;
                Ok(after)
            }
            .boxed()
        })
        .await
    }

    /// Ends a membership and revokes that person's keys in the organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user is no member; [`VersionMismatch`](StorageError::VersionMismatch);
    /// [`LastOwner`](crate::Conflict::LastOwner).
    pub async fn remove_member(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let locked = lock_organization(conn, organization, &act).await?;
                load_version(conn, organization, user, version).await?;
                let details = end_membership(conn, &locked, user).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "member.remove",
                        target: user.to_string(),
                        details,
                        subjects: &[Subject::Organization(organization)],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
}

/// The member, who must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
    version: Option<i64>,
) -> Result<Member, StorageError> {
    let found = load_member(conn, organization, user).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != found.version => {
            Err(StorageError::VersionMismatch { current: found.version })
        }
        _ => Ok(found),
    }
}
