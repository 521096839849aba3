//! Environments: production, staging, development.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};
use wardkey_core::EnvironmentName;

use super::Tag;
use super::answer::Answer;
use super::credentials::{AnyEnvironment, InDeployment};
use super::kinds::Label;
use super::text::Text;

pub(super) struct Environments;

#[OpenApi(prefix_path = "/v1", tag = "Tag::Environments")]
impl Environments {
    /// List environments
    ///
    /// The environments of the deployment. Any key may ask.
    #[oai(path = "/environments", method = "get", operation_id = "list_environments")]
    async fn list_environments(
        &self,
        caller: InDeployment<(), AnyEnvironment>,
    ) -> Answer<Json<EnvironmentList>> {
        let deployment = caller.deployment.describe().await?;
        Ok(Json(EnvironmentList { items: deployment.environments.into_iter().map(Into::into).collect() }))
    }
}

/// The environments of the deployment.
#[derive(Debug, Object)]
#[oai(example)]
struct EnvironmentList {
    /// The environments.
    items: Vec<Environment>,
}

impl Example for EnvironmentList {
    fn example() -> Self {
        let environment = Environment { name: Text::example(), tag: Label("live".to_owned()).into() };
        Self { items: vec![environment] }
    }
}

/// An environment, to which keys are bound.
#[derive(Debug, Object)]
struct Environment {
    /// The slug by which it is addressed.
    name: Text<EnvironmentName>,
    /// The short word for it inside secrets.
    tag: Text<Label>,
}

impl From<wardkey_core::Environment> for Environment {
    fn from(environment: wardkey_core::Environment) -> Self {
        let wardkey_core::Environment { name, tag } = environment;
        Self { name: name.into(), tag: Label(tag).into() }
    }
}
