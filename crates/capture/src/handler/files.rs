//! How the handler makes files in its spool, and keeps other handlers from theirs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::error::HandlerError;

/// Time between two tries to get a lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Creates a file that isn't there yet, and that only root can read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).custom_flags(flags).open(path)
}

/// Puts a file of what `write` writes in a path's place: whole, or not at all. Only one process at a time may do so.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), HandlerError> {
    let partial = path.with_extension("partial");
    // Whoever left one was killed.
    let _ = std::fs::remove_file(&partial);
    create(&partial)
        .and_then(|mut file| write(&mut file))
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(HandlerError::file(path, "written"))
}

/// Takes the lock of this path alone, which is root's and is made where it isn't; `None` where another process holds it
/// for so long. It is held until the file is closed.
pub(super) fn lock(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut how = OpenOptions::new();
    let lock = how.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
    let until = Instant::now() + patience;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(lock)),
            Err(Errno::WOULDBLOCK) if Instant::now() > until => return Ok(None),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(path.with_extension("partial"), "left behind").unwrap();
        replace(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let full = |file: &mut File| {
            file.write_all(b"ne")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(matches!(replace(&path, full), Err(HandlerError::File { what: "written", .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_lock_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path, Duration::ZERO).unwrap().unwrap();
        assert!(lock(&path, Duration::from_millis(20)).unwrap().is_none());
        drop(held);
        assert!(lock(&path, Duration::ZERO).unwrap().is_some());
        assert!(lock(folder.path(), Duration::ZERO).is_err());
    }
}
