//! Issuing a key, and checking what an edit shares with it.

use wardkey_core::permission::AdminKeys;
use wardkey_core::{
    Access, CatalogueIndex, Deployment, EnvironmentName, KeyId, Level, OrganizationKind, OrganizationRecord,
    PermissionName, PrincipalId, PrincipalKind, PrincipalRecord, Reference, Secret, SecretId, SecretStart,
    Standing, WorkspaceId,
};
use wardkey_storage::{Key, KeyEdit, NewKey, NewSecret, Once};

use super::MakesKeys;
use super::input::{IssueKey, IssuedKey, KeyPatch, PrincipalRef};
use crate::bootstrap::PRODUCTION;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::grant::Reach;
use crate::rules::{Findings, can_exist};
use crate::tenant::{CallerStanding, Tenant};

/// What the checks of a key are made against.
pub(super) struct World {
    pub(super) organization: OrganizationRecord,
    pub(super) deployment: Deployment,
    pub(super) catalogue: CatalogueIndex,
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
        let edit = self.check_issue(&world, input, &mut findings);
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
        Ok(World { organization, deployment, catalogue })
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

    /// Whether the caller's key belongs to this organization.
    fn is_member(&self) -> bool {
        matches!(self.standing, CallerStanding::Member(_))
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
                    kind: PrincipalKind::User { id, grants: member.grants },
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
    fn check_issue(&self, world: &World, input: IssueKey, findings: &mut Findings) -> KeyEdit {
        let IssueKey {
            name,
            description,
            metadata,
            environment: _,
            principal,
            level,
            permissions,
            workspaces,
            ip_allowlist,
            expiry,
        } = input;
        let is_user = !matches!(principal, Some(PrincipalRef::ServiceAccount(_)));
        let workspaces = match workspaces {
            Some(wanted) => self.check_workspaces(wanted, findings),
            None if is_user => Access::All,
            None => {
                findings.add("/workspaces", "required", "must be given for a service account's key");
                Access::All
            }
        };
        let expires_at = findings.keep(expiry.resolve(self.now())).flatten();
        let edit = KeyEdit {
            name,
            description,
            metadata,
            level: level.unwrap_or(if is_user { Level::All } else { Level::Restricted }),
            permissions,
            workspaces,
            customers: Access::All,
            ip_allowlist,
            expires_at,
        };
        check_listed(world, &edit.permissions, findings);
        check_edit(&edit, findings);
        edit
    }

    /// The values that a key has after a patch, each checked.
    pub(super) fn check_patch(
        &self,
        world: &World,
        current: &Key,
        patch: KeyPatch,
    ) -> Result<KeyEdit, Error> {
        let KeyPatch { name, description, metadata, level, permissions, workspaces, ip_allowlist, expiry } =
            patch;
        let mut findings = Findings::default();
        let mut edit = super::input::edit_of(current);
        edit.name = name.unwrap_or(edit.name);
        edit.description = description.unwrap_or(edit.description);
        edit.metadata = metadata.unwrap_or(edit.metadata);
        edit.level = level.unwrap_or(edit.level);
        if let Some(permissions) = permissions {
            // Only what is listed anew: a permission that has left the catalogue since stops no other edit.
            check_listed(world, &permissions, &mut findings);
            edit.permissions = permissions;
        }
        if let Some(wanted) = workspaces {
            edit.workspaces = self.check_workspaces(wanted, &mut findings);
        }
        edit.ip_allowlist = ip_allowlist.unwrap_or(edit.ip_allowlist);
        if let Some(expiry) = expiry.filter(|expiry| !keeps(*expiry, current)) {
            edit.expires_at = findings.keep(expiry.resolve(self.now())).flatten();
        }
        check_edit(&edit, &mut findings);
        findings.into_result()?;
        Ok(edit)
    }

    /// The workspaces that are meant: each exists and is visible to the caller.
    fn check_workspaces(
        &self,
        wanted: Access<Reference<WorkspaceId>>,
        findings: &mut Findings,
    ) -> Access<WorkspaceId> {
        let Access::Specific(wanted) = wanted else { return Access::All };
        if wanted.is_empty() {
            findings.add("/workspaces/ids", "required", "must name at least one workspace");
        }
        let mut ids = Vec::new();
        for (at, reference) in wanted.iter().enumerate() {
            match self.rights().workspace(reference) {
                Some(workspace) if ids.contains(&workspace.id) => {
                    findings.add(format!("/workspaces/ids/{at}"), "duplicate", "stands here twice");
                }
                Some(workspace) => ids.push(workspace.id),
                None => findings.add(format!("/workspaces/ids/{at}"), "not_found", "names no workspace"),
            }
        }
        Access::specific(ids)
    }
}

/// Whether the expiry that is asked for is the one that the key has.
fn keeps(expiry: Expiry, current: &Key) -> bool {
    match expiry {
        Expiry::At(at) => current.expires_at == Some(at),
        Expiry::Never => current.expires_at.is_none(),
        Expiry::In(_) => false,
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

/// Permissions that are to be listed: each exists here, and stands there once.
fn check_listed(world: &World, listed: &[PermissionName], findings: &mut Findings) {
    findings.permissions(listed);
    let operator = world.organization.kind == OrganizationKind::Operator;
    for (at, name) in listed.iter().enumerate() {
        let pointer = format!("/permissions/{at}");
        if !world.catalogue.knows(name) {
            findings.add(pointer, "unknown_permission", "is not in the permission catalogue");
        } else if name.is_operator() && !operator {
            findings.add(pointer, "operator_only", "exists only in the operator organization");
        }
    }
}

/// A new secret for a key of this environment.
pub(crate) fn generate_secret(
    deployment: &Deployment,
    environment: &EnvironmentName,
    random: &dyn wardkey_core::Random,
) -> Result<Secret, Error> {
    let prefix = deployment.secret_prefixes.first().map_or("wk", String::as_str);
    let environment = deployment.environment(environment).ok_or(Error::NotFound)?;
    let start =
        SecretStart::new(prefix, &environment.tag).map_err(|error| Error::Unavailable(Box::new(error)))?;
    Ok(start.generate(random))
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
        expires_at,
        secret: NewSecret {
            id: SecretId::mint(now, wardkey.random()),
            digest: secret.digest(),
            hint: secret.hint(),
        },
    }
}
