//! The audit log: who changed what, when. Rows are added, never changed.

use std::net::IpAddr;

use diesel::{
    EscapeExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;
use futures_util::FutureExt as _;
use wardkey_core::{
    AuditEventId, KeyId, OrganizationId, PrincipalId, ServiceAccountId, SessionId, Subject, Timestamp, UserId,
};

use crate::changes::append_changes;
use crate::columns::{Json, Stored, escape_pattern};
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

/// Which events a list shows: those that are all of this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only events of this action, or of these.
    pub action: Option<ActionFilter>,
    /// Only what was done to the object of this id.
    pub target: Option<String>,
    /// Only what was done by this actor.
    pub actor: Option<ActorFilter>,
    /// Only what was done in the name of this user by somebody else.
    pub acting_for: Option<UserId>,
    /// Only what happened at this instant or later.
    pub since: Option<Timestamp>,
    /// Only what happened before this instant.
    pub until: Option<Timestamp>,
    /// Only what was asked for by this request.
    pub request_id: Option<String>,
}

/// Which actions are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionFilter {
    /// This one: `key.issue`.
    Exactly(String),
    /// Every one that is done to this kind of object: `key` stands for `key.issue`, `key.revoke` and all others.
    On(String),
}

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorFilter {
    /// With this key.
    Key(KeyId),
    /// By this person, whether with a key or logged in.
    User(UserId),
    /// By a key of this service account.
    ServiceAccount(ServiceAccountId),
    /// In this session.
    Session(SessionId),
}

impl Storage {
    /// An event of the organization's audit log.
    pub async fn find_audit_event(
        &self,
        organization: OrganizationId,
        event: AuditEventId,
    ) -> Result<Option<AuditEvent>, StorageError> {
        self.read(move |conn| {
            async move {
                let row = on!(conn, c => audit_events::table
                    .find((Stored(organization), Stored(event)))
                    .select(EventRow::as_select())
                    .first(c))
                .optional()?;
                Ok(row.map(AuditEvent::try_from).transpose()?)
            }
            .boxed()
        })
        .await
    }

    /// A page of the organization's audit log, as far as it passes the filter.
    pub async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: Page<AuditEventId>,
    ) -> Result<Vec<AuditEvent>, StorageError> {
        let AuditFilter { action, target, actor, acting_for, since, until, request_id } = filter.clone();
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
                    match &action {
                        Some(ActionFilter::Exactly(action)) => {
                            query = query.filter(audit_events::action.eq(action));
                        }
                        Some(ActionFilter::On(kind)) => {
                            let pattern = format!("{}.%", escape_pattern(kind));
                            query = query.filter(audit_events::action.like(pattern).escape('\\'));
                        }
                        None => {}
                    }
                    if let Some(target) = &target {
                        query = query.filter(audit_events::target.eq(target));
                    }
                    match actor {
                        Some(ActorFilter::Key(key)) => {
                            query = query.filter(audit_events::actor_key.eq(Stored(key)));
                        }
                        Some(ActorFilter::User(user)) => {
                            query = query.filter(audit_events::actor_user.eq(Stored(user)));
                        }
                        Some(ActorFilter::ServiceAccount(account)) => {
                            query = query.filter(audit_events::actor_service_account.eq(Stored(account)));
                        }
                        Some(ActorFilter::Session(session)) => {
                            query = query.filter(audit_events::actor_session.eq(Stored(session)));
                        }
                        None => {}
                    }
                    if let Some(user) = acting_for {
                        query = query.filter(audit_events::acting_for.eq(Stored(user)));
                    }
                    if let Some(since) = since {
                        query = query.filter(audit_events::at.ge(Stored(since)));
                    }
                    if let Some(until) = until {
                        query = query.filter(audit_events::at.lt(Stored(until)));
                    }
                    if let Some(request_id) = &request_id {
                        query = query.filter(audit_events::request_id.eq(request_id));
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
    /// What changed for verifiers; empty where no record depends on it.
    pub(crate) subjects: &'a [Subject],
}

/// Ends every transaction that has changed something: one audit event, its changes, and nothing after it.
pub(crate) async fn record(conn: &mut Conn, act: &Act, done: Done<'_>) -> Result<(), StorageError> {
    record_each(conn, act, vec![done]).await
}

/// The same for a transaction that has changed something in several organizations, with one event in each. A subject that
/// several of them name is appended once.
pub(crate) async fn record_each(conn: &mut Conn, act: &Act, all: Vec<Done<'_>>) -> Result<(), StorageError> {
    let mut at = act.now;
    let mut subjects: Vec<Subject> = Vec::new();
    for done in all {
        at = at.max(done.at);
        for subject in done.subjects {
            if !subjects.contains(subject) {
                subjects.push(*subject);
            }
        }
        insert_event(conn, act, done).await?;
    }
    append_changes(conn, at, &subjects).await
}

async fn insert_event(conn: &mut Conn, act: &Act, done: Done<'_>) -> Result<(), StorageError> {
    let Done { organization, at, action, target, details, subjects: _ } = done;
    let Act { actor, acting_for, request_id, address, now: _, audit_id, rests_on: _ } = act.clone();
    let row = EventRow {
        organization_id: Stored(organization),
        id: Stored(audit_id),
        at: Stored(at),
        actor_key: actor.key().map(Stored),
        actor_user: actor.user().map(Stored),
        actor_service_account: actor.service_account().map(Stored),
        actor_why: actor.why().map(str::to_owned),
        acting_for: acting_for.map(Stored),
        action: action.to_owned(),
        target,
        request_id,
        address: address.map(|address| address.to_string()),
        details: Json(details),
        actor_session: actor.session().map(Stored),
    };
    on!(conn, c => diesel::insert_into(audit_events::table).values(&row).execute(c))?;
    Ok(())
}

/// The details of an edit: what differs, before and after. Both are objects with the same members.
pub(crate) fn describe_change(
    mut before: serde_json::Value,
    mut after: serde_json::Value,
) -> serde_json::Value {
    if let (Some(before), Some(after)) = (before.as_object_mut(), after.as_object_mut()) {
        before.retain(|name, value| match after.get(name) {
            Some(other) if other == value => after.remove(name).is_none(),
            _ => true,
        });
    }
    serde_json::json!({"before": before, "after": after})
}

/// The most ids that one event names.
const MOST_IDS: usize = 1_000;

/// Ids that one event names, up to a thousand of them.
pub(crate) fn describe_ids<I: ToString>(ids: &[I]) -> serde_json::Value {
    ids.iter().take(MOST_IDS).map(|id| serde_json::Value::from(id.to_string())).collect()
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
    actor_session: Option<Stored<SessionId>>,
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
            actor_session,
        } = row;
        let actor = match (actor_key, actor_user, actor_service_account, actor_why) {
            (None, Some(user), None, None) => {
                let user = user.0;
                actor_session
                    .map_or(Actor::Link { user }, |session| Actor::Session { session: session.0, user })
            }
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
