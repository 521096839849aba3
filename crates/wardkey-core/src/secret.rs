//! The text that a caller presents: `<prefix>_<tag>_<43 random characters><6 checksum characters>`.

use std::fmt;

use sha2::block_api::compress256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base62;
use crate::random::Random;

/// Random characters of a secret: 43 of 62 letters and digits hold 256 bits.
const RANDOM_LEN: usize = 43;
/// Characters of the checksum: 62⁶ > 2³².
const CHECKSUM_LEN: usize = 6;
/// What stands before the random characters, both underscores included. With twelve characters and no more, what is
/// digested fits one block of SHA-256.
const MAX_START_LEN: usize = 12;
/// The longest and the shortest secret.
const MAX_LEN: usize = MAX_START_LEN + RANDOM_LEN + CHECKSUM_LEN;
const MIN_LEN: usize = "a_b_".len() + RANDOM_LEN + CHECKSUM_LEN;

/// The plaintext of a key. It lives in the request that is verified and in the response that issues it, nowhere else.
///
/// The type cannot be printed, serialized or cloned, and wipes its memory when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// The plaintext, for the one response that shows it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up in its stead.
    pub fn digest(&self) -> Digest {
        digest(self.0.as_bytes())
    }

    /// Its displayable ends.
    pub fn hint(&self) -> Hint {
        let start = self.0.len() - CHECKSUM_LEN - RANDOM_LEN;
        Hint(format!("{}…{}", &self.0[..start + 4], &self.0[self.0.len() - 4..]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The displayable ends of a secret, `wk_live_3fKd…9sQx`: enough to recognise it, far too little to guess it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(String);

impl Hint {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hint as storage returns it.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// SHA-256 of a secret without its last six characters. Stored and looked up; useless to whoever steals it, since
/// the secret holds 256 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest with these bytes, as storage returns it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// A secret that was presented and whose checksum is right. Nothing is known of it yet.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    text: &'a [u8],
    prefix_len: usize,
}

impl<'a> Presented<'a> {
    /// Reads what a caller presented, from the right: checksum, random characters, tag, prefix. `None` if it is not
    /// of the form of a secret. This costs no digest and no lookup, and a typing error ends here.
    ///
    /// The checksum is no security control: anyone can compute it.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if !(MIN_LEN..=MAX_LEN).contains(&text.len()) {
            return None;
        }
        let (digested, checksum) = text.split_at(text.len() - CHECKSUM_LEN);
        if base62::decode_short(checksum)? != u64::from(crc32fast::hash(digested)) {
            return None;
        }
        let (start, random) = digested.split_at(digested.len() - RANDOM_LEN);
        let words = start.strip_suffix(b"_")?;
        let prefix_len = words.iter().rposition(|byte| *byte == b'_')?;
        (base62::is_text(random) && is_word(&words[..prefix_len]) && is_word(&words[prefix_len + 1..]))
            .then_some(Self { text, prefix_len })
    }

    /// The product prefix, to be compared with those that the deployment accepts. The tag is never compared: it is
    /// there for people to see.
    pub fn prefix(&self) -> &'a [u8] {
        &self.text[..self.prefix_len]
    }

    /// The digest by which the key is looked up.
    pub fn digest(&self) -> Digest {
        digest(self.text)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

/// SHA-256 (FIPS 180-4), of one block: the text, a one bit, zeroes, and the text's length in bits.
fn digest(secret: &[u8]) -> Digest {
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let text = &secret[..secret.len() - CHECKSUM_LEN];
    let mut block = [0; 64];
    block[..text.len()].copy_from_slice(text);
    block[text.len()] = 0x80;
    block[56..].copy_from_slice(&(8 * text.len() as u64).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Digest(digest)
}

/// Prefix and tag are made of lower-case letters and digits; a prefix may also hold underscores inside.
fn is_word(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
}

/// What stands at the start of the secrets of an environment: product prefix and environment tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStart(String);

impl SecretStart {
    /// The start `<prefix>_<tag>_`.
    ///
    /// # Errors
    /// If a part is empty, holds other characters than lower-case letters and digits (a prefix may hold underscores
    /// inside), or if both together exceed ten characters.
    pub fn new(prefix: &str, tag: &str) -> Result<Self, InvalidSecretStart> {
        let fits = is_word(prefix.as_bytes())
            && is_word(tag.as_bytes())
            && !tag.contains('_')
            && !prefix.starts_with('_')
            && !prefix.ends_with('_')
            && prefix.len() + tag.len() + 2 <= MAX_START_LEN;
        if fits { Ok(Self(format!("{prefix}_{tag}_"))) } else { Err(InvalidSecretStart) }
    }

    /// A new secret.
    pub fn generate(&self, random: &dyn Random) -> Secret {
        let mut text = [0; MAX_LEN];
        let (start, digested) = (self.0.len(), self.0.len() + RANDOM_LEN);
        text[..start].copy_from_slice(self.0.as_bytes());
        base62::draw(random, &mut text[start..digested]);
        let checksum = crc32fast::hash(&text[..digested]);
        base62::encode(checksum.into(), &mut text[digested..digested + CHECKSUM_LEN]);
        let secret =
            std::str::from_utf8(&text[..digested + CHECKSUM_LEN]).expect("a secret is ASCII").to_owned();
        text.zeroize();
        Secret(secret)
    }
}

/// Prefix and tag do not make the start of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("secret prefix and environment tag are lower-case letters and digits, ten together at most")]
pub struct InvalidSecretStart;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::SeededRandom;

    fn secret(seed: u64) -> Secret {
        SecretStart::new("wk", "live").unwrap().generate(&SeededRandom::new(seed))
    }

    #[test]
    fn a_generated_secret_reads_back_with_its_digest() {
        let secret = secret(1);
        assert_eq!(secret.expose().len(), "wk_live_".len() + 43 + 6);
        let presented = Presented::parse(secret.expose().as_bytes()).unwrap();
        assert_eq!(presented.prefix(), b"wk");
        assert_eq!(presented.digest(), secret.digest());
    }

    #[test]
    fn a_digest_is_sha_256_of_all_but_the_checksum_whatever_the_length() {
        use sha2::Digest as _;
        for (prefix, tag) in [("a", "b"), ("wk", "live"), ("abcde", "12345")] {
            let secret = SecretStart::new(prefix, tag).unwrap().generate(&SeededRandom::new(4));
            let (digested, _) = secret.expose().split_at(secret.expose().len() - CHECKSUM_LEN);
            assert_eq!(secret.digest().as_bytes()[..], sha2::Sha256::digest(digested)[..], "{prefix} {tag}");
        }
    }

    #[test]
    fn what_is_digested_fits_one_block_of_sha_256() {
        // A block holds 64 bytes, of which the padding takes at least nine.
        assert_eq!(MAX_START_LEN + RANDOM_LEN, 64 - 9);
    }

    #[test]
    fn the_type_cannot_be_read_in_a_log() {
        let secret = secret(2);
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(format!("{:?}", Presented::parse(secret.expose().as_bytes()).unwrap()), "Presented");
        let hint = secret.hint();
        assert!(secret.expose().starts_with(&hint.as_str()[..12]) && hint.as_str().len() < 24);
    }

    #[test]
    fn prefixes_with_underscores_inside_are_read_from_the_right() {
        let secret = SecretStart::new("a_b", "dev").unwrap().generate(&SeededRandom::new(3));
        assert_eq!(Presented::parse(secret.expose().as_bytes()).unwrap().prefix(), b"a_b");
    }

    #[test]
    fn starts_beyond_one_block_or_outside_the_alphabet_are_refused() {
        assert!(SecretStart::new("abcde", "12345").is_ok());
        for (prefix, tag) in
            [("abcdef", "12345"), ("", "live"), ("wk", ""), ("Wk", "live"), ("wk", "li_ve"), ("_wk", "l")]
        {
            assert_eq!(SecretStart::new(prefix, tag), Err(InvalidSecretStart), "{prefix} {tag}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_character_is_noticed(seed: u64, at in 0usize..57, byte: u8) {
            let secret = secret(seed);
            let mut changed = secret.expose().as_bytes().to_vec();
            prop_assume!(changed[at] != byte);
            changed[at] = byte;
            prop_assert!(Presented::parse(&changed).is_none());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Presented::parse(&bytes).is_none());
        }
    }
}
