//! Users: people, deployment-wide. A deleted one keeps its row, without address and name, as other rows name its id.

mod delete;
mod edit;

use diesel::{
    BoolExpressionMethods as _, EscapeExpressionMethods as _, ExpressionMethods as _, Insertable,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
    TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{PrincipalId, Reference, Standing, Subject, Timestamp, UserId};

use crate::audit::{Done, record};
use crate::columns::Stored;
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::error::Corrupt;
use crate::idempotency::claim;
use crate::keys::contains_pattern;
use crate::schema::{lower, users};
use crate::words::{read_standing, write_standing};
use crate::{Act, Conflict, Idempotency, Once, Page, Storage, StorageError};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address by which the person is known; unique in the deployment, compared without regard to case.
    pub email: String,
    /// What people call the person.
    pub name: String,
    /// The id that the product's backend gave the person; unique in the deployment.
    pub external_id: Option<String>,
    /// Whether the person's keys work.
    pub state: Standing,
    /// Moves with each edit.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// What of a user may be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEdit {
    /// The address by which the person is known.
    pub email: String,
    /// What people call the person.
    pub name: String,
    /// The id that the product's backend gives the person.
    pub external_id: Option<String>,
}

/// Which users are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only the one with this address, in any case.
    pub email: Option<String>,
    /// Only the one to whom the product's backend gave this id.
    pub external_id: Option<String>,
    /// Only those in this state.
    pub state: Option<Standing>,
    /// Only those with this text in name or address, in any case.
    pub search: Option<String>,
}

/// A user to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its id, minted by the caller.
    pub id: UserId,
    /// The address by which the person is known.
    pub email: String,
    /// What people call the person.
    pub name: String,
    /// The id that the product's backend gives the person.
    pub external_id: Option<String>,
}

impl Storage {
    /// Creates a user, who is a member of no organization yet. Audited in the operator organization.
    ///
    /// # Errors
    /// [`EmailInUse`](crate::Conflict::EmailInUse), [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_user(
        &self,
        act: &Act,
        new: NewUser,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<User>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                if let Some(first) = claim(conn, idempotency, new.id, act.now).await? {
                    let user = load_user(conn, first).await?.ok_or(StorageError::NotFound)?;
                    return Ok(Once::Replayed(user));
                }
                let id = new.id;
                let row = UserRow::of(new, act.now);
                on!(conn, c => diesel::insert_into(users::table).values(&row).execute(c))?;
                let operator = lock_operator_organization(conn, &act).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.create",
                        target: id.to_string(),
                        details: json!({"after": {"external_id": row.external_id}}),
                        subjects: &[Subject::Principal(PrincipalId::User(id))],
                    },
                )
                .await?;
                Ok(Once::Done(row.try_into()?))
            }
            .boxed()
        })
        .await
    }

    /// The user who is meant, if there is one.
    pub async fn find_user(&self, user: &Reference<UserId>) -> Result<Option<User>, StorageError> {
        let user = user.clone();
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let query =
                        users::table.filter(users::deleted_at.is_null()).select(UserRow::as_select()).into_boxed();
                    match &user {
                        Reference::Id(id) => query.filter(users::id.eq(Stored(*id))),
                        Reference::External(id) => query.filter(users::external_id.eq(id)),
                    }
                    .load(c)
                })?;
                Ok(rows.into_iter().next().map(User::try_from).transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of the users who pass the filter. Their ids are random, so that the order tells nothing.
    pub async fn list_users(
        &self,
        filter: &UserFilter,
        page: Page<UserId>,
    ) -> Result<Vec<User>, StorageError> {
        let UserFilter { email, external_id, state, search } = filter.clone();
        let pattern = search.as_deref().map(contains_pattern);
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = users::table
                        .filter(users::deleted_at.is_null())
                        .order(users::id.desc())
                        .limit(page.limit.into())
                        .select(UserRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(users::id.lt(Stored(after)));
                    }
                    if let Some(email) = &email {
                        query = query.filter(users::folded_email.eq(fold_email(email)));
                    }
                    if let Some(external_id) = &external_id {
                        query = query.filter(users::external_id.eq(external_id));
                    }
                    if let Some(state) = state {
                        query = query.filter(users::state.eq(write_standing(state)));
                    }
                    if let Some(pattern) = &pattern {
                        let named = lower(users::name).like(pattern).escape('\\');
                        query = query.filter(named.or(users::folded_email.like(pattern).escape('\\')));
                    }
                    query.load::<UserRow>(c)
                })?;
                Ok(rows.into_iter().map(User::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }
}

/// The address as it is compared: one person, however they write it.
pub(crate) fn fold_email(email: &str) -> String {
    email.to_lowercase()
}

pub(crate) async fn load_user(conn: &mut Conn, user: UserId) -> Result<Option<User>, StorageError> {
    let row = on!(conn, c => users::table
        .find(Stored(user))
        .filter(users::deleted_at.is_null())
        .select(UserRow::as_select())
        .first::<UserRow>(c))
    .optional()?;
    Ok(row.map(User::try_from).transpose()?)
}

/// Takes the user's lock, which comes before any organization's.
///
/// # Errors
/// [`NotFound`](StorageError::NotFound) also for one who was deleted.
pub(crate) async fn lock_user(conn: &mut Conn, user: UserId) -> Result<User, StorageError> {
    let row =
        on!(conn, c => diesel::update(users::table.find(Stored(user)).filter(users::deleted_at.is_null()))
        .set(users::version.eq(users::version))
        .returning(UserRow::as_returning())
        .get_result(c))
        .optional()?;
    Ok(row.ok_or(StorageError::NotFound)?.try_into()?)
}

/// A user by address, whose lock is taken.
pub(crate) enum Provisioned {
    /// There was one.
    Known(UserId),
    /// There was none, and now is.
    New(UserId),
}

impl Provisioned {
    pub(crate) fn user(&self) -> UserId {
        match self {
            Self::Known(user) | Self::New(user) => *user,
        }
    }
}

/// Takes the lock of the user with this address, making one if there is none.
pub(crate) async fn provision_user(
    conn: &mut Conn,
    new: NewUser,
    now: Timestamp,
) -> Result<Provisioned, StorageError> {
    let (id, folded) = (new.id, fold_email(&new.email));
    if let Some(known) = lock_user_by_email(conn, &folded).await? {
        return Ok(Provisioned::Known(known));
    }
    let row = UserRow::of(new, now);
    let inserted =
        on!(conn, c => diesel::insert_into(users::table).values(&row).on_conflict_do_nothing().execute(c))?;
    if inserted > 0 {
        return Ok(Provisioned::New(id));
    }
    // Somebody else was faster, and has committed.
    let known = lock_user_by_email(conn, &folded).await?;
    known.map(Provisioned::Known).ok_or_else(|| Conflict::EmailInUse.into())
}

async fn lock_user_by_email(conn: &mut Conn, folded: &str) -> Result<Option<UserId>, StorageError> {
    let found = on!(conn, c => diesel::update(users::table
            .filter(users::folded_email.eq(folded))
            .filter(users::deleted_at.is_null()))
        .set(users::version.eq(users::version))
        .returning(users::id)
        .get_result::<Stored<UserId>>(c))
    .optional()?;
    Ok(found.map(|id| id.0))
}

/// The same, for a user who must be at `version` if one is given.
async fn lock_version(conn: &mut Conn, user: UserId, version: Option<i64>) -> Result<User, StorageError> {
    let found = lock_user(conn, user).await?;
    match version {
        Some(version) if version != found.version => {
            Err(StorageError::VersionMismatch { current: found.version })
        }
        _ => Ok(found),
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(crate) struct UserRow {
    id: Stored<UserId>,
    email: String,
    folded_email: String,
    name: String,
    external_id: Option<String>,
    state: String,
    version: i64,
    created_at: Stored<Timestamp>,
    updated_at: Stored<Timestamp>,
}

impl TryFrom<UserRow> for User {
    type Error = Corrupt;

    fn try_from(row: UserRow) -> Result<Self, Corrupt> {
        let UserRow { id, email, folded_email: _, name, external_id, state, version, created_at, updated_at } =
            row;
        Ok(Self {
            id: id.0,
            email,
            name,
            external_id,
            state: read_standing(&state)?,
            version,
            created_at: created_at.0,
            updated_at: updated_at.0,
        })
    }
}

impl UserRow {
    /// The row of a new user, who may act.
    pub(crate) fn of(new: NewUser, now: Timestamp) -> Self {
        let NewUser { id, email, name, external_id } = new;
        Self {
            id: Stored(id),
            folded_email: fold_email(&email),
            email,
            name,
            external_id,
            state: write_standing(Standing::Active).to_owned(),
            version: 1,
            created_at: Stored(now),
            updated_at: Stored(now),
        }
    }
}
