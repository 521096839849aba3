//! Environments: production, staging, development, and others that the operator adds.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::EnvironmentName;
use wardkey_core::permission::OperatorEnvironments;

use super::Tag;
use super::answer::{Answer, Created, Deleted, Refusals, Shown, made};
use super::credentials::{AnyEnvironment, InDeployment};
use super::kinds::EnvironmentTag;
use super::parameters::{IdempotencyKey, IfMatch, InPath, OptionalIfMatch};
use super::schema::Rule;
use super::text::Text;
use crate::json::Strict;
use crate::problem::Code;

pub(super) struct Environments;

/// What an environment has that no edit changes.
pub(super) const RULES: &[Rule] = &[Rule {
    schema: "UpdateEnvironmentRequest",
    check: |_| Vec::new(),
    immutable: &["name", "built_in", "version"],
}];

#[OpenApi(prefix_path = "/v1", tag = "Tag::Environments")]
impl Environments {
    /// List environments
    ///
    /// The environments of the deployment, at most 100. Any key may ask.
    #[oai(path = "/environments", method = "get", operation_id = "list_environments")]
    async fn list_environments(
        &self,
        caller: InDeployment<(), AnyEnvironment>,
    ) -> Answer<Json<EnvironmentList>> {
        let environments = caller.deployment.list_environments().await?;
        Ok(Json(EnvironmentList { items: environments.into_iter().map(Into::into).collect() }))
    }

    /// Create an environment
    ///
    /// Keys can be issued for it at once. A backend says for which one it verifies keys. For the people who run the deployment.
    #[oai(path = "/environments", method = "post", operation_id = "create_environment")]
    async fn create_environment(
        &self,
        operator: InDeployment<OperatorEnvironments>,
        /// Makes repetitions of this request one request, for 24 hours: they get the same environment.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        /// The environment to be created.
        body: Strict<CreateEnvironmentRequest>,
    ) -> Answer<Created<Environment>, Creating> {
        let Strict { value, digest } = body;
        let InDeployment { deployment, app, .. } = operator;
        let deployment = idempotency_key.once_in_deployment(deployment, digest);
        let CreateEnvironmentRequest { name, tag } = value;
        let (environment, replayed) = made(deployment.create_environment(name.0, tag.0.0).await?);
        let location = format!("{}/v1/environments/{}", app.base_url, environment.name);
        let version = environment.version;
        Ok(Created::new(environment, location, version, replayed))
    }

    /// Get an environment
    ///
    /// Any key may ask.
    #[oai(path = "/environments/:environment_name", method = "get", operation_id = "get_environment")]
    async fn get_environment(
        &self,
        caller: InDeployment<(), AnyEnvironment>,
        /// The environment, by its name.
        environment_name: InPath<EnvironmentName, 0>,
    ) -> Answer<Shown<Environment>> {
        Ok(shown(caller.deployment.get_environment(&environment_name.0).await?))
    }

    /// Update an environment
    ///
    /// Another tag is for secrets that are made from now on; those that there are go on working. For the people who run the
    /// deployment.
    #[oai(path = "/environments/:environment_name", method = "patch", operation_id = "update_environment")]
    async fn update_environment(
        &self,
        operator: InDeployment<OperatorEnvironments>,
        /// The environment, by its name.
        environment_name: InPath<EnvironmentName, 0>,
        /// The `ETag` of the environment as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        /// What shall be different.
        body: Strict<UpdateEnvironmentRequest>,
    ) -> Answer<Shown<Environment>> {
        let UpdateEnvironmentRequest { tag } = body.value;
        let (name, tag) = (environment_name.0, tag.map(|tag| tag.0.0));
        Ok(shown(operator.deployment.update_environment(&name, if_match.0, tag).await?))
    }

    /// Delete an environment
    ///
    /// Only one of which there was never a key, for those stay with their history. Production, staging and development stay,
    /// too. For the people who run the deployment.
    #[oai(path = "/environments/:environment_name", method = "delete", operation_id = "delete_environment")]
    async fn delete_environment(
        &self,
        operator: InDeployment<OperatorEnvironments>,
        /// The environment, by its name.
        environment_name: InPath<EnvironmentName, 0>,
        /// The `ETag` of the environment as you know it. If it has changed since, nothing is written.
        #[oai(name = "If-Match")]
        if_match: OptionalIfMatch,
    ) -> Answer<Deleted, Deleting> {
        operator.deployment.delete_environment(&environment_name.0, if_match.0).await?;
        Ok(Deleted::Done)
    }
}

fn shown(environment: wardkey::DeploymentEnvironment) -> Shown<Environment> {
    let version = environment.version;
    Shown::new(environment, version)
}

/// What can stand in the way of a new environment.
struct Creating;

impl Refusals for Creating {
    const CODES: &'static [Code] = &[Code::NameInUse, Code::TooMany];
}

/// What can stand in the way of a deletion.
struct Deleting;

impl Refusals for Deleting {
    const CODES: &'static [Code] = &[Code::BuiltIn, Code::EnvironmentInUse];
}

/// An environment to be created.
#[derive(Debug, Object)]
#[oai(example)]
struct CreateEnvironmentRequest {
    /// The slug by which it is addressed, for ever.
    name: Text<EnvironmentName>,
    /// The short word for it inside secrets.
    tag: Text<EnvironmentTag>,
}

impl Example for CreateEnvironmentRequest {
    fn example() -> Self {
        let name = "preview".parse::<EnvironmentName>().expect("a literal slug");
        Self { name: name.into(), tag: EnvironmentTag("prev".to_owned()).into() }
    }
}

/// What shall be different about an environment; what is left out stays.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none, example)]
struct UpdateEnvironmentRequest {
    /// The short word for it inside secrets.
    tag: Option<Text<EnvironmentTag>>,
}

impl Example for UpdateEnvironmentRequest {
    fn example() -> Self {
        Self { tag: Some(EnvironmentTag("stage".to_owned()).into()) }
    }
}

/// The environments of the deployment.
#[derive(Debug, Object)]
#[oai(example)]
struct EnvironmentList {
    /// The environments.
    #[oai(validator(max_items = 100))]
    items: Vec<Environment>,
}

impl Example for EnvironmentList {
    fn example() -> Self {
        Self { items: vec![Environment::example()] }
    }
}

/// An environment, to which keys are bound.
#[derive(Debug, Object)]
#[oai(example)]
struct Environment {
    /// The slug by which it is addressed.
    name: Text<EnvironmentName>,
    /// The short word for it inside secrets.
    tag: Text<EnvironmentTag>,
    /// Whether it is one of those that every deployment has.
    built_in: bool,
    /// Moves with each edit; the `ETag`, without quotes.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    version: i64,
}

impl From<wardkey::DeploymentEnvironment> for Environment {
    fn from(environment: wardkey::DeploymentEnvironment) -> Self {
        let wardkey::DeploymentEnvironment { name, tag, built_in, version } = environment;
        Self { name: name.into(), tag: EnvironmentTag(tag).into(), built_in, version }
    }
}

impl Example for Environment {
    fn example() -> Self {
        Self { name: Text::example(), tag: Text::example(), built_in: true, version: 1 }
    }
}
