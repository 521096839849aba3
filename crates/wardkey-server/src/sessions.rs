//! Sessions in a browser: how they travel, and what keeps other sites from using them.

mod cookies;
mod limit;
mod origin;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use poem::http::header::USER_AGENT;
use sha2::{Digest as _, Sha256};
use wardkey::{ActiveSession, OpenedSession, Visitor, Wardkey};
use wardkey_core::{Admission, Clock, Denial, Random};
use zeroize::Zeroizing;

pub(crate) use self::cookies::{Cookie, SetCookies};
use self::cookies::{Cookies, Given};
use self::limit::Limits;
pub(crate) use self::limit::{limited_by_links, limited_by_logins, limited_by_refreshes};
use self::origin::OwnOrigin;
use crate::problem::{Code, Refusal};
use crate::seal::Seal;
use crate::tokens::Tokens;

/// Sessions of people who use the server in a browser.
pub(crate) struct Sessions {
    wardkey: Wardkey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tokens: Tokens,
    cookies: Cookies,
    origin: OwnOrigin,
    limits: Limits,
}

/// Whether a request comes without any of our cookies, or with one that a browser may have added by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    Nothing,
    Cookies,
}

/// A refresh token: the one that is kept in the browser, and the digest that is stored.
pub(crate) struct RefreshToken {
    text: Zeroizing<String>,
    /// SHA-256 of the token.
    pub(crate) digest: [u8; 32],
}

impl Sessions {
    /// Of this deployment, which clients reach by this address.
    pub(crate) fn new(
        wardkey: &Wardkey,
        seal: &Seal,
        public_url: Option<&str>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            wardkey: wardkey.clone(),
            tokens: Tokens::new(wardkey.clone(), seal, public_url, Arc::clone(&clock), Arc::clone(&random)),
            cookies: Cookies::new(public_url),
            origin: OwnOrigin::new(public_url),
            limits: Limits::new(),
            clock,
            random,
        }
    }

    /// The session that the request's cookie is for; `None` if it has no such cookie.
    ///
    /// # Errors
    /// 400 `ambiguous_credentials` if it has two; 401 `session_ended` if it is for none that is; 403 `csrf_refused` if
    /// the request changes something and may be another site's; 503.
    pub(crate) async fn resume(&self, request: &Request) -> Result<Option<ActiveSession>, Refusal> {
        let token = match self.cookies.read(request, Cookie::Access) {
            Given::Nothing => return Ok(None),
            Given::Twice => return Err(Denial::AmbiguousCredentials.into()),
            Given::Once(token) => token,
        };
        let (session, user) = self.tokens.read(token).await?;
        let found = self.wardkey.sign_in(visitor(request)).resume(session, user).await?;
        let session = found.ok_or(Code::SessionEnded)?;
        if !request.method().is_safe() {
            self.origin.check(request, Carried::Cookies)?;
        }
        Ok(Some(session))
    }

    /// Refuses what may be another site's request, of somebody who has no session yet, or shows its refresh token.
    ///
    /// # Errors
    /// 403 `csrf_refused`.
    pub(crate) fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        let nothing = [Cookie::Access, Cookie::Refresh]
            .into_iter()
            .all(|cookie| matches!(self.cookies.read(request, cookie), Given::Nothing));
        self.origin.check(request, if nothing { Carried::Nothing } else { Carried::Cookies })
    }

    /// The digest of the refresh token that the request has.
    ///
    /// # Errors
    /// 400 `ambiguous_credentials` if it has two.
    pub(crate) fn presented(&self, request: &Request) -> Result<Option<[u8; 32]>, Refusal> {
        match self.cookies.read(request, Cookie::Refresh) {
            Given::Nothing => Ok(None),
            Given::Twice => Err(Denial::AmbiguousCredentials.into()),
            Given::Once(token) => Ok(Some(Sha256::digest(token.as_bytes()).into())),
        }
    }

    /// A new refresh token.
    pub(crate) fn new_refresh_token(&self) -> RefreshToken {
        let mut bytes = Zeroizing::new([0; 32]);
        self.random.fill(&mut *bytes);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        let digest = Sha256::digest(text.as_bytes()).into();
        RefreshToken { text, digest }
    }

    /// The cookies of a session that was opened or refreshed.
    ///
    /// # Errors
    /// As for making an access token.
    pub(crate) async fn cookies_of(
        &self,
        opened: &OpenedSession,
        refresh: &RefreshToken,
    ) -> Result<SetCookies, Refusal> {
        let access = self.tokens.issue(&opened.session).await?;
        let life = opened.ends_at.saturating_since(self.clock.now());
        Ok(self.cookies.set(&access, &refresh.text, life))
    }

    /// What takes the cookies away.
    pub(crate) fn no_cookies(&self) -> SetCookies {
        self.cookies.clear()
    }
}

/// Who comes, as far as it can be seen.
pub(crate) fn visitor(request: &Request) -> Visitor {
    let admission = request.data::<Admission>();
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    Visitor {
        address: admission.and_then(Admission::address),
        request_id: admission.map(|admission| admission.request_id().to_owned()),
        user_agent: user_agent.map(str::to_owned),
    }
}
