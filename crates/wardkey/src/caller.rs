//! Who acts.

use std::net::IpAddr;

use wardkey_core::{KeyId, OrganizationId, PrincipalId, Verification};
use wardkey_storage::{Actor, Idempotency};

/// Who acts, and under which circumstances: the key to every door of [`Wardkey`](crate::Wardkey).
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) identity: Identity,
    pub(crate) request_id: Option<String>,
    pub(crate) address: Option<IpAddr>,
    idempotency: Option<IdempotencyKey>,
}

#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A verified key.
    Key(Box<Verification>),
    /// The command line, or a program that embeds Wardkey: full rights, audited as such.
    Local { why: String },
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

    /// Someone on the database itself, who has full rights; the audit log says so, and `why`.
    pub fn local(why: impl Into<String>) -> Self {
        Self::new(Identity::Local { why: why.into() })
    }

    fn new(identity: Identity) -> Self {
        Self { identity, request_id: None, address: None, idempotency: None }
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

    /// The calling key's principal, if a key calls.
    pub(crate) fn principal(&self) -> Option<PrincipalId> {
        self.verification().map(|verification| verification.key.principal)
    }

    /// The calling key, if a key calls.
    pub(crate) fn key_id(&self) -> Option<KeyId> {
        self.verification().map(|verification| verification.key.key)
    }

    pub(crate) fn verification(&self) -> Option<&Verification> {
        match &self.identity {
            Identity::Key(verification) => Some(verification),
            Identity::Local { .. } => None,
        }
    }

    pub(crate) fn actor(&self) -> Actor {
        match &self.identity {
            Identity::Key(verification) => {
                Actor::Key { key: verification.key.key, principal: verification.key.principal }
            }
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

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
