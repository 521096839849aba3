//! Every write method with the subjects that it appends: a new one without a row here fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use wardkey_core::{Changes, KeyStore as _, Position, PrincipalId, Standing, Subject};
use wardkey_storage::{KeyEdit, NewCustomer, NewKey, NewServiceAccount, NewUser, NewWorkspace};

use crate::database::on_both;
use crate::world::{World, catalogue, organization};

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
            world.storage.replace_catalogue(&world.act(), &catalogue(&["a:read"])).await.unwrap();
            vec![Subject::Catalogue]
        }
        .boxed()
    }),
    ("create_organization", |world| {
        async move {
            let id = world.organization_id();
            world.storage.create_organization(&world.act(), organization(id, "A")).await.unwrap();
            vec![Subject::Organization(id)]
        }
        .boxed()
    }),
    ("set_organization_state", |world| {
        async move {
            world.storage.set_organization_state(&world.act(), world.demo, Standing::Inactive).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("set_key_limit", |world| {
        async move {
            world.storage.set_key_limit(&world.act(), world.demo, Some(11)).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("create_workspace", |world| {
        async move {
            let new = NewWorkspace { id: world.workspace_id(), name: "A".to_owned(), external_id: None };
            world.storage.create_workspace(&world.act(), world.demo, new).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("create_customer", |world| {
        async move {
            let new = NewCustomer { id: world.customer_id(), name: "A".to_owned(), external_id: None };
            world.storage.create_customer(&world.act(), world.demo, new).await.unwrap();
            vec![Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("create_service_account", |world| {
        async move {
            let id = world.account_id();
            let new = NewServiceAccount { id, name: "A".to_owned(), external_id: None };
            world.storage.create_service_account(&world.act(), world.demo, new).await.unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(id))]
        }
        .boxed()
    }),
    ("set_service_account_state", |world| {
        async move {
            let (act, account) = (world.act(), world.account);
            world
                .storage
                .set_service_account_state(&act, world.demo, account, Standing::Inactive)
                .await
                .unwrap();
            vec![Subject::Principal(PrincipalId::ServiceAccount(account))]
        }
        .boxed()
    }),
    ("create_user", |world| {
        async move {
            let id = world.user_id();
            let new = NewUser { id, email: "a@b".to_owned(), name: "A".to_owned(), external_id: None };
            world.storage.create_user(&world.act(), new).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(id))]
        }
        .boxed()
    }),
    ("set_user_state", |world| {
        async move {
            let user = world.user().await;
            let created = Subject::Principal(PrincipalId::User(user));
            world.storage.set_user_state(&world.act(), user, Standing::Inactive).await.unwrap();
            vec![created, Subject::Principal(PrincipalId::User(user))]
        }
        .boxed()
    }),
    ("set_member", |world| {
        async move {
            let user = world.user().await;
            world.storage.set_member(&world.act(), world.demo, user, Vec::new()).await.unwrap();
            vec![Subject::Principal(PrincipalId::User(user)), Subject::Organization(world.demo)]
        }
        .boxed()
    }),
    ("remove_member", |world| {
        async move {
            let user = world.member().await;
            world.storage.remove_member(&world.act(), world.demo, user).await.unwrap();
            let organization = Subject::Organization(world.demo);
            vec![Subject::Principal(PrincipalId::User(user)), organization, organization]
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

async fn each_write_appends_its_subjects_in_order(world: Arc<World>) {
    let mut after = Position { epoch: 42, number: 0 };
    for (name, write) in WRITES {
        let expected = write(&world).await;
        let Changes::Since { changes, position } = world.storage.changes(Some(after)).await.unwrap() else {
            panic!("a reset")
        };
        assert_eq!(changes.iter().map(|change| change.subject).collect::<Vec<_>>(), expected, "{name}");
        after = position;
    }
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
