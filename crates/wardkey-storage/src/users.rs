//! Users: people, deployment-wide.

use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
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
use crate::schema::users;
use crate::words::{read_standing, write_standing};
use crate::{Act, Storage, StorageError};

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
    /// [`EmailInUse`](crate::Conflict::EmailInUse), [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn create_user(&self, act: &Act, new: NewUser) -> Result<User, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let NewUser { id, email, name, external_id } = new;
                let row = UserRow {
                    id: Stored(id),
                    folded_email: email.to_lowercase(),
                    email,
                    name,
                    external_id,
                    state: write_standing(Standing::Active).to_owned(),
                    version: 1,
                    created_at: Stored(act.now),
                    updated_at: Stored(act.now),
                };
                on!(conn, c => diesel::insert_into(users::table).values(&row).execute(c))?;
                let operator = lock_operator_organization(conn, act.now).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.create",
                        target: id.to_string(),
                        details: json!({"external_id": row.external_id}),
                        subjects: &[Subject::Principal(PrincipalId::User(id))],
                    },
                )
                .await?;
                Ok(row.try_into()?)
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
                    let query = users::table.select(UserRow::as_select()).into_boxed();
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

    /// Suspends a user everywhere, or lets the person act again. Keys stay as they are. Audited in the operator
    /// organization.
    pub async fn set_user_state(
        &self,
        act: &Act,
        user: UserId,
        state: Standing,
    ) -> Result<User, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let before = lock_user(conn, user).await?;
                if before.state == state {
                    return Ok(before);
                }
                let operator = lock_operator_organization(conn, act.now).await?;
                let row = on!(conn, c => diesel::update(users::table.find(Stored(user)))
                    .set((users::state.eq(write_standing(state)), users::updated_at.eq(Stored(operator.now))))
                    .returning(UserRow::as_returning())
                    .get_result(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.set_state",
                        target: user.to_string(),
                        details: json!({"state": write_standing(state)}),
                        subjects: &[Subject::Principal(PrincipalId::User(user))],
                    },
                )
                .await?;
                Ok(row.try_into()?)
            }
            .boxed()
        })
        .await
    }
}

/// Takes the user's lock, which comes before any organization's.
pub(crate) async fn lock_user(conn: &mut Conn, user: UserId) -> Result<User, StorageError> {
    let row = on!(conn, c => diesel::update(users::table.find(Stored(user)))
        .set(users::version.eq(users::version))
        .returning(UserRow::as_returning())
        .get_result(c))
    .optional()?;
    Ok(row.ok_or(StorageError::NotFound)?.try_into()?)
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
