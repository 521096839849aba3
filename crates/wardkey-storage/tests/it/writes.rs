//! Every write method with the subjects that it appends: a new one without a row here fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use wardkey_core::{Changes, Environment, KeyStore as _, Position, PrincipalId, Standing, Subject, UserId};
use wardkey_storage::{
    CustomRole, CustomerEdit, EndlessKeys, KeyEdit, MemberEdit, NewCustomer, NewKey, NewServiceAccount,
    NewTeam, NewUser, NewWorkspace, PasswordHash, RoleEdit, ServiceAccountEdit, SessionPolicyEdit, Team,
    TeamEdit, UserEdit, WorkspaceEdit,
};

use crate::database::on_both;
use crate::world::{Tenant, World, catalogue, environment, organization};

async fn made_role(world: &World) -> CustomRole {
    let number = world.unique();
    crate::roles::create(world, crate::roles::named(&format!("Role {number}"), &[])).await.unwrap()
}

async fn made_team(world: &World) -> Team {
    let values = TeamEdit { name: "A".to_owned(), external_id: None, grants: Vec::new() };
    let new = NewTeam { id: world.team_id(), values };
    world.storage.create_team(&world.act(), world.demo, new, None).await.unwrap().into_inner()
}

/// Who was added to the demo organization and has not accepted, and the digest of the link.
async fn invited(world: &World) -> (UserId, [u8; 32]) {
    let new = world.new_member(&format!("i{}@example.com", world.unique()), Vec::new());
    let digest = new.link.digest;
    let added = world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
    (added.into_inner().user.id, digest)
}

/// Calls a method so that it changes something, and says what must be appended.
type Write = fn(&World) -> BoxFuture<'_, Vec<Subject>>;

const WRITES: &[(&str, Write)] = &[
    // The world's own bootstrap has just been called; the feed begins with it.
    ("bootstrap", |world| {
        async move {
            let digest = match world.storage.changes(Some(Position { epoch: 42, number: 0 })).await.unwrap() {
                Changes::Since { changes, .. } => changes.last().unwrap().subject,
                Changes::Reset { .. } => panic!("a reset"),
            };
            assert!(matches!(digest, Subject::Digest(_)));
            vec![Subject::Deployment, digest]
        }
        .boxed()
    }),
    ("replace_catalogue", |world| {
        async move {
            world.storage.replace_catalogue(&world.act(), 1, &catalogue(&["a:read"])).await.unwrap();
            vec![Subject::Catalogue]
        }
        .boxed()
    }),
    ("create_organization", |world| {
        async move {
            let id = world.organization_id();
            world.storage.create_organization(&world.act(), organization(id, "A"), None).await.unwrap();
            vec![Subject::Organization(id)]
        }
        .boxed()
    }),
    ("set_organization_state", |world| {
        async move {
            world
                .storage
                .set_organization_state(&world.act(), world.demo, None, Standing::Inactive, None)
                .await
                .unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("set_key_limit", |world| {
        async move {
            world.storage.set_key_limit(&world.act(), world.demo, None, Some(11)).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("update_session_policy", |world| {
        async move {
            let edit = SessionPolicyEdit {
                ip_allowlist: Vec::new(),
                longest_key_life: Duration::from_secs(86_400),
                endless_keys: EndlessKeys::Refused,
            };
            world.storage.update_session_policy(&world.act(), world.demo, 0, edit).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("create_workspace", |world| {
        async move {
            let new = NewWorkspace {
                id: world.workspace_id(),
                name: "A".to_owned(),
                external_id: None,
                ip_allowlist: Vec::new(),
            };
            world.storage.create_workspace(&world.act(), world.demo, new, None).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("create_customer", |world| {
        async move {
            let new = NewCustomer { id: world.customer_id(), name: "A".to_owned(), external_id: None };
            world.storage.create_customer(&world.act(), world.demo, new, None).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("update_workspace", |world| {
        async move {
            let edit = WorkspaceEdit { name: "B".to_owned(), external_id: None, ip_allowlist: Vec::new() };
            world.storage.update_workspace(&world.act(), world.demo, world.workspace, 1, edit).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("delete_workspace", |world| {
        async move {
            let id = world.workspace_id();
            let (name, ip_allowlist) = ("A".to_owned(), Vec::new());
            let new = NewWorkspace { id, name, external_id: None, ip_allowlist };
            world.storage.create_workspace(&world.act(), world.demo, new, None).await.unwrap();
            world.storage.delete_workspace(&world.act(), world.demo, id, None).await.unwrap();
            vec![Subject::Organization(world.demo); 2]
        }
        .boxed()
    }),
    ("update_customer", |world| {
        async move {
            let tenant = world.tenant().await;
            let (organization, customer) = (tenant.organization, tenant.customer);
            let edit = CustomerEdit { name: "B".to_owned(), external_id: None };
            world.storage.update_customer(&world.act(), organization, customer, 1, edit).await.unwrap();
            tenant_and(&tenant, 1)
        }
        .boxed()
    }),
    ("delete_customer", |world| {
        async move {
            let tenant = world.tenant().await;
            let (organization, customer) = (tenant.organization, tenant.customer);
            world.storage.delete_customer(&world.act(), organization, customer, None).await.unwrap();
            tenant_and(&tenant, 1)
        }
        .boxed()
    }),
    ("rename_organization", |world| {
        async move {
            let tenant = world.tenant().await;
            let name = "B".to_owned();
            world.storage.rename_organization(&world.act(), tenant.organization, 1, name).await.unwrap();
            tenant_and(&tenant, 1)
        }
        .boxed()
    }),
    ("set_organization_external_id", |world| {
        async move {
            let tenant = world.tenant().await;
            let organization = tenant.organization;
            world.storage.set_organization_external_id(&world.act(), organization, 1, None).await.unwrap();
            tenant_and(&tenant, 1)
        }
        .boxed()
    }),
    ("delete_organization", |world| {
        async move {
            let tenant = world.tenant().await;
            world.storage.delete_organization(&world.act(), tenant.organization, None).await.unwrap();
            tenant_and(&tenant, 1)
        }
        .boxed()
    }),
    ("create_environment", |world| {
        async move {
            let new = Environment { name: environment("eu"), tag: "eu".to_owned() };
            world.storage.create_environment(&world.act(), new, None).await.unwrap();
            vec![Subject::Deployment]
        }
        .boxed()
    }),
    ("update_environment", |world| {
        async move {
            let name = environment("staging");
            world.storage.update_environment(&world.act(), name, 1, "stage".to_owned()).await.unwrap();
            vec![Subject::Deployment]
        }
        .boxed()
    }),
    ("delete_environment", |world| {
        async move {
            world.storage.delete_environment(&world.act(), environment("eu"), None).await.unwrap();
            vec![Subject::Deployment]
        }
        .boxed()
    }),
    ("create_service_account", |world| {
        async move {
            let id = world.account_id();
            let new = NewServiceAccount { id, name: "A".to_owned(), external_id: None };
            world.storage.create_service_account(&world.act(), world.demo, new, None).await.unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(id))]
        }
        .boxed()
    }),
    ("set_service_account_state", |world| {
        async move {
            let (act, account) = (world.act(), world.account);
            world
                .storage
                .set_service_account_state(&act, world.demo, account, None, Standing::Inactive, None)
                .await
                .unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(account))]
        }
        .boxed()
    }),
    ("update_service_account", |world| {
        async move {
            let edit = ServiceAccountEdit { name: "B".to_owned(), external_id: None };
            let (act, account) = (world.act(), world.account);
            world.storage.update_service_account(&act, world.demo, account, 1, edit).await.unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(account))]
        }
        .boxed()
    }),
    ("delete_service_account", |world| {
        async move {
            let id = world.account_id();
            let new = NewServiceAccount { id, name: "A".to_owned(), external_id: None };
            world.storage.create_service_account(&world.act(), world.demo, new, None).await.unwrap();
            world.storage.delete_service_account(&world.act(), world.demo, id, None).await.unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(id)); 2]
        }
        .boxed()
    }),
    ("create_user", |world| {
        async move {
            let id = world.user_id();
            let new = NewUser { id, email: "a@b".to_owned(), name: "A".to_owned(), external_id: None };
            world.storage.create_user(&world.act(), new, None).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(id))]
        }
        .boxed()
    }),
    ("set_user_state", |world| {
        async move {
            let user = world.user().await;
            let created = Subject::Principal(PrincipalId::User(user));
            let act = world.act();
            world.storage.set_user_state(&act, user, None, Standing::Inactive, None).await.unwrap();
            vec![created, Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("set_password", |world| {
        async move {
            let user = world.user().await;
            world.storage.set_password(&world.act(), user, PasswordHash::new("hash")).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("end_user_sessions", |world| {
        async move {
            let (user, _) = world.logged_in().await;
            assert_eq!(world.storage.end_user_sessions(&world.act(), user).await.unwrap(), 1);
            vec![Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("update_user", |world| {
        async move {
            let user = world.user_id();
            let id = Subject::Principal(PrincipalId::User(user));
            let new = NewUser { id: user, email: "a@c".to_owned(), name: "A".to_owned(), external_id: None };
            world.storage.create_user(&world.act(), new, None).await.unwrap();
            let edit = UserEdit { email: "a@d".to_owned(), name: "A".to_owned(), external_id: None };
            world.storage.update_user(&world.act(), user, 1, edit).await.unwrap();
            vec![id, id]
        }
        .boxed()
    }),
    ("delete_user", |world| {
        async move {
            let user = world.member().await;
            world.storage.delete_user(&world.act(), user, None).await.unwrap();
            let (person, organization) =
                (Subject::Principal(PrincipalId::User(user)), Subject::Organization(world.demo));
            vec![person, organization, person]
        }
        .boxed()
    }),
    ("add_member", |world| {
        async move {
            let new = world.new_member("new@example.com", Vec::new());
            let user = Subject::Principal(PrincipalId::User(new.user));
            world.storage.add_member(&world.act(), world.demo, new, None).await.unwrap();
            vec![user, Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("update_member", |world| {
        async move {
            let user = world.member().await;
            let edit = MemberEdit { name: "Other".to_owned(), grants: Vec::new() };
            world.storage.update_member(&world.act(), world.demo, user, 1, edit).await.unwrap();
            let organization = Subject::Organization(world.demo);
            vec![Subject::Principal(PrincipalId::User(user)), organization, organization]
        }
        .boxed()
    }),
    ("create_link", |world| {
        async move {
            let user = world.user().await;
            world.storage.create_link(&world.act(), user, world.new_link()).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("redeem_link", |world| {
        async move {
            let user = world.user().await;
            let link = world.new_link();
            let digest = link.digest;
            world.storage.create_link(&world.act(), user, link).await.unwrap();
            let hash = PasswordHash::new("hash");
            world.storage.redeem_link(&world.act(), user, digest, hash).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("create_member_link", |world| {
        async move {
            let (user, _) = invited(world).await;
            let link = world.new_link();
            world.storage.create_member_link(&world.act(), world.demo, user, link).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user)), Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("accept_link", |world| {
        async move {
            let (user, digest) = invited(world).await;
            world.storage.accept_link(&world.act(), user, digest).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user)), Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("accept_member", |world| {
        async move {
            let (user, _) = invited(world).await;
            world.storage.accept_member(&world.act(), world.demo, user).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user)), Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("remove_member", |world| {
        async move {
            let user = world.member().await;
            world.storage.remove_member(&world.act(), world.demo, user, None).await.unwrap();
            let organization = Subject::Organization(world.demo);
            vec![Subject::Principal(PrincipalId::User(user)), organization, organization]
        }
        .boxed()
    }),
    ("create_role", |world| {
        async move {
            made_role(world).await;
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("update_role", |world| {
        async move {
            let role = made_role(world).await;
            let edit = RoleEdit { description: Some("Why".to_owned()), ..role.to_edit() };
            world.storage.update_role(&world.act(), world.demo, role.id, 1, edit).await.unwrap();
            vec![Subject::Organization(world.demo); 2]
        }
        .boxed()
    }),
    ("delete_role", |world| {
        async move {
            let role = made_role(world).await;
            world.storage.delete_role(&world.act(), world.demo, role.id, None).await.unwrap();
            vec![Subject::Organization(world.demo); 2]
        }
        .boxed()
    }),
    ("create_team", |world| {
        async move {
            made_team(world).await;
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("update_team", |world| {
        async move {
            let team = made_team(world).await;
            let edit = TeamEdit { name: "B".to_owned(), ..team.to_edit() };
            world.storage.update_team(&world.act(), world.demo, team.id, 1, edit).await.unwrap();
            vec![Subject::Organization(world.demo); 2]
        }
        .boxed()
    }),
    ("delete_team", |world| {
        async move {
            let team = made_team(world).await;
            world.storage.delete_team(&world.act(), world.demo, team.id, 1).await.unwrap();
            vec![Subject::Organization(world.demo); 2]
        }
        .boxed()
    }),
    ("add_team_member", |world| {
        async move {
            let (user, team) = (world.member().await, made_team(world).await);
            world.storage.add_team_member(&world.act(), world.demo, team.id, user).await.unwrap();
            let organization = Subject::Organization(world.demo);
            vec![Subject::Principal(PrincipalId::User(user)), organization, organization, organization]
        }
        .boxed()
    }),
    ("remove_team_member", |world| {
        async move {
            let (user, team) = (world.member().await, made_team(world).await);
            world.storage.add_team_member(&world.act(), world.demo, team.id, user).await.unwrap();
            world.storage.remove_team_member(&world.act(), world.demo, team.id, user).await.unwrap();
            let mut subjects = vec![Subject::Principal(PrincipalId::User(user))];
            subjects.extend([Subject::Organization(world.demo); 4]);
            subjects
        }
        .boxed()
    }),
    ("issue_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            vec![Subject::Digest(digest), Subject::Key(key.id)]
        }
        .boxed()
    }),
    ("update_key", |world| {
        async move {
            let NewKey {
                id,
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
                secret,
                ..
            } = world.new_key();
            let digest = secret.digest;
            world.issue(NewKey { id, secret, ..world.new_key() }).await.unwrap();
            let edit = KeyEdit {
                name: name + " edited",
                description,
                metadata,
                level,
                permissions,
                workspaces,
                customers,
                ip_allowlist,
                rate_limits,
                expires_at,
            };
            world.storage.update_key(&world.act(), world.demo, id, 1, edit).await.unwrap();
            vec![Subject::Digest(digest), Subject::Key(id), Subject::Key(id)]
        }
        .boxed()
    }),
    ("rotate_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            let secret = world.new_secret();
            let rotated = secret.digest;
            let overlap = Duration::from_secs(1);
            world
                .storage
                .rotate_key(&world.act(), world.demo, key.id, None, secret, overlap, None)
                .await
                .unwrap();
            let id = Subject::Key(key.id);
            vec![Subject::Digest(digest), id, Subject::Digest(rotated), id]
        }
        .boxed()
    }),
    ("end_secret", |world| {
        async move {
            let (key, digest) = world.issued().await;
            let secret = world.new_secret();
            let rotated = secret.digest;
            let overlap = Duration::from_secs(1);
            world
                .storage
                .rotate_key(&world.act(), world.demo, key.id, None, secret, overlap, None)
                .await
                .unwrap();
            world.storage.end_secret(&world.act(), world.demo, key.id, key.secrets[0].id).await.unwrap();
            let id = Subject::Key(key.id);
            vec![Subject::Digest(digest), id, Subject::Digest(rotated), id, id]
        }
        .boxed()
    }),
    ("disable_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            vec![Subject::Digest(digest), Subject::Key(key.id), Subject::Key(key.id)]
        }
        .boxed()
    }),
    ("enable_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            world.storage.disable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            world.storage.enable_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            let id = Subject::Key(key.id);
            vec![Subject::Digest(digest), id, id, id]
        }
        .boxed()
    }),
    ("revoke_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            world.storage.revoke_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            vec![Subject::Digest(digest), Subject::Key(key.id), Subject::Key(key.id)]
        }
        .boxed()
    }),
    ("delete_key", |world| {
        async move {
            let (key, digest) = world.issued().await;
            world.storage.delete_key(&world.act(), world.demo, key.id, None, None).await.unwrap();
            vec![Subject::Digest(digest), Subject::Key(key.id), Subject::Key(key.id)]
        }
        .boxed()
    }),
];

/// What making this tenant appends, and then its organization so many times.
fn tenant_and(tenant: &Tenant, times: usize) -> Vec<Subject> {
    let organization = Subject::Organization(tenant.organization);
    let account = Subject::Principal(PrincipalId::ServiceAccount(tenant.account));
    let mut subjects = vec![organization, organization, account, organization];
    subjects.extend(std::iter::repeat_n(organization, times));
    subjects
}

/// Calls each method once, and holds what it appends against what it must.
pub(crate) async fn write_everything(world: &World) {
    let mut after = Position { epoch: 42, number: 0 };
    for (name, write) in WRITES {
        let expected = write(world).await;
        let Changes::Since { changes, position } = world.storage.changes(Some(after)).await.unwrap() else {
            panic!("a reset")
        };
        assert_eq!(changes.iter().map(|change| change.subject).collect::<Vec<_>>(), expected, "{name}");
        after = position;
    }
}

async fn each_write_appends_its_subjects_in_order(world: Arc<World>) {
    write_everything(&world).await;
}
on_both!(each_write_appends_its_subjects_in_order);

#[test]
fn no_write_is_missing_from_the_list() {
    fn scan(folder: &std::path::Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                scan(&path, found);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for signature in source.split("pub async fn ").skip(1) {
                let (head, _) = signature.split_once('{').expect("a body");
                if head.contains("act: &Act") {
                    let (name, _) = head.split_once('(').expect("arguments");
                    assert!(found.insert(name.to_owned()), "{name} twice");
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    scan(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let listed: BTreeSet<_> = WRITES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), WRITES.len());
}
