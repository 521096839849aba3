//! The business of the whole deployment.

use std::net::IpAddr;

use wardkey_core::permission::OperatorVerify;
use wardkey_core::{Deployment, PermissionSet, Requirement, Requires, Verification, VerifyError};
use wardkey_storage::{Act, Held, Idempotency};

use crate::caller::Caller;
use crate::error::Error;
use crate::wardkey::Wardkey;

/// The deployment as a whole, entered by one caller. Each operation needs its `operator:…` permission.
#[derive(Debug, Clone)]
pub struct DeploymentHandle {
    pub(crate) wardkey: Wardkey,
    pub(crate) caller: Caller,
    pub(crate) rights: DeploymentRights,
}

/// What the caller may do with the deployment as a whole.
#[derive(Debug, Clone)]
pub(crate) enum DeploymentRights {
    /// Someone on the database.
    Everything,
    /// Somebody with these permissions, of which those of the operator count.
    Held(PermissionSet),
    /// Anybody else.
    Nothing,
}

impl DeploymentHandle {
    pub(crate) fn new(wardkey: Wardkey, caller: Caller, rights: DeploymentRights) -> Self {
        Self { wardkey, caller, rights }
    }

    /// Makes creating happen once, however often it is asked for; see [`Caller::with_idempotency_key`]. For a request
    /// whose body is read after the deployment was entered.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>, request: [u8; 32]) -> Self {
        self.caller = self.caller.with_idempotency_key(key, request);
        self
    }

    /// What makes repetitions of this call one call: they belong to the operator organization.
    pub(crate) async fn idempotency(&self, operation: &str) -> Result<Option<Idempotency>, Error> {
        let Some(state) = self.wardkey.storage().bootstrap_state().await? else { return Ok(None) };
        Ok(self.caller.idempotency(state.operator_organization, operation))
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

    /// Whether the caller holds `P`. Someone on the database holds everything.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require<P: Requires>(&self) -> Result<(), Error> {
        let held = match &self.rights {
            DeploymentRights::Everything => return Ok(()),
            DeploymentRights::Held(held) => held,
            DeploymentRights::Nothing => &PermissionSet::EMPTY,
        };
        if P::is_met_by(held) {
            return Ok(());
        }
        let mut missing = Vec::new();
        P::list_missing(held, &mut missing);
        Err(Error::Forbidden { missing: missing.into_iter().map(str::to_owned).collect() })
    }

    /// Prefixes, environments and the permission catalogue; needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn describe(&self) -> Result<Deployment, Error> {
        Ok(self.wardkey.storage().load_deployment().await?)
    }

    /// Verifies a secret on behalf of a backend that cannot do it itself; needs `operator:verify`. It acts in the
    /// calling key's environment.
    ///
    /// # Errors
    /// The outer error concerns the caller; the inner one the secret that is asked about.
    pub async fn verify(
        &self,
        secret: &[u8],
        address: Option<IpAddr>,
        requirement: &Requirement,
    ) -> Result<Result<Verification, VerifyError>, Error> {
        self.require::<OperatorVerify>()?;
        let caller = self.caller.verification().ok_or(Error::NotFound)?;
        let verifier = self.wardkey.verifier(&caller.rights.environment);
        Ok(verifier.verify(secret, address, requirement).await)
    }
}
