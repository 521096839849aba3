//! The door for who has no credential yet.

use std::net::IpAddr;

use wardkey_core::{SessionId, Timestamp, UserId};
use wardkey_storage::{
    CountedAttempt, LAST_USED_STEP, NewSession, PasswordHash, SigningKey, Storage, StoredCredential,
};

use crate::caller::{ActiveSession, sha256};
use crate::error::Error;
use crate::wardkey::Wardkey;

/// The longest description of a browser that is kept, in characters.
const MAX_USER_AGENT: usize = 300;

/// Who comes, as far as it can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request, for the log.
    pub request_id: Option<String>,
    /// The browser, in its own words.
    pub user_agent: Option<String>,
}

/// The door for who has no credential yet: a credential by e-mail address, sessions, and nothing else.
///
/// Who logs in, and what becomes of sessions, goes to the log and not to the audit log, and touches no feed.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub(crate) wardkey: Wardkey,
    pub(crate) visitor: Visitor,
}

/// An attempt to log in that was counted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginAttempt {
    /// With what the password is compared; none if nobody may log in by this address. Whoever compares does the same
    /// work and gives the same answer then.
    pub credential: Option<Credential>,
}

/// A person's password, as it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Credential {
    /// The person.
    pub user: UserId,
    /// With what a password is compared.
    pub hash: PasswordHash,
    /// Where the attempts are counted.
    account: [u8; 32],
}

/// A session that was opened or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedSession {
    /// The session.
    pub session: ActiveSession,
    /// When it ends unless it is refreshed: [`SESSION_IDLE`](crate::SESSION_IDLE) from now, and at the latest
    /// [`SESSION_LIFE`](crate::SESSION_LIFE) after the person logged in.
    pub ends_at: Timestamp,
}

/// What became of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshed {
    /// The token was the current one; the next one is from now on.
    Renewed(OpenedSession),
    /// The token was replaced less than [`REFRESH_GRACE`](crate::REFRESH_GRACE) ago, as when two tabs of a browser
    /// refresh at once: nothing happened, and the browser has the newer one already.
    Superseded,
    /// The token was replaced before: whoever showed it stole it, or was stolen from. The session was ended.
    Reused,
    /// There is no such token, or its session is over.
    Unknown,
}

impl Wardkey {
    /// The door for who has no credential yet.
    pub fn sign_in(&self, from: Visitor) -> SignIn {
        SignIn { wardkey: self.clone(), visitor: from }
    }

    /// Counts an attempt for this address, and finds with what its password is compared.
    pub(crate) async fn count_login_attempt(&self, email: &str) -> Result<LoginAttempt, Error> {
        let account = sha256(Storage::fold_email(email).as_bytes());
        match self.storage().count_login_attempt(account, email, self.now()).await? {
            CountedAttempt::Refused { retry_after } => Err(Error::TooManyAttempts { retry_after }),
            CountedAttempt::Counted { credential } => {
                let bind = |StoredCredential { user, hash }| Credential { user, hash, account };
                Ok(LoginAttempt { credential: credential.map(bind) })
            }
        }
    }
}

impl Credential {
    /// The same person's next password.
    pub(crate) fn with_hash(self, hash: PasswordHash) -> Self {
        Self { hash, ..self }
    }
}

impl SignIn {
    /// Counts an attempt to log in by this e-mail address before its password is looked at, whether or not there is
    /// such a user, and gives with what the password is compared.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] from the [eleventh](crate::MOST_ATTEMPTS) attempt on of which none succeeded, until
    /// [`ATTEMPTS_WINDOW`](crate::ATTEMPTS_WINDOW) after the last that was counted. [`Error::Unavailable`].
    pub async fn begin_login(&self, email: &str) -> Result<LoginAttempt, Error> {
        let attempt = self.wardkey.count_login_attempt(email).await;
        if let Err(Error::TooManyAttempts { retry_after }) = &attempt {
            let Visitor { address, request_id, user_agent: _ } = &self.visitor;
            tracing::warn!(?address, ?request_id, ?retry_after, "too many attempts to log in by one address");
        }
        attempt
    }

    /// Opens a session for the person whose password was right; `refresh` is the digest of its first refresh token. The
    /// count of attempts begins anew. A person's oldest session ends when there are too
    /// [many](crate::MOST_SESSIONS).
    ///
    /// # Errors
    /// [`Error::NotFound`] if the person may not log in any more, or has another password by now.
    /// [`Error::Unavailable`].
    pub async fn open_session(
        &self,
        credential: &Credential,
        refresh: [u8; 32],
    ) -> Result<OpenedSession, Error> {
        let Credential { user, hash, account } = credential.clone();
        let Visitor { address, request_id, user_agent } = self.visitor.clone();
        let now = self.wardkey.now();
        let id = SessionId::mint(now, self.wardkey.random());
        let user_agent = user_agent.as_deref().map(clean_user_agent);
        let new = NewSession { id, user, hash, account, refresh, address, user_agent };
        let ends_at = self.wardkey.storage().open_session(new, now).await?;
        tracing::info!(session = %id, %user, ?address, ?request_id, "logged in");
        Ok(OpenedSession { session: ActiveSession { id, user }, ends_at })
    }

    /// Replaces a refresh token, both by digest.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refresh(&self, presented: [u8; 32], next: [u8; 32]) -> Result<Refreshed, Error> {
        use wardkey_storage::Refreshed as Stored;
        let now = self.wardkey.now();
        Ok(match self.wardkey.storage().refresh_session(presented, next, now).await? {
            Stored::Renewed { session: id, user, ends_at } => {
                Refreshed::Renewed(OpenedSession { session: ActiveSession { id, user }, ends_at })
            }
            Stored::Superseded => Refreshed::Superseded,
            Stored::Reused { session, user } => {
                let Visitor { address, request_id, user_agent: _ } = &self.visitor;
                tracing::warn!(
                    %session, %user, ?address, ?request_id,
                    "a refresh token came a second time, as when it was stolen: the session was ended"
                );
                Refreshed::Reused
            }
            Stored::Unknown => Refreshed::Unknown,
        })
    }

    /// The session, if it is one of this person's, is not over, and the person may act: to be asked for each request.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn resume(&self, session: SessionId, user: UserId) -> Result<Option<ActiveSession>, Error> {
        let (storage, now) = (self.wardkey.storage(), self.wardkey.now());
        let Some(last_used_at) = storage.find_session(session, user, now).await? else { return Ok(None) };
        if now.saturating_since(last_used_at) >= LAST_USED_STEP
            && let Err(error) = storage.touch_session(session, now).await
        {
            tracing::debug!(%error, %session, "could not note that the session was used");
        }
        Ok(Some(ActiveSession { id: session, user }))
    }

    /// Ends the session, for good: the person logs out. One that is over already stays so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn close_session(&self, session: &ActiveSession) -> Result<(), Error> {
        let ActiveSession { id, user } = *session;
        match self.wardkey.storage().end_session(user, id).await.map_err(Error::from) {
            Ok(()) => tracing::info!(session = %id, %user, "logged out"),
            Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// The keys that sign what a session shows with each request, the newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        Ok(self.wardkey.storage().list_signing_keys().await?)
    }

    /// Adds a signing key if the newest is still `if_newest`: of servers that rotate at once one adds a key, and all
    /// find it in the list. `wrapped` is nothing that the database alone could sign with.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn add_signing_key(
        &self,
        id: [u8; 16],
        wrapped: Vec<u8>,
        if_newest: Option<[u8; 16]>,
    ) -> Result<(), Error> {
        let now = self.wardkey.now();
        Ok(self.wardkey.storage().add_signing_key(id, wrapped, if_newest, now).await?)
    }
}

/// What a browser says of itself is anybody's text: of one line, and not too long.
fn clean_user_agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
}
