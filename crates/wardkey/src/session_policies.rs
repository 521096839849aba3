//! The session policy: from where an organization is reached, and how long its keys may live.

use std::time::Duration;

use wardkey_core::IpNetwork;
use wardkey_core::permission::AdminPolicy;
use wardkey_storage::{EndlessKeys, SessionPolicy, SessionPolicyEdit};

use crate::error::Error;
use crate::rules::Findings;
use crate::tenant::{CallerStanding, Tenant};

/// The longest life that a policy may allow, in days: ten years.
pub const MAX_KEY_LIFE_DAYS: u32 = 3_650;

const DAY_SECONDS: u64 = 86_400;

/// What shall be different about a session policy; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct SessionPolicyPatch {
    /// The whole new list; empty is from everywhere.
    pub ip_allowlist: Option<Vec<IpNetwork>>,
    /// How long a key may live that has an end, in days, from one to [`MAX_KEY_LIFE_DAYS`].
    pub longest_key_life_days: Option<u32>,
    /// Whether keys may have no end.
    pub endless_keys: Option<EndlessKeys>,
}

/// What becomes of a policy that lets nobody in from where its author is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShuttingOut {
    /// It is refused.
    Refused,
    /// The author means it.
    Forced,
}

impl Tenant {
    /// The organization's session policy; needs `admin:policy`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Unavailable`].
    pub async fn session_policy(&self) -> Result<SessionPolicy, Error> {
        self.require::<AdminPolicy>()?;
        Ok(self.wardkey.storage().find_session_policy(self.organization_id()).await?)
    }

    /// Gives the organization another session policy; needs `admin:policy`. Keys that exist keep the lives that they have,
    /// and are refused from outside of the allowlist from now on.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::VersionMismatch`]; [`Error::PolicyShutsOutCaller`] if the
    /// caller's own address is not in the new allowlist, or not known; [`Error::Unavailable`].
    pub async fn update_session_policy(
        &self,
        version: i64,
        patch: SessionPolicyPatch,
        shutting_out: ShuttingOut,
    ) -> Result<SessionPolicy, Error> {
        self.require::<AdminPolicy>()?;
        let SessionPolicyPatch { ip_allowlist, longest_key_life_days, endless_keys } = patch;
        let mut findings = Findings::default();
        findings.networks(ip_allowlist.as_deref().unwrap_or_default());
        if longest_key_life_days.is_some_and(|days| !(1..=MAX_KEY_LIFE_DAYS).contains(&days)) {
            let detail = format!("must lie between 1 and {MAX_KEY_LIFE_DAYS}");
            findings.add("/longest_key_life_days", "out_of_range", detail);
        }
        findings.into_result()?;
        let current = self.session_policy().await?;
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let edit = SessionPolicyEdit {
            ip_allowlist: ip_allowlist.unwrap_or_else(|| current.ip_allowlist.clone()),
            longest_key_life: longest_key_life_days
                .map_or(current.longest_key_life, |days| Duration::from_secs(u64::from(days) * DAY_SECONDS)),
            endless_keys: endless_keys.unwrap_or(current.endless_keys),
        };
        let narrowed = edit.ip_allowlist != current.ip_allowlist;
        if narrowed && shutting_out == ShuttingOut::Refused && self.is_shut_out_by(&edit.ip_allowlist) {
            return Err(Error::PolicyShutsOutCaller);
        }
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        let policy = storage.update_session_policy(&self.act(), organization, version, edit).await?;
        self.wardkey.publish().await;
        Ok(policy)
    }

    /// Whether the caller could not come again. Operators and whoever is on the database are let in from everywhere.
    fn is_shut_out_by(&self, allowlist: &[IpNetwork]) -> bool {
        let bound = match &self.standing {
            CallerStanding::Member(_) => true,
            CallerStanding::Person(_) => self.caller.acting_for().is_none(),
            CallerStanding::Owner(_) => false,
        };
        let admits =
            |network: &IpNetwork| self.caller.address.is_some_and(|address| network.contains(address));
        bound && !allowlist.is_empty() && !allowlist.iter().any(admits)
    }
}
