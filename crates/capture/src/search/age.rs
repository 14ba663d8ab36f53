//! Whether a file was written before some time, as far as clocks and file systems can tell.

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::statfs;

/// How much the times of a server's files, or of file systems that keep them in seconds, may differ from our clock.
const GRACE: Duration = Duration::from_secs(2);
/// The times of other files are those of the clock's last tick, of which there are a hundred in a second at least.
const TICK: Duration = Duration::from_millis(20);
/// Kinds of file systems (`linux/magic.h`, and of those outside of the kernel their own) that have their times from this
/// machine's clock, in nanoseconds: ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS, ramfs, bcachefs, ZFS.
const PRECISE: [u64; 9] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x8584_58f6,
    0xca45_1a4e,
    0x2fc1_2fc1,
];

/// The time before which files are too old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Oldest(SystemTime);

impl Oldest {
    pub(super) fn new(time: SystemTime) -> Oldest {
        Oldest(time)
    }

    /// Returns a time which is certainly before it, whatever file system has the files.
    pub(super) fn at_the_least(self) -> SystemTime {
        self.before(GRACE)
    }

    /// Tells whether the file at a path was written earlier.
    pub(super) fn is_after(self, path: &Path, metadata: &Metadata) -> bool {
        let Ok(written) = metadata.modified() else { return true };
        if written >= self.before(TICK) || written < self.before(GRACE) {
            return written < self.before(TICK);
        }
        has_nanoseconds(written) && is_precise(path)
    }

    fn before(self, grace: Duration) -> SystemTime {
        self.0.checked_sub(grace).unwrap_or(self.0)
    }
}

fn has_nanoseconds(time: SystemTime) -> bool {
    time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() != 0)
}

fn is_precise(path: &Path) -> bool {
    // Kinds are 32-bit numbers, which some machines extend by their sign.
    statfs(path).is_ok_and(|kind| PRECISE.contains(&(kind.f_type as u64 & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_grace_is_what_the_file_system_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("core");
        let file = File::create(&path).unwrap();
        let written = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        let is_after = |file: &File, later: Duration| {
            Oldest::new(written + later).is_after(&path, &file.metadata().unwrap())
        };
        file.set_modified(written).unwrap();
        assert!(!is_after(&file, Duration::ZERO) && !is_after(&file, TICK));
        assert_eq!(is_after(&file, Duration::from_secs(1)), is_precise(&path));
        assert!(is_after(&file, Duration::from_secs(3)));
        // A time in whole seconds is all that some know.
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
        assert!(!is_after(&file, Duration::from_millis(600)));
    }

    #[test]
    fn the_kinds_of_file_systems_are_known() {
        assert!(!is_precise(Path::new("/proc")) && !is_precise(Path::new("/nowhere")));
        let here = tempfile::tempfile_in("/dev/shm");
        assert!(here.is_err() || is_precise(Path::new("/dev/shm")));
    }
}
