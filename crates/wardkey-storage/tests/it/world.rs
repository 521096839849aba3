//! A small deployment, and short ways to act in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wardkey_core::testing::{FixedClock, SeededRandom};
use wardkey_core::{
    Access, AuditEventId, BuiltInRole, Catalogue, CatalogueGroup, CataloguePermission, Clock as _,
    CustomerId, Digest, Environment, EnvironmentName, FoundKey, Hint, KeyId, KeyRecord, KeyStore as _, Level,
    OrganizationId, PermissionClass, PrincipalId, Random as _, Role, RoleGrant, RoleId, SecretId,
    ServiceAccountId, SessionId, TeamId, Timestamp, UserId, WorkspaceId,
};
use wardkey_storage::{
    Act, Actor, AuditEvent, AuditFilter, Bootstrap, Conflict, Grant, Key, MemberEdit, NewCustomer, NewKey,
    NewLink, NewMember, NewOrganization, NewSecret, NewServiceAccount, NewSession, NewUser, NewWorkspace,
    Once, Page, PasswordHash, RoleRef, Storage, StorageError,
};

use crate::database::Database;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// 2026-11-20T08:30:00Z, when every test begins.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::from_micros(1_795_163_400_000_000)
}

/// A deployment after its first start.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) storage: Storage,
    pub(crate) clock: FixedClock,
    pub(crate) operator: OrganizationId,
    pub(crate) demo: OrganizationId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) account: ServiceAccountId,
    random: SeededRandom,
    minted: AtomicU64,
}

impl World {
    pub(crate) async fn bootstrapped(database: &Database) -> Self {
        let world = Self::new(database, database.open().await, 1);
        world.storage.bootstrap(&world.act(), world.bootstrap()).await.expect("it is bootstrapped");
        world
    }

    pub(crate) fn new(database: &Database, storage: Storage, seed: u64) -> Self {
        let (clock, random) = (FixedClock::new(beginning()), SeededRandom::new(seed));
        Self {
            url: database.url.clone(),
            storage,
            operator: OrganizationId::mint(beginning(), &random),
            demo: OrganizationId::mint(beginning(), &random),
            workspace: WorkspaceId::mint(beginning(), &random),
            account: ServiceAccountId::mint(beginning(), &random),
            clock,
            random,
            minted: AtomicU64::new(0),
        }
    }

    /// Everything for the first start.
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        let operator_account = ServiceAccountId::mint(self.now(), &self.random);
        Bootstrap {
            operator_organization: organization(self.operator, "Operator"),
            operator_service_account: NewServiceAccount {
                id: operator_account,
                name: "operator".to_owned(),
                external_id: None,
            },
            operator_key: NewKey {
                principal: PrincipalId::ServiceAccount(operator_account),
                expires_at: Some(self.now().saturating_add(DAY)),
                permissions: vec!["operator:act".parse().expect("a permission")],
                level: Level::Restricted,
                ..self.new_key()
            },
            demo_organization: organization(self.demo, "Demo"),
            demo_workspace: NewWorkspace {
                id: self.workspace,
                name: "Main".to_owned(),
                external_id: None,
                ip_allowlist: Vec::new(),
            },
            demo_service_account: NewServiceAccount {
                id: self.account,
                name: "Pipelines".to_owned(),
                external_id: Some("pipelines".to_owned()),
            },
            environments: [("production", "live"), ("staging", "test"), ("development", "dev")]
                .map(|(name, tag)| Environment { name: environment(name), tag: tag.to_owned() })
                .to_vec(),
            catalogue: catalogue(&["pipelines:read", "pipelines:run"]),
            secret_prefix: "wk".to_owned(),
            seal_fingerprint: [7; 32],
            epoch: 42,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that no other call has been given.
    pub(crate) fn unique(&self) -> u64 {
        self.minted.fetch_add(1, Ordering::Relaxed)
    }

    /// The next act by someone on the database.
    pub(crate) fn act(&self) -> Act {
        Act {
            actor: Actor::Local { why: "test".to_owned() },
            acting_for: None,
            request_id: Some(format!("request-{}", self.unique())),
            address: None,
            now: self.now(),
            audit_id: AuditEventId::mint(self.mint_at(), &self.random),
            rests_on: Vec::new(),
        }
    }

    /// Ids are minted in ascending order, as time passes for them.
    fn mint_at(&self) -> Timestamp {
        self.now().saturating_add(Duration::from_millis(self.unique()))
    }

    pub(crate) fn key_id(&self) -> KeyId {
        KeyId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn organization_id(&self) -> OrganizationId {
        OrganizationId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn workspace_id(&self) -> WorkspaceId {
        WorkspaceId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn customer_id(&self) -> CustomerId {
        CustomerId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn account_id(&self) -> ServiceAccountId {
        ServiceAccountId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn role_id(&self) -> RoleId {
        RoleId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn team_id(&self) -> TeamId {
        TeamId::mint(self.mint_at(), &self.random)
    }

    pub(crate) fn user_id(&self) -> UserId {
        UserId::mint(&self.random)
    }

    pub(crate) fn new_secret(&self) -> NewSecret {
        let mut digest = [0; 32];
        self.random.fill(&mut digest);
        let hint = Hint::from_stored(format!("wk_live_{:04x}…Zz{:02x}", digest[0], digest[1]));
        NewSecret {
            id: SecretId::mint(self.mint_at(), &self.random),
            digest: Digest::from_bytes(digest),
            hint,
        }
    }

    /// A plain key for the demo service account.
    pub(crate) fn new_key(&self) -> NewKey {
        NewKey {
            id: self.key_id(),
            environment: environment("production"),
            principal: PrincipalId::ServiceAccount(self.account),
            name: "Nightly".to_owned(),
            description: None,
            metadata: serde_json::Map::new(),
            level: Level::All,
            permissions: Vec::new(),
            workspaces: Access::All,
            customers: Access::All,
            ip_allowlist: Vec::new(),
            rate_limits: wardkey_core::RateLimits::NONE,
            expires_at: None,
            secret: self.new_secret(),
        }
    }

    /// Issues a key in the demo organization.
    pub(crate) async fn issue(&self, new: NewKey) -> Result<Key, StorageError> {
        match self.storage.issue_key(&self.act(), self.demo, new, None).await? {
            Once::Done(key) => Ok(key),
            Once::Replayed(_) => panic!("nothing to replay"),
        }
    }

    /// A plain key, issued, and its digest.
    pub(crate) async fn issued(&self) -> (Key, Digest) {
        let new = self.new_key();
        let digest = new.secret.digest;
        (self.issue(new).await.expect("a key"), digest)
    }

    /// Another tenant with one of everything.
    pub(crate) async fn tenant(&self) -> Tenant {
        let organization = self.organization_id();
        let (workspace, account, customer) = (self.workspace_id(), self.account_id(), self.customer_id());
        let named = format!("tenant-{}", self.unique());
        let storage = &self.storage;
        let new = NewOrganization {
            id: organization,
            name: named.clone(),
            external_id: Some(named),
            key_limit: None,
        };
        storage.create_organization(&self.act(), new, None).await.expect("an organization");
        let new = NewWorkspace {
            id: workspace,
            name: "Main".to_owned(),
            external_id: Some("main".to_owned()),
            ip_allowlist: Vec::new(),
        };
        storage.create_workspace(&self.act(), organization, new, None).await.expect("a workspace");
        let new =
            NewServiceAccount { id: account, name: "CI".to_owned(), external_id: Some("ci".to_owned()) };
        storage
            .create_service_account(&self.act(), organization, new, None)
            .await
            .expect("a service account");
        let new = NewCustomer { id: customer, name: "Acme".to_owned(), external_id: Some("acme".to_owned()) };
        storage.create_customer(&self.act(), organization, new, None).await.expect("a customer");
        Tenant { organization, workspace, account, customer }
    }

    /// A user who is a member of no organization.
    pub(crate) async fn user(&self) -> UserId {
        let id = self.user_id();
        let number = self.unique();
        let new = NewUser {
            id,
            email: format!("u{number}@example.com"),
            name: "Uma".to_owned(),
            external_id: None,
        };
        self.storage.create_user(&self.act(), new, None).await.expect("a user");
        id
    }

    /// A user who is a member of the demo organization.
    pub(crate) async fn member(&self) -> UserId {
        let id = self.user().await;
        self.set_member(self.demo, id, vec![role(BuiltInRole::Member)]).await.expect("a member");
        id
    }

    /// Gives a user exactly these roles in an organization, of which the person becomes a member in full if they are none.
    pub(crate) async fn set_member(
        &self,
        organization: OrganizationId,
        user: UserId,
        grants: Vec<Grant>,
    ) -> Result<(), StorageError> {
        if let Some(member) = self.storage.find_member(organization, user).await? {
            let edit = MemberEdit { name: member.name, grants };
            self.storage.update_member(&self.act(), organization, user, member.version, edit).await?;
            return Ok(());
        }
        let person = self.storage.find_user(&user.into()).await?.ok_or(StorageError::NotFound)?;
        let new = self.new_member(&person.email, grants);
        let digest = new.link.digest;
        self.storage.add_member(&self.act(), organization, new, None).await?;
        self.storage.accept_link(&self.act(), user, digest).await
    }

    /// Somebody with this address, to be made a member.
    pub(crate) fn new_member(&self, email: &str, grants: Vec<Grant>) -> NewMember {
        let held = grants.iter().filter_map(|grant| match grant.role {
            RoleRef::BuiltIn(role) => {
                Some(RoleGrant { workspace: grant.workspace, role: Role::BuiltIn(role) })
            }
            RoleRef::Custom(_) => None,
        });
        let link = NewLink { held: held.collect(), ..self.new_link() };
        NewMember { user: self.user_id(), email: email.to_owned(), name: "Mem".to_owned(), grants, link }
    }

    /// A link that is good for a day.
    pub(crate) fn new_link(&self) -> NewLink {
        NewLink { digest: self.bytes(), ends_at: self.now().saturating_add(DAY), held: Vec::new() }
    }

    pub(crate) fn session_id(&self) -> SessionId {
        SessionId::mint(self.mint_at(), &self.random)
    }

    /// Whatever is told apart by 32 bytes.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes);
        bytes
    }

    /// A user who has the password of this hash.
    pub(crate) async fn user_with_password(&self, hash: &str) -> UserId {
        let user = self.user().await;
        self.storage.set_password(&self.act(), user, PasswordHash::new(hash)).await.expect("a password");
        user
    }

    /// A session for a user who has the password of this hash.
    pub(crate) fn new_session(&self, user: UserId, hash: &str) -> NewSession {
        NewSession {
            id: self.session_id(),
            user,
            hash: PasswordHash::new(hash),
            account: self.bytes(),
            refresh: self.bytes(),
            address: None,
            user_agent: None,
        }
    }

    /// A user who is logged in, and the session.
    pub(crate) async fn logged_in(&self) -> (UserId, NewSession) {
        let user = self.user_with_password("hash").await;
        let new = self.new_session(user, "hash");
        self.storage.open_session(new.clone(), self.now()).await.expect("a session");
        (user, new)
    }

    /// What a verifier of production gets to know.
    pub(crate) async fn record(&self, digest: Digest) -> KeyRecord {
        match self.storage.find(&environment("production"), digest).await.expect("it answers").value {
            Some(FoundKey::Record(record)) => *record,
            other => panic!("no record: {other:?}"),
        }
    }

    /// The whole audit log of an organization, newest first.
    pub(crate) async fn audit(&self, organization: OrganizationId) -> Vec<AuditEvent> {
        self.storage
            .list_audit_events(organization, &AuditFilter::default(), Page::first(10_000))
            .await
            .expect("the audit log")
    }
}

/// Another tenant's objects.
pub(crate) struct Tenant {
    pub(crate) organization: OrganizationId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) account: ServiceAccountId,
    pub(crate) customer: CustomerId,
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    name.parse().expect("the name of an environment")
}

pub(crate) fn organization(id: OrganizationId, name: &str) -> NewOrganization {
    NewOrganization { id, name: name.to_owned(), external_id: None, key_limit: None }
}

pub(crate) fn role(role: BuiltInRole) -> Grant {
    Grant { workspace: None, role: RoleRef::BuiltIn(role) }
}

/// A catalogue of one group.
pub(crate) fn catalogue(names: &[&str]) -> Catalogue {
    let permission = |name: &&str| CataloguePermission {
        name: name.parse().expect("a permission"),
        class: if name.ends_with(":read") { PermissionClass::Read } else { PermissionClass::Write },
        label: format!("Label of {name}"),
    };
    Catalogue {
        groups: vec![CatalogueGroup {
            label: "Group".to_owned(),
            permissions: names.iter().map(permission).collect(),
        }],
    }
}

/// The conflict that an outcome must be.
#[track_caller]
pub(crate) fn conflict<T: std::fmt::Debug>(outcome: Result<T, StorageError>) -> Conflict {
    match outcome {
        Err(StorageError::Conflict(conflict)) => conflict,
        other => panic!("no conflict: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn assert_not_found<T: std::fmt::Debug>(outcome: Result<T, StorageError>) {
    assert!(matches!(outcome, Err(StorageError::NotFound)), "{outcome:?}");
}

/// Waits until something holds, and no longer than ten seconds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), patience)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}
