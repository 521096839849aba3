//! What every write and every list takes: who acts, how a call is repeated safely, how far a page reaches.

use std::net::IpAddr;

use wardkey_core::{AuditEventId, KeyId, PrincipalId, Timestamp, UserId};

use crate::Key;

/// Who acts, when, and under which ids: an argument of every write, and the head of its audit event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who acts.
    pub actor: Actor,
    /// The user in whose name the actor acts, if it is not the actor itself.
    pub acting_for: Option<UserId>,
    /// The request by which it was asked for.
    pub request_id: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// When it happens. Within an organization time never steps back: a write happens at this instant or at the
    /// organization's latest one, whichever is later.
    pub now: Timestamp,
    /// The id of the audit event, should the write change anything.
    pub audit_id: AuditEventId,
}

/// Who can act.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A program with a key.
    Key {
        /// The key.
        key: KeyId,
        /// On whose behalf the key acts.
        principal: PrincipalId,
    },
    /// Someone on the database itself: the command line, or a program that embeds Wardkey.
    Local {
        /// Which command or program, for the audit log.
        why: String,
    },
}

/// What makes a repeated call one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 of principal, organization and operation: a key means something within these only.
    pub scope: [u8; 32],
    /// The client's key.
    pub key: String,
    /// SHA-256 of the request: the same key with another request is
    /// [`IdempotencyMismatch`](crate::Conflict::IdempotencyMismatch).
    pub request: [u8; 32],
}

/// What a call with an [`Idempotency`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a call, and in practice both variants hold a key")]
pub enum Once<T> {
    /// It happened now.
    Done(T),
    /// It had happened before and nothing was changed: the key that the first call issued or rotated, as it is now.
    Replayed(Key),
}

/// A page of a list. Lists run from the newest id to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<I> {
    /// Only what is older than this.
    pub after: Option<I>,
    /// At most so many items. To know whether more follow, ask for one more than is shown.
    pub limit: u32,
}

impl<I> Page<I> {
    /// The newest `limit` items.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}
