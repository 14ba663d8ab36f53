//! Locks on folders, that leave nothing behind.
//!
//! What is locked (flock(2)) is the folder itself, so there is no lock file to be uploaded, to go stale or to be
//! removed at the wrong moment; the kernel lets go when the holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// The first pause between two tries; each is twice as long as the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// An exclusive lock on a folder, held until it is dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// Absent where the file system can't lock.
    held: Option<Flock<File>>,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NotLocked {
    /// Somebody else holds it.
    Busy,
    /// The folder is gone.
    Gone,
    /// The folder can't be opened.
    Io(io::Error),
}

impl FolderLock {
    /// Takes the lock, waiting for it up to `longest`.
    pub(super) fn wait(folder: &Path, longest: Duration) -> Result<FolderLock, NotLocked> {
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match FolderLock::now(folder) {
                Err(NotLocked::Busy) if start.elapsed() < longest => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Takes the lock if nobody holds it.
    pub(super) fn now(folder: &Path) -> Result<FolderLock, NotLocked> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
            .open(folder)
            .map_err(NotLocked::of)?;
        let locked = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => locked,
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => return Err(NotLocked::Busy),
            // NFS locks only what is open for writing, which a folder can't be; others don't lock at all.
            Err((_, Errno::EBADF | Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL)) => {
                return Ok(FolderLock { held: None });
            }
            Err((_, errno)) => return Err(NotLocked::Io(errno.into())),
        };
        // Whoever held it may have removed the folder: then this lock is on nothing that has a name.
        let named = folder.symlink_metadata().map_err(NotLocked::of)?;
        let opened = locked.metadata().map_err(NotLocked::Io)?;
        if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
            return Err(NotLocked::Busy);
        }
        Ok(FolderLock { held: Some(locked) })
    }

    /// Tells whether others are really kept out: not every file system can.
    pub(super) fn excludes_others(&self) -> bool {
        self.held.is_some()
    }
}

impl NotLocked {
    fn of(error: io::Error) -> NotLocked {
        if error.kind() == io::ErrorKind::NotFound { NotLocked::Gone } else { NotLocked::Io(error) }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::skip::skipped;

    use super::*;

    #[test]
    fn one_at_a_time_and_never_on_a_removed_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("crash");
        assert!(matches!(FolderLock::now(&folder), Err(NotLocked::Gone)));
        std::fs::create_dir(&folder).unwrap();
        let first = FolderLock::now(&folder).unwrap();
        if !first.excludes_others() {
            skipped("the temporary folder's file system can't lock");
            return;
        }
        assert!(matches!(FolderLock::wait(&folder, Duration::from_millis(20)), Err(NotLocked::Busy)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| FolderLock::wait(&folder, Duration::from_secs(5)));
            std::thread::sleep(Duration::from_millis(20));
            std::fs::remove_dir(&folder).unwrap();
            drop(first);
            assert!(matches!(waiting.join().unwrap(), Err(NotLocked::Gone)));
        });
    }

    #[test]
    fn a_link_is_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("crash")).unwrap();
        assert!(matches!(FolderLock::now(&dir.path().join("crash")), Err(NotLocked::Io(_))));
    }
}
