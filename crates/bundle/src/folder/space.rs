//! How much room a file system has.

use std::io;
use std::path::Path;

/// Bytes of disk that storing a core or a binary leaves free, for the summaries and reports to come.
pub(super) const KEEP_FREE: u64 = 4 << 20;
/// The same for a core that was made small because the whole one doesn't fit: the reserve is there for the summaries.
pub(super) const KEEP_FREE_OF_SMALL: u64 = 32 << 10;
/// Files that storing a core or a binary leaves to be made.
pub(super) const KEEP_FILES: u64 = 8;
/// With less than so many bytes free, cores may not fit.
const TIGHT: u64 = 4 * KEEP_FREE;
/// With fewer files to be made, nor may they.
const TIGHT_FILES: u64 = 64;
/// So much free space is not filled in a moment.
const PLENTY: u64 = 1 << 30;
/// So many files are enough for whatever a command makes.
pub(super) const MANY_FILES: u64 = 10_000;

/// The room that a file system has for an ordinary user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free bytes.
    pub bytes: u64,
    /// Files and folders that can still be made; `None` where the file system sets no limit (btrfs, overlay on it, …).
    pub files: Option<u64>,
}

impl Space {
    /// Asks the file system that `folder` is on (statvfs(3)).
    pub(super) fn of(folder: &Path) -> io::Result<Space> {
        let space = nix::sys::statvfs::statvfs(folder)?;
        let bytes = space.blocks_available().saturating_mul(space.fragment_size());
        // One without inodes of a fixed number says that it has none at all.
        let files = (space.files() > 0).then(|| space.files_available());
        Ok(Space { bytes, files })
    }

    /// Tells whether so little is left that a command may fill it as soon as it is started.
    pub(super) fn is_scarce(&self) -> bool {
        self.bytes < PLENTY || self.files.is_some_and(|files| files < MANY_FILES)
    }

    /// Tells whether so little is left that cores may not fit.
    pub fn is_tight(&self) -> bool {
        self.bytes < TIGHT || self.files.is_some_and(|files| files < TIGHT_FILES)
    }

    /// Tells whether `needed` bytes in a new file leave `keep` bytes, and some files to be made.
    pub(super) fn has_room_for(&self, needed: u64, keep: u64) -> bool {
        self.bytes >= needed.saturating_add(keep) && self.files.is_none_or(|files| files >= KEEP_FILES)
    }
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes)?;
        // Where there are many, they are not what is wrong.
        match self.files.filter(|files| *files < TIGHT_FILES) {
            Some(files) => write!(f, " and {files} files are free"),
            None => f.write_str(" are free"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_count_where_they_are_limited() {
        let space = |bytes, files| Space { bytes, files };
        assert!(space(100, None).has_room_for(60, 40) && !space(99, None).has_room_for(60, 40));
        assert!(space(100, Some(KEEP_FILES)).has_room_for(0, 0));
        assert!(!space(100, Some(KEEP_FILES - 1)).has_room_for(0, 0));
        assert!(space(TIGHT - 1, None).is_tight() && space(TIGHT, Some(3)).is_tight());
        assert!(!space(TIGHT, Some(TIGHT_FILES)).is_tight());
        assert!(space(PLENTY - 1, None).is_scarce() && space(PLENTY, Some(3)).is_scarce());
        assert!(!space(PLENTY, None).is_scarce() && !space(PLENTY, Some(MANY_FILES)).is_scarce());
        assert_eq!(space(7, Some(3)).to_string(), "7 bytes and 3 files are free");
        assert_eq!(space(7, Some(3000)).to_string(), "7 bytes are free");
        assert!(Space::of(Path::new("/proc/self/nowhere")).is_err());
        assert!(Space::of(&std::env::temp_dir()).is_ok());
    }
}
