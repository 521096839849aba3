//! Members: which users act in an organization, and in which roles. What an organization may know of its members is
//! apart from what the deployment knows of users.

mod add;
mod edit;

use std::collections::HashMap;

use diesel::dsl::exists;
use diesel::{
    BoolExpressionMethods as _, EscapeExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _,
    OptionalExtension as _, QueryDsl as _, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{OrganizationId, OrganizationKind, RoleGrant, Timestamp, UserId};

pub(crate) use self::add::lock_with_operator;
use crate::audit::describe_ids;
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::grants::{
    count_owners, describe_grants, keep_an_owner, load_grants_of_members, load_held_roles,
    load_member_grants, write_grant,
};
use crate::keys::{contains_pattern, revoke_keys_of_user};
use crate::links::end_links_of_member;
use crate::organizations::LockedOrganization;
use crate::schema::{lower, member_grants, members, users};
use crate::users::UserRow;
use crate::{Grant, NewLink, Page, RoleRef, Storage, StorageError, User};

/// A user as a member of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: User,
    /// What the organization calls the person.
    pub name: String,
    /// The roles that were given to the person directly.
    pub grants: Vec<Grant>,
    /// What the person holds, directly and through teams.
    pub held: Vec<RoleGrant>,
    /// Moves with each edit of name or grants.
    pub version: i64,
    /// When the person became a member.
    pub created_at: Timestamp,
    /// When name or grants were last edited.
    pub updated_at: Timestamp,
    /// When the person came in by a link of the organization, or somebody on the database vouched for them. Until then no
    /// session of theirs enters; it does not move the version.
    pub accepted_at: Option<Timestamp>,
}

/// What an organization may know of a member. Nothing in it tells whether the person was known to the deployment before,
/// or what others call them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The user; such an id is random.
    pub user: UserId,
    /// The address by which the person is known, in lower case: how the person first wrote it would tell.
    pub email: String,
    /// What the organization calls the person.
    pub name: String,
    /// The roles that were given to the person directly.
    pub grants: Vec<Grant>,
    /// Moves with each edit of name or grants.
    pub version: i64,
    /// When the person became a member.
    pub created_at: Timestamp,
    /// When name or grants were last edited.
    pub updated_at: Timestamp,
    /// When the person came in by a link of the organization, or somebody on the database vouched for them. Until then no
    /// session of theirs enters; it does not move the version.
    pub accepted_at: Option<Timestamp>,
}

impl From<Member> for Membership {
    fn from(member: Member) -> Self {
        let Member { user, name, grants, held: _, version, created_at, updated_at, accepted_at } = member;
        let email = Storage::fold_email(&user.email);
        Self { user: user.id, email, name, grants, version, created_at, updated_at, accepted_at }
    }
}

/// Somebody to be made a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// The id of the user, should there be none with this address: minted by the caller.
    pub user: UserId,
    /// The address by which the person is known.
    pub email: String,
    /// What the organization calls the person.
    pub name: String,
    /// The roles that are given to the person directly.
    pub grants: Vec<Grant>,
    /// By which the person accepts, with a first password if they have none.
    pub link: NewLink,
}

/// What of a member may be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEdit {
    /// What the organization calls the person.
    pub name: String,
    /// The roles that are given to the person directly.
    pub grants: Vec<Grant>,
}

/// Which memberships of a person are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memberships {
    /// Those in organizations of these kinds.
    pub kinds: &'static [OrganizationKind],
    /// Whether those are left out that the person has not accepted.
    pub acceptance: Acceptance,
}

/// Whether a membership must have been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It must: a session proves no more than that somebody knows a password, which another's link may have set.
    Required,
    /// It need not: who the person is, is known from elsewhere.
    NotRequired,
}

/// Which members are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberFilter {
    /// Only those who were given this role directly, wherever.
    pub role: Option<RoleRef>,
    /// Only those with this text in name or address, in any case.
    pub search: Option<String>,
}

impl Storage {
    /// The member, if the user is one.
    pub async fn find_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>, StorageError> {
        self.read_snapshot(move |conn| load_member(conn, organization, user).boxed()).await
    }

    /// A page of the organization's members who pass the filter. Users' ids are random, so that the order tells nothing.
    pub async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: Page<UserId>,
    ) -> Result<Vec<Membership>, StorageError> {
        let MemberFilter { role, search } = filter.clone();
        let pattern = search.as_deref().map(contains_pattern);
        self.read_snapshot(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = members::table
                        .inner_join(users::table.on(users::id.eq(members::user_id)))
                        .filter(members::organization_id.eq(Stored(organization)))
                        .order(members::user_id.desc())
                        .limit(page.limit.into())
                        .select((
                            (members::user_id, users::folded_email),
                            (
                                members::name,
                                members::version,
                                members::created_at,
                                members::updated_at,
                                members::accepted_at,
                            ),
                        ))
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(members::user_id.lt(Stored(after)));
                    }
                    if let Some(role) = role {
                        let (_, built_in, custom) = write_grant(&Grant { workspace: None, role });
                        let given = member_grants::table
                            .filter(member_grants::organization_id.eq(members::organization_id))
                            .filter(member_grants::user_id.eq(members::user_id))
                            .filter(member_grants::role.eq(built_in).or(member_grants::role_id.eq(custom)));
                        query = query.filter(exists(given));
                    }
                    if let Some(pattern) = &pattern {
                        let named = lower(members::name).like(pattern).escape('\\');
                        query = query.filter(named.or(users::folded_email.like(pattern).escape('\\')));
                    }
                    query.load::<((Stored<UserId>, String), MemberRow)>(c)
                })?;
                let ids: Vec<_> = rows.iter().map(|((user, _), _)| *user).collect();
                let mut grants: HashMap<UserId, Vec<Grant>> = HashMap::new();
                for (user, grant) in load_grants_of_members(conn, organization, &ids).await? {
                    grants.entry(user).or_default().push(grant);
                }
                let with_grants = |((user, email), row): ((Stored<UserId>, String), MemberRow)| {
                    let (name, version, created_at, updated_at, accepted_at) = row;
                    Membership {
                        user: user.0,
                        email,
                        name,
                        grants: grants.remove(&user.0).unwrap_or_default(),
                        version,
                        created_at: created_at.0,
                        updated_at: updated_at.0,
                        accepted_at: accepted_at.map(|at| at.0),
                    }
                };
                Ok(rows.into_iter().map(with_grants).collect())
            }
            .boxed()
        })
        .await
    }
}

pub(crate) async fn load_member(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<Member>, StorageError> {
    let row = on!(conn, c => members::table
        .inner_join(users::table.on(users::id.eq(members::user_id)))
        .filter(members::organization_id.eq(Stored(organization)))
        .filter(members::user_id.eq(Stored(user)))
        .select((
            UserRow::as_select(),
            (members::name, members::version, members::created_at, members::updated_at, members::accepted_at),
        ))
        .first::<(UserRow, MemberRow)>(c))
    .optional()?;
    let Some((person, row)) = row else { return Ok(None) };
    let (name, version, created_at, updated_at, accepted_at) = row;
    Ok(Some(Member {
        user: person.try_into()?,
        name,
        grants: load_member_grants(conn, organization, user).await?,
        held: load_held_roles(conn, organization, user).await?,
        version,
        created_at: created_at.0,
        updated_at: updated_at.0,
        accepted_at: accepted_at.map(|at| at.0),
    }))
}

/// Takes a member out of an organization whose lock is held, revokes the person's keys there, and says for the audit log
/// what was.
///
/// # Errors
/// [`LastOwner`](crate::Conflict::LastOwner).
pub(crate) async fn end_membership(
    conn: &mut Conn,
    locked: &LockedOrganization,
    user: UserId,
) -> Result<Value, StorageError> {
    let organization = locked.organization.id;
    let grants = load_member_grants(conn, organization, user).await?;
    let owners = count_owners(conn, organization).await?;
    let revoked = revoke_keys_of_user(conn, organization, user, locked.now).await?;
    // Grants and places in teams go with the row.
    on!(conn, c => diesel::delete(members::table.find((Stored(organization), Stored(user)))).execute(c))?;
    keep_an_owner(conn, organization, owners).await?;
    end_links_of_member(conn, organization, user).await?;
    Ok(json!({"before": {"grants": describe_grants(&grants)}, "revoked_keys": describe_ids(&revoked)}))
}

/// What a membership says besides who it is.
type MemberRow = (String, i64, Stored<Timestamp>, Stored<Timestamp>, Option<Stored<Timestamp>>);

/// Whether the user is a member.
pub(crate) async fn is_member(
    conn: &mut Conn,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, StorageError> {
    let count = on!(conn, c => members::table
        .filter(members::organization_id.eq(Stored(organization)))
        .filter(members::user_id.eq(Stored(user)))
        .count()
        .get_result::<i64>(c))?;
    Ok(count > 0)
}
