//! Passwords that somebody else sets.

use wardkey_core::permission::OperatorUsers;
use wardkey_core::{Reference, UserId};
use wardkey_storage::PasswordHash;

use crate::deployment::DeploymentHandle;
use crate::error::Error;

impl DeploymentHandle {
    /// Gives a user this password, the first or another, and ends all of the person's sessions; needs
    /// `operator:users`. Whether the password is a good one is for whoever hashed it to say.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::ExceedsOwnRights`] for somebody above the caller, [`Error::NotFound`],
    /// [`Error::Unavailable`].
    pub async fn set_password(&self, user: &Reference<UserId>, hash: PasswordHash) -> Result<(), Error> {
        self.require::<OperatorUsers>()?;
        let (user, held) = self.find_changeable(user).await?;
        Ok(self.wardkey.storage().set_password(&self.act_on(held), user.id, hash).await?)
    }
}
