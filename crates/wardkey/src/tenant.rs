//! Inside one organization.

use std::sync::Arc;

use wardkey_core::{OrganizationId, Requires, Rights, Timestamp, Verification};
use wardkey_storage::{Act, Held, Organization};

use crate::caller::Caller;
use crate::error::Error;
use crate::wardkey::Wardkey;

/// One organization, entered by one caller. Every operation checks what the caller may do, and none reaches beyond
/// the organization.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub(crate) wardkey: Wardkey,
    pub(crate) caller: Caller,
    pub(crate) standing: CallerStanding,
}

/// On what the caller's rights here rest.
#[derive(Debug, Clone)]
pub(crate) enum CallerStanding {
    /// A key of this organization: its rights, within its own network and time.
    Member(Verification),
    /// A person here: one who is logged in, or in whose place the caller stands.
    Person(Arc<Rights>),
    /// An operator acting here, or someone on the database: the rights of an owner, unbounded by the calling key.
    Owner(Arc<Rights>),
}

impl Tenant {
    pub(crate) fn of_key(wardkey: Wardkey, caller: Caller, verification: Verification) -> Self {
        Self { wardkey, caller, standing: CallerStanding::Member(verification) }
    }

    pub(crate) fn of_person(wardkey: Wardkey, caller: Caller, rights: Rights) -> Self {
        Self { wardkey, caller, standing: CallerStanding::Person(Arc::new(rights)) }
    }

    pub(crate) fn of_operator(wardkey: Wardkey, caller: Caller, rights: Rights) -> Self {
        Self { wardkey, caller, standing: CallerStanding::Owner(Arc::new(rights)) }
    }

    /// Makes issuing and rotating happen once, however often they are asked for; see
    /// [`Caller::with_idempotency_key`]. For a request whose body is read after the organization was entered.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>, request: [u8; 32]) -> Self {
        self.caller = self.caller.with_idempotency_key(key, request);
        self
    }

    /// The organization.
    pub fn organization_id(&self) -> OrganizationId {
        self.rights().organization()
    }

    /// What the caller may do here.
    pub fn rights(&self) -> &Rights {
        match &self.standing {
            CallerStanding::Member(verification) => &verification.rights.rights,
            CallerStanding::Person(rights) | CallerStanding::Owner(rights) => rights,
        }
    }

    /// The time by which this deployment decides.
    pub fn now(&self) -> Timestamp {
        self.wardkey.now()
    }

    /// Whether the caller holds `P` for the organization as a whole.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require<P: Requires>(&self) -> Result<(), Error> {
        let held = self.rights().organization_wide();
        if P::is_met_by(held) {
            return Ok(());
        }
        let mut missing = Vec::new();
        P::list_missing(held, &mut missing);
        Err(Error::Forbidden { missing: missing.into_iter().map(str::to_owned).collect() })
    }

    pub(crate) async fn find_organization(&self) -> Result<Organization, Error> {
        let id = self.organization_id().into();
        self.wardkey.storage().find_organization(&id).await?.ok_or(Error::NotFound)
    }

    pub(crate) fn act(&self) -> Act {
        self.wardkey.act(&self.caller)
    }

    /// An act that is allowed as long as somebody holds just this.
    pub(crate) fn act_on(&self, held: Held) -> Act {
        let mut act = self.act();
        act.rests_on.push(held);
        act
    }
}
