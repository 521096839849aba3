//! Which events are asked for.

use poem_openapi::Object;
use wardkey::{ActionFilter, ActorFilter, AuditFilter, PageRequest, Tenant};
use wardkey_core::{AuditEventId, Timestamp, UserId};

use super::super::cursor::{CursorKey, List};
use super::super::kinds::{ActorId, AuditAction, AuditTarget, Cursor, RequestId};
use super::super::pages::{default_limit, request};
use super::super::text::Text;
use crate::problem::Refusal;

/// A query with the filters, and these further parameters.
macro_rules! query {
    ($(#[$doc:meta])* $name:ident { $($further:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Object)]
        pub(super) struct $name {
            /// Only events of this action, as `key.revoke`; or with `key.*` every action on keys.
            action: Option<Text<AuditAction>>,
            /// Only what was done to the object of this id.
            target: Option<Text<AuditTarget>>,
            /// Only what was done by this key, user or service account, or in this session.
            actor: Option<Text<ActorId>>,
            /// Only what was done by others in the name of this user.
            acting_for: Option<Text<UserId>>,
            /// Only what happened at this instant or later.
            since: Option<Text<Timestamp>>,
            /// Only what happened before this instant.
            until: Option<Text<Timestamp>>,
            /// Only what was asked for by the request with this id.
            request_id: Option<Text<RequestId>>,
            $($further)*
        }
    };
}

query! {
    /// Which audit events are listed.
    AuditQuery {
        /// How many items the page has at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: u32,
        /// The `next_cursor` of the page before; without it, the page is the first.
        cursor: Option<Text<Cursor>>,
    }
}

query! {
    /// Which audit events are exported.
    AuditExportQuery {}
}

impl AuditQuery {
    /// The list that is asked for, whatever the page.
    pub(super) fn list(&self, tenant: &Tenant) -> List {
        let Self { action, target, actor, acting_for, since, until, request_id, limit: _, cursor: _ } = self;
        List::of("list_audit_events")
            .by(Some(tenant.organization_id()))
            .by(action.as_ref().map(|action| &action.0.0))
            .by(target.as_ref().map(|target| &target.0.0))
            .by(actor.as_ref().map(|actor| actor.0))
            .by(acting_for.as_ref().map(|user| user.0))
            .by(since.as_ref().map(|instant| instant.0))
            .by(until.as_ref().map(|instant| instant.0))
            .by(request_id.as_ref().map(|id| &id.0.0))
    }

    /// Filter and page.
    ///
    /// # Errors
    /// If the cursor was not made for this list.
    pub(super) fn split(
        self,
        list: &List,
        cursors: &CursorKey,
    ) -> Result<(AuditFilter, PageRequest<AuditEventId>), Refusal> {
        let Self { action, target, actor, acting_for, since, until, request_id, limit, cursor } = self;
        let filters = AuditExportQuery { action, target, actor, acting_for, since, until, request_id };
        Ok((filters.into_filter(), request(limit, cursor, list, cursors)?))
    }
}

impl AuditExportQuery {
    /// The filter.
    pub(super) fn into_filter(self) -> AuditFilter {
        let Self { action, target, actor, acting_for, since, until, request_id } = self;
        let action = action.map(|Text(AuditAction(text))| match text.strip_suffix(".*") {
            Some(kind) => ActionFilter::On(kind.to_owned()),
            None => ActionFilter::Exactly(text),
        });
        let actor = actor.map(|actor| match actor.0 {
            ActorId::Key(key) => ActorFilter::Key(key),
            ActorId::User(user) => ActorFilter::User(user),
            ActorId::ServiceAccount(account) => ActorFilter::ServiceAccount(account),
            ActorId::Session(session) => ActorFilter::Session(session),
        });
        AuditFilter {
            action,
            target: target.map(|target| target.0.0),
            actor,
            acting_for: acting_for.map(|user| user.0),
            since: since.map(|instant| instant.0),
            until: until.map(|instant| instant.0),
            request_id: request_id.map(|id| id.0.0),
        }
    }
}
