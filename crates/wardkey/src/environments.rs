//! Environments: deployment-wide, each key is bound to one.

use wardkey_core::permission::OperatorEnvironments;
use wardkey_core::{Environment, EnvironmentName};
use wardkey_storage::{DeploymentEnvironment, Once};

use crate::deployment::DeploymentHandle;
use crate::error::Error;
use crate::keys::secret_start;

impl DeploymentHandle {
    /// Every environment, in the order in which people read them; needs no permission.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_environments(&self) -> Result<Vec<DeploymentEnvironment>, Error> {
        Ok(self.wardkey.storage().list_environments().await?)
    }

    /// An environment; needs no permission.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_environment(&self, name: &EnvironmentName) -> Result<DeploymentEnvironment, Error> {
        self.wardkey.storage().find_environment(name).await?.ok_or(Error::NotFound)
    }

    /// Creates an environment, with the tag that its secrets are to show; needs `operator:environments`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], conflicts (name in use, too many environments),
    /// [`Error::Unavailable`].
    pub async fn create_environment(
        &self,
        name: EnvironmentName,
        tag: String,
    ) -> Result<Once<DeploymentEnvironment>, Error> {
        self.require::<OperatorEnvironments>()?;
        self.check_tag(&tag).await?;
        let idempotency = self.idempotency("create_environment").await?;
        let new = Environment { name, tag };
        let environment = self.wardkey.storage().create_environment(&self.act(), new, idempotency).await?;
        self.wardkey.publish().await;
        Ok(environment)
    }

    /// Gives an environment another tag, which secrets show that are made from now on; needs `operator:environments`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`], [`Error::VersionMismatch`],
    /// [`Error::Unavailable`].
    pub async fn update_environment(
        &self,
        name: &EnvironmentName,
        version: i64,
        tag: Option<String>,
    ) -> Result<DeploymentEnvironment, Error> {
        self.require::<OperatorEnvironments>()?;
        if let Some(tag) = &tag {
            self.check_tag(tag).await?;
        }
        let current = self.get_environment(name).await?;
        // What is kept is of the version that was read; it must be the one that is written.
        if current.version != version {
            return Err(Error::VersionMismatch { current: current.version });
        }
        let tag = tag.unwrap_or(current.tag);
        let storage = self.wardkey.storage();
        let environment = storage.update_environment(&self.act(), name.clone(), version, tag).await?;
        self.wardkey.publish().await;
        Ok(environment)
    }

    /// Deletes an environment of which there was never a key; needs `operator:environments`.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::VersionMismatch`], conflicts (built in, in use),
    /// [`Error::Unavailable`].
    pub async fn delete_environment(
        &self,
        name: &EnvironmentName,
        version: Option<i64>,
    ) -> Result<(), Error> {
        self.require::<OperatorEnvironments>()?;
        self.wardkey.storage().delete_environment(&self.act(), name.clone(), version).await?;
        self.wardkey.publish().await;
        Ok(())
    }

    /// Whether the start of a secret can hold the tag.
    async fn check_tag(&self, tag: &str) -> Result<(), Error> {
        let deployment = self.describe().await?;
        match secret_start(&deployment, tag) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::invalid("/tag", "malformed", error.to_string())),
        }
    }
}
