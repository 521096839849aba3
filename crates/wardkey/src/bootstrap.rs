//! The first start: an operator organization, a demo to try things with, and a first key.

use std::time::Duration;

use serde_json::Map;
use wardkey_core::permission::{ADMIN_PERMISSIONS, KEY_PERMISSIONS, OPERATOR_PERMISSIONS};
use wardkey_core::{
    Access, Catalogue, Deployment, Environment, EnvironmentName, Level, OrganizationId, PermissionClass,
    PermissionGroup, PermissionName, PrincipalId, RateLimits, Reference, ServiceAccountId, WorkspaceId,
};
use wardkey_storage::{
    Bootstrap, Conflict, KeyEdit, NewOrganization, NewServiceAccount, NewWorkspace, StorageError,
};

use crate::caller::{Caller, Identity};
use crate::error::Error;
use crate::expiry::Expiry;
use crate::keys::{IssueKey, IssuedKey, PrincipalRef, generate_secret, new_key};
use crate::tenant::Tenant;
use crate::wardkey::Wardkey;

/// How long an operator key lives: long enough to set things up, short enough to be forgotten.
pub const OPERATOR_KEY_LIFE: Duration = Duration::from_secs(86_400);

/// Where a key works unless said otherwise, and where the admin API lives by default.
pub(crate) const PRODUCTION: &str = "production";

/// The environments of a new deployment, each with the tag that its secrets show.
const ENVIRONMENTS: [(&str, &str); 3] = [(PRODUCTION, "live"), ("staging", "test"), ("development", "dev")];

/// The product permissions that a new deployment starts with, for trying things.
const DEMO_CATALOGUE: &[PermissionGroup] = &[
    PermissionGroup {
        label: "Pipelines",
        permissions: &[
            ("pipelines:read", PermissionClass::Read, "See pipelines"),
            ("pipelines:run", PermissionClass::Write, "Run pipelines"),
        ],
    },
    PermissionGroup {
        label: "Connections",
        permissions: &[
            ("connections:read", PermissionClass::Read, "See connections"),
            ("connections:write", PermissionClass::Write, "Change connections"),
        ],
    },
];

/// What the first start made.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The operator's first key; its secret is shown this once.
    pub operator_key: IssuedKey,
    /// A tenant to try things with.
    pub demo_organization: OrganizationId,
    /// Its workspace.
    pub demo_workspace: WorkspaceId,
    /// Its service account.
    pub demo_service_account: ServiceAccountId,
}

impl Wardkey {
    /// Makes a new deployment: the operator organization with a key that lives a day, a demo organization, three
    /// environments, a demo catalogue. `None` if the deployment exists; of several callers at once, one makes it.
    ///
    /// # Errors
    /// [`Error::SealMismatch`] if it exists and was made with another seal; [`Error::Unavailable`].
    pub async fn bootstrap(&self, seal_fingerprint: [u8; 32]) -> Result<Option<Bootstrapped>, Error> {
        if self.check_seal(seal_fingerprint).await? {
            return Ok(None);
        }
        let now = self.now();
        let random = self.random();
        let environments: Vec<_> = ENVIRONMENTS
            .iter()
            .map(|(name, tag)| Environment { name: literal(name), tag: (*tag).to_owned() })
            .collect();
        let catalogue = Catalogue::declared(DEMO_CATALOGUE);
        let organization = |name: &str| NewOrganization {
            id: OrganizationId::mint(now, random),
            name: name.to_owned(),
            external_id: None,
            key_limit: None,
        };
        let service_account = |name: &str| NewServiceAccount {
            id: ServiceAccountId::mint(now, random),
            name: name.to_owned(),
            external_id: None,
        };
        let deployment = Deployment {
            secret_prefixes: vec!["wk".to_owned()],
            environments: environments.clone(),
            catalogue: catalogue.clone(),
        };
        let production = literal(PRODUCTION);
        let secret = generate_secret(&deployment, &production, random)?;
        let operator = service_account("Operator");
        let edit = KeyEdit {
            name: "First operator key".to_owned(),
            description: None,
            metadata: Map::new(),
            level: Level::Restricted,
            permissions: operator_permissions(),
            workspaces: Access::All,
            customers: Access::All,
            ip_allowlist: Vec::new(),
            rate_limits: RateLimits::NONE,
            expires_at: Some(now.saturating_add(OPERATOR_KEY_LIFE)),
        };
        let principal = PrincipalId::ServiceAccount(operator.id);
        let mut epoch = [0; 8];
        random.fill(&mut epoch);
        let bootstrap = Bootstrap {
            operator_organization: organization("Operator"),
            operator_key: new_key(self, principal, production, edit, &secret),
            operator_service_account: operator,
            demo_organization: organization("Demo"),
            demo_workspace: NewWorkspace {
                id: WorkspaceId::mint(now, random),
                name: "Demo workspace".to_owned(),
                external_id: None,
                ip_allowlist: Vec::new(),
            },
            demo_service_account: service_account("Demo service account"),
            environments,
            catalogue,
            secret_prefix: "wk".to_owned(),
            seal_fingerprint,
            // A positive number reads better in logs.
            epoch: i64::from_le_bytes(epoch) & i64::MAX,
        };
        let (operator_organization, operator_key) =
            (bootstrap.operator_organization.id, bootstrap.operator_key.id);
        let made = Bootstrapped {
            demo_organization: bootstrap.demo_organization.id,
            demo_workspace: bootstrap.demo_workspace.id,
            demo_service_account: bootstrap.demo_service_account.id,
            operator_key: match self
                .storage()
                .bootstrap(&self.act(&Caller::local("first start")), bootstrap)
                .await
            {
                Ok(()) => {
                    let key = self.storage().find_key(operator_organization, operator_key).await?;
                    IssuedKey { key: key.ok_or(Error::NotFound)?, secret: Some(secret) }
                }
                Err(StorageError::Conflict(Conflict::AlreadyBootstrapped)) => {
                    self.check_seal(seal_fingerprint).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            },
        };
        self.publish().await;
        Ok(Some(made))
    }

    /// Whether the deployment exists, made with this seal.
    ///
    /// # Errors
    /// [`Error::SealMismatch`] if it was made with another; [`Error::Unavailable`].
    pub async fn check_seal(&self, seal_fingerprint: [u8; 32]) -> Result<bool, Error> {
        match self.storage().bootstrap_state().await? {
            None => Ok(false),
            Some(state) if state.seal_fingerprint == seal_fingerprint => Ok(true),
            Some(_) => Err(Error::SealMismatch),
        }
    }

    /// Enters the operator organization. Only someone on the database may: `caller` is [local](Caller::local).
    ///
    /// # Errors
    /// [`Error::NotFound`] for another caller, or before the first start; [`Error::Unavailable`].
    pub async fn enter_operator(&self, caller: &Caller) -> Result<Tenant, Error> {
        if !matches!(caller.identity, Identity::Local { .. }) {
            return Err(Error::NotFound);
        }
        let state = self.storage().bootstrap_state().await?.ok_or(Error::NotFound)?;
        self.enter(caller, &state.operator_organization.into()).await
    }

    /// Issues another operator key, for when the first one is gone. Only someone on the database may: `caller` is
    /// [local](Caller::local).
    ///
    /// # Errors
    /// [`Error::NotFound`] for another caller, or before the first start; a conflict if the operator organization has
    /// as many keys as it may; [`Error::Unavailable`].
    pub async fn issue_operator_key(&self, caller: &Caller) -> Result<IssuedKey, Error> {
        let tenant = self.enter_operator(caller).await?;
        let state = self.storage().bootstrap_state().await?.ok_or(Error::NotFound)?;
        let mut input = IssueKey::named("Operator key");
        input.principal = Some(PrincipalRef::ServiceAccount(Reference::Id(state.operator_service_account)));
        input.permissions = operator_permissions();
        input.workspaces = Some(Access::All);
        input.expiry = Expiry::At(self.now().saturating_add(OPERATOR_KEY_LIFE));
        tenant.issue_key(input).await
    }
}

/// Everything that a deployment is set up with.
fn operator_permissions() -> Vec<PermissionName> {
    [KEY_PERMISSIONS, ADMIN_PERMISSIONS, OPERATOR_PERMISSIONS]
        .into_iter()
        .flatten()
        .map(|name| name.parse().expect("built-in names fit the grammar"))
        .collect()
}

fn literal(slug: &str) -> EnvironmentName {
    slug.parse().expect("a literal slug")
}
