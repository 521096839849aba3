//! The key store behind every verifier.

use diesel::sql_types::Bool;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{
    At, Changes, CustomerId, Deployment, Digest, EnvironmentName, FoundKey, KeyRecord, KeyStore,
    OrganizationId, OrganizationRecord, Position, PrincipalId, PrincipalKind, PrincipalRecord, Reference,
    Report, SecretId, Standing, StoreError, StoreFuture, Timestamp, UserId, WorkspaceId, WorkspaceRecord,
};

use crate::changes::position;
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::grants::load_held_roles;
use crate::keys::{RecordRow, read_access, read_limits, read_list, read_principal};
use crate::schema::{
    change_counter, keys, members, organizations, secrets, service_accounts, session_policies, users,
    workspaces,
};
use crate::words::{read_key_state, read_kind, read_standing};
use crate::{Storage, StorageError};

impl KeyStore for Storage {
    fn find<'a>(
        &'a self,
        environment: &'a EnvironmentName,
        digest: Digest,
    ) -> StoreFuture<'a, Result<At<Option<FoundKey>>, StoreError>> {
        let environment = environment.clone();
        async move {
            let found = self.read_snapshot(move |conn| find_key(conn, environment, digest).boxed()).await?;
            Ok(found)
        }
        .boxed()
    }

    fn find_customer<'a>(
        &'a self,
        organization: OrganizationId,
        customer: &'a Reference<CustomerId>,
    ) -> StoreFuture<'a, Result<At<Option<CustomerId>>, StoreError>> {
        async move { Ok(self.load_customer(organization, customer.clone()).await?) }.boxed()
    }

    fn deployment(&self) -> StoreFuture<'_, Result<At<Deployment>, StoreError>> {
        async move { Ok(self.load_deployment_at().await?) }.boxed()
    }

    fn changes(&self, after: Option<Position>) -> StoreFuture<'_, Result<Changes, StoreError>> {
        async move { Ok(self.load_changes(after).await?) }.boxed()
    }

    fn wait_for_change(&self) -> StoreFuture<'_, ()> {
        self.feed().wait().boxed()
    }

    fn report<'a>(&'a self, report: &'a Report) -> StoreFuture<'a, Result<(), StoreError>> {
        async move { Ok(self.write_report(report.clone()).await?) }.boxed()
    }
}

/// What one query knows of a key by a digest.
type FoundRow = (
    RecordRow,
    (Stored<SecretId>, Option<Stored<Timestamp>>),
    (Option<String>, String, String),
    Option<(Option<String>, String)>,
    Option<(Option<String>, String)>,
    Option<Stored<UserId>>,
    Option<Json<Vec<String>>>,
    (i64, i64),
);

/// Two queries for a service account's key, three for a user's, one for a key of another environment.
async fn find_key(
    conn: &mut Conn,
    environment: EnvironmentName,
    digest: Digest,
) -> Result<At<Option<FoundKey>>, StorageError> {
    let account = service_accounts::organization_id
        .eq(keys::organization_id)
        .and(service_accounts::id.nullable().eq(keys::service_account_id));
    let member =
        members::organization_id.eq(keys::organization_id).and(members::user_id.nullable().eq(keys::user_id));
    let found = on!(conn, c => secrets::table
        .inner_join(keys::table.on(keys::id.eq(secrets::key_id)))
        .inner_join(organizations::table.on(organizations::id.eq(keys::organization_id)))
        .inner_join(change_counter::table.on(true.into_sql::<Bool>()))
        .left_join(service_accounts::table.on(account))
        .left_join(users::table.on(users::id.nullable().eq(keys::user_id)))
        .left_join(members::table.on(member))
        .left_join(session_policies::table.on(session_policies::organization_id.eq(keys::organization_id)))
        .filter(secrets::digest.eq(&digest.as_bytes()[..]))
        .select((
            RecordRow::as_select(),
            (secrets::id, secrets::ends_at),
            (organizations::external_id, organizations::kind, organizations::state),
            (service_accounts::external_id, service_accounts::state).nullable(),
            (users::external_id, users::state).nullable(),
            members::user_id.nullable(),
            session_policies::ip_allowlist.nullable(),
            (change_counter::epoch, change_counter::number),
        ))
        .first::<FoundRow>(c))
    .optional()?;
    let Some((key, secret, organization, account, user, member, policy, (epoch, number))) = found else {
        return Ok(At { position: position(conn).await?, value: None });
    };
    let position = Position { epoch, number };
    let own_environment: EnvironmentName =
        key.environment.parse().map_err(|_| Corrupt("keys.environment"))?;
    if own_environment != environment {
        let value = FoundKey::Elsewhere { environment: own_environment, key: key.id.0 };
        return Ok(At { position, value: Some(value) });
    }

    let RecordRow {
        id,
        organization_id,
        environment: _,
        user_id,
        service_account_id,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
        state,
    } = key;
    let principal = match read_principal(user_id, service_account_id)? {
        PrincipalId::ServiceAccount(id) => {
            let (external_id, state) = account.ok_or(Corrupt("keys.service_account_id"))?;
            PrincipalRecord {
                external_id,
                state: read_standing(&state)?,
                kind: PrincipalKind::ServiceAccount { id },
            }
        }
        PrincipalId::User(id) => {
            let (external_id, state) = user.ok_or(Corrupt("keys.user_id"))?;
            let state = if member.is_some() { read_standing(&state)? } else { Standing::Inactive };
            let grants = load_held_roles(conn, organization_id.0, id).await?;
            PrincipalRecord { external_id, state, kind: PrincipalKind::User { id, grants } }
        }
    };
    let (external_id, kind, organization_state) = organization;
    let organization = OrganizationRecord {
        id: organization_id.0,
        external_id,
        kind: read_kind(&kind)?,
        state: read_standing(&organization_state)?,
        workspaces: load_workspaces(conn, organization_id.0).await?,
    };
    let allowlists =
        [read_list(policy, "session_policies.ip_allowlist")?, read_list(ip_allowlist, "keys.ip_allowlist")?];
    let record = KeyRecord {
        key: id.0,
        secret: secret.0.0,
        secret_ends_at: secret.1.map(|at| at.0),
        environment,
        state: read_key_state(&state)?,
        expires_at: expires_at.map(|at| at.0),
        organization,
        principal,
        level: level.parse().map_err(|_| Corrupt("keys.level"))?,
        permissions: read_list(permissions, "keys.permissions")?,
        workspaces: read_access(workspaces, "keys.workspaces")?,
        customers: read_access(customers, "keys.customers")?,
        networks: allowlists.into_iter().filter(|allowlist| !allowlist.is_empty()).collect(),
        rate_limits: read_limits(rate_limits)?,
    };
    Ok(At { position, value: Some(FoundKey::Record(Box::new(record))) })
}

async fn load_workspaces(
    conn: &mut Conn,
    organization: OrganizationId,
) -> Result<Vec<WorkspaceRecord>, StorageError> {
    let rows = on!(conn, c => workspaces::table
        .filter(workspaces::organization_id.eq(Stored(organization)))
        .order(workspaces::id)
        .select((workspaces::id, workspaces::external_id, workspaces::ip_allowlist))
        .load::<(Stored<WorkspaceId>, Option<String>, Option<Json<Vec<String>>>)>(c))?;
    let read = |(id, external_id, allowlist): (Stored<WorkspaceId>, _, _)| {
        let networks = read_list(allowlist, "workspaces.ip_allowlist")?;
        Ok(WorkspaceRecord { id: id.0, external_id, networks })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, Corrupt>>()?)
}
