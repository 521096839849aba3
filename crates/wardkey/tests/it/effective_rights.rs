//! What keys may do, as it follows from roles, teams and grants in a real database: compared with a naive model, while what
//! they follow from changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use wardkey::core::testing::SeededRandom;
use wardkey::core::{
    Access, BuiltInRole, KeyId, Level, OrganizationId, PrincipalId, Random as _, RoleId, Secret, SecretId,
    SecretStart, ServiceAccountId, TeamId, UserId, Verifier, VerifierConfig, WorkspaceId,
};
use wardkey::{AnyRole, Caller, CreateRole, CreateTeam, Grant, RolePatch, RoleRef, Tenant, Wardkey};
use wardkey_storage::{
    NewKey, NewRole, NewSecret, NewServiceAccount, NewTeam, NewUser, NewWorkspace, RoleEdit, TeamEdit,
};

use crate::world::{DAY, World, permissions, production, user_input, verify_with};

on_both!(
    keys_hold_what_roles_teams_and_grants_say,
    who_gives_and_takes_at_once_leaves_no_cached_key_with_more_than_the_database_says,
);

fn is_long_run() -> bool {
    std::env::var_os("WARDKEY_SOAK").is_some()
}

/// Names that a role or a key may list: the product's, Wardkey's own, and one that nobody holds here.
const NAMES: [&str; 9] = [
    "connections:read",
    "connections:write",
    "pipelines:read",
    "pipelines:run",
    "keys:write",
    "admin:keys",
    "admin:members",
    "admin:policy",
    "operator:act",
];

/// How many there are of each: workspaces, roles of the organization's own, users, teams.
const COUNT: usize = 3;

type Names = BTreeSet<&'static str>;

/// A role: built in, or the organization's own by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Given {
    Viewer,
    Member,
    Admin,
    Owner,
    Own(usize),
}

/// In a workspace by its number, or in the whole organization.
type GivenAt = (Option<usize>, Given);

/// All that a person's rights follow from.
#[derive(Debug, Clone)]
struct State {
    roles: Vec<Names>,
    /// Of each user.
    direct: Vec<BTreeSet<GivenAt>>,
    /// Of each team, and who is in it.
    teams: Vec<(BTreeSet<GivenAt>, BTreeSet<usize>)>,
}

#[derive(Debug, Clone)]
struct KeyCase {
    /// `None` is the service account.
    user: Option<usize>,
    level: Level,
    listed: Names,
    /// `None` is all workspaces.
    scope: Option<BTreeSet<usize>>,
}

fn any_given() -> impl Strategy<Value = GivenAt> {
    let role = prop_oneof![
        Just(Given::Viewer),
        Just(Given::Member),
        Just(Given::Admin),
        Just(Given::Owner),
        (0..COUNT).prop_map(Given::Own),
        (0..COUNT).prop_map(Given::Own),
    ];
    (proptest::option::of(0..COUNT), role)
}

fn any_state() -> impl Strategy<Value = State> {
    (
        vec(btree_set(select(&NAMES[..]), 0..5), COUNT),
        vec(btree_set(any_given(), 0..3), COUNT),
        vec((btree_set(any_given(), 0..3), btree_set(0..COUNT, 0..=COUNT)), COUNT),
    )
        .prop_map(|(roles, direct, teams)| State { roles, direct, teams })
}

fn any_key() -> impl Strategy<Value = KeyCase> {
    (
        proptest::option::weighted(0.8, 0..COUNT),
        select(vec![Level::All, Level::ReadOnly, Level::Restricted]),
        btree_set(select(&NAMES[..]), 0..6),
        proptest::option::of(btree_set(0..COUNT, 1..=COUNT)),
    )
        .prop_map(|(user, level, listed, scope)| KeyCase { user, level, listed, scope })
}

/// What is held where: a permission, or `""` for the sight of the place itself.
type Facts = BTreeSet<(usize, Option<usize>, &'static str)>;

const READ: [&str; 2] = ["connections:read", "pipelines:read"];
const PRODUCT: [&str; 4] = ["connections:read", "connections:write", "pipelines:read", "pipelines:run"];
const ADMIN: [&str; 8] = [
    "admin:organization",
    "admin:members",
    "admin:workspaces",
    "admin:customers",
    "admin:service_accounts",
    "admin:keys",
    "admin:policy",
    "admin:audit",
];

/// What exists in a tenant.
fn exists(name: &str) -> bool {
    PRODUCT.contains(&name) || ADMIN.contains(&name) || name == "keys:write"
}

fn gives(state: &State, role: Given) -> Vec<&'static str> {
    let own = ["keys:write"];
    match role {
        Given::Viewer => READ.to_vec(),
        Given::Member => [&PRODUCT[..], &own].concat(),
        Given::Admin | Given::Owner => [&PRODUCT[..], &own, &ADMIN].concat(),
        Given::Own(number) => state.roles[number].iter().copied().filter(|name| exists(name)).collect(),
    }
}

fn facts(state: &State) -> Facts {
    let mut facts = Facts::new();
    let mut note = |user: usize, (place, role): &GivenAt| {
        facts.insert((user, *place, ""));
        facts.extend(gives(state, *role).into_iter().map(|name| (user, *place, name)));
    };
    for (user, given) in state.direct.iter().enumerate() {
        given.iter().for_each(|given| note(user, given));
    }
    for (given, users) in &state.teams {
        for user in users {
            given.iter().for_each(|given| note(*user, given));
        }
    }
    facts
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    organization_wide: BTreeSet<String>,
    /// Of each visible workspace.
    workspaces: Vec<(usize, BTreeSet<String>)>,
    sees_all: bool,
}

fn expected(key: &KeyCase, facts: &Facts) -> Held {
    let intends = |name: &str| {
        let by_level = match (key.level, key.user) {
            (Level::Restricted, _) => false,
            (Level::ReadOnly, _) => READ.contains(&name),
            (Level::All, None) => PRODUCT.contains(&name),
            (Level::All, Some(_)) => name != "keys:write" && name != "admin:keys",
        };
        exists(name) && (by_level || key.listed.contains(name))
    };
    let holds = |place: Option<usize>, name: &'static str| match key.user {
        None => true,
        Some(user) => facts.contains(&(user, None, name)) || facts.contains(&(user, place, name)),
    };
    let all = PRODUCT.into_iter().chain(ADMIN).chain(["keys:write"]);
    let at = |place: Option<usize>| -> BTreeSet<String> {
        let here = all.clone().filter(|name| place.is_none() || PRODUCT.contains(name));
        here.filter(|name| intends(name) && holds(place, name)).map(str::to_owned).collect()
    };
    let in_scope = |place: &usize| key.scope.as_ref().is_none_or(|scope| scope.contains(place));
    let visible = (0..COUNT).filter(|place| in_scope(place) && holds(Some(*place), ""));
    Held {
        organization_wide: if key.scope.is_none() { at(None) } else { BTreeSet::new() },
        workspaces: visible.map(|place| (place, at(Some(place)))).collect(),
        sees_all: key.scope.is_none() && holds(None, ""),
    }
}

/// A tenant in which a case plays.
struct Stage<'w> {
    world: &'w World,
    random: SeededRandom,
    organization: OrganizationId,
    workspaces: Vec<WorkspaceId>,
    account: ServiceAccountId,
    users: Vec<UserId>,
    /// With their versions.
    roles: Vec<(RoleId, i64)>,
    teams: Vec<(TeamId, i64)>,
}

impl<'w> Stage<'w> {
    /// A tenant without any grant, its objects made past every rule.
    async fn set(world: &'w World, number: u64) -> Self {
        let random = SeededRandom::new(9_000_000 + number);
        let (storage, now) = (&world.storage, world.now());
        let tenant = world.create_organization(&format!("Case {number}"), None).await;
        let mut stage = Self {
            world,
            organization: tenant.organization_id(),
            workspaces: Vec::new(),
            account: ServiceAccountId::mint(now, &random),
            users: Vec::new(),
            roles: Vec::new(),
            teams: Vec::new(),
            random,
        };
        let (organization, random) = (stage.organization, &stage.random);
        let new = NewServiceAccount { id: stage.account, name: "S".to_owned(), external_id: None };
        storage.create_service_account(&world.act(), organization, new, None).await.unwrap();
        for place in 0..COUNT {
            let id = WorkspaceId::mint(now, random);
            let new =
                NewWorkspace { id, name: format!("W{place}"), external_id: None, ip_allowlist: Vec::new() };
            storage.create_workspace(&world.act(), organization, new, None).await.unwrap();
            stage.workspaces.push(id);
            let user = UserId::mint(random);
            let email = format!("{user}@example.com");
            let new = NewUser { id: user, email, name: "U".to_owned(), external_id: None };
            storage.create_user(&world.act(), new, None).await.unwrap();
            world.place_member(organization, user, Vec::new()).await;
            stage.users.push(user);
            let id = RoleId::mint(now, random);
            let values = RoleEdit { name: format!("R{place}"), description: None, permissions: Vec::new() };
            storage.create_role(&world.act(), organization, NewRole { id, values }, None).await.unwrap();
            stage.roles.push((id, 1));
            let id = TeamId::mint(now, random);
            let values = TeamEdit { name: format!("T{place}"), external_id: None, grants: Vec::new() };
            storage.create_team(&world.act(), organization, NewTeam { id, values }, None).await.unwrap();
            stage.teams.push((id, 1));
        }
        stage
    }

    async fn issue(&self, case: &KeyCase) -> Secret {
        let secret = SecretStart::new("wk", "live").unwrap().generate(&self.random);
        let principal = match case.user {
            Some(user) => PrincipalId::User(self.users[user]),
            None => PrincipalId::ServiceAccount(self.account),
        };
        let scope = case.scope.as_ref();
        let places =
            |scope: &BTreeSet<usize>| scope.iter().map(|place| self.workspaces[*place]).collect::<Vec<_>>();
        let new = NewKey {
            id: KeyId::mint(self.world.now(), &self.random),
            environment: production(),
            principal,
            name: "K".to_owned(),
            description: None,
            metadata: serde_json::Map::new(),
            level: case.level,
            permissions: permissions(&case.listed.iter().copied().collect::<Vec<_>>()),
            workspaces: scope.map_or(Access::All, |scope| Access::specific(places(scope))),
            customers: Access::All,
            ip_allowlist: Vec::new(),
            rate_limits: wardkey::core::RateLimits::NONE,
            expires_at: None,
            secret: NewSecret {
                id: SecretId::mint(self.world.now(), &self.random),
                digest: secret.digest(),
                hint: secret.hint(),
            },
        };
        self.world.storage.issue_key(&self.world.act(), self.organization, new, None).await.unwrap();
        secret
    }

    fn grants(&self, given: &BTreeSet<GivenAt>) -> Vec<Grant> {
        let role = |role: Given| match role {
            Given::Viewer => RoleRef::BuiltIn(BuiltInRole::Viewer),
            Given::Member => RoleRef::BuiltIn(BuiltInRole::Member),
            Given::Admin => RoleRef::BuiltIn(BuiltInRole::Admin),
            Given::Owner => RoleRef::BuiltIn(BuiltInRole::Owner),
            Given::Own(number) => RoleRef::Custom(self.roles[number].0),
        };
        let grant = |(place, given): &GivenAt| Grant {
            workspace: place.map(|place| self.workspaces[place]),
            role: role(*given),
        };
        given.iter().map(grant).collect()
    }

    /// Makes it so, past every rule but that an owner stays: there is one who is none of the case's users.
    async fn become_state(&mut self, state: &State) {
        let (storage, organization) = (&self.world.storage, self.organization);
        let act = || self.world.act();
        for (number, names) in state.roles.iter().enumerate() {
            let (id, version) = self.roles[number];
            let names: Vec<_> = names.iter().copied().collect();
            let edit =
                RoleEdit { name: format!("R{number}"), description: None, permissions: permissions(&names) };
            let role = storage.update_role(&act(), organization, id, version, edit).await.unwrap();
            self.roles[number].1 = role.version;
        }
        for (user, given) in self.users.iter().zip(&state.direct) {
            self.world.place_member(organization, *user, self.grants(given)).await;
        }
        for (number, (given, inside)) in state.teams.iter().enumerate() {
            let (id, version) = self.teams[number];
            let edit = TeamEdit { name: format!("T{number}"), external_id: None, grants: self.grants(given) };
            let team = storage.update_team(&act(), organization, id, version, edit).await.unwrap();
            self.teams[number].1 = team.version;
            for (user, id) in self.users.iter().enumerate() {
                if inside.contains(&user) {
                    storage.add_team_member(&act(), organization, team.id, *id).await.unwrap();
                } else {
                    storage.remove_team_member(&act(), organization, team.id, *id).await.unwrap();
                }
            }
        }
    }

    /// What the verifier says that the key holds.
    async fn held(&self, verifier: &Verifier, secret: &Secret) -> Held {
        let rights = verify_with(verifier, secret, None).await.unwrap().rights;
        let names = |set: &wardkey::core::PermissionSet| {
            set.names().iter().map(ToString::to_string).collect::<BTreeSet<_>>()
        };
        let number = |id: WorkspaceId| self.workspaces.iter().position(|known| *known == id).unwrap();
        let mut workspaces: Vec<_> = rights
            .rights
            .workspaces()
            .map(|workspace| (number(workspace.id), names(workspace.held)))
            .collect();
        workspaces.sort();
        Held {
            organization_wide: names(rights.rights.organization_wide()),
            workspaces,
            sees_all: rights.rights.sees_all_workspaces(),
        }
    }
}

/// A verifier that knows nothing yet.
fn fresh_verifier(world: &World) -> Verifier {
    let config = VerifierConfig { max_stale: 10_000 * DAY, ..VerifierConfig::default() };
    let (store, clock) = (Arc::new(world.storage.clone()), Arc::new(world.clock.clone()));
    Verifier::with_clock(store, production(), config, clock, &SeededRandom::new(5))
}

async fn plays_as_the_model_says(world: &World, number: u64, states: &[State], keys: &[KeyCase]) {
    let mut stage = Stage::set(world, number).await;
    let owner = UserId::mint(&stage.random);
    let email = format!("{owner}@example.com");
    let new = NewUser { id: owner, email, name: "O".to_owned(), external_id: None };
    world.storage.create_user(&world.act(), new, None).await.unwrap();
    let grant = Grant::organization_wide(BuiltInRole::Owner);
    world.place_member(stage.organization, owner, vec![grant]).await;
    let mut secrets = Vec::new();
    for key in keys {
        secrets.push(stage.issue(key).await);
    }
    let cached = world.verifier();
    for state in states {
        stage.become_state(state).await;
        cached.catch_up().await.unwrap();
        let fresh = fresh_verifier(world);
        let facts = facts(state);
        for (key, secret) in keys.iter().zip(&secrets) {
            let expected = expected(key, &facts);
            assert_eq!(stage.held(&fresh, secret).await, expected, "{key:?} in {state:?}");
            // From the second state on, this one has seen the key before.
            assert_eq!(stage.held(&cached, secret).await, expected, "cached: {key:?} in {state:?}");
        }
    }
}

async fn keys_hold_what_roles_teams_and_grants_say(world: &World) {
    let cases = if is_long_run() { 2_000 } else { 12 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let any_case = (vec(any_state(), 2), vec(any_key(), 4));
    let numbers = AtomicU64::new(0);
    let next = || numbers.fetch_add(1, Ordering::Relaxed);
    let outcome = block_in_place(|| {
        TestRunner::new(config).run(&any_case, |(states, keys)| {
            Handle::current().block_on(plays_as_the_model_says(world, next(), &states, &keys));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A process that gives and takes.
async fn process(world: &World) -> (Wardkey, Tenant) {
    let wardkey = world.open_again().await;
    let tenant = wardkey.enter(&Caller::local("test"), &world.first.demo_organization.into()).await.unwrap();
    (wardkey, tenant)
}

async fn who_gives_and_takes_at_once_leaves_no_cached_key_with_more_than_the_database_says(world: &World) {
    let rounds = if is_long_run() { 3_000 } else { 40 };
    let user = world.member("ada", &[BuiltInRole::Viewer]).await;
    let demo = world.demo().await;
    let key = demo.issue_key(user_input(user, Level::All, &[])).await.unwrap();
    let secret = key.secret.as_ref().unwrap();
    let input = CreateRole {
        name: "Runner".to_owned(),
        description: None,
        permissions: permissions(&["pipelines:run"]),
    };
    let role = demo.create_role(input).await.unwrap().into_inner();
    let input = CreateTeam {
        name: "Ops".to_owned(),
        external_id: None,
        grants: vec![Grant { workspace: None, role: RoleRef::Custom(role.id) }.into()],
    };
    let team = demo.create_team(input).await.unwrap().into_inner();
    // Three processes that do not know of each other: two that write, and one that only verifies.
    let (one, other) = (process(world).await, process(world).await);
    let elsewhere = world.open_again().await.verifier(&production());
    let followers = [world.verifier(), one.0.verifier(&production()), elsewhere];
    let random = SeededRandom::new(17);
    let flip = || {
        let mut byte = [0];
        random.fill(&mut byte);
        byte[0] % 2 == 0
    };
    let may = async |verifier: &Verifier| {
        let rights = verify_with(verifier, secret, None).await.unwrap().rights;
        rights.rights.organization_wide().contains_name("pipelines:run")
    };
    let mut seen = [false; 2];
    for _ in 0..rounds {
        let (inside, through_role) = (flip(), flip());
        let in_team = async {
            let (team, user) = (team.id.into(), user.into());
            match inside {
                true => one.1.add_team_member(&team, &user).await.unwrap(),
                false => one.1.remove_team_member(&team, &user).await.unwrap(),
            }
        };
        let in_role = async {
            let id = RoleRef::Custom(role.id);
            let version = match other.1.get_role(id).await.unwrap() {
                AnyRole::Custom(role) => role.version,
                built_in @ AnyRole::BuiltIn { .. } => panic!("{built_in:?}"),
            };
            let names: &[&str] = if through_role { &["pipelines:run"] } else { &[] };
            let patch = RolePatch { permissions: Some(permissions(names)), ..RolePatch::default() };
            other.1.update_role(id, version, patch).await.unwrap();
        };
        // Meanwhile everybody asks, so that records are read while they change.
        let asking = async {
            for _ in 0..4 {
                for follower in &followers {
                    may(follower).await;
                }
            }
        };
        tokio::join!(in_team, in_role, asking);
        let given = inside && through_role;
        assert_eq!(may(&fresh_verifier(world)).await, given, "the database has what was last said");
        seen[usize::from(given)] = true;
        for follower in &followers {
            follower.catch_up().await.unwrap();
            assert_eq!(may(follower).await, given);
        }
    }
    assert_eq!(seen, [true; 2], "both outcomes came up");
}
