//! Audit events as they are shown.

use std::borrow::Cow;
use std::net::IpAddr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde_json::{Map, Value, json};
use wardkey_core::{AuditEventId, KeyId, ServiceAccountId, SessionId, Timestamp, UserId};

use super::super::kinds::{AuditAction, AuditTarget, Cursor, LocalProgram, RequestId};
use super::super::text::Text;

/// A change, and who made it.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct AuditEvent {
    /// Its id.
    id: Text<AuditEventId>,
    /// When it happened.
    at: Text<Timestamp>,
    /// Who did it.
    actor: Actor,
    /// The user in whose name the actor did it, if that was somebody else.
    acting_for: Option<Text<UserId>>,
    /// What was done: the kind of object, and what happened to it.
    action: Text<AuditAction>,
    /// The object to which it was done.
    target: Text<AuditTarget>,
    /// The request by which it was asked for, as in `X-Request-Id`.
    request_id: Option<Text<RequestId>>,
    /// The address of the client that asked for it.
    address: Option<Text<IpAddr>>,
    /// What was changed.
    details: Details,
}

impl From<wardkey::AuditEvent> for AuditEvent {
    fn from(event: wardkey::AuditEvent) -> Self {
        let wardkey::AuditEvent { id, at, actor, acting_for, action, target, request_id, address, details } =
            event;
        Self {
            id: id.into(),
            at: at.into(),
            actor: (&actor).into(),
            acting_for: acting_for.map(Text),
            action: AuditAction(action).into(),
            target: AuditTarget(target).into(),
            request_id: request_id.map(|id| RequestId(id).into()),
            address: address.map(Text),
            details: Details::new(details),
        }
    }
}

impl Example for AuditEvent {
    fn example() -> Self {
        Self {
            id: Text::example(),
            at: Text::example(),
            actor: Actor::example(),
            acting_for: None,
            action: AuditAction("key.update".to_owned()).into(),
            target: Text::example(),
            request_id: Some(Text::example()),
            address: Some(Text::example()),
            details: Details::example(),
        }
    }
}

/// `key`: a program with a key. `session`: a person who was logged in. `link`: a person by a link that was made for them.
/// `local`: someone on the database itself, as with the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum ActorType {
    Key,
    Session,
    Link,
    Local,
}

/// Who made a change.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct Actor {
    /// Of which kind the actor is, and so which members there are.
    #[oai(rename = "type")]
    kind: ActorType,
    /// The key, of a program with one.
    key_id: Option<Text<KeyId>>,
    /// The person: one who was logged in or had a link, or as whom the key acts.
    user_id: Option<Text<UserId>>,
    /// The service account as which the key acts.
    service_account_id: Option<Text<ServiceAccountId>>,
    /// The session, of a person who was logged in.
    session_id: Option<Text<SessionId>>,
    /// Which command or program, of someone on the database itself.
    why: Option<Text<LocalProgram>>,
}

impl From<&wardkey::Actor> for Actor {
    fn from(actor: &wardkey::Actor) -> Self {
        let kind = match (actor.key(), actor.session(), actor.user()) {
            (Some(_), _, _) => ActorType::Key,
            (None, Some(_), _) => ActorType::Session,
            (None, None, Some(_)) => ActorType::Link,
            (None, None, None) => ActorType::Local,
        };
        Self {
            kind,
            key_id: actor.key().map(Text),
            user_id: actor.user().map(Text),
            service_account_id: actor.service_account().map(Text),
            session_id: actor.session().map(Text),
            why: actor.why().map(|why| LocalProgram(why.to_owned()).into()),
        }
    }
}

impl Example for Actor {
    fn example() -> Self {
        Self {
            kind: ActorType::Key,
            key_id: Some(Text::example()),
            user_id: None,
            service_account_id: Some(Text::example()),
            session_id: None,
            why: None,
        }
    }
}

/// What was changed: a JSON object, whose members depend on the action.
#[derive(Debug)]
struct Details(Map<String, Value>);

impl Details {
    /// What is kept, without what says that there is nothing.
    fn new(mut kept: Value) -> Self {
        drop_nulls(&mut kept);
        match kept {
            Value::Object(members) => Self(members),
            _ => Self(Map::new()),
        }
    }
}

/// Answers hold no `null`; but a backend's own metadata are shown as they are.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members
                .iter_mut()
                .filter(|(name, _)| *name != "metadata")
                .for_each(|(_, value)| drop_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl Type for Details {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "AuditDetails".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference("AuditDetails".to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>("AuditDetails".to_owned(), |_| MetaSchema {
            description: Some(
                "What was changed. `before` and `after` hold the values that differ, of what was made only `after`, of what \
                 was deleted only `before`; a value that was not there is left out. Further members, such as `reason` and \
                 `revoked_keys`, depend on the action. Secrets are never here, and people only by their ids.",
            ),
            additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
            example: Self::example().to_json(),
            ..MetaSchema::new("object")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Details {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::Object(members)) => Ok(Self(members)),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl ToJSON for Details {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Object(self.0.clone()))
    }
}

impl Example for Details {
    fn example() -> Self {
        Self::new(json!({ "before": { "name": "Export" }, "after": { "name": "Nightly export" } }))
    }
}

/// A page of audit events.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
pub(super) struct AuditEventPage {
    /// The events, the newest first.
    #[oai(validator(max_items = 100))]
    items: Vec<AuditEvent>,
    /// Leads to the next page; absent on the last.
    next_cursor: Option<Text<Cursor>>,
}

impl AuditEventPage {
    pub(super) fn new(events: Vec<wardkey::AuditEvent>, next_cursor: Option<Text<Cursor>>) -> Self {
        Self { items: events.into_iter().map(Into::into).collect(), next_cursor }
    }
}

impl Example for AuditEventPage {
    fn example() -> Self {
        Self { items: vec![AuditEvent::example()], next_cursor: Some(Text::example()) }
    }
}
