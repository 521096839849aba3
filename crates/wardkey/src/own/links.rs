//! Links that lead a person who is logged in into an organization.

use super::Own;
use crate::caller::ActiveSession;
use crate::error::Error;
use crate::links::LinkToken;

impl Own {
    /// Takes an organization's link in: the person becomes its member in full, and their sessions enter it. Before that it
    /// knows of them what somebody said who invited them, and that need not be the person whose password is known.
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is not logged in, and if the link is unknown, used or over, somebody else's, or an
    /// operator's, which makes nobody a member; [`Error::Unavailable`].
    pub async fn accept_link(&self, token: &LinkToken) -> Result<(), Error> {
        let ActiveSession { id: _, user } = self.session()?;
        let act = self.wardkey.act(&self.caller);
        Ok(self.wardkey.storage().accept_link(&act, user, token.digest()).await?)
    }
}
