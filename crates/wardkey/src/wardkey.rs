//! The handle on a deployment, and its doors.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use wardkey_core::permission::OperatorAct;
use wardkey_core::{
    AuditEventId, Clock, Denial, EnvironmentName, InvalidEnvironmentName, IpNetwork, OrganizationId,
    OrganizationKind, OrganizationRecord, OsRandom, Permission as _, Random, Reference, Rights, Standing,
    SystemClock, Timestamp, UserId, Verification, Verifier, VerifierConfig, WorkspaceRecord,
};
use wardkey_storage::{
    Act, Backend, Member, Migrated, OpenConfig, OpenError, Organization, Page, Storage, WORKSPACE_LIMIT,
    WorkspaceFilter,
};

use crate::caller::{Caller, Identity};
use crate::deployment::{DeploymentHandle, DeploymentRights};
use crate::error::Error;
use crate::own::{Own, Whose};
use crate::rules::can_exist;
use crate::tenant::Tenant;

/// A deployment of Wardkey: what may be done with it, and by whom.
///
/// Data is reached only through authorization. There is a door for each kind of business, and no other way in:
/// [`enter`](Self::enter) an organization, [`enter_deployment`](Self::enter_deployment),
/// [`enter_self`](Self::enter_self), and [`sign_in`](Self::sign_in) for who has no credential yet. Clones share
/// everything.
#[derive(Clone)]
pub struct Wardkey {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Storage,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    runtime: Handle,
    verifier_config: VerifierConfig,
    verifiers: Mutex<HashMap<EnvironmentName, Verifier>>,
}

impl Wardkey {
    /// Opens a migrated database: `sqlite:<path>`, `postgres://…` or `postgresql://…`. It is neither created nor
    /// migrated here.
    ///
    /// # Errors
    /// If the URL names no known database, none answers there, or its schema is not one that this version knows.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let clock = Arc::new(SystemClock::new());
        Self::open_with(url, OpenConfig::default(), VerifierConfig::default(), clock, Arc::new(OsRandom))
            .await
    }

    /// The same, configured, and with its own clock and randomness.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open_with(
        url: &str,
        config: OpenConfig,
        verifier_config: VerifierConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenError> {
        let storage = Storage::open(url, config).await?;
        let runtime = Handle::current();
        let verifiers = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { storage, clock, random, runtime, verifier_config, verifiers }) })
    }

    /// Opens a database only to verify keys of one environment, as a backend does that embeds an adapter. The host
    /// spawns [`Verifier::follow`].
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = wardkey::Wardkey::open_verifier("sqlite:wardkey-data/wardkey.db", "production").await?;
    /// tokio::spawn(verifier.follow());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`open`](Self::open), or if the environment's name is none. Whether the deployment has such an
    /// environment is for [`Verifier::check_ready`] to say.
    pub async fn open_verifier(url: &str, environment: &str) -> Result<Verifier, OpenVerifierError> {
        let environment = environment.parse()?;
        let storage = Storage::open(url, OpenConfig::default()).await?;
        Ok(Verifier::new(Arc::new(storage), environment, VerifierConfig::default()))
    }

    /// Brings a database's schema up to date, creating a SQLite file that is missing. Only a server and its command
    /// line do this.
    ///
    /// # Errors
    /// If no database answers, or a migration fails.
    pub async fn migrate(url: &str) -> Result<Migrated, OpenError> {
        Storage::migrate(url).await
    }

    /// The verifier of this environment's keys, following the changes. What is done through this handle takes effect
    /// in it before the call returns.
    pub fn verifier(&self, environment: &EnvironmentName) -> Verifier {
        let mut verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        let verifier = verifiers.entry(environment.clone()).or_insert_with(|| {
            let verifier = Verifier::with_clock(
                Arc::new(self.inner.storage.clone()),
                environment.clone(),
                self.inner.verifier_config.clone(),
                Arc::clone(&self.inner.clock),
                &*self.inner.random,
            );
            self.inner.runtime.spawn(verifier.follow());
            verifier
        });
        verifier.clone()
    }

    /// Enters an organization, bound to it from here on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the caller has no business there, exactly as if it did not exist.
    pub async fn enter(
        &self,
        caller: &Caller,
        organization: &Reference<OrganizationId>,
    ) -> Result<Tenant, Error> {
        if let Some(user) = caller.acting_for() {
            return self.enter_as(caller, organization, user).await;
        }
        match &caller.identity {
            Identity::Key(verification) => self.enter_by_key(caller, organization, verification).await,
            Identity::Session(session) => self.enter_by_session(caller, organization, session.user).await,
            Identity::Local { .. } => self.enter_as_owner(caller, organization).await,
        }
    }

    async fn enter_by_key(
        &self,
        caller: &Caller,
        organization: &Reference<OrganizationId>,
        verification: &Verification,
    ) -> Result<Tenant, Error> {
        let own = || Tenant::of_key(self.clone(), caller.clone(), verification.clone());
        if names(organization, &verification.rights.rights) {
            return Ok(own());
        }
        if !may_act_anywhere(&verification.rights.rights) {
            return Err(Error::NotFound);
        }
        let entered = self.enter_as_owner(caller, organization).await?;
        // By whatever name it was called: in one's own organization one has what one has.
        Ok(if entered.organization_id() == verification.key.organization { own() } else { entered })
    }

    async fn enter_by_session(
        &self,
        caller: &Caller,
        organization: &Reference<OrganizationId>,
        user: UserId,
    ) -> Result<Tenant, Error> {
        let found = self.require_organization(organization).await?;
        let Some(member) = self.find_accepted_member(found.id, user).await? else {
            // Who may not enter the operator organization now acts nowhere, and hears nothing of who exists.
            let operator = match self.operator_rights(user, caller.address).await {
                Err(Error::Denied(_)) => None,
                rights => rights?,
            };
            let acts = operator.as_ref().is_some_and(may_act_anywhere);
            return if acts { self.enter_as_owner(caller, organization).await } else { Err(Error::NotFound) };
        };
        self.check_entrance(&found, caller.address).await?;
        let record = self.organization_record(found).await?;
        let rights = Rights::of_user(&record, &member.held, &self.catalogue_index().await?);
        Ok(Tenant::of_person(self.clone(), caller.clone(), rights))
    }

    /// In the place of a user, who must be able to act there; it is enough that the organization has invited them, since
    /// who they are is for the caller to know. In the operator organization nobody stands in for anybody: who may act for
    /// the tenants' people does not thereby run the deployment.
    async fn enter_as(
        &self,
        caller: &Caller,
        organization: &Reference<OrganizationId>,
        user: UserId,
    ) -> Result<Tenant, Error> {
        self.require_act(caller).await?;
        let found = self.require_organization(organization).await?;
        let member = self.storage().find_member(found.id, user).await?;
        let member = member.filter(|member| member.user.state == Standing::Active);
        let (OrganizationKind::Tenant, Some(member)) = (found.kind, member) else {
            return Err(Error::NotFound);
        };
        if found.state == Standing::Inactive {
            return Err(Error::Denied(Denial::OrganizationSuspended));
        }
        let record = self.organization_record(found).await?;
        let rights = Rights::of_user(&record, &member.held, &self.catalogue_index().await?);
        Ok(Tenant::of_person(self.clone(), caller.clone(), rights))
    }

    /// Whether the caller may stand in a user's place.
    async fn require_act(&self, caller: &Caller) -> Result<(), Error> {
        let may_act = match &caller.identity {
            Identity::Key(verification) => may_act_anywhere(&verification.rights.rights),
            Identity::Session(session) => self
                .operator_rights(session.user, caller.address)
                .await?
                .as_ref()
                .is_some_and(may_act_anywhere),
            Identity::Local { .. } => true,
        };
        if may_act {
            return Ok(());
        }
        Err(Error::Forbidden { missing: vec![OperatorAct::NAME.to_owned()] })
    }

    /// The caller in the place of the user who is meant, as [`Caller::acting_as`] has it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for who may not stand in a user's place; [`Error::NotFound`] if there is no such user;
    /// [`Error::Unavailable`].
    pub async fn act_as(&self, caller: Caller, user: &Reference<UserId>) -> Result<Caller, Error> {
        self.require_act(&caller).await?;
        if !can_exist(user) {
            return Err(Error::NotFound);
        }
        let user = self.storage().find_user(user).await?.ok_or(Error::NotFound)?;
        Ok(caller.acting_as(user.id))
    }

    async fn enter_as_owner(
        &self,
        caller: &Caller,
        organization: &Reference<OrganizationId>,
    ) -> Result<Tenant, Error> {
        let found = self.require_organization(organization).await?;
        let record = self.organization_record(found).await?;
        let rights = Rights::of_owner(&record, &self.catalogue_index().await?);
        Ok(Tenant::of_operator(self.clone(), caller.clone(), rights))
    }

    /// Whether a person may enter the organization now, and from there.
    async fn check_entrance(
        &self,
        organization: &Organization,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        if organization.state == Standing::Inactive {
            return Err(Error::Denied(Denial::OrganizationSuspended));
        }
        let policy = self.storage().find_session_policy(organization.id).await?;
        let admits = |network: &IpNetwork| address.is_some_and(|address| network.contains(address));
        if !policy.ip_allowlist.is_empty() && !policy.ip_allowlist.iter().any(admits) {
            return Err(Error::Denied(Denial::IpNotAllowed));
        }
        Ok(())
    }

    /// The person as a member, as far as a session of theirs goes: who was only invited is none. Whoever knows the
    /// password may have it by another organization's link, which tells this one nothing.
    async fn find_accepted_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>, Error> {
        let member = self.storage().find_member(organization, user).await?;
        Ok(member.filter(|member| member.accepted_at.is_some()))
    }

    /// What the person may do in the operator organization, if they are one of its members.
    async fn operator_rights(&self, user: UserId, address: Option<IpAddr>) -> Result<Option<Rights>, Error> {
        let Some(state) = self.storage().bootstrap_state().await? else { return Ok(None) };
        let operator = state.operator_organization;
        let Some(member) = self.find_accepted_member(operator, user).await? else { return Ok(None) };
        let found = self.require_organization(&operator.into()).await?;
        self.check_entrance(&found, address).await?;
        let record = self.organization_record(found).await?;
        Ok(Some(Rights::of_user(&record, &member.held, &self.catalogue_index().await?)))
    }

    /// Enters the business of the whole deployment, which needs an `operator:…` permission for each operation.
    ///
    /// # Errors
    /// [`Error::Denied`] for a person of the operator organization who may not enter it from there,
    /// [`Error::Unavailable`].
    pub async fn enter_deployment(&self, caller: &Caller) -> Result<DeploymentHandle, Error> {
        let rights = match (caller.acting_for(), &caller.identity) {
            // In a user's place one runs nothing.
            (Some(_), _) => DeploymentRights::Nothing,
            (None, Identity::Local { .. }) => DeploymentRights::Everything,
            (None, Identity::Key(verification)) => {
                DeploymentRights::Held(verification.rights.rights.organization_wide().clone())
            }
            (None, Identity::Session(session)) => {
                match self.operator_rights(session.user, caller.address).await? {
                    Some(rights) => DeploymentRights::Held(rights.organization_wide().clone()),
                    None => DeploymentRights::Nothing,
                }
            }
        };
        Ok(DeploymentHandle::new(self.clone(), caller.clone(), rights))
    }

    /// Enters the caller's own business, or that of the user in whose place it stands.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a local caller, who is nobody in particular, and for a user who does not exist or may
    /// not act; [`Error::Forbidden`] for who may not stand in a user's place; [`Error::Unavailable`].
    pub async fn enter_self(&self, caller: &Caller) -> Result<Own, Error> {
        let whose = match (caller.acting_for(), &caller.identity) {
            (Some(user), _) => {
                self.require_act(caller).await?;
                let found = self.storage().find_user(&user.into()).await?;
                found.filter(|user| user.state == Standing::Active).ok_or(Error::NotFound)?;
                Whose::StandIn(user)
            }
            (None, Identity::Key(verification)) => Whose::Key(verification.clone()),
            (None, Identity::Session(session)) => Whose::Person(*session),
            (None, Identity::Local { .. }) => return Err(Error::NotFound),
        };
        Ok(Own::new(self.clone(), caller.clone(), whose))
    }

    pub(crate) async fn require_organization(
        &self,
        organization: &Reference<OrganizationId>,
    ) -> Result<Organization, Error> {
        if !can_exist(organization) {
            return Err(Error::NotFound);
        }
        self.storage().find_organization(organization).await?.ok_or(Error::NotFound)
    }

    /// The organization as rights are computed from it.
    pub(crate) async fn organization_record(
        &self,
        organization: Organization,
    ) -> Result<OrganizationRecord, Error> {
        let page = Page { after: None, limit: WORKSPACE_LIMIT };
        let workspaces =
            self.storage().list_workspaces(organization.id, &WorkspaceFilter::default(), page).await?;
        let mut workspaces: Vec<_> = workspaces
            .into_iter()
            .map(|workspace| WorkspaceRecord {
                id: workspace.id,
                external_id: workspace.external_id,
                networks: workspace.ip_allowlist,
            })
            .collect();
        workspaces.sort_by_key(|workspace| workspace.id);
        Ok(OrganizationRecord {
            id: organization.id,
            external_id: organization.external_id,
            kind: organization.kind,
            state: organization.state,
            workspaces,
        })
    }

    pub(crate) async fn catalogue_index(&self) -> Result<wardkey_core::CatalogueIndex, Error> {
        let deployment = self.storage().load_deployment().await?;
        Ok(wardkey_core::CatalogueIndex::new(&deployment.catalogue))
    }

    /// Makes what was just committed take effect in every verifier of this handle. Should the store not answer now,
    /// their feed catches up by itself.
    pub(crate) async fn publish(&self) {
        let verifiers: Vec<_> = {
            let verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
            verifiers.values().cloned().collect()
        };
        for verifier in verifiers {
            if let Err(error) = verifier.catch_up().await {
                tracing::debug!(%error, environment = %verifier.environment(), "will catch up by polling");
            }
        }
    }

    /// How an act of this caller stands in the books.
    pub(crate) fn act(&self, caller: &Caller) -> Act {
        let now = self.now();
        Act {
            actor: caller.actor(),
            acting_for: caller.acting_for(),
            request_id: caller.request_id.clone(),
            address: caller.address,
            now,
            audit_id: AuditEventId::mint(now, self.random()),
        }
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.inner.random
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> Backend {
        self.storage().backend()
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.storage().ping().await?)
    }

    /// Deletes what is kept for a time only. Only a server calls it, every hour or so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune(&self) -> Result<(), Error> {
        let pruned = self.storage().prune(self.now()).await?;
        tracing::debug!(?pruned, "pruned");
        Ok(())
    }

    /// Reports the usage that verifiers have counted. A host calls it when it shuts down.
    pub async fn flush(&self) {
        let verifiers: Vec<_> = {
            let verifiers = self.inner.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
            verifiers.values().cloned().collect()
        };
        for verifier in verifiers {
            if let Err(error) = verifier.report().await {
                tracing::warn!(%error, environment = %verifier.environment(), "usage could not be reported");
            }
        }
    }
}

/// Why a verifier could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenVerifierError {
    /// The name is not that of an environment.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironmentName),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Whether the organization that is meant is the one in which these rights hold.
fn names(organization: &Reference<OrganizationId>, rights: &Rights) -> bool {
    match organization {
        Reference::Id(id) => *id == rights.organization(),
        Reference::External(text) => rights.organization_external_id() == Some(text),
    }
}

/// `operator:act` is the rights of an owner in every organization but one's own, where one has what one has.
fn may_act_anywhere(rights: &Rights) -> bool {
    rights.organization_kind() == OrganizationKind::Operator
        && rights.organization_wide().contains(OperatorAct::index())
}

impl std::fmt::Debug for Wardkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wardkey").field("storage", &self.inner.storage).finish_non_exhaustive()
    }
}
