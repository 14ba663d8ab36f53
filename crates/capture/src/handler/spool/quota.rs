//! What a user's crashes take, what is left for them, and which of them go.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::statvfs;

use super::{Entry, Locked, PARTIAL, UserFolder};
use crate::handler::config::{AT_ONCE, HandlerLimits};
use crate::handler::harden::LONGEST_LIFE;

/// The unit of `st_blocks` in bytes, whatever the file system's is (stat(3type)).
const BLOCK: u64 = 512;
/// The most bytes that a slim core may take: the memory in it is bounded, headers and notes take what they take.
pub(in crate::handler) const LARGEST_SLIM: u64 = 64 << 20;

/// A crash in the folder.
#[derive(Debug, Default)]
struct Crash {
    bytes: u64,
    files: Vec<PathBuf>,
    /// Whether one of the files is still being written, by another handler or one that was killed.
    unfinished: bool,
}

impl Locked<'_> {
    /// Removes what handlers that were killed have left: unfinished files that nobody can still be writing, and slim
    /// cores whose whole ones are there.
    pub(in crate::handler) fn sweep(&self) {
        let oldest = SystemTime::now().checked_sub(Duration::from_secs(LONGEST_LIFE));
        for path in self.folder.files() {
            let name = path.to_string_lossy();
            let is_old = || path.metadata().and_then(|it| it.modified()).is_ok_and(|it| Some(it) < oldest);
            let replaced = name.ends_with(".core") && path.with_extension("core.zst").exists();
            if replaced || (name.ends_with(PARTIAL) && is_old()) {
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    /// Evicts this user's oldest crashes until all take no more than the quota. The entry itself, being the newest, goes
    /// last and is never evicted. Returns how many went.
    pub(in crate::handler) fn evict(&self, keep: &Entry<'_>, limits: &HandlerLimits) -> usize {
        let mut crashes = self.folder.crashes();
        let mut total: u64 = crashes.values().map(|crash| crash.bytes).sum();
        crashes.remove(keep.id());
        let mut evicted = 0;
        for crash in crashes.into_values().filter(|crash| !crash.unfinished) {
            if total <= limits.quota {
                break;
            }
            for path in &crash.files {
                let _ = std::fs::remove_file(path);
            }
            total = total.saturating_sub(crash.bytes);
            evicted += 1;
        }
        evicted
    }
}

impl UserFolder {
    /// Returns how many bytes the whole core may take; 0 where it is better left. Of what is free on the disk it is one
    /// handler's share: others may be at work, and have written nothing yet.
    pub(in crate::handler) fn room_for_whole(&self, limits: &HandlerLimits) -> u64 {
        limits.quota.min(self.free().saturating_sub(limits.keep_free) / u64::from(AT_ONCE))
    }

    /// Tells whether there is room for a slim core.
    pub(in crate::handler) fn has_room_for_slim(&self) -> bool {
        self.free() > LARGEST_SLIM
    }

    /// Bytes of the disk that are free, as far as anybody may use them. A disk without inodes is full.
    fn free(&self) -> u64 {
        let Ok(disk) = statvfs(&self.path) else { return 0 };
        let out_of_inodes = disk.f_files > 0 && disk.f_favail == 0;
        if out_of_inodes { 0 } else { disk.f_bavail.saturating_mul(disk.f_frsize) }
    }

    /// Returns how many crashes are sealed here, and the bytes that all files take.
    pub(in crate::handler) fn usage(&self) -> (usize, u64) {
        let crashes = self.crashes();
        (crashes.len(), crashes.values().map(|crash| crash.bytes).sum())
    }

    /// The crashes by their names, which is by time.
    fn crashes(&self) -> BTreeMap<String, Crash> {
        let mut crashes: BTreeMap<String, Crash> = BTreeMap::new();
        for path in self.files() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some((id, _)) = name.split_once('.').filter(|(id, _)| !id.is_empty()) else { continue };
            let crash = crashes.entry(id.to_owned()).or_default();
            crash.bytes += std::fs::symlink_metadata(&path).map_or(0, |it| it.blocks().saturating_mul(BLOCK));
            crash.unfinished |= name.ends_with(PARTIAL);
            crash.files.push(path);
        }
        crashes
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten();
        entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{names, notice, own_folder, sealed};
    use super::super::{Part, Spool};
    use super::*;

    const MIB: usize = 1 << 20;

    fn limits(quota: usize) -> HandlerLimits {
        HandlerLimits { quota: quota as u64, keep_free: 0, first: 3 }
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_never() {
        let (_root, folder) = own_folder();
        let entries: Vec<Entry<'_>> = [30, 10, 20].map(|time| folder.entry(&notice(time))).into();
        for entry in &entries {
            sealed(entry, Part::Slim, MIB);
            sealed(entry, Part::Facts, 100);
        }
        let newest = folder.entry(&notice(40));
        sealed(&newest, Part::Whole, 2 * MIB);
        let locked = folder.lock().unwrap();
        assert_eq!(folder.usage().0, 4);
        assert_eq!(locked.evict(&newest, &limits(8 * MIB)), 0);
        assert_eq!(locked.evict(&newest, &limits(4 * MIB)), 2);
        let left = names(&folder);
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left.iter().all(|name| name.starts_with(entries[0].id()) || name.starts_with(newest.id())));
        assert_eq!(locked.evict(&newest, &limits(0)), 1);
        assert_eq!(names(&folder), [format!("{}.core.zst", newest.id())]);
    }

    #[test]
    fn what_is_being_written_is_never_evicted() {
        let (_root, folder) = own_folder();
        let (writing, newest) = (folder.entry(&notice(10)), folder.entry(&notice(20)));
        sealed(&writing, Part::Facts, MIB);
        drop(writing.begin(Part::Slim).unwrap());
        assert_eq!(folder.lock().unwrap().evict(&newest, &limits(0)), 0);
        assert_eq!(names(&folder).len(), 2);
    }

    #[test]
    fn other_users_crashes_stay() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::at(root.path());
        let me = rustix::process::geteuid().as_raw();
        let folder = spool.open(me).unwrap();
        let other = spool.of_user(me + 1);
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("0000000001-0-1.core"), vec![1; MIB]).unwrap();
        let newest = folder.entry(&notice(40));
        assert_eq!(folder.lock().unwrap().evict(&newest, &limits(0)), 0);
        assert_eq!(std::fs::read_dir(other).unwrap().count(), 1);
    }

    #[test]
    fn what_killed_handlers_left_is_swept() {
        let (_root, folder) = own_folder();
        let (old, fresh, both) =
            (folder.entry(&notice(10)), folder.entry(&notice(20)), folder.entry(&notice(30)));
        let long_ago = SystemTime::now() - Duration::from_secs(2 * LONGEST_LIFE);
        old.begin(Part::Whole).unwrap().set_modified(long_ago).unwrap();
        drop(fresh.begin(Part::Whole).unwrap());
        sealed(&both, Part::Slim, 1);
        sealed(&both, Part::Whole, 1);
        folder.lock().unwrap().sweep();
        assert_eq!(
            names(&folder),
            [format!("{}.core.zst.partial", fresh.id()), format!("{}.core.zst", both.id())]
        );
    }

    #[test]
    fn a_disk_that_must_stay_free_has_no_room() {
        let (_root, folder) = own_folder();
        assert_eq!(folder.room_for_whole(&HandlerLimits { keep_free: u64::MAX, ..limits(MIB) }), 0);
        assert_eq!(folder.room_for_whole(&limits(100)), 100);
        // Others write to the disk meanwhile, but not that much.
        let (share, free) = (folder.room_for_whole(&limits(usize::MAX)), folder.free());
        assert!(share > free / 10 && share < free / 7, "{share} of {free}");
    }
}
