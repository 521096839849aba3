//! Making links.

use diesel::ExpressionMethods as _;
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Timestamp, UserId};

use super::held::describe;
use super::{NewLink, end_links_of_member, end_operator_links};
use crate::audit::{Done, record};
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::members::load_member;
use crate::organizations::lock_organization;
use crate::schema::links;
use crate::users::lock_user;
use crate::{Act, Conflict, Storage, StorageError};

impl Storage {
    /// Makes an operator's link for a user, which sets a password whatever the person had; an older one ends. Audited in
    /// the operator organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if there is no such user.
    pub async fn create_link(&self, act: &Act, user: UserId, link: NewLink) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let operator = lock_operator_organization(conn, &act).await?;
                let ends_at = link.ends_at.to_string();
                replace_link(conn, user, None, link, operator.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.create_link",
                        target: user.to_string(),
                        details: json!({"after": {"ends_at": ends_at}}),
                        subjects: &[],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    /// Makes another link for a member who has not accepted yet; an older one of the organization ends. Audited there.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the user is no member;
    /// [`AlreadyMember`](crate::Conflict::AlreadyMember) if the person has accepted.
    pub async fn create_member_link(
        &self,
        act: &Act,
        organization: OrganizationId,
        user: UserId,
        link: NewLink,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                lock_user(conn, user).await?;
                let locked = lock_organization(conn, organization, &act).await?;
                let member = load_member(conn, organization, user).await?.ok_or(StorageError::NotFound)?;
                if member.accepted_at.is_some() {
                    return Err(Conflict::AlreadyMember.into());
                }
                let ends_at = link.ends_at.to_string();
                replace_link(conn, user, Some(organization), link, locked.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization,
                        at: locked.now,
                        action: "member.create_link",
                        target: user.to_string(),
                        details: json!({"after": {"ends_at": ends_at}}),
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

/// Makes a link for a user whose lock is held; an older one of the same kind ends.
pub(crate) async fn replace_link(
    conn: &mut Conn,
    user: UserId,
    organization: Option<OrganizationId>,
    link: NewLink,
    now: Timestamp,
) -> Result<(), StorageError> {
    match organization {
        Some(organization) => end_links_of_member(conn, organization, user).await?,
        None => end_operator_links(conn, user).await?,
    }
    let NewLink { digest, ends_at, held } = link;
    on!(conn, c => diesel::insert_into(links::table)
        .values((
            links::digest.eq(&digest[..]),
            links::user_id.eq(Stored(user)),
            links::organization_id.eq(organization.map(Stored)),
            links::created_at.eq(Stored(now)),
            links::ends_at.eq(Stored(ends_at)),
            links::held.eq(Json(describe(&held))),
        ))
        .execute(c))?;
    Ok(())
}
