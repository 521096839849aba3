//! Editing and suspending a user.

use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use wardkey_core::{PrincipalId, Standing, Subject, UserId};

use super::{User, UserEdit, UserRow, fold_email, lock_version};
use crate::audit::{Done, describe_change, record};
use crate::columns::Stored;
use crate::connection::on;
use crate::deployment::lock_operator_organization;
use crate::links::end_links_of_user;
use crate::schema::users;
use crate::sessions::end_sessions_of;
use crate::words::write_standing;
use crate::{Act, Storage, StorageError};

impl Storage {
    /// Gives a user new values; equal ones change nothing, not even the version. Links that were made for another address
    /// end. Audited in the operator organization, without address and name: the log outlives them.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch),
    /// [`EmailInUse`](crate::Conflict::EmailInUse), [`ExternalIdInUse`](crate::Conflict::ExternalIdInUse).
    pub async fn update_user(
        &self,
        act: &Act,
        user: UserId,
        version: i64,
        edit: UserEdit,
    ) -> Result<User, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let before = lock_version(conn, user, Some(version)).await?;
                if before.to_edit() == edit {
                    return Ok(before);
                }
                let UserEdit { email, name, external_id } = edit;
                let folded = fold_email(&email);
                if folded != fold_email(&before.email) {
                    end_links_of_user(conn, user).await?;
                }
                let row = on!(conn, c => diesel::update(users::table.find(Stored(user)))
                    .set((
                        users::email.eq(&email),
                        users::folded_email.eq(&folded),
                        users::name.eq(&name),
                        users::external_id.eq(&external_id),
                        users::version.eq(users::version + 1),
                        users::updated_at.eq(Stored(act.now)),
                    ))
                    .returning(UserRow::as_returning())
                    .get_result(c))?;
                let after = User::try_from(row)?;
                // Only now: whoever makes a user waits for its address first and for this lock then.
                let operator = lock_operator_organization(conn, &act).await?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.update",
                        target: user.to_string(),
                        details: describe_edit(&before, &after),
                        subjects: &[Subject::Principal(PrincipalId::User(user))],
                    },
                )
                .await?;
                Ok(after)
            }
            .boxed()
        })
        .await
    }

    /// Suspends a user everywhere and ends every session and link of that person, or lets the person act again. Keys stay as they
    /// are, and keep their places. Repeating it changes nothing. Audited in the operator organization.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn set_user_state(
        &self,
        act: &Act,
        user: UserId,
        version: Option<i64>,
        state: Standing,
        reason: Option<String>,
    ) -> Result<User, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let before = lock_version(conn, user, version).await?;
                if before.state == state {
                    return Ok(before);
                }
                let operator = lock_operator_organization(conn, &act).await?;
                let row = on!(conn, c => diesel::update(users::table.find(Stored(user)))
                    .set((users::state.eq(write_standing(state)), users::updated_at.eq(Stored(operator.now))))
                    .returning(UserRow::as_returning())
                    .get_result(c))?;
                let (was, is) = (write_standing(before.state), write_standing(state));
                let mut details = json!({"before": {"state": was}, "after": {"state": is}, "reason": reason});
                if state == Standing::Inactive {
                    end_links_of_user(conn, user).await?;
                    details["ended_sessions"] = end_sessions_of(conn, user).await?.into();
                }
                record(
                    conn,
                    &act,
                    Done {
                        organization: operator.organization.id,
                        at: operator.now,
                        action: "user.set_state",
                        target: user.to_string(),
                        details,
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

impl User {
    /// Its values that may be edited.
    fn to_edit(&self) -> UserEdit {
        UserEdit { email: self.email.clone(), name: self.name.clone(), external_id: self.external_id.clone() }
    }
}

/// What an edit has changed: values of the external id, and of address and name only that they are others now.
fn describe_edit(before: &User, after: &User) -> Value {
    let external_id = |user: &User| json!({"external_id": user.external_id});
    let mut details = describe_change(external_id(before), external_id(after));
    let changed = [("email", before.email != after.email), ("name", before.name != after.name)];
    details["changed"] = changed.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect();
    details
}
