//! Issuing a key, and checking what an edit shares with it.

use wardkey_core::permission::AdminKeys;
use wardkey_core::{
    Access, CatalogueIndex, CustomerId, Deployment, EnvironmentName, InvalidSecretStart, KeyId, Level,
    OrganizationRecord, PrincipalId, PrincipalKind, PrincipalRecord, Reference, Secret, SecretId,
    SecretStart, Standing, WorkspaceId,
};
use wardkey_storage::{Customer, Key, KeyEdit, NewKey, NewSecret, Once, SessionPolicy};

use super::MakesKeys;
use super::input::{IssueKey, IssuedKey, KeyPatch, PrincipalRef};
use crate::bootstrap::PRODUCTION;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::grant::Reach;
use crate::rules::{Findings, can_exist};
use crate::tenant::{CallerStanding, Tenant};

/// What the checks of a key are made against.
pub(crate) struct World {
    pub(super) organization: OrganizationRecord,
    pub(super) deployment: Deployment,
    pub(super) catalogue: CatalogueIndex,
    pub(super) policy: SessionPolicy,
}

impl Tenant {
    /// Issues a key. Its secret is in the answer and nowhere else.
    ///
    /// `keys:write` issues for oneself; `admin:keys` also for service accounts, and for other members who hold no
    /// more than the caller. Nobody grants what they do not hold, and a key that makes keys also stays within its own
    /// network, time and environment; one of production that administers keys makes them for every environment.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::ExceedsOwnRights`], a conflict if the organization has as
    /// many keys as it may, [`Error::Unavailable`].
    pub async fn issue_key(&self, input: IssueKey) -> Result<IssuedKey, Error> {
        self.require::<MakesKeys>()?;
        let world = self.load_world().await?;
        let mut findings = Findings::default();
        let environment = findings.collect(check_environment(&world, input.environment.as_ref()));
        let principal = findings.collect(self.check_principal(input.principal.as_ref()).await);
        let customers = self.check_customers(input.customers.clone(), &[], &mut findings).await?;
        let edit = self.check_issue(&world, input, customers, &mut findings);
        findings.into_result()?;
        let (environment, principal) = (environment?, principal?);
        let reach = Reach::of(&edit, &world.organization, &principal, &environment, &world.catalogue);
        self.check_grant(&world, &reach, &principal, &environment).await?;
        let secret = self.generate_secret(&world, &environment)?;
        self.store_key(principal.id(), environment, edit, secret).await
    }

    async fn store_key(
        &self,
        principal: PrincipalId,
        environment: EnvironmentName,
        edit: KeyEdit,
        secret: Secret,
    ) -> Result<IssuedKey, Error> {
        let organization = self.organization_id();
        let new = new_key(&self.wardkey, principal, environment, edit, &secret);
        let idempotency = self.caller.idempotency(organization, "issue_key");
        let issued = self.wardkey.storage().issue_key(&self.act(), organization, new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(match issued {
            Once::Done(key) => IssuedKey { key, secret: Some(secret) },
            Once::Replayed(key) => IssuedKey { key, secret: None },
        })
    }

    pub(super) async fn load_world(&self) -> Result<World, Error> {
        let organization = self.wardkey.organization_record(self.find_organization().await?).await?;
        let deployment = self.wardkey.storage().load_deployment().await?;
        let catalogue = CatalogueIndex::new(&deployment.catalogue);
        let policy = self.wardkey.storage().find_session_policy(organization.id).await?;
        Ok(World { organization, deployment, catalogue, policy })
    }

    pub(super) fn generate_secret(
        &self,
        world: &World,
        environment: &EnvironmentName,
    ) -> Result<Secret, Error> {
        generate_secret(&world.deployment, environment, self.wardkey.random())
    }

    /// On whose behalf the key is to act, and whether the caller may say so.
    async fn check_principal(&self, wanted: Option<&PrincipalRef>) -> Result<PrincipalRecord, Error> {
        let id = match wanted {
            Some(PrincipalRef::User(user)) if !can_exist(user) => None,
            Some(PrincipalRef::ServiceAccount(account)) if !can_exist(account) => None,
            Some(PrincipalRef::User(user)) => {
                let user = self.wardkey.storage().find_user(user).await?;
                user.map(|user| PrincipalId::User(user.id))
            }
            Some(PrincipalRef::ServiceAccount(account)) => {
                let account =
                    self.wardkey.storage().find_service_account(self.organization_id(), account).await?;
                account.map(|account| PrincipalId::ServiceAccount(account.id))
            }
            None => match self.caller.principal() {
                Some(own @ PrincipalId::User(_)) if self.is_member() => Some(own),
                _ => {
                    let detail = "must be given: the caller is no user of this organization";
                    return Err(Error::invalid("/principal", "required", detail));
                }
            },
        };
        // Whoever may issue only for oneself learns nothing about who else there is.
        if id.is_none_or(|id| self.caller.principal() != Some(id)) {
            self.require::<AdminKeys>()?;
        }
        let record = match id {
            Some(id) => self.principal_record(id).await?,
            None => None,
        };
        let record = record.ok_or_else(|| {
            Error::invalid(
                "/principal/id",
                "not_found",
                "names no user or service account of the organization",
            )
        })?;
        if record.state == Standing::Inactive {
            return Err(Error::invalid("/principal/id", "inactive", "is suspended"));
        }
        Ok(record)
    }

    /// Whether the caller belongs to this organization.
    fn is_member(&self) -> bool {
        !matches!(self.standing, CallerStanding::Owner(_))
    }

    /// The user or service account as rights are computed from it, if it belongs to the organization.
    pub(super) async fn principal_record(&self, id: PrincipalId) -> Result<Option<PrincipalRecord>, Error> {
        let (storage, organization) = (self.wardkey.storage(), self.organization_id());
        match id {
            PrincipalId::User(id) => {
                let member = storage.find_member(organization, id).await?;
                Ok(member.map(|member| PrincipalRecord {
                    external_id: member.user.external_id,
                    state: member.user.state,
                    kind: PrincipalKind::User { id, grants: member.held },
                }))
            }
            PrincipalId::ServiceAccount(id) => {
                let account = storage.find_service_account(organization, &Reference::Id(id)).await?;
                Ok(account.map(|account| PrincipalRecord {
                    external_id: account.external_id,
                    state: account.state,
                    kind: PrincipalKind::ServiceAccount { id },
                }))
            }
        }
    }

    /// The principal of a key that exists: a user who has left holds nothing.
    pub(super) async fn principal_of(&self, key: &Key) -> Result<PrincipalRecord, Error> {
        let record = self.principal_record(key.principal).await?;
        Ok(record.unwrap_or_else(|| PrincipalRecord {
            external_id: None,
            state: Standing::Inactive,
            kind: match key.principal {
                PrincipalId::User(id) => PrincipalKind::User { id, grants: Vec::new() },
                PrincipalId::ServiceAccount(id) => PrincipalKind::ServiceAccount { id },
            },
        }))
    }

    /// The values of a new key, each checked, with the defaults of its kind of principal.
    fn check_issue(
        &self,
        world: &World,
        input: IssueKey,
        customers: Access<CustomerId>,
        findings: &mut Findings,
    ) -> KeyEdit {
        let IssueKey {
            name,
            description,
            metadata,
            environment: _,
            principal,
            level,
            permissions,
            workspaces,
            customers: _,
            ip_allowlist,
            rate_limits,
            expiry,
        } = input;
        let is_user = !matches!(principal, Some(PrincipalRef::ServiceAccount(_)));
        let workspaces = match workspaces {
            Some(wanted) => self.check_workspaces(wanted, &[], findings),
            None if is_user => Access::All,
            None => {
                findings.add("/workspaces", "required", "must be given for a service account's key");
                Access::All
            }
        };
        let expires_at = findings.keep(expiry.resolve(self.now(), &world.policy)).flatten();
        let edit = KeyEdit {
            name,
            description,
            metadata,
            level: level.unwrap_or(if is_user { Level::All } else { Level::Restricted }),
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            rate_limits: findings.rate_limits(rate_limits),
            expires_at,
        };
        findings.known_permissions(&edit.permissions, world.organization.kind, &world.catalogue);
        check_edit(&edit, findings);
        edit
    }

    /// The values that a key has after a patch, each checked.
    pub(super) async fn check_patch(
        &self,
        world: &World,
        current: &Key,
        patch: KeyPatch,
    ) -> Result<KeyEdit, Error> {
        let KeyPatch {
            name,
            description,
            metadata,
            level,
            permissions,
            workspaces,
            customers,
            ip_allowlist,
            rate_limits,
            expiry,
        } = patch;
        let mut findings = Findings::default();
        let mut edit = super::input::edit_of(current);
        edit.name = name.unwrap_or(edit.name);
        edit.description = description.unwrap_or(edit.description);
        edit.metadata = metadata.unwrap_or(edit.metadata);
        edit.level = level.unwrap_or(edit.level);
        if let Some(permissions) = permissions {
            // Only what is listed anew: a permission that has left the catalogue since stops no other edit.
            findings.known_permissions(&permissions, world.organization.kind, &world.catalogue);
            edit.permissions = permissions;
        }
        if let Some(wanted) = workspaces {
            edit.workspaces = self.check_workspaces(wanted, edit.workspaces.named(), &mut findings);
        }
        if let Some(wanted) = customers {
            edit.customers =
                self.check_customers(Some(wanted), edit.customers.named(), &mut findings).await?;
        }
        edit.ip_allowlist = ip_allowlist.unwrap_or(edit.ip_allowlist);
        if let Some(wanted) = rate_limits {
            edit.rate_limits = findings.rate_limits(wanted);
        }
        if let Some(expiry) = expiry.filter(|expiry| !keeps(*expiry, current)) {
            edit.expires_at = findings.keep(expiry.resolve(self.now(), &world.policy)).flatten();
        }
        check_edit(&edit, &mut findings);
        findings.into_result()?;
        Ok(edit)
    }

    /// The workspaces that are meant: each exists and is visible to the caller, or is named by the key already, which may
    /// name one that has been deleted since.
    fn check_workspaces(
        &self,
        wanted: Access<Reference<WorkspaceId>>,
        named: &[WorkspaceId],
        findings: &mut Findings,
    ) -> Access<WorkspaceId> {
        let Access::Specific(wanted) = wanted else { return Access::All };
        let find = |reference: &Reference<WorkspaceId>| match reference {
            Reference::Id(id) if named.contains(id) => Some(*id),
            _ => self.rights().workspace(reference).map(|workspace| workspace.id),
        };
        let ids = wanted.iter().map(find).collect();
        check_scope(ids, "/workspaces/ids", "names no workspace", findings)
    }

    /// The same for customers. Default: all of them.
    async fn check_customers(
        &self,
        wanted: Option<Access<Reference<CustomerId>>>,
        named: &[CustomerId],
        findings: &mut Findings,
    ) -> Result<Access<CustomerId>, Error> {
        let Some(Access::Specific(wanted)) = wanted else { return Ok(Access::All) };
        if wanted.len() > MAX_CUSTOMERS {
            let detail = format!("must name at most {MAX_CUSTOMERS} customers");
            findings.add("/customers/ids", "too_many", detail);
            return Ok(Access::All);
        }
        let possible: Vec<_> = wanted.iter().filter(|customer| can_exist(customer)).cloned().collect();
        let found = self.wardkey.storage().find_customers(self.organization_id(), &possible).await?;
        let find = |reference: &Reference<CustomerId>| match reference {
            Reference::Id(id) if named.contains(id) => Some(*id),
            _ => {
                let meant = |customer: &&Customer| match reference {
                    Reference::Id(id) => customer.id == *id,
                    Reference::External(text) => customer.external_id.as_ref() == Some(text),
                };
                let id = found.iter().find(meant)?.id;
                self.rights().customers().includes(&id).then_some(id)
            }
        };
        let ids = wanted.iter().map(find).collect();
        Ok(check_scope(ids, "/customers/ids", "names no customer", findings))
    }
}

/// The most customers that one key can be restricted to.
const MAX_CUSTOMERS: usize = 1_000;

/// What was found of what is meant, in its order: something, everything, and each once.
fn check_scope<I: Copy + Ord>(
    found: Vec<Option<I>>,
    pointer: &str,
    missing: &str,
    findings: &mut Findings,
) -> Access<I> {
    if found.is_empty() {
        findings.add(pointer, "required", "must name at least one");
    }
    for (at, id) in found.iter().enumerate() {
        match id {
            None => findings.add(format!("{pointer}/{at}"), "not_found", missing),
            some if found[..at].contains(some) => {
                findings.add(format!("{pointer}/{at}"), "duplicate", "stands here twice");
            }
            Some(_) => {}
        }
    }
    Access::specific(found.into_iter().flatten())
}

/// Whether the expiry that is asked for is the one that the key has.
fn keeps(expiry: Expiry, current: &Key) -> bool {
    match expiry {
        Expiry::At(at) => current.expires_at == Some(at),
        Expiry::Never => current.expires_at.is_none(),
        Expiry::Usual | Expiry::In(_) => false,
    }
}

fn check_environment(world: &World, wanted: Option<&EnvironmentName>) -> Result<EnvironmentName, Error> {
    let wanted = match wanted {
        Some(wanted) => wanted.clone(),
        None => PRODUCTION.parse().expect("a literal slug"),
    };
    match world.deployment.environment(&wanted) {
        Some(_) => Ok(wanted),
        None => Err(Error::invalid(
            "/environment",
            "unknown_environment",
            "names no environment of the deployment",
        )),
    }
}

/// The rules that each key keeps, new or edited.
fn check_edit(edit: &KeyEdit, findings: &mut Findings) {
    findings.name(&edit.name);
    findings.description(edit.description.as_deref());
    findings.metadata(&edit.metadata);
    findings.networks(&edit.ip_allowlist);
    if edit.workspaces == Access::All {
        return;
    }
    for (at, _) in edit.permissions.iter().enumerate().filter(|(_, name)| name.is_reserved()) {
        let detail = "concerns the whole organization and needs access to all workspaces";
        findings.add(format!("/permissions/{at}"), "needs_all_workspaces", detail);
    }
}

/// A new secret for a key of this environment.
pub(crate) fn generate_secret(
    deployment: &Deployment,
    environment: &EnvironmentName,
    random: &dyn wardkey_core::Random,
) -> Result<Secret, Error> {
    let environment = deployment.environment(environment).ok_or(Error::NotFound)?;
    let start =
        secret_start(deployment, &environment.tag).map_err(|error| Error::Unavailable(Box::new(error)))?;
    Ok(start.generate(random))
}

/// What stands at the start of new secrets that show this tag.
///
/// # Errors
/// If the tag does not fit there.
pub(crate) fn secret_start(deployment: &Deployment, tag: &str) -> Result<SecretStart, InvalidSecretStart> {
    SecretStart::new(deployment.secret_prefixes.first().map_or("wk", String::as_str), tag)
}

/// The key as it is stored: of its secret only digest and hint.
pub(crate) fn new_key(
    wardkey: &crate::Wardkey,
    principal: PrincipalId,
    environment: EnvironmentName,
    edit: KeyEdit,
    secret: &Secret,
) -> NewKey {
    let KeyEdit {
        name,
        description,
        metadata,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
    } = edit;
    let now = wardkey.now();
    NewKey {
        id: KeyId::mint(now, wardkey.random()),
        environment,
        principal,
        name,
        description,
        metadata,
        level,
        permissions,
        workspaces,
        customers,
        ip_allowlist,
        rate_limits,
        expires_at,
        secret: NewSecret {
            id: SecretId::mint(now, wardkey.random()),
            digest: secret.digest(),
            hint: secret.hint(),
        },
    }
}
