use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use wardkey::{Caller, Wardkey};
use wardkey_axum::OrganizationId;

use crate::database::Database;
use crate::process::{self, Process, within};

/// The server and the API on one database, and the demo organization that the first start makes.
pub(crate) struct World {
    api: tokio::sync::Mutex<Process>,
    _server: Process,
    client: Client,
    api_url: String,
    server_url: String,
    operator_key: String,
    organization: String,
    service_account: String,
    pub(crate) workspace: String,
    database: Database,
}

/// A key and its secret.
pub(crate) struct Issued {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// An answer, but for when it was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The status and the code of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        let (_, after) = self.body.split_once(r#""code":""#).unwrap_or_default();
        (self.status, after.split('"').next().unwrap_or_default())
    }
}

impl World {
    pub(crate) async fn start(database: Database) -> Self {
        let url = database.url.clone();
        Self::start_api_on(database, &url).await
    }

    /// The same, where the API reaches the database by another address.
    pub(crate) async fn start_api_on(database: Database, api_database_url: &str) -> Self {
        let folder = database.folder.path();
        let arguments = ["--listen", "127.0.0.1:0", "--data-dir", "data", "--database-url", &database.url];
        let mut server = Process::start(process::server(), &arguments, folder.join("server.log"));
        let server_url = server.url().await;

        let program = Path::new(env!("CARGO_BIN_EXE_axum-pipelines"));
        let arguments = ["--listen", "127.0.0.1:0", "--database-url", api_database_url];
        let mut api = Process::start(program, &arguments, folder.join("api.log"));
        let api_url = api.url().await;

        let operator_key =
            std::fs::read_to_string(folder.join("data/operator.key")).expect("the operator's key");
        let mut world = Self {
            api: tokio::sync::Mutex::new(api),
            _server: server,
            client: Client::new(),
            api_url,
            server_url,
            operator_key: operator_key.trim().to_owned(),
            organization: String::new(),
            service_account: String::new(),
            workspace: String::new(),
            database,
        };
        world.organization = world.id_of("/v1/organizations", "Demo").await;
        let below = |what| format!("/v1/organizations/{}/{what}", world.organization);
        let (workspaces, accounts) = (below("workspaces"), below("service-accounts"));
        world.workspace = world.id_of(&workspaces, "Demo workspace").await;
        world.service_account = world.id_of(&accounts, "Demo service account").await;
        world
    }

    pub(crate) async fn stop_api(&self) {
        let status = self.api.lock().await.terminate().await;
        assert!(status.success(), "the API ended with {status}");
    }

    /// Asks the API; without a key if the secret is empty.
    pub(crate) async fn get(&self, path: &str, secret: &str) -> Answer {
        self.ask_api(Method::GET, path, secret).await
    }

    pub(crate) async fn post(&self, path: &str, secret: &str) -> Answer {
        self.ask_api(Method::POST, path, secret).await
    }

    async fn ask_api(&self, method: Method, path: &str, secret: &str) -> Answer {
        let request =
            self.client.request(method, format!("{}{path}", self.api_url)).header("x-request-id", "same");
        answer(if secret.is_empty() { request } else { request.bearer_auth(secret) }).await
    }

    /// Asks the API until it gives this answer.
    pub(crate) async fn answers_within(
        &self,
        promised: Duration,
        path: &str,
        secret: &str,
        wanted: (u16, &str),
    ) {
        let what = format!("{path} is answered {wanted:?}");
        within(promised, &what, async || (self.post(path, secret).await.problem() == wanted).then_some(()))
            .await;
    }

    /// Issues a key of the demo service account for every workspace.
    pub(crate) async fn issue(&self, members: Value) -> Issued {
        let mut body = json!({
            "name": "Test",
            "principal": { "type": "service_account", "id": self.service_account },
            "workspaces": { "access": "all" },
        });
        body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        let issued = self.ask_server(Method::POST, &self.keys(), body).await.json();
        Issued { id: text(&issued["key"]["id"]), secret: text(&issued["secret"]) }
    }

    pub(crate) async fn key(&self, id: &str) -> Value {
        self.ask_server(Method::GET, &format!("{}/{id}", self.keys()), Value::Null).await.json()
    }

    /// Disables, enables or revokes a key.
    pub(crate) async fn act_on(&self, id: &str, action: &str) {
        self.ask_server(Method::POST, &format!("{}/{id}/{action}", self.keys()), json!({})).await;
    }

    /// Ends a key's secret and returns its successor.
    pub(crate) async fn rotate(&self, id: &str) -> String {
        let path = format!("{}/{id}/rotate", self.keys());
        text(&self.ask_server(Method::POST, &path, json!({})).await.json()["secret"])
    }

    pub(crate) async fn edit(&self, id: &str, patch: Value) {
        let path = format!("{}/{id}", self.keys());
        let version = self.ask_server(Method::GET, &path, Value::Null).await.fields["etag"].clone();
        let request = self.operator(Method::PATCH, &path).header("if-match", version).json(&patch);
        let answer = answer(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A second workspace of the demo organization.
    pub(crate) async fn make_workspace(&self) -> String {
        let organization = self.organization.parse().expect("an id");
        self.make_workspace_in(&self.open().await, organization).await
    }

    /// A workspace of another organization.
    pub(crate) async fn make_foreign_workspace(&self) -> String {
        let wardkey = self.open().await;
        let deployment = wardkey.enter_deployment(&Caller::local("test")).await.expect("a door");
        let other = deployment
            .create_organization("Other".to_owned(), None, None)
            .await
            .expect("another organization")
            .into_inner();
        self.make_workspace_in(&wardkey, other.id).await
    }

    async fn make_workspace_in(&self, wardkey: &Wardkey, organization: OrganizationId) -> String {
        let tenant = wardkey.enter(&Caller::local("test"), &organization.into()).await.expect("it is there");
        tenant
            .create_workspace("Another".to_owned(), None, Vec::new())
            .await
            .expect("another workspace")
            .into_inner()
            .id
            .to_string()
    }

    pub(crate) async fn open(&self) -> Wardkey {
        Wardkey::open(&self.database.url).await.expect("the database opens")
    }

    pub(crate) fn organization_id(&self) -> OrganizationId {
        self.organization.parse().expect("an id")
    }

    fn keys(&self) -> String {
        format!("/v1/organizations/{}/keys", self.organization)
    }

    async fn id_of(&self, path: &str, name: &str) -> String {
        let page = self.ask_server(Method::GET, path, Value::Null).await.json();
        let items = page["items"].as_array().expect("a list");
        let found = items.iter().find(|item| item["name"] == name);
        text(&found.unwrap_or_else(|| panic!("{name} is not in {page}"))["id"])
    }

    fn operator(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server_url)).bearer_auth(&self.operator_key)
    }

    async fn ask_server(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.operator(method, path);
        let answer = answer(if body.is_null() { request } else { request.json(&body) }).await;
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let fields = response.headers().iter().filter(|(name, _)| *name != "date");
    let fields =
        fields.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    let (status, fields) = (response.status().as_u16(), fields.collect());
    Answer { status, fields, body: response.text().await.expect("a body in UTF-8") }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
