//! The doors: there is one for each kind of business, and no other way in.

use std::net::IpAddr;

use wardkey_core::permission::OperatorAct;
use wardkey_core::{
    Denial, IpNetwork, OrganizationId, OrganizationKind, Permission as _, Reference, Rights, Standing,
    UserId, Verification,
};
use wardkey_storage::{Held, Member, Organization};

use crate::caller::{Caller, Identity};
use crate::deployment::{DeploymentHandle, DeploymentRights};
use crate::error::Error;
use crate::own::{Own, Whose};
use crate::rules::can_exist;
use crate::tenant::Tenant;
use crate::wardkey::Wardkey;

/// A person in an organization: what they may do there, and on which roles it rests.
struct Person {
    rights: Rights,
    held: Held,
}

impl Wardkey {
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
            let operator = match self.in_operator_organization(user, caller.address).await {
                Err(Error::Denied(_)) => None,
                person => person?,
            };
            let operator =
                operator.filter(|person| may_act_anywhere(&person.rights)).ok_or(Error::NotFound)?;
            return self.enter_as_owner(&caller.clone().resting_on(operator.held), organization).await;
        };
        self.check_entrance(&found, caller.address).await?;
        let Person { rights, held } = self.person(found, member).await?;
        Ok(Tenant::of_person(self.clone(), caller.clone().resting_on(held), rights))
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
        let caller = self.require_act(caller).await?;
        let found = self.require_organization(organization).await?;
        let member = self.storage().find_member(found.id, user).await?;
        let member = member.filter(|member| member.user.state == Standing::Active);
        let (OrganizationKind::Tenant, Some(member)) = (found.kind, member) else {
            return Err(Error::NotFound);
        };
        if found.state == Standing::Inactive {
            return Err(Error::Denied(Denial::OrganizationSuspended));
        }
        let Person { rights, held } = self.person(found, member).await?;
        Ok(Tenant::of_person(self.clone(), caller.resting_on(held), rights))
    }

    /// The caller, if it may stand in a user's place, and on what that rests.
    async fn require_act(&self, caller: &Caller) -> Result<Caller, Error> {
        let caller = caller.clone();
        let acting = match &caller.identity {
            Identity::Local { .. } => Some(caller),
            Identity::Key(verification) => may_act_anywhere(&verification.rights.rights).then_some(caller),
            Identity::Session(session) => {
                let person = self.in_operator_organization(session.user, caller.address).await?;
                let person = person.filter(|person| may_act_anywhere(&person.rights));
                person.map(|person| caller.resting_on(person.held))
            }
        };
        acting.ok_or_else(|| Error::Forbidden { missing: vec![OperatorAct::NAME.to_owned()] })
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

    /// The person in the operator organization, if they are one of its members.
    async fn in_operator_organization(
        &self,
        user: UserId,
        address: Option<IpAddr>,
    ) -> Result<Option<Person>, Error> {
        let Some(state) = self.storage().bootstrap_state().await? else { return Ok(None) };
        let operator = state.operator_organization;
        let Some(member) = self.find_accepted_member(operator, user).await? else { return Ok(None) };
        let found = self.require_organization(&operator.into()).await?;
        self.check_entrance(&found, address).await?;
        Ok(Some(self.person(found, member).await?))
    }

    async fn person(&self, organization: Organization, member: Member) -> Result<Person, Error> {
        let held = Held::by(organization.id, &member);
        let record = self.organization_record(organization).await?;
        let rights = Rights::of_user(&record, &member.held, &self.catalogue_index().await?);
        Ok(Person { rights, held })
    }

    /// Enters the business of the whole deployment, which needs an `operator:…` permission for each operation.
    ///
    /// # Errors
    /// [`Error::Denied`] for a person of the operator organization who may not enter it from there,
    /// [`Error::Unavailable`].
    pub async fn enter_deployment(&self, caller: &Caller) -> Result<DeploymentHandle, Error> {
        let mut caller = caller.clone();
        let rights = match (caller.acting_for(), &caller.identity) {
            // In a user's place one runs nothing.
            (Some(_), _) => DeploymentRights::Nothing,
            (None, Identity::Local { .. }) => DeploymentRights::Everything,
            (None, Identity::Key(verification)) => {
                DeploymentRights::Held(verification.rights.rights.organization_wide().clone())
            }
            (None, Identity::Session(session)) => {
                match self.in_operator_organization(session.user, caller.address).await? {
                    Some(Person { rights, held }) => {
                        caller = caller.resting_on(held);
                        DeploymentRights::Held(rights.organization_wide().clone())
                    }
                    None => DeploymentRights::Nothing,
                }
            }
        };
        Ok(DeploymentHandle::new(self.clone(), caller, rights))
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
