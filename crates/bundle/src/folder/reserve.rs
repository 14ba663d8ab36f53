//! Room that is kept for the summaries, whatever fills the disk meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FallocateFlags, fallocate};

use super::space::{MANY_FILES, Space};

/// The most bytes that are kept: a summary has some ten thousand, a report of many crashes a few hundred thousand.
const MOST_BYTES: u64 = 1 << 20;
/// The part of the free space that is kept at most: on a small disk, cores need some too.
const PART: u64 = 4;
/// Files that are kept, for a crash's folder, its summary and the reports, where a file system has few left.
const FILES: usize = 4;

/// Disk space that is held from the start, and given up for what must be written when the disk is full.
///
/// It is in files without names (`O_TMPFILE`): no upload finds them, and they are gone with this value, or with the
/// process, however that ends.
#[derive(Debug, Default)]
pub struct Reserve {
    held: Mutex<Vec<File>>,
}

impl Reserve {
    /// Holds some space on the file system that `folder` is on, or will be: it need not exist yet. What can't be had
    /// is not held.
    pub fn near(folder: &Path) -> Reserve {
        Reserve { held: Mutex::new(existing(folder).as_deref().map(hold).unwrap_or_default()) }
    }

    /// As [`Reserve::near`], but only where so little is left that a moment's writing may fill it; `None` elsewhere. To
    /// look costs next to nothing, to hold and give back what most file systems write a journal for.
    pub fn where_scarce(folder: &Path) -> Option<Reserve> {
        let there = existing(folder)?;
        Reserve::if_scarce(&there, Space::of(&there).ok()?)
    }

    fn if_scarce(folder: &Path, space: Space) -> Option<Reserve> {
        space.is_scarce().then(|| Reserve { held: Mutex::new(hold(folder)) })
    }

    /// Gives the space back; returns whether there was any.
    pub(super) fn release(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let had = !held.is_empty();
        held.clear();
        had
    }
}

/// Returns the folder itself, or the one above it that is there.
fn existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

fn hold(folder: &Path) -> Vec<File> {
    let Ok(space) = Space::of(folder) else { return Vec::new() };
    let bytes = MOST_BYTES.min(space.bytes / PART);
    let files = match space.files {
        Some(files) if files < MANY_FILES => FILES.min(usize::try_from(files / PART).unwrap_or(FILES)),
        _ => 1,
    };
    let mut held = Vec::new();
    for _ in 0..files {
        let Ok(file) = tempfile::tempfile_in(folder) else { break };
        held.push(file);
    }
    // Without its bytes, as where file systems can't promise any, a file still holds the right to make one. To write them
    // would cost each command more than it is worth.
    if let (Some(first), Ok(length)) = (held.first(), i64::try_from(bytes)) {
        let _ = fallocate(first, FallocateFlags::empty(), 0, length);
    }
    held
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_has_no_name_and_is_given_up_once() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::near(&dir.path().join("not/there/yet"));
        let held: u64 =
            reserve.held.lock().unwrap().iter().map(|file| file.metadata().unwrap().blocks() * 512).sum();
        assert!(held > 0 && held <= MOST_BYTES + 4096 * FILES as u64, "{held}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(reserve.release() && !reserve.release());
        assert!(!Reserve::near(Path::new("/proc/self/nowhere")).release(), "nothing can be held there");
    }

    #[test]
    fn a_disk_with_plenty_of_space_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let with = |bytes| Reserve::if_scarce(dir.path(), Space { bytes, files: None });
        assert!(with(u64::MAX).is_none());
        assert!(with(1 << 20).is_some_and(|reserve| reserve.release()), "something is held");
    }
}
