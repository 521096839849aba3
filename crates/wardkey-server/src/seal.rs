//! The seal: 32 random bytes that all nodes of a deployment share and the database does not hold. Whoever has the
//! database and not the seal can forge nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hkdf::Hkdf;
use sha2::Sha256;
use wardkey_core::Random;

use crate::private_file;

/// How long a seal is, in bytes.
const LEN: usize = 32;

/// The seal. It is never used itself: each purpose has a key of its own, drawn from it by HKDF (RFC 5869).
pub struct Seal([u8; LEN]);

impl Seal {
    /// Reads a seal file.
    ///
    /// # Errors
    /// If there is none, it is not 32 bytes long, or everybody on the machine may read it. Its group may, as the
    /// secrets of container platforms are often handed over like that.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let fail = |source| SealError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SealError::Missing { path: path.to_owned() },
            _ => fail(source),
        })?;
        if file.metadata().map_err(fail)?.permissions().mode() & 0o007 != 0 {
            return Err(SealError::Exposed { path: path.to_owned() });
        }
        // One byte more than a seal has tells a longer file, or an endless device, from a seal.
        let mut bytes = Vec::with_capacity(LEN + 1);
        file.by_ref().take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
        bytes.try_into().map(Self).map_err(|_| SealError::Length { path: path.to_owned() })
    }

    /// Reads the seal file, or makes it first. Of several processes that make it at once, one does, and all read it.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if the file cannot be made.
    pub fn read_or_create(path: &Path, random: &dyn Random) -> Result<Self, SealError> {
        match Self::read(path) {
            Err(SealError::Missing { .. }) => {}
            read => return read,
        }
        let mut bytes = [0; LEN];
        random.fill(&mut bytes);
        match private_file::create(path, &bytes, random) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(SealError::Create { path: path.to_owned(), source })
            }
            _ => Self::read(path),
        }
    }

    /// What the database keeps to recognise the seal; useless for anything else.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.purpose_key("fingerprint")
    }

    /// The key for one purpose, unrelated to those for others.
    pub fn purpose_key(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"wardkey seal 1"), &self.0)
            .expand(purpose.as_bytes(), &mut key)
            .expect("HKDF-SHA256 yields up to 8160 bytes");
        key
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// Why there is no seal. Each message says how to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is no such file.
    #[error(
        "there is no seal file at {}: make one with\n  (umask 077; head -c 32 /dev/urandom > {})\nand give the same one to every node",
        path.display(), quote(path)
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the seal file {}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot make the seal file {}", path.display())]
    Create {
        /// Where it should be.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file is of another length.
    #[error("the seal file {} is not 32 bytes long: a seal is 32 random bytes and nothing else, not even a line end", path.display())]
    Length {
        /// Where it is.
        path: PathBuf,
    },
    /// Everybody may read the file.
    #[error("the seal file {} can be read by every user of this machine: close it with `chmod o= {}`", path.display(), quote(path))]
    Exposed {
        /// Where it is.
        path: PathBuf,
    },
}

/// A path as a shell takes it, whatever is in it.
pub(crate) fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use wardkey_core::testing::SeededRandom;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_seal_is_made_once_and_then_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal");
        let made = Seal::read_or_create(&path, &SeededRandom::new(1)).unwrap();
        let read = Seal::read_or_create(&path, &SeededRandom::new(2)).unwrap();
        assert_eq!(made.0, read.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), made.0);
    }

    #[test]
    fn purposes_have_unrelated_keys_and_the_seal_itself_is_none_of_them() {
        let seal = Seal([7; LEN]);
        assert_ne!(seal.purpose_key("cursors"), seal.fingerprint());
        assert_ne!(seal.fingerprint(), seal.0);
        assert_ne!(seal.fingerprint(), Seal([8; LEN]).fingerprint());
        assert_eq!(format!("{seal:?}"), "Seal");
    }

    #[test]
    fn a_file_that_is_no_seal_is_refused_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my seal");
        let missing = Seal::read(&path).unwrap_err().to_string();
        assert!(missing.contains("head -c 32 /dev/urandom > '"), "{missing}");

        fs::write(&path, [1; 33]).unwrap();
        chmod(&path, 0o600);
        assert!(matches!(Seal::read(&path), Err(SealError::Length { .. })));
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(Seal::read(&path), Err(SealError::Length { .. })));

        fs::write(&path, [1; 32]).unwrap();
        chmod(&path, 0o640);
        assert!(Seal::read(&path).is_ok());
        chmod(&path, 0o604);
        let exposed = Seal::read(&path).unwrap_err().to_string();
        assert!(exposed.contains("chmod o= '"), "{exposed}");
    }
}
