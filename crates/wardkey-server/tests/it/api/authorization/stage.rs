//! Two tenants with everybody in them, and what an operation needs so that it succeeds.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use poem::http::Method;
use serde_json::{Value, json};
use wardkey::{Caller, IssueKey, PrincipalRef};
use wardkey_core::{Access, BuiltInRole, Level, OrganizationId, PrincipalId, ServiceAccountId, UserId};

use super::callers::{Class, Refused, Who};
use crate::api::sessions::browser::PASSWORD;
use crate::api::world::{Answer, Call, World, text};
use crate::dump::{Dump, Rows};

/// One operation of the document, how it is asked, and who may.
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) class: Class,
    pub(crate) success: u16,
    /// Makes what is asked for, so that the request succeeds if the caller may make it.
    pub(crate) prepare: Prepare,
}

/// What is asked, who may, what they hear, and what it takes.
pub(crate) const fn row(operation: &'static str, class: Class, success: u16, prepare: Prepare) -> Row {
    Row { operation, class, success, prepare }
}

impl Row {
    /// What this caller must hear.
    pub(crate) fn judge(&self, who: Who) -> Result<(), Refused> {
        self.class.judge(who)
    }

    /// Somebody who may, and who does not run the deployment if others may.
    pub(crate) fn somebody(&self) -> Who {
        let all = [Who::Owner, Who::AdminKey, Who::Operator, Who::Nobody];
        all.into_iter().find(|who| self.judge(*who).is_ok()).expect("an operation is there for somebody")
    }
}

pub(crate) type Prepare = for<'s> fn(&'s Stage, &'s Site) -> BoxFuture<'s, Asked>;

/// A request in all its parts but the credential.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Another organization than the site's.
    pub(crate) organization: Option<String>,
    /// Path parameters but the organization's.
    pub(crate) path: BTreeMap<&'static str, String>,
    pub(crate) body: Option<Value>,
    pub(crate) if_match: Option<String>,
    pub(crate) cookie: Option<String>,
}

/// Stands in a path for the session of whoever asks.
pub(crate) const OWN_SESSION: &str = "own-session";

/// Stands in a body for a link that was made for whoever asks.
pub(crate) const OWN_LINK: &str = "own-link";

impl Asked {
    pub(crate) fn of(body: Value) -> Self {
        Self { body: Some(body), ..Self::default() }
    }

    pub(crate) fn at(mut self, parameter: &'static str, id: &str) -> Self {
        self.path.insert(parameter, id.to_owned());
        self
    }

    pub(crate) fn of_organization(id: &str) -> Self {
        Self { organization: Some(id.to_owned()), ..Self::default() }
    }

    pub(crate) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn matching(mut self, version: i64) -> Self {
        self.if_match = Some(format!("\"{version}\""));
        self
    }
}

/// One tenant.
pub(crate) struct Site {
    pub(crate) id: OrganizationId,
    pub(crate) external_id: String,
    pub(crate) workspace: String,
    /// Of which there are keys to be asked about.
    pub(crate) account: String,
    /// Whose keys ask.
    asking_account: ServiceAccountId,
}

/// What a caller shows.
enum Credential {
    Key(String),
    Session {
        id: String,
        access: String,
        email: String,
    },
    /// A key, and in whose place it is shown.
    StandIn {
        secret: String,
        user: UserId,
    },
}

pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) home: Site,
    pub(crate) other: Site,
    credentials: BTreeMap<Who, Credential>,
    dump: Dump,
    counter: AtomicU64,
}

impl Stage {
    pub(crate) async fn set(world: Arc<World>) -> Self {
        let dump = Dump::of(&world.url).await;
        let (home, other) = (make_site(&world, "home").await, make_site(&world, "other").await);
        // Walks make more keys than people do.
        dump.execute("UPDATE organizations SET key_limit = 1000000").await;
        let mut stage =
            Self { world, home, other, credentials: BTreeMap::new(), dump, counter: AtomicU64::new(0) };
        for who in Who::ALL {
            stage.renew(who).await;
        }
        stage
    }

    /// A name and an external id that nothing has.
    pub(crate) fn named(&self, word: &str) -> Value {
        json!({ "name": self.fresh(word), "external_id": self.fresh(word) })
    }

    /// A word that was not said before.
    pub(crate) fn fresh(&self, word: &str) -> String {
        format!("{word}-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// Everything that stands in the database and may not change.
    pub(crate) async fn rows(&self) -> Rows {
        self.dump.rows().await
    }

    /// Gives the caller another credential, in place of one that is spent.
    pub(crate) async fn renew(&mut self, who: Who) {
        if let Some(credential) = self.credential(who).await {
            self.credentials.insert(who, credential);
        }
    }

    /// Asks as this caller.
    pub(crate) async fn ask(&self, who: Who, operation: &Operation, site: &Site, asked: &Asked) -> Answer {
        let path = operation.path(&site.id.to_string(), asked);
        self.ask_at(who, operation, &path, asked).await
    }

    /// The same at another path.
    pub(crate) async fn ask_at(&self, who: Who, operation: &Operation, path: &str, asked: &Asked) -> Answer {
        let call = self.call(who, operation.method.clone(), path, asked.cookie.as_deref());
        let own = self.own_link(who, asked).await;
        // What is the same in two answers can then be compared byte by byte.
        send(call.header("x-request-id", "the-same-one"), own.as_ref().unwrap_or(asked)).await
    }

    /// The same request with a link for this caller, if it asks for one and the caller is a person.
    async fn own_link(&self, who: Who, asked: &Asked) -> Option<Asked> {
        let Some(Credential::Session { email, .. }) = self.credentials.get(&who) else { return None };
        if asked.body.as_ref()?["token"] != OWN_LINK {
            return None;
        }
        let organization = self.make_globally("/v1/organizations", json!({ "name": "Host" })).await;
        let path = format!("/v1/organizations/{}/members", text(&organization, "/id"));
        let added = self.make_globally(&path, json!({ "email": email })).await;
        let token = text(&added, "/link/url").split_once('#').unwrap().1;
        Some(asked.clone().with(json!({ "token": token })))
    }

    /// A request of this caller, from an address that nobody has asked from before: logins are counted by address.
    pub(crate) fn call(&self, who: Who, method: Method, path: &str, cookie: Option<&str>) -> Call<'_> {
        let own = match self.credentials.get(&who) {
            Some(Credential::Session { id, .. }) => id,
            _ => "ses_0000000000000000000000",
        };
        let address = 0x0b00_0000 + u32::try_from(self.counter.fetch_add(1, Ordering::Relaxed)).unwrap();
        let path = path.replace(OWN_SESSION, own);
        let call = self.world.call(method, &path).from(Ipv4Addr::from(address).into());
        let (call, access) = match self.credentials.get(&who) {
            Some(Credential::Key(secret)) => (call.key(secret), None),
            Some(Credential::Session { access, .. }) => (call, Some(format!("wardkey_session={access}"))),
            Some(Credential::StandIn { secret, user }) => {
                (call.key(secret).header("wardkey-act-as", &user.to_string()), None)
            }
            None => (call, None),
        };
        let cookies: Vec<_> = access.into_iter().chain(cookie.map(str::to_owned)).collect();
        match cookies.is_empty() {
            true => call,
            false => call.header("sec-fetch-site", "same-origin").header("cookie", &cookies.join("; ")),
        }
    }

    /// The version of what is at this path.
    pub(crate) async fn version(&self, path: &str) -> i64 {
        let answer = self.world.get(path).key(self.world.operator()).send().await.expect(200);
        answer.header("etag").unwrap().trim_matches('"').parse().unwrap()
    }

    /// Makes something of the deployment, as the operator, and shows it.
    pub(crate) async fn make_globally(&self, path: &str, body: Value) -> Value {
        self.world.post(path).key(self.world.operator()).json(body).await.expect(201).json()
    }

    /// Makes something below an organization, as the operator, and shows it.
    pub(crate) async fn make(&self, site: &Site, rest: &str, body: Value) -> Value {
        let path = format!("/v1/organizations/{}{rest}", site.id);
        self.world.post(&path).key(self.world.operator()).json(body).await.expect(201).json()
    }

    /// Does something without a body below an organization, as the operator.
    pub(crate) async fn act(&self, site: &Site, rest: &str) {
        let path = format!("/v1/organizations/{}{rest}", site.id);
        self.world.post(&path).key(self.world.operator()).send().await.expect(200);
    }

    /// A service account's key, and its secrets.
    pub(crate) async fn make_key(&self, site: &Site) -> Value {
        let body = self.wanted_key(site);
        self.make(site, "/keys", body).await
    }

    pub(crate) fn wanted_key(&self, site: &Site) -> Value {
        json!({
            "name": self.fresh("key"),
            "principal": { "type": "service_account", "id": site.account },
            "workspaces": { "access": "specific", "ids": [site.workspace] },
        })
    }

    /// A credential as this caller has one, of a person or account of its own.
    async fn credential(&self, who: Who) -> Option<Credential> {
        let home = &self.home;
        match who {
            Who::Nobody => None,
            Who::Viewer => Some(self.log_in(home, BuiltInRole::Viewer).await),
            Who::Member => Some(self.log_in(home, BuiltInRole::Member).await),
            Who::Admin => Some(self.log_in(home, BuiltInRole::Admin).await),
            Who::Owner => Some(self.log_in(home, BuiltInRole::Owner).await),
            Who::Stranger => Some(self.log_in(&self.other, BuiltInRole::Admin).await),
            Who::StandIn => {
                let user = self.world.member_of(home.id, &self.fresh("person"), BuiltInRole::Member).await;
                Some(Credential::StandIn { secret: self.operator_key().await, user })
            }
            _ => self.key(who).await.map(Credential::Key),
        }
    }

    async fn key(&self, who: Who) -> Option<String> {
        let home = &self.home;
        Some(match who {
            Who::MemberKey => self.person(home, BuiltInRole::Member, &["keys:write"]).await.1,
            Who::AdminKey => self.person(home, BuiltInRole::Admin, &MAKES_KEYS).await.1,
            Who::ServiceKey => {
                self.account_key(home, &["pipelines:read", "pipelines:run"], "production").await
            }
            Who::OtherEnvironment => self.account_key(home, &EVERYTHING_HERE, "staging").await,
            Who::Suspended => {
                let (user, secret) = self.person(home, BuiltInRole::Owner, &MAKES_KEYS).await;
                self.world.suspend(user).await;
                secret
            }
            Who::Acting => self.acting_key().await,
            Who::Operator => self.operator_key().await,
            _ => return None,
        })
    }

    /// With everything that an operator may do.
    async fn operator_key(&self) -> String {
        let issued = self.world.wardkey.issue_operator_key(&Caller::local("test")).await.unwrap();
        issued.secret.unwrap().expose().to_owned()
    }

    /// A person in this role, in a browser.
    async fn log_in(&self, site: &Site, role: BuiltInRole) -> Credential {
        let name = self.fresh("person");
        self.make_person(site, &name, role).await;
        let (id, cookies) = self.open_session(&name).await;
        let email = format!("{name}@example.com");
        Credential::Session { id, email, access: cookies[0].split_once('=').unwrap().1.to_owned() }
    }

    /// A person in this role, with a password.
    pub(crate) async fn make_person(&self, site: &Site, name: &str, role: BuiltInRole) -> UserId {
        let user = self.world.member_of(site.id, name, role).await;
        self.world.set_password(user, PASSWORD).await;
        user
    }

    /// Logs this person in: the session, and its cookies, the access token first.
    pub(crate) async fn open_session(&self, name: &str) -> (String, Vec<String>) {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let answer = self.call(Who::Nobody, Method::POST, "/v1/sessions", None).json(body).await.expect(201);
        let cookies = answer
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        let mut cookies: Vec<_> = cookies.collect();
        cookies.sort_by_key(|cookie| !cookie.starts_with("wardkey_session="));
        (text(&answer.json(), "/id").to_owned(), cookies)
    }

    /// A person in this role, and a key of level all that lists these permissions besides.
    async fn person(&self, site: &Site, role: BuiltInRole, listed: &[&str]) -> (UserId, String) {
        let user = self.world.member_of(site.id, &self.fresh("person"), role).await;
        let mut input = IssueKey::named("person");
        input.principal = Some(PrincipalRef::User(user.into()));
        input.level = Some(Level::All);
        // Nobody else could make a key that administers, and a viewer makes none.
        let local = Caller::local("test");
        let caller = if listed.is_empty() { local } else { local.acting_as(user) };
        (user, self.issue(caller, site.id, input, listed, "production").await)
    }

    async fn account_key(&self, site: &Site, listed: &[&str], environment: &str) -> String {
        let mut input = IssueKey::named("account");
        input.principal = Some(PrincipalRef::ServiceAccount(site.asking_account.into()));
        input.workspaces = Some(Access::All);
        self.issue(Caller::local("test"), site.id, input, listed, environment).await
    }

    /// Of the operator organization, to act in every other.
    async fn acting_key(&self) -> String {
        let first = &self.world.first.operator_key.key;
        let PrincipalId::ServiceAccount(account) = first.principal else { panic!("an account's key") };
        let mut input = IssueKey::named("acting");
        input.principal = Some(PrincipalRef::ServiceAccount(account.into()));
        input.workspaces = Some(Access::All);
        self.issue(Caller::local("test"), first.organization, input, &["operator:act"], "production").await
    }

    async fn issue(
        &self,
        caller: Caller,
        organization: OrganizationId,
        mut input: IssueKey,
        listed: &[&str],
        environment: &str,
    ) -> String {
        input.permissions = listed.iter().map(|name| name.parse().unwrap()).collect();
        input.environment = Some(environment.parse().unwrap());
        let tenant = self.world.wardkey.enter(&caller, &organization.into()).await.unwrap();
        tenant.issue_key(input).await.unwrap().secret.unwrap().expose().to_owned()
    }
}

async fn make_site(world: &World, name: &str) -> Site {
    let deployment = world.wardkey.enter_deployment(&Caller::local("test")).await.unwrap();
    let external_id = format!("{name}-organization");
    let organization = deployment.create_organization(name.to_owned(), Some(external_id.clone()), None).await;
    let id = organization.unwrap().into_inner().id;
    let tenant = world.enter_locally(id).await;
    let workspace = tenant.create_workspace(name.to_owned(), None, Vec::new()).await.unwrap();
    let workspace = workspace.into_inner().id.to_string();
    let account = async |name: &str| {
        let created = tenant.create_service_account(name.to_owned(), None).await;
        created.unwrap().into_inner().id
    };
    let (account, asking_account) = (account("asked about").await.to_string(), account("asking").await);
    Site { id, external_id, workspace, account, asking_account }
}

const MAKES_KEYS: [&str; 2] = ["keys:write", "admin:keys"];
const EVERYTHING_HERE: [&str; 9] = [
    "keys:write",
    "admin:organization",
    "admin:members",
    "admin:workspaces",
    "admin:customers",
    "admin:service_accounts",
    "admin:keys",
    "admin:policy",
    "admin:audit",
];

/// A path of the document with its method.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) template: String,
    pub(crate) description: Value,
}

impl Operation {
    /// Every operation of the document, by its name.
    pub(crate) fn all(document: &Value) -> BTreeMap<String, Self> {
        let mut all = BTreeMap::new();
        for (template, methods) in document["paths"].as_object().unwrap() {
            for (method, description) in methods.as_object().unwrap() {
                let id = text(description, "/operationId").to_owned();
                let operation = Self {
                    id: id.clone(),
                    method: method.to_uppercase().parse().unwrap(),
                    template: template.clone(),
                    description: description.clone(),
                };
                assert!(all.insert(id, operation).is_none(), "an operation's name stands for one");
            }
        }
        all
    }

    pub(crate) fn path(&self, organization: &str, asked: &Asked) -> String {
        let organization = asked.organization.as_deref().unwrap_or(organization);
        let mut path = self.template.replace("{organization_id}", organization);
        for (name, id) in &asked.path {
            let place = format!("{{{name}}}");
            assert!(path.contains(&place), "{}: no {name} in {path}", self.id);
            path = path.replace(&place, id);
        }
        assert!(!path.contains('{'), "{}: what stands for the parameters of {path}?", self.id);
        path
    }
}

/// Sends it, with what belongs to it besides the credential.
pub(crate) async fn send(mut call: Call<'_>, asked: &Asked) -> Answer {
    if let Some(version) = &asked.if_match {
        call = call.header("if-match", version);
    }
    match &asked.body {
        Some(body) => call.json(body.clone()).await,
        None => call.send().await,
    }
}
