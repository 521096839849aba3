//! What a deployment is: its first objects, its catalogue, its secrets' prefixes.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use serde_json::json;
use wardkey_core::{
    At, Catalogue, Deployment, Environment, OrganizationId, OrganizationKind, ServiceAccountId, Subject,
};

use crate::audit::{Done, record};
use crate::catalogue::{insert_catalogue, load_catalogue};
use crate::changes::position;
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::environments::{insert_environments, load_environments};
use crate::error::{Corrupt, NotBootstrapped};
use crate::keys::insert_key;
use crate::organizations::{LockedOrganization, insert_organization, lock_organization};
use crate::schema::{change_counter, deployment};
use crate::service_accounts::insert_service_account;
use crate::workspaces::insert_workspace;
use crate::{Act, Conflict, NewKey, NewOrganization, NewServiceAccount, NewWorkspace, Storage, StorageError};

/// Everything that a new deployment starts with. All ids are minted by the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// The organization whose people run the deployment.
    pub operator_organization: NewOrganization,
    /// Its first service account.
    pub operator_service_account: NewServiceAccount,
    /// That account's first key.
    pub operator_key: NewKey,
    /// A first tenant to try things with.
    pub demo_organization: NewOrganization,
    /// Its workspace.
    pub demo_workspace: NewWorkspace,
    /// Its service account.
    pub demo_service_account: NewServiceAccount,
    /// Every environment, in the order in which people read them.
    pub environments: Vec<Environment>,
    /// The product's permissions.
    pub catalogue: Catalogue,
    /// What secrets start with.
    pub secret_prefix: String,
    /// A fingerprint of the seal, by which a node with another seal is recognised.
    pub seal_fingerprint: [u8; 32],
    /// Names this life of the database: random, so that a restored copy gets another one.
    pub epoch: i64,
}

/// What is known of a deployment that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The fingerprint of the seal with which it was made.
    pub seal_fingerprint: [u8; 32],
    /// The organization whose people run it.
    pub operator_organization: OrganizationId,
    /// That organization's first service account.
    pub operator_service_account: ServiceAccountId,
}

impl Storage {
    /// Makes the deployment, once: of several callers one does it.
    ///
    /// # Errors
    /// [`AlreadyBootstrapped`](crate::Conflict::AlreadyBootstrapped).
    pub async fn bootstrap(&self, act: &Act, bootstrap: Bootstrap) -> Result<(), StorageError> {
        let act = act.clone();
        self.write(move |conn| insert_deployment(conn, act, bootstrap).boxed()).await
    }

    /// What is known of the deployment; `None` before it is made.
    pub async fn bootstrap_state(&self) -> Result<Option<Bootstrapped>, StorageError> {
        self.read(move |conn| {
            async move {
                let row = on!(conn, c => deployment::table
                    .select((
                        deployment::seal_fingerprint,
                        deployment::operator_organization_id,
                        deployment::operator_service_account_id,
                    ))
                    .first::<(Vec<u8>, Stored<OrganizationId>, Stored<ServiceAccountId>)>(c))
                .optional()?;
                let Some((fingerprint, organization, account)) = row else { return Ok(None) };
                Ok(Some(Bootstrapped {
                    seal_fingerprint: fingerprint
                        .try_into()
                        .map_err(|_| Corrupt("deployment.seal_fingerprint"))?,
                    operator_organization: organization.0,
                    operator_service_account: account.0,
                }))
            }
            .boxed()
        })
        .await
    }

    /// What all keys have in common.
    ///
    /// # Errors
    /// [`Unavailable`](StorageError::Unavailable) before the deployment is made.
    pub async fn load_deployment(&self) -> Result<Deployment, StorageError> {
        Ok(self.load_deployment_at().await?.value)
    }

    /// The deployment and the position that was current.
    pub(crate) async fn load_deployment_at(&self) -> Result<At<Deployment>, StorageError> {
        self.read_snapshot(move |conn| {
            async move {
                let position = position(conn).await?;
                let prefixes = on!(conn, c => deployment::table
                    .select(deployment::secret_prefixes)
                    .first::<Json<Vec<String>>>(c))
                .optional()?;
                let value = Deployment {
                    secret_prefixes: prefixes.ok_or(NotBootstrapped)?.0,
                    environments: load_environments(conn).await?,
                    catalogue: load_catalogue(conn).await?,
                };
                Ok(At { position, value })
            }
            .boxed()
        })
        .await
    }
}

/// The one row of `deployment` and of `change_counter`.
const SINGLETON: i16 = 1;

async fn insert_deployment(conn: &mut Conn, act: Act, new: Bootstrap) -> Result<(), StorageError> {
    let Bootstrap {
        operator_organization,
        operator_service_account,
        operator_key,
        demo_organization,
        demo_workspace,
        demo_service_account,
        environments,
        catalogue,
        secret_prefix,
        seal_fingerprint,
        epoch,
    } = new;
    let (operator, demo, account) =
        (operator_organization.id, demo_organization.id, operator_service_account.id);
    let (key, digest) = (operator_key.id, operator_key.secret.digest);

    // First, since whoever comes second waits here and then finds that it is done.
    let inserted = on!(conn, c => diesel::insert_into(deployment::table)
        .values((
            deployment::id.eq(SINGLETON),
            deployment::seal_fingerprint.eq(&seal_fingerprint[..]),
            deployment::secret_prefixes.eq(Json(vec![&secret_prefix])),
            deployment::operator_organization_id.eq(Stored(operator)),
            deployment::operator_service_account_id.eq(Stored(account)),
            deployment::bootstrapped_at.eq(Stored(act.now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted == 0 {
        return Err(Conflict::AlreadyBootstrapped.into());
    }
    insert_environments(conn, &environments).await?;
    insert_catalogue(conn, &catalogue).await?;
    insert_organization(conn, operator_organization, OrganizationKind::Operator, act.now).await?;
    insert_service_account(conn, operator, operator_service_account, act.now).await?;
    insert_key(conn, &act, operator, operator_key, act.now).await?;
    insert_organization(conn, demo_organization, OrganizationKind::Tenant, act.now).await?;
    insert_workspace(conn, demo, demo_workspace, act.now).await?;
    insert_service_account(conn, demo, demo_service_account, act.now).await?;
    on!(conn, c => diesel::insert_into(change_counter::table)
        .values((
            change_counter::id.eq(SINGLETON),
            change_counter::epoch.eq(epoch),
            change_counter::number.eq(0i64),
        ))
        .execute(c))?;
    record(
        conn,
        &act,
        Done {
            organization: operator,
            at: act.now,
            action: "deployment.bootstrap",
            target: operator.to_string(),
            details: json!({"operator_key": key.to_string(), "demo_organization": demo.to_string()}),
            subjects: &[Subject::Deployment, Subject::Digest(digest)],
        },
    )
    .await
}

/// Takes the lock of the deployment's own row, for what is one in it and belongs to nobody.
pub(crate) async fn lock_deployment(conn: &mut Conn) -> Result<(), StorageError> {
    let locked = on!(conn, c => diesel::update(deployment::table)
        .set(deployment::id.eq(deployment::id))
        .execute(c))?;
    if locked == 0 { Err(NotBootstrapped.into()) } else { Ok(()) }
}

/// Takes the lock of the organization in which deployment-wide writes are audited.
pub(crate) async fn lock_operator_organization(
    conn: &mut Conn,
    act: &Act,
) -> Result<LockedOrganization, StorageError> {
    let operator = find_operator_organization(conn).await?;
    lock_organization(conn, operator, act).await
}

/// The organization whose people run the deployment.
pub(crate) async fn find_operator_organization(conn: &mut Conn) -> Result<OrganizationId, StorageError> {
    let operator = on!(conn, c => deployment::table
        .select(deployment::operator_organization_id)
        .first::<Stored<OrganizationId>>(c))
    .optional()?;
    Ok(operator.ok_or(NotBootstrapped)?.0)
}

/// The service account without which nobody on the database could issue an operator key.
pub(crate) async fn operator_service_account(conn: &mut Conn) -> Result<ServiceAccountId, StorageError> {
    let account = on!(conn, c => deployment::table
        .select(deployment::operator_service_account_id)
        .first::<Stored<ServiceAccountId>>(c))
    .optional()?;
    Ok(account.ok_or(NotBootstrapped)?.0)
}
