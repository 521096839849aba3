//! What is done to one tenant is done to no other: every write, in random order and two at a time, also with another
//! tenant's objects.

mod writes;

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::Pin;

use wardkey::core::testing::SeededRandom;
use wardkey::core::{
    BuiltInRole, Id as _, OrganizationId, Random as _, ServiceAccountId, UserId, WorkspaceId,
};
use wardkey::{Error, IssueKey, IssuedKey, PrincipalRef, Tenant};

use crate::dump::{Dump, Rows};
use crate::world::{World, grants};

on_both!(
    every_write_succeeds_at_home_and_leaves_the_others_alone,
    no_interleaving_of_writes_changes_a_bystander,
);

/// What neither changes nor could.
const READS: [&str; 9] = [
    "organization",
    "describe",
    "verify",
    "me",
    "organizations",
    "password_hash",
    "session_policy",
    "catalogue",
    "wait_for_verifiers",
];

/// How many rounds: few while working, many in the long form.
fn rounds() -> usize {
    if std::env::var_os("WARDKEY_SOAK").is_some() { 2_000 } else { 40 }
}

/// A write that is about to happen: what it needs has been made.
type Deed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Prepares a write of a tenant to what belongs to a site, be it that tenant's own or not.
type Write = for<'t> fn(&'t Town<'t>, Tenant, &'t Site) -> Pin<Box<dyn Future<Output = Deed> + 't>>;

/// One tenant and what belongs to it.
struct Site {
    id: OrganizationId,
    workspace: WorkspaceId,
    account: ServiceAccountId,
    /// Who is in no other.
    user: UserId,
}

/// Three tenants, and one person who is in all of them.
struct Town<'w> {
    world: &'w World,
    sites: [Site; 3],
    dump: Dump,
    words: std::sync::atomic::AtomicU64,
}

impl<'w> Town<'w> {
    async fn founded(world: &'w World) -> Self {
        let dump = Dump::of(&world.url).await;
        let everybody = world.member("everybody", &[BuiltInRole::Owner]).await;
        let mut sites = Vec::new();
        for name in ["here", "there", "beyond"] {
            let tenant = world.create_organization(name, Some(name)).await;
            world.set_member(&tenant, everybody, grants(&[BuiltInRole::Owner])).await.unwrap();
            let user = world.person(name).await;
            world.set_member(&tenant, user, grants(&[BuiltInRole::Owner])).await.unwrap();
            sites.push(Site {
                id: tenant.organization_id(),
                workspace: tenant
                    .create_workspace(name.to_owned(), None, Vec::new())
                    .await
                    .unwrap()
                    .into_inner()
                    .id,
                account: tenant.create_service_account(name.to_owned(), None).await.unwrap().into_inner().id,
                user,
            });
        }
        dump.execute("UPDATE organizations SET key_limit = 1000000").await;
        let Ok(sites) = sites.try_into() else { panic!("three sites") };
        Self { world, sites, dump, words: std::sync::atomic::AtomicU64::new(0) }
    }

    /// A word that was not said before.
    fn word(&self) -> String {
        format!("word-{}", self.words.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// The tenant as it is now.
    async fn tenant(&self, site: &Site) -> Tenant {
        self.world.enter_locally(site.id).await
    }

    async fn key(&self, site: &Site) -> IssuedKey {
        self.tenant(site).await.issue_key(self.wanted_key(site)).await.unwrap()
    }

    fn wanted_key(&self, site: &Site) -> IssueKey {
        let mut input = IssueKey::named(self.word());
        input.principal = Some(PrincipalRef::ServiceAccount(site.account.into()));
        input.workspaces = Some(wardkey::core::Access::Specific(vec![site.workspace.into()]));
        input
    }

    /// The rows of one tenant.
    async fn rows_of(&self, site: &Site) -> Rows {
        let id: String = site.id.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut rows = self.dump.rows().await;
        rows.retain(|row| row.organization.as_ref() == Some(&id));
        assert!(rows.len() > 5, "a tenant has rows");
        rows
    }
}

async fn every_write_succeeds_at_home_and_leaves_the_others_alone(world: &World) {
    let town = Town::founded(world).await;
    let [here, there, _] = &town.sites;
    for (name, write) in writes::all() {
        let deed = write(&town, town.tenant(here).await, here).await;
        let before = town.rows_of(there).await;
        deed.await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let after = town.rows_of(there).await;
        assert!(before == after, "{name} changed\n{}", crate::dump::difference(&before, &after));
    }
}

async fn no_interleaving_of_writes_changes_a_bystander(world: &World) {
    let town = Town::founded(world).await;
    let random = SeededRandom::new(7);
    let below = |limit: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % limit as u64).unwrap()
    };
    let writes = writes::all();
    let (mut done, mut refused) = (0, 0);
    for round in 0..rounds() {
        let bystander = below(3);
        let mut deeds = Vec::new();
        let mut names = Vec::new();
        for _ in 0..2 {
            let (name, write) = writes[below(writes.len())];
            let actor = (bystander + 1 + below(2)) % 3;
            // Sometimes with what belongs to another, the bystander too.
            let owner = if below(3) == 0 { below(3) } else { actor };
            let acting = town.tenant(&town.sites[actor]).await;
            deeds.push(write(&town, acting, &town.sites[owner]).await);
            names.push(format!("{name} by {actor} of {owner}"));
        }
        let before = town.rows_of(&town.sites[bystander]).await;
        let [first, second] = deeds.try_into().unwrap_or_else(|_| panic!("two deeds"));
        let (first, second) = tokio::join!(tokio::spawn(first), tokio::spawn(second));
        for outcome in [first.unwrap(), second.unwrap()] {
            match outcome {
                Ok(()) => done += 1,
                Err(error @ Error::Unavailable(_)) => panic!("round {round}, {names:?}: {error:?}"),
                Err(_) => refused += 1,
            }
        }
        let after = town.rows_of(&town.sites[bystander]).await;
        assert!(
            before == after,
            "round {round}: {names:?} changed {bystander}\n{}",
            crate::dump::difference(&before, &after)
        );
    }
    assert!(done > rounds() / 2 && refused > 0, "{done} done, {refused} refused");
}

#[test]
fn no_write_is_missing_from_the_list() {
    let mut found = BTreeSet::new();
    scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.contains("issue_key") && found.contains("list_keys") && found.contains("revoke"));
    found.retain(|name| {
        !name.starts_with("list_") && !name.starts_with("get_") && !READS.contains(&name.as_str())
    });
    let writes = writes::all();
    let listed: BTreeSet<_> = writes.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), writes.len(), "a write stands there once");
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "no entry in writes/: {missing:?}");
    let unknown: Vec<_> = listed.difference(&found).collect();
    assert!(unknown.is_empty(), "no such operation: {unknown:?}");
}

/// The public operations of the three handles.
fn scan(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scan(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for handle in ["Tenant", "DeploymentHandle", "Own"] {
            for block in source.split(&format!("\nimpl {handle} {{")).skip(1) {
                let block = block.split_once("\n}\n").map_or(block, |(block, _)| block);
                for signature in block.split("pub async fn ").skip(1) {
                    let (name, arguments) = signature.split_once('(').expect("arguments");
                    assert!(arguments.trim_start().starts_with("&self"), "{name} of {handle}");
                    found.insert(name.to_owned());
                }
            }
        }
    }
}
