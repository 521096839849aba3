//! Who acts.

use std::net::IpAddr;

use wardkey_core::{KeyId, OrganizationId, PrincipalId, SessionId, UserId, Verification};
use wardkey_storage::{Actor, Held, Idempotency};

/// Who acts, and under which circumstances: the key to every door of [`Wardkey`](crate::Wardkey).
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) identity: Identity,
    acting_for: Option<UserId>,
    pub(crate) request_id: Option<String>,
    pub(crate) address: Option<IpAddr>,
    idempotency: Option<IdempotencyKey>,
    /// What people held when the caller was let in.
    pub(crate) rests_on: Vec<Held>,
}

#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A verified key.
    Key(Box<Verification>),
    /// A person who is logged in.
    Session(ActiveSession),
    /// The command line, or a program that embeds Wardkey: full rights, audited as such.
    Local { why: String },
}

/// A session that is not over, of a person who may act. Only looking it up makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveSession {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
}

impl ActiveSession {
    /// The session.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The person.
    pub fn user(&self) -> UserId {
        self.user
    }
}

#[derive(Debug, Clone)]
struct IdempotencyKey {
    key: String,
    request: [u8; 32],
}

impl Caller {
    /// A program whose key was verified.
    pub fn key(verification: Verification) -> Self {
        Self::new(Identity::Key(Box::new(verification)))
    }

    /// A person who is logged in.
    pub fn session(session: ActiveSession) -> Self {
        Self::new(Identity::Session(session))
    }

    /// Someone on the database itself, who has full rights; the audit log says so, and `why`.
    pub fn local(why: impl Into<String>) -> Self {
        Self::new(Identity::Local { why: why.into() })
    }

    fn new(identity: Identity) -> Self {
        Self {
            identity,
            acting_for: None,
            request_id: None,
            address: None,
            idempotency: None,
            rests_on: Vec::new(),
        }
    }

    /// Acts as this user: with the rights that the user has in the organization that is entered, and no others. It
    /// takes `operator:act`, or someone on the database itself. The audit log names both.
    ///
    /// ```no_run
    /// # use wardkey::core::{OrganizationId, UserId};
    /// # async fn keys_page(
    /// #     wardkey: &wardkey::Wardkey,
    /// #     organization: OrganizationId,
    /// #     user: UserId,
    /// # ) -> Result<(), wardkey::Error> {
    /// use wardkey::{Caller, IssueKey};
    ///
    /// // A product's own page of API keys: whoever is logged in there makes a key, and can make no more than they may.
    /// let caller = Caller::local("keys page").acting_as(user);
    /// let tenant = wardkey.enter(&caller, &organization.into()).await?;
    /// let issued = tenant.issue_key(IssueKey::named("laptop")).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn acting_as(mut self, user: UserId) -> Self {
        self.acting_for = Some(user);
        self
    }

    /// Notes the request, for the audit log.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Notes the client's address, for the audit log.
    #[must_use]
    pub fn with_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Makes issuing and rotating happen once, however often the request is sent: `key` is the client's
    /// `Idempotency-Key`, `request` the SHA-256 of what it sent with it.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>, request: [u8; 32]) -> Self {
        self.idempotency = Some(IdempotencyKey { key: key.into(), request });
        self
    }

    /// What this caller does rests on what somebody holds: it is looked at again when something is written.
    pub(crate) fn resting_on(mut self, held: Held) -> Self {
        self.rests_on.push(held);
        self
    }

    /// On whose behalf the caller acts: the user in whose place it stands, the calling key's principal, or the person.
    pub(crate) fn principal(&self) -> Option<PrincipalId> {
        match (self.acting_for, &self.identity) {
            (Some(user), _) => Some(PrincipalId::User(user)),
            (None, Identity::Key(verification)) => Some(verification.key.principal),
            (None, Identity::Session(session)) => Some(PrincipalId::User(session.user)),
            (None, Identity::Local { .. }) => None,
        }
    }

    /// The user in whose place the caller stands.
    pub(crate) fn acting_for(&self) -> Option<UserId> {
        self.acting_for
    }

    /// The calling key, if a key calls.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        self.verification().map(|verification| verification.key.key)
    }

    pub(crate) fn verification(&self) -> Option<&Verification> {
        match &self.identity {
            Identity::Key(verification) => Some(verification),
            Identity::Session(_) | Identity::Local { .. } => None,
        }
    }

    pub(crate) fn actor(&self) -> Actor {
        match &self.identity {
            Identity::Key(verification) => {
                Actor::Key { key: verification.key.key, principal: verification.key.principal }
            }
            Identity::Session(ActiveSession { id, user }) => Actor::Session { session: *id, user: *user },
            Identity::Local { why } => Actor::Local { why: why.clone() },
        }
    }

    /// What makes repetitions of this call one call: the client's key means something only for the same principal,
    /// organization and operation.
    pub(crate) fn idempotency(&self, organization: OrganizationId, operation: &str) -> Option<Idempotency> {
        let IdempotencyKey { key, request } = self.idempotency.as_ref()?;
        let principal =
            self.principal().map_or_else(|| "local".to_owned(), |principal| principal.to_string());
        let scope = sha256(format!("{principal}\n{organization}\n{operation}").as_bytes());
        Some(Idempotency { scope, key: key.clone(), request: *request })
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
