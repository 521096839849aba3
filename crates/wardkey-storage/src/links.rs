//! Links: an organization's, by which a person accepts to be its member, with a first password if they have none; and an
//! operator's, by which a person sets a new one. What is kept of one is its digest.

mod held;
mod make;
mod take;

use diesel::{ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{OrganizationId, RoleGrant, Standing, Timestamp, UserId};

use self::held::HeldRole;
pub(crate) use self::make::replace_link;
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::deployment::find_operator_organization;
use crate::grants::load_held_roles;
use crate::passwords::load_password;
use crate::schema::{links, members, organizations};
use crate::users::load_user;
use crate::{Storage, StorageError, User};

/// A link to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// The SHA-256 of its token.
    pub digest: [u8; 32],
    /// When it ends.
    pub ends_at: Timestamp,
    /// What the person was seen to hold when it was decided that the link may be made: in the organization whose link it
    /// is, for an operator's in the operator organization. Once they hold more, the link is over.
    pub held: Vec<RoleGrant>,
}

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To setting a password.
    SetPassword,
    /// To logging in: the person has a password already, or may be let in somewhere by one.
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
    /// The link with this digest, if it is good.
    pub async fn find_link(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<Link>, StorageError> {
        self.read_snapshot(move |conn| {
            async move {
                let Some(row) = load_link(conn, &digest, now).await? else { return Ok(None) };
                let Some(user) = load_user(conn, row.user).await? else { return Ok(None) };
                if row.is_outgrown(conn).await? {
                    return Ok(None);
                }
                let purpose = row.purpose(conn, &user).await?;
                Ok(Some(Link { user: user.id, email: user.email, purpose }))
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
    held: Vec<HeldRole>,
}

async fn load_link(
    conn: &mut Conn,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<Option<LinkRow>, StorageError> {
    let row = on!(conn, c => links::table
        .find(&digest[..])
        .filter(links::ends_at.gt(Stored(now)))
        .select((links::user_id, links::organization_id, links::held))
        .first::<(Stored<UserId>, Option<Stored<OrganizationId>>, Json<Vec<HeldRole>>)>(c))
    .optional()?;
    Ok(row.map(|(user, organization, Json(held))| LinkRow {
        user: user.0,
        organization: organization.map(|id| id.0),
        held,
    }))
}

impl LinkRow {
    /// Whether its person has come to hold more than when it was made. Whoever made it was let make it for somebody below
    /// themselves, and may have it still.
    async fn is_outgrown(&self, conn: &mut Conn) -> Result<bool, StorageError> {
        let place = match self.organization {
            Some(organization) => organization,
            None => find_operator_organization(conn).await?,
        };
        let held = load_held_roles(conn, place, self.user).await?;
        Ok(!held::covers(&self.held, &held::describe(&held)))
    }

    /// Where it leads now. An organization's link names a first password only where that alone lets nobody in anywhere
    /// else: whoever made the link may be the one who opens it.
    async fn purpose(&self, conn: &mut Conn, user: &User) -> Result<LinkPurpose, StorageError> {
        if self.organization.is_none() {
            return Ok(LinkPurpose::SetPassword);
        }
        let is_first = load_password(conn, user.id).await?.is_none() && !is_let_in(conn, user.id).await?;
        Ok(if is_first && user.state == Standing::Active {
            LinkPurpose::SetPassword
        } else {
            LinkPurpose::LogIn
        })
    }
}

/// Whether a session of this user would enter any organization.
async fn is_let_in(conn: &mut Conn, user: UserId) -> Result<bool, StorageError> {
    let accepted = on!(conn, c => members::table
        .inner_join(organizations::table.on(organizations::id.eq(members::organization_id)))
        .filter(members::user_id.eq(Stored(user)))
        .filter(members::accepted_at.is_not_null())
        .filter(organizations::deleted_at.is_null())
        .count()
        .get_result::<i64>(c))?;
    Ok(accepted > 0)
}

/// Ends every link of a person whose row is locked.
pub(crate) async fn end_links_of_user(conn: &mut Conn, user: UserId) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(links::table.filter(links::user_id.eq(Stored(user)))).execute(c))?;
    Ok(())
}

/// Ends what operators have made for a person whose row is locked.
pub(crate) async fn end_operator_links(conn: &mut Conn, user: UserId) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(links::table
        .filter(links::user_id.eq(Stored(user)))
        .filter(links::organization_id.is_null()))
        .execute(c))?;
    Ok(())
}

/// Ends what an organization has made for one of its members; both locks are held.
pub(crate) async fn end_links_of_member(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(links::table
        .filter(links::organization_id.eq(Stored(organization)))
        .filter(links::user_id.eq(Stored(user))))
        .execute(c))?;
    Ok(())
}

/// Ends every link of an organization whose lock is held.
pub(crate) async fn end_links_of_organization(
    conn: &mut Conn,
    organization: OrganizationId,
) -> Result<(), StorageError> {
    on!(conn, c => diesel::delete(links::table.filter(links::organization_id.eq(Stored(organization))))
        .execute(c))?;
    Ok(())
}
