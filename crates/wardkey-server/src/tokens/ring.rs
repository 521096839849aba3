//! The keys that sign access tokens. In the database they are wrapped by the seal, so that whoever has the database can
//! sign nothing.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use wardkey_core::{Random, Timestamp};
use zeroize::Zeroizing;

/// The id of a signing key; random.
pub(super) type KeyId = [u8; 16];

/// The id as a token names it.
pub(super) fn name(id: KeyId) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// The id that a token names.
pub(super) fn parse(name: &str) -> Option<KeyId> {
    URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok()
}

/// A key, ready for use.
pub(super) struct SigningKey {
    pub(super) id: KeyId,
    pub(super) created_at: Timestamp,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

/// The keys that are known.
#[derive(Default)]
pub(super) struct Ring {
    /// Oldest first.
    keys: Vec<SigningKey>,
    /// The newest that is stored, be it usable or not.
    pub(super) listed: Option<KeyId>,
}

impl Ring {
    /// The keys as they are stored. One that the seal does not open is nobody's word: it neither signs nor verifies.
    pub(super) fn open(mut stored: Vec<wardkey::SigningKey>, wrapping: &Wrapping) -> Self {
        stored.sort_by_key(|key| (key.created_at, key.id));
        let listed = stored.last().map(|key| key.id);
        let open = |wardkey::SigningKey { id, wrapped, created_at }| {
            let key = wrapping.open(id, &wrapped).and_then(|pkcs8| SigningKey::new(id, created_at, &pkcs8));
            if key.is_none() {
                tracing::error!(key = name(id), "a stored signing key is not one that this seal has wrapped");
            }
            key
        };
        Self { keys: stored.into_iter().filter_map(open).collect(), listed }
    }

    /// The one that signs.
    pub(super) fn newest(&self) -> Option<&SigningKey> {
        self.keys.last()
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl SigningKey {
    fn new(id: KeyId, created_at: Timestamp, pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        Some(Self {
            id,
            created_at,
            encoding: EncodingKey::from_ed_der(pkcs8),
            decoding: DecodingKey::from_ed_der(pair.public_key().as_ref()),
        })
    }
}

/// What keeps signing keys secret where they are stored: AES-256 in Galois/counter mode, under a key of the seal.
pub(super) struct Wrapping(LessSafeKey);

impl Wrapping {
    pub(super) fn from_seal(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has 256 bits")))
    }

    /// A new Ed25519 key: its id, and itself, wrapped. `None` if the cryptography fails.
    pub(super) fn make(&self, random: &dyn Random) -> Option<(KeyId, Vec<u8>)> {
        let (mut id, mut seed, mut nonce) = ([0; 16], Zeroizing::new([0; 32]), [0; NONCE_LEN]);
        random.fill(&mut id);
        random.fill(&mut *seed);
        random.fill(&mut nonce);
        let document = Ed25519KeyPair::from_seed_unchecked(&*seed).ok()?.to_pkcs8v1().ok()?;
        // Room for the tag, so that what is secret is never moved and left behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(document.as_ref().len() + 16));
        sealed.extend_from_slice(document.as_ref());
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(nonce_used, Aad::from(id), &mut *sealed).ok()?;
        Some((id, [&nonce[..], &sealed].concat()))
    }

    /// The key that was wrapped under this id.
    pub(super) fn open(&self, id: KeyId, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.open_in_place(nonce, Aad::from(id), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapping")
    }
}

#[cfg(test)]
mod tests {
    use wardkey_core::testing::SeededRandom;

    use super::*;

    #[test]
    fn a_key_is_opened_by_the_same_seal_under_the_same_id_and_else_by_nobody() {
        let wrapping = Wrapping::from_seal(&[7; 32]);
        let (id, wrapped) = wrapping.make(&SeededRandom::new(1)).unwrap();
        let pkcs8 = wrapping.open(id, &wrapped).unwrap();
        assert!(SigningKey::new(id, Timestamp::UNIX_EPOCH, &pkcs8).is_some());
        assert!(!wrapped.windows(8).any(|bytes| pkcs8.windows(8).any(|plain| plain == bytes)));

        assert!(Wrapping::from_seal(&[8; 32]).open(id, &wrapped).is_none());
        assert!(wrapping.open([0; 16], &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut forged = wrapped.clone();
            forged[at] ^= 1;
            assert!(wrapping.open(id, &forged).is_none(), "byte {at}");
        }
        assert!(wrapping.open(id, &wrapped[..11]).is_none());
    }

    #[test]
    fn a_key_that_the_seal_does_not_open_neither_signs_nor_verifies() {
        let wrapping = Wrapping::from_seal(&[7; 32]);
        let random = SeededRandom::new(1);
        let (good, wrapped) = wrapping.make(&random).unwrap();
        let (bad, foreign) = Wrapping::from_seal(&[8; 32]).make(&random).unwrap();
        let at = |micros| Timestamp::from_micros(micros);
        let stored = vec![
            wardkey::SigningKey { id: bad, wrapped: foreign, created_at: at(2) },
            wardkey::SigningKey { id: good, wrapped, created_at: at(1) },
        ];
        let ring = Ring::open(stored, &wrapping);
        assert_eq!(ring.newest().map(|key| key.id), Some(good));
        assert!(ring.find(bad).is_none());
        assert_eq!(ring.listed, Some(bad));
    }

    #[test]
    fn ids_are_read_as_they_are_named() {
        assert_eq!(parse(&name([9; 16])), Some([9; 16]));
        assert_eq!(parse("short"), None);
        assert_eq!(parse("../../../etc/passwd"), None);
    }
}
