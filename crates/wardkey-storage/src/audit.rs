//! The audit log: who changed what, when. Rows are added, never changed.

use std::net::IpAddr;

use diesel::{
    ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{
    AuditEventId, KeyId, OrganizationId, PrincipalId, ServiceAccountId, Subject, Timestamp, UserId,
};

use crate::changes::append_changes;
use crate::columns::{Json, Stored};
use crate::connection::{Conn, on};
use crate::error::Corrupt;
use crate::schema::audit_events;
use crate::{Act, Actor, Page, Storage, StorageError};

/// One change by one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: AuditEventId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The user in whose name it was done, if that was not the actor.
    pub acting_for: Option<UserId>,
    /// What was done: `key.issue`, `member.remove`, …
    pub action: String,
    /// The object to which it was done, by id.
    pub target: String,
    /// The request by which it was asked for.
    pub request_id: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What is worth knowing besides; its members depend on the action.
    pub details: serde_json::Value,
}

impl Storage {
    /// A page of the organization's audit log.
    pub async fn list_audit_events(
        &self,
        organization: OrganizationId,
        page: Page<AuditEventId>,
    ) -> Result<Vec<AuditEvent>, StorageError> {
        self.read(move |conn| {
            async move {
                let rows = on!(conn, c => {
                    let mut query = audit_events::table
                        .filter(audit_events::organization_id.eq(Stored(organization)))
                        .order(audit_events::id.desc())
                        .limit(page.limit.into())
                        .select(EventRow::as_select())
                        .into_boxed();
                    if let Some(after) = page.after {
                        query = query.filter(audit_events::id.lt(Stored(after)));
                    }
                    query.load(c)
                })?;
                Ok(rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, Corrupt>>()?)
            }
            .boxed()
        })
        .await
    }
}

/// What a transaction has done, for the audit log and for the feed.
pub(crate) struct Done<'a> {
    /// In which organization.
    pub(crate) organization: OrganizationId,
    /// When, as the organization's lock has it.
    pub(crate) at: Timestamp,
    /// Object and verb: `key.issue`.
    pub(crate) action: &'static str,
    /// The object's id.
    pub(crate) target: String,
    /// A JSON object of what is worth knowing besides.
    pub(crate) details: serde_json::Value,
    /// What changed for verifiers; never empty.
    pub(crate) subjects: &'a [Subject],
}

/// Ends every transaction that has changed something: one audit event, its changes, and nothing after it.
pub(crate) async fn record(conn: &mut Conn, act: &Act, done: Done<'_>) -> Result<(), StorageError> {
    let Done { organization, at, action, target, details, subjects } = done;
    let Act { actor, acting_for, request_id, address, now: _, audit_id } = act.clone();
    let (actor_key, actor_user, actor_service_account, actor_why) = match actor {
        Actor::Key { key, principal: PrincipalId::User(user) } => {
            (Some(Stored(key)), Some(Stored(user)), None, None)
        }
        Actor::Key { key, principal: PrincipalId::ServiceAccount(account) } => {
            (Some(Stored(key)), None, Some(Stored(account)), None)
        }
        Actor::Local { why } => (None, None, None, Some(why)),
    };
    let row = EventRow {
        organization_id: Stored(organization),
        id: Stored(audit_id),
        at: Stored(at),
        actor_key,
        actor_user,
        actor_service_account,
        actor_why,
        acting_for: acting_for.map(Stored),
        action: action.to_owned(),
        target,
        request_id,
        address: address.map(|address| address.to_string()),
        details: Json(details),
    };
    on!(conn, c => diesel::insert_into(audit_events::table).values(&row).execute(c))?;
    append_changes(conn, at, subjects).await
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
struct EventRow {
    organization_id: Stored<OrganizationId>,
    id: Stored<AuditEventId>,
    at: Stored<Timestamp>,
    actor_key: Option<Stored<KeyId>>,
    actor_user: Option<Stored<UserId>>,
    actor_service_account: Option<Stored<ServiceAccountId>>,
    actor_why: Option<String>,
    acting_for: Option<Stored<UserId>>,
    action: String,
    target: String,
    request_id: Option<String>,
    address: Option<String>,
    details: Json<serde_json::Value>,
}

impl TryFrom<EventRow> for AuditEvent {
    type Error = Corrupt;

    fn try_from(row: EventRow) -> Result<Self, Corrupt> {
        let EventRow {
            organization_id: _,
            id,
            at,
            actor_key,
            actor_user,
            actor_service_account,
            actor_why,
            acting_for,
            action,
            target,
            request_id,
            address,
            details,
        } = row;
        let actor = match (actor_key, actor_user, actor_service_account, actor_why) {
            (Some(key), Some(user), None, None) => {
                Actor::Key { key: key.0, principal: PrincipalId::User(user.0) }
            }
            (Some(key), None, Some(account), None) => {
                Actor::Key { key: key.0, principal: PrincipalId::ServiceAccount(account.0) }
            }
            (None, None, None, Some(why)) => Actor::Local { why },
            _ => return Err(Corrupt("audit_events.actor_key")),
        };
        Ok(Self {
            id: id.0,
            at: at.0,
            actor,
            acting_for: acting_for.map(|user| user.0),
            action,
            target,
            request_id,
            address: address
                .map(|text| text.parse())
                .transpose()
                .map_err(|_| Corrupt("audit_events.address"))?,
            details: details.0,
        })
    }
}
