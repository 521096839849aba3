//! Environments: deployment-wide, each key is bound to one.

use diesel::result::DatabaseErrorKind;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{Environment, EnvironmentName, Subject};

use crate::audit::{Done, record};
use crate::connection::{Conn, on};
use crate::deployment::lock_operator_organization;
use crate::error::Corrupt;
use crate::idempotency::claim;
use crate::schema::environments;
use crate::{Act, Conflict, Idempotency, Once, Storage, StorageError};

/// The environments that every deployment has, for ever.
pub const BUILT_IN_ENVIRONMENTS: [&str; 3] = ["production", "staging", "development"];

/// How many environments a deployment may have: they are listed at once, and every verifier knows all of them.
pub const ENVIRONMENT_LIMIT: u32 = 100;

/// An environment, as those see it who administer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentEnvironment {
    /// The slug by which it is addressed.
    pub name: EnvironmentName,
    /// The short word inside secrets, for people to see.
    pub tag: String,
    /// Whether it is one of those that every deployment has.
    pub built_in: bool,
    /// Moves with each edit.
    pub version: i64,
}

impl Storage {
    /// Creates an environment.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound) if the call is a repetition and what it made has been deleted since.
    /// Conflicts: [`NameInUse`](crate::Conflict::NameInUse), [`TooMany`](crate::Conflict::TooMany),
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub async fn create_environment(
        &self,
        act: &Act,
        new: Environment,
        idempotency: Option<Idempotency>,
    ) -> Result<Once<DeploymentEnvironment>, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                // An environment has no id to be remembered by; a repetition names it.
                if claim(conn, idempotency, act.audit_id, act.now).await?.is_some() {
                    let first = load_environment(conn, &new.name).await?;
                    return first.map(Once::Replayed).ok_or(StorageError::NotFound);
                }
                let locked = lock_operator_organization(conn, &act).await?;
                let positions = on!(conn, c => environments::table
                    .select(environments::position)
                    .load::<i32>(c))?;
                if positions.len() >= ENVIRONMENT_LIMIT as usize {
                    return Err(Conflict::TooMany { limit: ENVIRONMENT_LIMIT }.into());
                }
                let next = positions.iter().max().map_or(0, |last| last + 1);
                let Environment { name, tag } = new;
                on!(conn, c => diesel::insert_into(environments::table)
                    .values((
                        environments::name.eq(name.as_str()),
                        environments::tag.eq(&tag),
                        environments::position.eq(next),
                    ))
                    .execute(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: locked.organization.id,
                        at: locked.now,
                        action: "environment.create",
                        target: name.to_string(),
                        details: json!({"after": {"tag": tag}}),
                        subjects: &[Subject::Deployment],
                    },
                )
                .await?;
                Ok(Once::Done(load_environment(conn, &name).await?.ok_or(StorageError::NotFound)?))
            }
            .boxed()
        })
        .await
    }

    /// Every environment, in the order in which people read them.
    pub async fn list_environments(&self) -> Result<Vec<DeploymentEnvironment>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => environments::table
                    .order((environments::position, environments::name))
                    .select((environments::name, environments::tag, environments::version))
                    .load::<EnvironmentRow>(c))?;
                Ok(rows.into_iter().map(read_environment).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }

    /// The environment of this name, if there is one.
    pub async fn find_environment(
        &self,
        name: &EnvironmentName,
    ) -> Result<Option<DeploymentEnvironment>, StorageError> {
        let name = name.clone();
        self.read(move |conn| async move { load_environment(conn, &name).await }.boxed()).await
    }

    /// Gives an environment another tag, which secrets show that are made from now on. The same one changes nothing.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch).
    pub async fn update_environment(
        &self,
        act: &Act,
        name: EnvironmentName,
        version: i64,
        tag: String,
    ) -> Result<DeploymentEnvironment, StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_operator_organization(conn, &act).await?;
                let before = load_version(conn, &name, Some(version)).await?;
                if before.tag == tag {
                    return Ok(before);
                }
                let row = on!(conn, c => diesel::update(environments::table.find(name.as_str()))
                    .set((environments::tag.eq(&tag), environments::version.eq(environments::version + 1)))
                    .returning((environments::name, environments::tag, environments::version))
                    .get_result::<EnvironmentRow>(c))?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: locked.organization.id,
                        at: locked.now,
                        action: "environment.update",
                        target: name.to_string(),
                        details: json!({"before": {"tag": before.tag}, "after": {"tag": tag}}),
                        subjects: &[Subject::Deployment],
                    },
                )
                .await?;
                Ok(read_environment(row)?)
            }
            .boxed()
        })
        .await
    }

    /// Deletes an environment of which there was never a key.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`VersionMismatch`](StorageError::VersionMismatch). Conflicts:
    /// [`BuiltIn`](crate::Conflict::BuiltIn), [`EnvironmentInUse`](crate::Conflict::EnvironmentInUse).
    pub async fn delete_environment(
        &self,
        act: &Act,
        name: EnvironmentName,
        version: Option<i64>,
    ) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| {
            async move {
                let locked = lock_operator_organization(conn, &act).await?;
                let before = load_version(conn, &name, version).await?;
                if before.built_in {
                    return Err(Conflict::BuiltIn.into());
                }
                // Every key refers to its environment, those included that are being issued at this moment.
                on!(conn, c => diesel::delete(environments::table.find(name.as_str())).execute(c)).map_err(
                    |error| match error {
                        diesel::result::Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
                            Conflict::EnvironmentInUse.into()
                        }
                        other => StorageError::from(other),
                    },
                )?;
                record(
                    conn,
                    &act,
                    Done {
                        organization: locked.organization.id,
                        at: locked.now,
                        action: "environment.delete",
                        target: name.to_string(),
                        details: json!({"before": {"tag": before.tag}}),
                        subjects: &[Subject::Deployment],
                    },
                )
                .await
            }
            .boxed()
        })
        .await
    }
}

/// Name, tag and version.
type EnvironmentRow = (String, String, i64);

fn read_environment((name, tag, version): EnvironmentRow) -> Result<DeploymentEnvironment, Corrupt> {
    let built_in = BUILT_IN_ENVIRONMENTS.contains(&name.as_str());
    let name = name.parse().map_err(|_| Corrupt("environments.name"))?;
    Ok(DeploymentEnvironment { name, tag, built_in, version })
}

async fn load_environment(
    conn: &mut Conn,
    name: &EnvironmentName,
) -> Result<Option<DeploymentEnvironment>, StorageError> {
    let row = on!(conn, c => environments::table
        .find(name.as_str())
        .select((environments::name, environments::tag, environments::version))
        .first::<EnvironmentRow>(c))
    .optional()?;
    Ok(row.map(read_environment).transpose()?)
}

/// The environment of this name, which must be at `version` if one is given.
async fn load_version(
    conn: &mut Conn,
    name: &EnvironmentName,
    version: Option<i64>,
) -> Result<DeploymentEnvironment, StorageError> {
    let found = load_environment(conn, name).await?.ok_or(StorageError::NotFound)?;
    match version {
        Some(version) if version != found.version => {
            Err(StorageError::VersionMismatch { current: found.version })
        }
        _ => Ok(found),
    }
}

/// Rows for new environments, in this order.
pub(crate) async fn insert_environments(conn: &mut Conn, new: &[Environment]) -> Result<(), StorageError> {
    for (position, Environment { name, tag }) in (0i32..).zip(new) {
        on!(conn, c => diesel::insert_into(environments::table)
            .values((
                environments::name.eq(name.as_str()),
                environments::tag.eq(tag),
                environments::position.eq(position),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// All environments, in their order.
pub(crate) async fn load_environments(conn: &mut Conn) -> Result<Vec<Environment>, StorageError> {
    let rows = on!(conn, c => environments::table
        .order((environments::position, environments::name))
        .select((environments::name, environments::tag))
        .load::<(String, String)>(c))?;
    let read = |(name, tag): (String, String)| {
        Ok(Environment { name: name.parse().map_err(|_| Corrupt("environments.name"))?, tag })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}
