//! Cores that leave this host encrypted. Each is encrypted once, into a folder of this host, and sent from there: what an
//! interrupted push has sent of it can be gone on with only if it stays the same bytes.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use epitaph_bundle::{ENCRYPTED_SUFFIX, Recipients, encrypt_file, holds_core};
use epitaph_store::Encrypt;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::error::Error;

/// The folder of encrypted files, where pushes remember what they have sent.
const FOLDER: &str = "encrypted";
/// How long a file stays there that a push left which was not run again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Encrypts whatever holds a core, and nothing else.
#[derive(Debug)]
pub(crate) struct SealedCores {
    recipients: Recipients,
    place: Place,
    /// Held while a file is encrypted: two names of one file give the same one.
    encrypting: Mutex<()>,
}

/// Where encrypted files lie.
#[derive(Debug)]
enum Place {
    /// Where the next push finds them; locked, for nobody else may remove them.
    Lasting { folder: PathBuf, _lock: File },
    /// Where nobody finds them: another push is at work, or there is no place for what lasts.
    Passing(TempDir),
}

impl SealedCores {
    /// Prepares to encrypt for `recipients`. What is encrypted lies beneath `state`, if there is such a folder.
    pub(crate) fn new(recipients: Recipients, state: Option<&Path>) -> Result<SealedCores, Error> {
        let place = match state.and_then(|state| lasting(&state.join(FOLDER)).ok().flatten()) {
            Some(place) => place,
            None => Place::Passing(
                TempDir::with_prefix("epitaph-")
                    .map_err(|error| Error::from(error).context("cannot make a temporary folder"))?,
            ),
        };
        Ok(SealedCores { recipients, place, encrypting: Mutex::default() })
    }

    /// Removes what was encrypted: it was sent.
    pub(crate) fn remove(&self) {
        // What can't be removed goes with a later push, or with the temporary folder.
        if let Place::Lasting { folder, .. } = &self.place {
            remove_older(folder, Duration::ZERO);
        }
    }

    /// Names the encrypted form of a file: by the file as it is now, and by who may read it.
    fn name_of(&self, file: &Path) -> io::Result<String> {
        let metadata = fs::metadata(file)?;
        let mut hash = Sha256::new();
        for number in [
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime() as u64,
            metadata.mtime_nsec() as u64,
            metadata.ctime() as u64,
            metadata.ctime_nsec() as u64,
        ] {
            hash.update(number.to_le_bytes());
        }
        for key in self.recipients.names() {
            hash.update(key);
        }
        let mut name = String::new();
        for byte in hash.finalize() {
            // Writing to a string never fails.
            let _ = write!(name, "{byte:02x}");
        }
        Ok(name + ENCRYPTED_SUFFIX)
    }

    fn folder(&self) -> &Path {
        match &self.place {
            Place::Lasting { folder, .. } => folder,
            Place::Passing(folder) => folder.path(),
        }
    }
}

impl Encrypt for SealedCores {
    fn suffix(&self, file: &Path) -> Option<&'static str> {
        // What can't be looked into may be a core.
        let is_core = File::open(file).and_then(|file| holds_core(&file)).unwrap_or(true);
        is_core.then_some(ENCRYPTED_SUFFIX)
    }

    fn encrypt(&self, file: &Path) -> io::Result<PathBuf> {
        let _alone = self.encrypting.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.folder().join(self.name_of(file)?);
        if !target.is_file() {
            encrypt_file(file, &target, &self.recipients).map_err(io::Error::other)?;
        }
        Ok(target)
    }
}

/// Takes the folder for this push; `None` if another one has it.
fn lasting(folder: &Path) -> io::Result<Option<Place>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = File::open(folder)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            remove_older(folder, KEPT);
            Ok(Some(Place::Lasting { folder: folder.to_owned(), _lock: lock }))
        }
        // A file system without locks is no reason to send nothing.
        Err(_) => Ok(None),
    }
}

/// Removes the encrypted files that are at least so old.
fn remove_older(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = |written| SystemTime::now().duration_since(written).unwrap_or_default() >= age;
        if written.is_ok_and(is_old) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipients() -> Recipients {
        let mut recipients = Recipients::default();
        // The example of the specification, "The X25519 recipient type".
        recipients.add("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj", "here").unwrap();
        recipients
    }

    #[test]
    fn the_next_push_finds_the_same_bytes_until_the_file_changes() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("core");
        fs::write(&file, "a core").unwrap();
        let encrypt = || SealedCores::new(recipients(), Some(state.path())).unwrap().encrypt(&file).unwrap();
        let first = encrypt();
        let bytes = fs::read(&first).unwrap();
        // Nothing was sent, and the process ended: encrypted anew, it would be other bytes.
        assert_eq!(encrypt(), first);
        assert!(fs::read(&first).unwrap() == bytes);
        fs::write(&file, "another core").unwrap();
        assert_ne!(encrypt(), first);
        SealedCores::new(recipients(), Some(state.path())).unwrap().remove();
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 0);
    }

    #[test]
    fn a_push_beside_another_has_a_folder_of_its_own() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("core");
        fs::write(&file, "a core").unwrap();
        let one = SealedCores::new(recipients(), Some(state.path())).unwrap();
        let other = SealedCores::new(recipients(), Some(state.path())).unwrap();
        let (first, second) = (one.encrypt(&file).unwrap(), other.encrypt(&file).unwrap());
        assert_ne!(first.parent(), second.parent());
        one.remove();
        assert!(!first.exists() && second.exists());
        drop(other);
        assert!(!second.exists());
    }

    #[test]
    fn cores_leave_encrypted_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let sealed = SealedCores::new(recipients(), None).unwrap();
        let suffix = |bytes: &[u8]| {
            let file = state.path().join("file");
            fs::write(&file, bytes).unwrap();
            sealed.suffix(&file)
        };
        let mut core = b"\x7fELF\x02\x01\x01".to_vec();
        core.resize(16, 0);
        core.extend([4, 0, 62, 0]);
        core.resize(64, 0);
        assert_eq!(suffix(&core), Some(".age"));
        assert_eq!(suffix(b"# a report"), None);
        // A compressed file that can't be looked into.
        assert_eq!(suffix(b"\x28\xb5\x2f\xfd broken"), Some(".age"));
    }
}
