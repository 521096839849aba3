//! What only a person who is logged in does: their own sessions, and their password.

use wardkey_core::SessionId;
use wardkey_storage::{PasswordHash, Session};

use super::{Own, Whose};
use crate::caller::ActiveSession;
use crate::error::Error;
use crate::sign_in::Credential;

impl Own {
    /// The person's sessions that are not over, the newest first; at most [`MOST_SESSIONS`](crate::MOST_SESSIONS).
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is not logged in; [`Error::Unavailable`].
    pub async fn list_sessions(&self) -> Result<Vec<Session>, Error> {
        let ActiveSession { id: _, user } = self.session()?;
        Ok(self.wardkey.storage().list_sessions(user, self.now()).await?)
    }

    /// Ends one of the person's sessions, for good; it may be this one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is not logged in, and for a session that is not the person's;
    /// [`Error::Unavailable`].
    pub async fn end_session(&self, session: SessionId) -> Result<(), Error> {
        let ActiveSession { id: by, user } = self.session()?;
        self.wardkey.storage().end_session(user, session).await?;
        tracing::info!(%session, %user, %by, "the person ended a session");
        Ok(())
    }

    /// Ends all of the person's sessions but this one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is not logged in; [`Error::Unavailable`].
    pub async fn end_other_sessions(&self) -> Result<(), Error> {
        let ActiveSession { id, user } = self.session()?;
        let ended = self.wardkey.storage().end_other_sessions(user, id).await?;
        tracing::info!(session = %id, %user, ended, "the person ended all other sessions");
        Ok(())
    }

    /// With what the person's password is compared before it is changed. It counts as an attempt to log in: a session
    /// that was left open is no way to guess the password.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::NotFound`] for who is not logged in, [`Error::Unavailable`].
    pub async fn password_hash(&self) -> Result<Credential, Error> {
        let ActiveSession { id: _, user } = self.session()?;
        let email = self.require_user(user).await?.email;
        let credential = self.wardkey.count_login_attempt(&email).await?.credential;
        credential.filter(|credential| credential.user == user).ok_or(Error::NotFound)
    }

    /// Replaces the person's password, whose present one was right, and ends every session of the person, this one
    /// included: with what is returned another can be [opened](crate::SignIn::open_session) at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] for who is not logged in (any more); [`Error::Unavailable`].
    pub async fn change_password(
        &self,
        present: Credential,
        next: PasswordHash,
    ) -> Result<Credential, Error> {
        let ActiveSession { id: _, user } = self.session()?;
        if present.user != user {
            return Err(Error::NotFound);
        }
        let act = self.wardkey.act(&self.caller);
        self.wardkey.storage().set_password(&act, user, next.clone()).await?;
        Ok(present.with_hash(next))
    }

    /// The session, if it is one.
    pub(super) fn session(&self) -> Result<ActiveSession, Error> {
        match &self.whose {
            Whose::Person(session) => Ok(*session),
            Whose::Key(_) | Whose::StandIn(_) => Err(Error::NotFound),
        }
    }
}
