//! The folder that a pull writes into.
//!
//! The store chooses the names, and something hostile may stand in the folder already. So every path is walked down
//! component by component on open folders (`openat` with `O_NOFOLLOW`): no link, whoever put it there and whenever,
//! leads outside. Files grow in a folder of their own, `.epitaph-pull`, and are renamed when they are complete.
//! That keeps them apart from artifacts that are *called* `x.part`, and leaves room for names of 255 bytes.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::StoreError;
use crate::files::read_capped;
use crate::paths::{STAGING, SafePath};

const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const FILE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);
const PRIVATE_FOLDER: Mode = Mode::S_IRWXU;
const PRIVATE_FILE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// A pull's target, locked against other pulls.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    root: OwnedFd,
    staging: Flock<OwnedFd>,
}

impl Target {
    /// Opens a folder, which is created if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("create", path))?;
        // The folder itself may be a link: it is the user who named it.
        let root = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|error| StoreError::io("open", path)(error.into()))?;
        let staging = make_and_open(&root, STAGING)
            .map_err(|error| StoreError::io("create", &path.join(STAGING))(error.into()))?;
        match Flock::lock(staging, FlockArg::LockExclusiveNonblock) {
            Ok(staging) => Ok(Self { path: path.to_owned(), root, staging }),
            Err((_, Errno::EWOULDBLOCK)) => Err(StoreError::Busy { path: path.to_owned() }),
            Err((_, error)) => Err(StoreError::io("lock", &path.join(STAGING))(error.into())),
        }
    }

    /// The regular file of that path, if there is one.
    pub(crate) fn existing(&self, path: &SafePath) -> Option<File> {
        let (folders, name) = path.split();
        let mut folder = self.root.try_clone().ok()?;
        for name in folders {
            folder = openat(&folder, name, FOLDER, Mode::empty()).ok()?;
        }
        let file = File::from(openat(&folder, name, FILE, Mode::empty()).ok()?);
        file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
    }

    /// Opens an unfinished file for reading and writing, as an earlier pull left it, or empty.
    pub(crate) fn part(&self, name: &str) -> Result<File, StoreError> {
        let create = FILE | OFlag::O_RDWR | OFlag::O_CREAT;
        let error = |error| self.error("create", &Path::new(STAGING).join(name), error);
        if let Ok(file) = openat(&*self.staging, name, create, PRIVATE_FILE).map(File::from) {
            // A file with a second name is someone else's as well, and must not be written into.
            if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1) {
                return Ok(file);
            }
        }
        self.discard(name);
        openat(&*self.staging, name, create | OFlag::O_EXCL, PRIVATE_FILE).map(File::from).map_err(error)
    }

    /// Gives a finished file its name, and replaces what had that name before.
    pub(crate) fn publish(&self, part: &str, path: &SafePath) -> Result<(), StoreError> {
        let (folders, name) = path.split();
        let failed = |error| self.error("write", Path::new(path.as_str()), error);
        let mut folder = self.root.try_clone().map_err(|source| StoreError::Io {
            action: "open",
            path: self.path.clone(),
            source,
        })?;
        for name in folders {
            folder = make_and_open(&folder, name).map_err(|error| match error {
                // Linux says ENOTDIR of a link opened so; the manual page promises ELOOP.
                Errno::ENOTDIR | Errno::ELOOP => StoreError::UnsafePath {
                    path: path.as_str().to_owned(),
                    why: "a link or a file stands in the target where a folder should be",
                },
                error => failed(error),
            })?;
        }
        renameat(&*self.staging, part, &folder, name).map_err(failed)
    }

    /// Deletes an unfinished file, if there is one.
    pub(crate) fn discard(&self, name: &str) {
        let _ = unlinkat(&*self.staging, name, UnlinkatFlags::NoRemoveDir);
    }

    /// Reads a small file beside the unfinished ones; none if it is absent, or longer than `limit` bytes.
    pub(crate) fn read_note(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let mut file = File::from(openat(&*self.staging, name, FILE, Mode::empty()).ok()?);
        file.metadata().ok().filter(|metadata| metadata.is_file())?;
        read_capped(&mut file, limit).ok()
    }

    /// Writes a small file beside the unfinished ones.
    pub(crate) fn write_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.part(name)?;
        file.set_len(0)
            .and_then(|()| file.write_all(bytes))
            .map_err(StoreError::io("write", &self.path.join(STAGING).join(name)))
    }

    /// Opens a file beside the unfinished ones to append to it.
    pub(crate) fn journal(&self, name: &str) -> Result<File, StoreError> {
        let flags = FILE | OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
        openat(&*self.staging, name, flags, PRIVATE_FILE)
            .map(File::from)
            .map_err(|error| self.error("open", &Path::new(STAGING).join(name), error))
    }

    /// Makes durable what was written so far. Where that fails, only the safety of a pull that ends in a power cut is lost.
    pub(crate) fn sync(&self) {
        let _ = nix::unistd::syncfs(&self.root);
    }

    /// Where a path is on this host, for messages.
    pub(crate) fn describe(&self, path: &SafePath) -> PathBuf {
        self.path.join(path.as_str())
    }

    fn error(&self, action: &'static str, path: &Path, error: Errno) -> StoreError {
        StoreError::Io { action, path: self.path.join(path), source: io::Error::from(error) }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It stays where it still holds something to resume from.
        let _ = unlinkat(&self.root, STAGING, UnlinkatFlags::RemoveDir);
    }
}

fn make_and_open(parent: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    match mkdirat(parent, name, PRIVATE_FOLDER) {
        Ok(()) | Err(Errno::EEXIST) => openat(parent, name, FOLDER, Mode::empty()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn safe(path: &str) -> SafePath {
        SafePath::parse(None, path).unwrap()
    }

    fn put(target: &Target, path: &str, content: &str) -> Result<(), StoreError> {
        let mut part = target.part("x")?;
        part.set_len(0).unwrap();
        part.write_all(content.as_bytes()).unwrap();
        target.publish("x", &safe(path))
    }

    #[test]
    fn files_appear_under_their_names_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/target");
        let target = Target::open(&root).unwrap();
        put(&target, "a/b/c", "one").unwrap();
        put(&target, "a/b/c", "two").unwrap();
        assert!(target.existing(&safe("a/b/c")).is_some());
        assert!(target.existing(&safe("a/b")).is_none(), "a folder is no file");
        assert!(target.existing(&safe("a/x/c")).is_none());
        drop(target);
        assert_eq!(fs::read_to_string(root.join("a/b/c")).unwrap(), "two");
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
        assert_eq!(fs::metadata(root.join("a")).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(root.join("a/b/c")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn links_in_the_target_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("target"), dir.path().join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("file"), "precious").unwrap();
        symlink(&outside, root.join("folder")).unwrap();
        symlink(outside.join("file"), root.join("link")).unwrap();
        let target = Target::open(&root).unwrap();
        assert!(matches!(put(&target, "folder/new", "x"), Err(StoreError::UnsafePath { .. })));
        assert!(target.existing(&safe("folder/file")).is_none());
        assert!(target.existing(&safe("link")).is_none());
        put(&target, "link", "x").unwrap();
        assert!(fs::symlink_metadata(root.join("link")).unwrap().is_file(), "the link itself is replaced");
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "precious");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_hard_linked_or_special_part_is_not_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        let root = dir.path().join("target");
        fs::create_dir_all(root.join(STAGING)).unwrap();
        fs::hard_link(&precious, root.join(STAGING).join("x")).unwrap();
        let target = Target::open(&root).unwrap();
        put(&target, "a", "new").unwrap();
        nix::unistd::mkfifo(&root.join(STAGING).join("x"), Mode::S_IRWXU).unwrap();
        put(&target, "b", "new").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(fs::read_to_string(root.join("b")).unwrap(), "new");
    }

    #[test]
    fn a_staging_folder_that_is_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::create_dir(dir.path().join("target")).unwrap();
        symlink("../outside", dir.path().join("target").join(STAGING)).unwrap();
        assert!(matches!(Target::open(&dir.path().join("target")), Err(StoreError::Io { .. })));
    }

    #[test]
    fn one_pull_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Target::open(dir.path()).unwrap();
        assert!(matches!(Target::open(dir.path()), Err(StoreError::Busy { .. })));
        drop(first);
        Target::open(dir.path()).unwrap();
    }
}
