//! Links that lead a person to a password: a member's to the first one, an operator's to a new one. What is kept of one
//! is its digest.

use diesel::{ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{OrganizationId, Standing, Timestamp, UserId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::passwords::{Reach, load_password, write_password};
use crate::schema::{links, members, organizations};
use crate::sessions::end_sessions_of;
use crate::users::{load_user, lock_user};
use crate::{Act, Conflict, PasswordHash, Storage, StorageError, User};

/// A link to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLink {
    /// The SHA-256 of its token.
    pub digest: [u8; 32],
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To setting a password.
    SetPassword,
    /// To logging in: the person has a password already, or is not only the organization's own to name.
    LogIn,
}

/// A link that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The person.
    pub user: UserId,
    /// The address by which the person is known.
    pub email: String,
    /// Where it leads, as things are now.
    pub purpose: LinkPurpose,
}

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
                replace_link(conn, user, None, link, operator.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.create_link",
                        target: user.to_string(),
                        details: json!({"after": {"ends_at": link.ends_at.to_string()}}),
                        subjects: &[],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }

    /// The link with this digest, if it is good.
    pub async fn find_link(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<Link>, StorageError> {
        self.read_snapshot(move |conn| {
            async move {
                let Some(row) = load_link(conn, &digest, now).await? else { return Ok(None) };
                let Some(user) = load_user(conn, row.user).await? else { return Ok(None) };
                let purpose = purpose_of(conn, &row, &user).await?;
                Ok(Some(Link { user: user.id, email: user.email, purpose }))
            }
            .boxed()
        })
        .await
    }

    /// Takes a link in and gives its person this password; every session of the person ends. Of several at once one does
    /// it. Audited in the operator organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the link is unknown, used or over, or not this user's.
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
                let operator = lock_operator_organization(conn, &act).await?;
                let row = load_link(conn, &digest, operator.now).await?.filter(|row| row.user == user);
                let row = row.ok_or(StorageError::NotFound)?;
                if purpose_of(conn, &row, &person).await? == LinkPurpose::LogIn {
                    return Err(Conflict::PasswordIsSet.into());
                }
                let reach = row.organization.map_or(Reach::Everywhere, Reach::Only);
                write_password(conn, user, &hash, reach, operator.now).await?;
                let ended = end_sessions_of(conn, user).await?;
                let invited_to = row.organization.map(|organization| organization.to_string());
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.set_password",
                        target: user.to_string(),
                        details: json!({"ended_sessions": ended, "invited_to": invited_to}),
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

/// What is kept of a link.
struct LinkRow {
    user: UserId,
    /// The organization that made it for its member; an operator's has none.
    organization: Option<OrganizationId>,
}

async fn load_link(
    conn: &mut Conn,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<Option<LinkRow>, StorageError> {
    let row = on!(conn, c => links::table
        .find(&digest[..])
        .filter(links::ends_at.gt(Stored(now)))
        .select((links::user_id, links::organization_id))
        .first::<(Stored<UserId>, Option<Stored<OrganizationId>>)>(c))
    .optional()?;
    Ok(row.map(|(user, organization)| LinkRow { user: user.0, organization: organization.map(|id| id.0) }))
}

/// Where the link leads now. An organization names a first password only for who is its own alone: nobody can invite a
/// person, wait until they belong to others too, and then log in as them.
async fn purpose_of(conn: &mut Conn, link: &LinkRow, user: &User) -> Result<LinkPurpose, StorageError> {
    let Some(organization) = link.organization else { return Ok(LinkPurpose::SetPassword) };
    let joined = on!(conn, c => members::table
        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
        .filter(members::user_id.eq(Stored(user.id)))
        .filter(organizations::deleted_at.is_null())
        .select(members::organization_id)
        .load::<Stored<OrganizationId>>(c))?;
    let its_own_alone = joined == [Stored(organization)];
    let first = load_password(conn, user.id).await?.is_none();
    Ok(if first && its_own_alone && user.state == Standing::Active {
        LinkPurpose::SetPassword
    } else {
        LinkPurpose::LogIn
    })
}

/// Makes a link for a user whose lock is held; an older one of the same kind ends.
pub(crate) async fn replace_link(
    conn: &mut Conn,
    user: UserId,
    organization: Option<OrganizationId>,
    link: NewLink,
    now: Timestamp,
) -> Result<(), StorageError> {
    on!(conn, c => {
        let older = diesel::delete(links::table.filter(links::user_id.eq(Stored(user)))).into_boxed();
        match organization {
            Some(organization) => older.filter(links::organization_id.eq(Stored(organization))),
            None => older.filter(links::organization_id.is_null()),
        }
        .execute(c)
    })?;
    let NewLink { digest, ends_at } = link;
    on!(conn, c => diesel::insert_into(links::table)
        .values((
            links::digest.eq(&digest[..]),
            links::user_id.eq(Stored(user)),
            links::organization_id.eq(organization.map(Stored)),
            links::created_at.eq(Stored(now)),
            links::ends_at.eq(Stored(ends_at)),
        ))
        .execute(c))?;
    Ok(())
}
