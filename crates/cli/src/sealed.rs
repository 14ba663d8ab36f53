//! Cores that leave this host encrypted. Each is encrypted once, into a folder of this host, and sent from there: what an
//! interrupted push has sent of it can be gone on with only if it stays the same bytes. What speaks of them beside them
//! leaves with them as they are then ([`mention`]).

mod mention;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use epitaph_bundle::{ENCRYPTED_SUFFIX, Recipients, encrypt_file, holds_core};
use epitaph_store::Encrypt;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use self::mention::{Leaving, amended};
use crate::error::Error;

/// The folder of encrypted files, where pushes remember what they have sent.
const FOLDER: &str = "encrypted";
/// What the names of files there end in that speak of cores.
const AMENDED_SUFFIX: &str = ".json";
/// Bytes that are hashed at a time.
const PIECE: usize = 64 << 10;
/// How long a file stays there that a push left which was not run again.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Encrypts whatever holds a core, and nothing else.
#[derive(Debug)]
pub(crate) struct SealedCores {
    recipients: Recipients,
    place: Place,
    /// What leaves in the place of others. Held while a file is encrypted: two names of one file give the same one.
    made: Mutex<HashSet<PathBuf>>,
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
        Ok(SealedCores { recipients, place, made: Mutex::default() })
    }

    /// Removes what was encrypted: it was sent. What another push has left stays, for that to go on with.
    pub(crate) fn remove(&self) {
        for file in self.made.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            // What can't be removed goes with a later push, or with the temporary folder.
            let _ = fs::remove_file(file);
        }
    }

    /// Encrypts a file, unless that was done.
    fn encrypt_core(&self, file: &Path) -> io::Result<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.folder().join(self.name_of(file)? + ENCRYPTED_SUFFIX);
        if !target.is_file() {
            encrypt_file(file, &target, &self.recipients).map_err(io::Error::other)?;
        }
        made.insert(target.clone());
        Ok(target)
    }

    /// Writes down what a file says of what leaves otherwise than it is; `None` if it says nothing of that.
    fn amend(&self, file: &Path) -> io::Result<Option<PathBuf>> {
        let of_core = &mut |path: &Path| self.leaving_core(path);
        // A manifest speaks of summaries as well, but these of cores alone: it has an end.
        let text = if is_manifest(file) {
            amended(file, &mut |path| self.leaving(path))
        } else {
            amended(file, of_core)
        };
        let Some(text) = text else { return Ok(None) };
        let target = self.folder().join(self.name_of(file)? + AMENDED_SUFFIX);
        let mut written = NamedTempFile::new_in(self.folder())?;
        written.write_all(text.as_bytes())?;
        written.persist(&target).map_err(|error| error.error)?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(target.clone());
        Ok(Some(target))
    }

    /// Says what a file is when it leaves, if that is another one. What can't be read is said to stay: that it can't be sent
    /// is told when that is tried.
    fn leaving(&self, file: &Path) -> Option<Leaving> {
        let amended = || self.amend(file).ok()?.and_then(|leaves| Leaving::of(&leaves, "").ok());
        self.leaving_core(file).or_else(|| if is_manifest(file) { None } else { amended() })
    }

    fn leaving_core(&self, file: &Path) -> Option<Leaving> {
        let is_core = file.is_file() && is_core(file);
        is_core.then(|| Leaving::of(&self.encrypt_core(file).ok()?, ENCRYPTED_SUFFIX).ok()).flatten()
    }

    /// Names what leaves in a file's place, but for its suffix: by the file as it is now, and by who may read it.
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
        Ok(hexadecimal(hash))
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
        if is_core(file) {
            return Some(ENCRYPTED_SUFFIX);
        }
        // Whatever it is then: it is another one.
        let mut of_core = |path: &Path| (path.is_file() && is_core(path)).then(Leaving::default);
        amended(file, &mut of_core).map(|_| "")
    }

    fn encrypt(&self, file: &Path) -> io::Result<PathBuf> {
        if is_core(file) {
            return self.encrypt_core(file);
        }
        // What it speaks of is gone by now, or can't be encrypted, which is told of that file.
        Ok(self.amend(file)?.unwrap_or_else(|| file.to_owned()))
    }
}

/// Tells whether a file holds a core; what can't be looked into may.
fn is_core(file: &Path) -> bool {
    File::open(file).and_then(|file| holds_core(&file)).unwrap_or(true)
}

fn is_manifest(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "manifest.json")
}

impl Leaving {
    /// Measures a file that leaves, as one with this at the end of its name.
    fn of(file: &Path, suffix: &'static str) -> io::Result<Leaving> {
        let (mut file, mut hash, mut size) = (File::open(file)?, Sha256::new(), 0);
        let mut piece = vec![0; PIECE];
        while let count @ 1.. = file.read(&mut piece)? {
            hash.update(piece.get(..count).unwrap_or_default());
            size += count as u64;
        }
        Ok(Leaving { suffix, size, sha256: hexadecimal(hash) })
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
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
        let sealed = || SealedCores::new(recipients(), Some(state.path())).unwrap();
        let encrypt = || sealed().encrypt_core(&file).unwrap();
        let first = encrypt();
        let bytes = fs::read(&first).unwrap();
        // Nothing was sent, and the process ended: encrypted anew, it would be other bytes.
        assert_eq!(encrypt(), first);
        assert!(fs::read(&first).unwrap() == bytes);
        fs::write(&file, "another core").unwrap();
        assert_ne!(encrypt(), first);
        let left = || fs::read_dir(state.path().join(FOLDER)).unwrap().count();
        assert_eq!(left(), 2);
        // What other pushes have left is for them to go on with.
        let push = sealed();
        push.encrypt_core(&file).unwrap();
        push.remove();
        assert!(left() == 1 && first.is_file());
    }

    #[test]
    fn a_push_beside_another_has_a_folder_of_its_own() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("core");
        fs::write(&file, "a core").unwrap();
        let one = SealedCores::new(recipients(), Some(state.path())).unwrap();
        let other = SealedCores::new(recipients(), Some(state.path())).unwrap();
        let (first, second) = (one.encrypt_core(&file).unwrap(), other.encrypt_core(&file).unwrap());
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
