//! Files that nobody but their owner reads: the seal and the operator key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use wardkey_core::Random;

/// Makes the folder, and those above it, readable by their owner only; one that exists stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that does not exist yet. It appears as a whole or not at all.
///
/// # Errors
/// `AlreadyExists` if somebody else was first; then nothing changes.
pub(crate) fn create(path: &Path, bytes: &[u8], random: &dyn Random) -> io::Result<()> {
    let draft = Draft::write(path, bytes, random)?;
    fs::hard_link(&draft.0, path)?;
    sync_folder(path)
}

/// Writes a file in place of whatever is there. Readers see the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], random: &dyn Random) -> io::Result<()> {
    let draft = Draft::write(path, bytes, random)?;
    fs::rename(&draft.0, path)?;
    sync_folder(path)
}

/// A file of another name in the same folder, which goes when it is not needed any more.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, bytes: &[u8], random: &dyn Random) -> io::Result<Self> {
        let mut suffix = [0; 8];
        random.fill(&mut suffix);
        let draft = Self(path.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(suffix))));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the new name outlive a loss of power.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use wardkey_core::OsRandom;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_made_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("b").join("seal");
        create_folder(path.parent().unwrap()).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        create(&path, b"first", &OsRandom).unwrap();
        assert_eq!(create(&path, b"second", &OsRandom).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"first".to_vec(), 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_is_private_whatever_the_old_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        replace(&path, b"new", &OsRandom).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
