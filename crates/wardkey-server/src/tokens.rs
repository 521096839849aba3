//! Access tokens: what a browser shows with each request of a session, for ten minutes. A JSON Web Token (RFC 7519)
//! says which session it is; whether that is still one is for the database to say.

mod ring;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use wardkey::{ActiveSession, Visitor, Wardkey};
use wardkey_core::{Clock, Random, SessionId, Timestamp, UserId};

use self::ring::{KeyId, Ring, SigningKey, Wrapping};
use crate::problem::{Code, Refusal};
use crate::seal::Seal;

/// How long an access token is good.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// How far the clocks of two nodes may be apart: by so much a token is good before it was made.
const SKEW: Duration = Duration::from_secs(60);
/// How old the key that signs may become. It is replaced by the next login or refresh; what it signed stays good.
const KEY_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How long to wait, after the keys were read for a token whose key nobody knows, until they are read for another.
const LOAD_INTERVAL: Duration = Duration::from_secs(2);
/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 2_048;

/// For whom the tokens are.
const AUDIENCE: &str = "wardkey-admin";
/// What kind of token they are (RFC 8725, section 3.11): none of another kind is mistaken for one.
const TYPE: &str = "wardkey-session+jwt";

/// What a token says. Each claim must be there, and be of its type; a further one is refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Makes and reads access tokens.
pub(crate) struct Tokens {
    wardkey: Wardkey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    wrapping: Wrapping,
    issuer: String,
    ring: RwLock<Arc<Ring>>,
    /// When the keys were read last; held while they are read.
    loaded: tokio::sync::Mutex<Option<Duration>>,
}

impl Tokens {
    /// Tokens of this deployment, which clients reach by this address.
    pub(crate) fn new(
        wardkey: Wardkey,
        seal: &Seal,
        public_url: Option<&str>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            wardkey,
            clock,
            random,
            wrapping: Wrapping::from_seal(&seal.purpose_key("signing keys")),
            issuer: public_url.unwrap_or("wardkey").to_owned(),
            ring: RwLock::default(),
            loaded: tokio::sync::Mutex::default(),
        }
    }

    /// A new token for the session.
    ///
    /// # Errors
    /// If there is no young key to sign with and the database does not answer.
    pub(crate) async fn issue(&self, session: &ActiveSession) -> Result<String, Refusal> {
        let ring = self.ring_that_signs().await?;
        let key = ring.newest().ok_or(Code::InternalError)?;
        let iat = seconds(self.clock.now());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: session.user().to_string(),
            sid: session.id().to_string(),
            iat,
            nbf: iat - whole(SKEW),
            exp: iat + whole(TOKEN_LIFE),
        };
        jsonwebtoken::encode(&header(key.id), &claims, &key.encoding)
            .map_err(|error| Refusal::caused(Code::InternalError.problem(), error))
    }

    /// Which session of whom the token is for.
    ///
    /// # Errors
    /// 401 `session_ended` for whatever is not a good token; 503 if its key is not known and the database does not
    /// answer.
    pub(crate) async fn read(&self, token: &str) -> Result<(SessionId, UserId), Refusal> {
        let ended = || Refusal::from(Code::SessionEnded);
        let id = key_of(token).ok_or_else(ended)?;
        let ring = self.ring_that_knows(id).await?;
        let key = ring.find(id).ok_or_else(ended)?;
        self.check(token, key).ok_or_else(ended)
    }

    /// jsonwebtoken compares the signature and nothing else: it knows the ambient clock only, and takes lists for
    /// names.
    fn check(&self, token: &str, key: &SigningKey) -> Option<(SessionId, UserId)> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let Claims { iss, aud, sub, sid, iat, nbf, exp } =
            jsonwebtoken::decode(token, &key.decoding, &validation).ok()?.claims;
        let now = self.clock.now();
        let good = iss == self.issuer
            && aud == AUDIENCE
            && nbf == iat.checked_sub(whole(SKEW))?
            && exp == iat.checked_add(whole(TOKEN_LIFE))?
            && nbf <= seconds(now)
            // The very second of its end is past it.
            && seconds(now) < exp;
        if good { Some((sid.parse().ok()?, sub.parse().ok()?)) } else { None }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, read anew if this one is not among them; not too often, as anybody may ask for a key that there is
    /// not.
    async fn ring_that_knows(&self, id: KeyId) -> Result<Arc<Ring>, Refusal> {
        let known = |ring: Arc<Ring>| ring.find(id).is_some().then_some(ring);
        if let Some(ring) = known(self.ring()) {
            return Ok(ring);
        }
        let mut loaded = self.loaded.lock().await;
        let now = self.clock.monotonic();
        let is_recent = loaded.is_some_and(|at| now.saturating_sub(at) < LOAD_INTERVAL);
        if is_recent {
            // Somebody else may have read them meanwhile.
            return Ok(self.ring());
        }
        let ring = self.load().await?;
        *loaded = Some(now);
        Ok(ring)
    }

    /// The keys, the newest of which is young enough to sign.
    async fn ring_that_signs(&self) -> Result<Arc<Ring>, Refusal> {
        let signs = |ring: &Ring| ring.newest().is_some_and(|key| !self.is_old(key));
        let ring = self.ring();
        if signs(&ring) {
            return Ok(ring);
        }
        let mut loaded = self.loaded.lock().await;
        let mut ring = self.load().await?;
        *loaded = Some(self.clock.monotonic());
        if !signs(&ring) {
            let (id, wrapped) = self.wrapping.make(&*self.random).ok_or(Code::InternalError)?;
            // Of several nodes that do this at once one succeeds, and all use its key.
            self.wardkey.sign_in(Visitor::default()).add_signing_key(id, wrapped, ring.listed).await?;
            ring = self.load().await?;
            tracing::info!("sessions are signed with a new key");
        }
        Ok(ring)
    }

    fn is_old(&self, key: &SigningKey) -> bool {
        self.clock.now().saturating_since(key.created_at) >= KEY_LIFE
    }

    async fn load(&self) -> Result<Arc<Ring>, Refusal> {
        let stored = self.wardkey.sign_in(Visitor::default()).list_signing_keys().await?;
        let ring = Arc::new(Ring::open(stored, &self.wrapping));
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        Ok(ring)
    }
}

/// The header that each token has, and no other.
fn header(id: KeyId) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(ring::name(id));
    header
}

/// The key that the token names, if its header is one of ours: any other algorithm or type, and any extension, critical
/// or not, is none.
fn key_of(token: &str) -> Option<KeyId> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let given = jsonwebtoken::decode_header(token).ok()?;
    let id = ring::parse(given.kid.as_deref()?)?;
    (given == header(id)).then_some(id)
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
