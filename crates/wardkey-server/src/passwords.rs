//! Passwords: which ones are taken, and the work of hashing them, kept from filling the machine.

mod common;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, PasswordHash as Phc, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wardkey::PasswordHash;
use wardkey_core::{FieldError, Random};
use zeroize::Zeroizing;

use crate::problem::{Code, Refusal};

/// The shortest password, in Unicode scalar values.
pub(crate) const MIN_PASSWORD: usize = 15;
/// The longest password, in Unicode scalar values.
pub(crate) const MAX_PASSWORD: usize = 256;

/// How many may wait for their turn beyond those that are being hashed.
pub(crate) const MAX_WAITING: usize = 64;

/// Argon2id as OWASP's password storage cheat sheet recommends it: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What is verified in place of the hash that an unknown person does not have: of the same parameters, so that it is
/// the same work, and no password's.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbCEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as somebody typed it: taken as it is, not normalised. It cannot be printed, and is wiped when dropped.
#[derive(Clone)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    /// The password itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it may become the password of the person with this e-mail address. What it is composed of does not
    /// matter, as NIST SP 800-63B has it; what is short or among the first guesses does.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub(crate) fn check(&self, email: &str) -> Result<(), Weakness> {
        let weak = |code, detail: &str| Err(Weakness { code, detail: detail.to_owned() });
        let length = self.0.chars().count();
        if length < MIN_PASSWORD {
            weak("too_short", &format!("must have at least {MIN_PASSWORD} characters; a few words will do"))
        } else if length > MAX_PASSWORD {
            weak("too_long", &format!("must have at most {MAX_PASSWORD} characters"))
        } else if self.0.chars().any(char::is_control) {
            weak("control_character", "must not contain control characters")
        } else if common::is_common(&self.0, email) {
            weak("too_common", "is among the first that anybody would guess: choose words of your own")
        } else {
            Ok(())
        }
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Why a password is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password {detail}")]
pub(crate) struct Weakness {
    code: &'static str,
    detail: String,
}

impl Weakness {
    /// The same, as what is wrong with a field.
    pub(crate) fn at(self, pointer: &str) -> FieldError {
        let Self { code, detail } = self;
        FieldError { pointer: pointer.to_owned(), code, detail }
    }
}

/// Hashes and verifies passwords, a few at a time. Clones share the places.
///
/// Each takes 19 MiB and some tens of milliseconds of a core: at most half of the cores do this at once, so that other
/// requests go on, and at most [`MAX_WAITING`] wait.
#[derive(Clone)]
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    /// A place for each that is hashed or waits.
    places: Arc<Semaphore>,
    /// What Argon2 works in, for each turn: kept, as threads that allocate it anew leave it behind each for itself.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
    random: Arc<dyn Random>,
}

impl Passwords {
    /// With places for this machine.
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::with_places(at_once(cores), MAX_WAITING, random)
    }

    fn with_places(at_once: usize, waiting: usize, random: Arc<dyn Random>) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once + waiting)),
            memory: Arc::default(),
            random,
        }
    }

    /// The hash of a new password for the person with this e-mail address.
    ///
    /// # Errors
    /// A 400 at `pointer` if the password is not one that is taken; 503 `overloaded`.
    pub(crate) async fn hash(
        &self,
        password: Password,
        email: &str,
        pointer: &str,
    ) -> Result<PasswordHash, Refusal> {
        password.check(email).map_err(|weakness| Refusal::invalid(vec![weakness.at(pointer)]))?;
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        self.run(move |blocks| {
            let argon2 = argon2id();
            let digest = digest(&argon2, &password, &salt, Params::DEFAULT_OUTPUT_LEN, blocks);
            let hash = Phc {
                algorithm: ARGON2ID_IDENT,
                version: Some(Version::V0x13.into()),
                params: argon2.params().try_into().expect("the parameters can be written"),
                salt: Some(Salt::new(&salt).expect("a salt has 16 bytes")),
                hash: Some(digest.expect("a salt of 16 bytes and a password of some hundred fit")),
            };
            PasswordHash::new(hash.to_string())
        })
        .await
    }

    /// A turn to hash or to verify, when it comes: for who must do something else first, and not in vain.
    ///
    /// # Errors
    /// 503 `overloaded`.
    pub(crate) async fn turn(&self) -> Result<Turn, Refusal> {
        let overloaded = || Refusal::from(Code::Overloaded);
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| overloaded())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| overloaded())?;
        Ok(Turn { memory: Arc::clone(&self.memory), _kept: [place, running] })
    }

    /// Does this on a thread of its own, when it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.turn().await?.run(work).await
    }
}

/// A turn to do one piece of work.
pub(crate) struct Turn {
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
    _kept: [OwnedSemaphorePermit; 2],
}

impl Turn {
    /// Whether it is the password of which this is the hash; the same work if there is none.
    ///
    /// # Errors
    /// If the work fails altogether, which is a mistake of the server.
    pub(crate) async fn verify(
        self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, Refusal> {
        self.run(move |blocks| {
            let known = hash.and_then(|hash| {
                let matches = compare(&password, hash.expose(), blocks);
                if matches.is_none() {
                    tracing::error!("a stored password hash cannot be read");
                }
                matches
            });
            known.unwrap_or_else(|| {
                // The same work, and whatever comes of it, it is nobody's password.
                let _ = compare(&password, NOBODYS_HASH, blocks);
                false
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = tokio::task::spawn_blocking(move || {
            // Work cannot be given up: it keeps its turn to its end, even if the client has gone.
            let turn = self;
            let mut blocks = lock(&turn.memory).pop().unwrap_or_default();
            let result = work(&mut blocks);
            lock(&turn.memory).push(blocks);
            result
        });
        done.await.map_err(|_panic| Code::InternalError.into())
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("places", &self.places.available_permits()).finish_non_exhaustive()
    }
}

/// Half of the cores hash, and the other half serves.
fn at_once(cores: usize) -> usize {
    (cores / 2).max(1)
}

fn lock(memory: &Mutex<Vec<Vec<Block>>>) -> MutexGuard<'_, Vec<Vec<Block>>> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is the password of which this PHC string is the hash; `None` if the string is none.
fn compare(password: &Password, hash: &str, blocks: &mut Vec<Block>) -> Option<bool> {
    let hash = Phc::new(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = Version::try_from(hash.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash).ok()?);
    // Two outputs are compared in constant time.
    Some(digest(&argon2, password, salt, expected.len(), blocks)? == *expected)
}

fn digest(
    argon2: &Argon2<'_>,
    password: &Password,
    salt: &[u8],
    length: usize,
    blocks: &mut Vec<Block>,
) -> Option<Output> {
    let count = argon2.params().block_count();
    if blocks.len() < count {
        blocks.resize(count, Block::new());
    }
    let mut buffer = [0; Output::MAX_LENGTH];
    let digest = buffer.get_mut(..length)?;
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, digest, &mut *blocks).ok()?;
    Output::new(digest).ok()
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use wardkey_core::testing::SeededRandom;

    use super::*;

    fn pool(at_once: usize, waiting: usize) -> Passwords {
        Passwords::with_places(at_once, waiting, Arc::new(SeededRandom::new(1)))
    }

    fn code(password: &str) -> Option<&'static str> {
        Password::from(password).check("ada.lovelace@example.com").err().map(|weakness| weakness.code)
    }

    #[test]
    fn length_is_counted_in_characters_and_composition_does_not_matter() {
        assert_eq!(code("vexing quokkas"), Some("too_short"));
        assert_eq!(code("vexing quokkas."), None);
        let word =
            |length: usize| "käfig für drachen im wald ".chars().cycle().take(length).collect::<String>();
        assert_eq!(code(&word(256)), None);
        assert_eq!(code(&word(257)), Some("too_long"));
        assert_eq!(code("ein käfig\u{0}für drachen"), Some("control_character"));
        assert_eq!(code("ein käfig\nfür drachen"), Some("control_character"));
    }

    #[test]
    fn a_password_cannot_be_printed() {
        assert_eq!(format!("{:?}", Password::from("ein käfig für drachen")), "Password");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_password_is_verified_against_its_own_hash_and_nobody_has_none() {
        let pool = pool(1, 1);
        let password = || Password::from("ein käfig für drachen");
        let hash = pool.hash(password(), "a@example.com", "/password").await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(hash, pool.hash(password(), "a@example.com", "/password").await.unwrap());
        assert!(pool.turn().await.unwrap().verify(password(), Some(hash.clone())).await.unwrap());
        assert!(
            !pool
                .turn()
                .await
                .unwrap()
                .verify(Password::from("ein käfig für drache"), Some(hash))
                .await
                .unwrap()
        );
        assert!(!pool.turn().await.unwrap().verify(password(), None).await.unwrap());
        assert!(
            !pool.turn().await.unwrap().verify(password(), Some(PasswordHash::new("no hash"))).await.unwrap()
        );
        let refusal = pool.hash(Password::from("short"), "a@example.com", "/password").await.unwrap_err();
        assert_eq!(refusal.problem().status(), 400);
    }

    #[test]
    fn nobodys_hash_costs_what_a_persons_does() {
        let hash = Phc::new(NOBODYS_HASH).unwrap();
        assert_eq!(Params::try_from(&hash).unwrap().m_cost(), MEMORY_KIB);
        assert_eq!(Params::try_from(&hash).unwrap().t_cost(), PASSES);
        assert_eq!(hash.hash.unwrap().len(), 32);
    }

    #[test]
    fn half_of_the_cores_hash_and_at_least_one() {
        assert_eq!([1, 2, 3, 4, 16].map(at_once), [1, 1, 1, 2, 8]);
    }

    /// Of a hundred at once, two run, eight wait, and the rest hears so at once; whoever goes away keeps no place.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_than_the_places_are_taken_and_beyond_them_it_is_overloaded() {
        let pool = pool(2, 8);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let work = || {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            let pool = pool.clone();
            tokio::spawn(async move {
                pool.run(move |_| {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    gate.lock().unwrap().recv().unwrap();
                    running.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            })
        };
        let mut places: Vec<_> = (0..100).map(|_| work()).collect();
        // Those who find no place are answered while nothing has been hashed.
        while places.iter().filter(|task| task.is_finished()).count() < 90
            || running.load(Ordering::SeqCst) < 2
        {
            tokio::task::yield_now().await;
        }
        for task in places.extract_if(.., |task| task.is_finished()) {
            let refusal = task.await.unwrap().unwrap_err();
            assert_eq!((refusal.problem().code(), refusal.problem().status()), ("overloaded", 503));
            let rendered = refusal.problem().render("req_1", None);
            assert!(rendered.headers.iter().any(|(name, _)| *name == "retry-after"));
        }
        assert_eq!(places.len(), 10);
        (0..10).for_each(|_| release.send(()).unwrap());
        for task in places {
            task.await.unwrap().unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        release.send(()).unwrap();
        work().await.unwrap().unwrap();
    }
}
