//! What every write and every list takes: who acts, how a call is repeated safely, how far a page reaches.

use std::net::IpAddr;

use wardkey_core::{
    AuditEventId, KeyId, OrganizationId, PrincipalId, RoleGrant, ServiceAccountId, SessionId, Timestamp,
    UserId,
};

use crate::Member;

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
    /// What people held when the write was found to be allowed. Under the organization's lock they hold the same, or
    /// nothing is changed.
    pub rests_on: Vec<Held>,
}

/// What a person holds in an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// What they are there, if they are a member.
    pub membership: Option<HeldMembership>,
}

/// A membership, as far as rights rest on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMembership {
    /// Since when: who was removed and invited again is another member.
    pub since: Timestamp,
    /// Every role that the person has there, directly or through a team.
    pub roles: Vec<RoleGrant>,
}

impl Held {
    /// What this member holds.
    pub fn by(organization: OrganizationId, member: &Member) -> Self {
        let membership = HeldMembership { since: member.created_at, roles: member.held.clone() };
        Self { organization, user: member.user.id, membership: Some(membership) }
    }

    /// What somebody holds who is no member.
    pub fn nothing(organization: OrganizationId, user: UserId) -> Self {
        Self { organization, user, membership: None }
    }
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
    /// A person who is logged in.
    Session {
        /// The session.
        session: SessionId,
        /// The person.
        user: UserId,
    },
    /// A person without a credential, by a link that was made for them.
    Link {
        /// The person.
        user: UserId,
    },
    /// Someone on the database itself: the command line, or a program that embeds Wardkey.
    Local {
        /// Which command or program, for the audit log.
        why: String,
    },
}

impl Actor {
    /// The key, of a program with one.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Self::Key { key, .. } => Some(*key),
            Self::Session { .. } | Self::Link { .. } | Self::Local { .. } => None,
        }
    }

    /// The person: one who is logged in or has a link, or as whom a key acts.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Key { principal: PrincipalId::User(user), .. }
            | Self::Session { user, .. }
            | Self::Link { user } => Some(*user),
            Self::Key { principal: PrincipalId::ServiceAccount(_), .. } | Self::Local { .. } => None,
        }
    }

    /// The service account as which a key acts.
    pub fn service_account(&self) -> Option<ServiceAccountId> {
        match self {
            Self::Key { principal: PrincipalId::ServiceAccount(account), .. } => Some(*account),
            Self::Key { principal: PrincipalId::User(_), .. }
            | Self::Session { .. }
            | Self::Link { .. }
            | Self::Local { .. } => None,
        }
    }

    /// The session, of a person who is logged in.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session { session, .. } => Some(*session),
            Self::Key { .. } | Self::Link { .. } | Self::Local { .. } => None,
        }
    }

    /// Which command or program, of someone on the database itself.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Local { why } => Some(why),
            Self::Key { .. } | Self::Session { .. } | Self::Link { .. } => None,
        }
    }
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
pub enum Once<T> {
    /// It happened now.
    Done(T),
    /// It had happened before and nothing was changed: what the first call made, as it is now.
    Replayed(T),
}

impl<T> Once<T> {
    /// What was made, now or before.
    pub fn into_inner(self) -> T {
        match self {
            Self::Done(made) | Self::Replayed(made) => made,
        }
    }
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
