//! Walks folders, widest first, and never for long.
//!
//! A core usually lies near the top of a job's tree, and a folder of a hundred thousand packages must not use
//! up the limits before it is reached: hence breadth before depth.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::{FileType, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::limits::{Limit, SearchLimits};
use crate::host::Host;
use crate::text::quoted_path;

/// Folders that no crasher stands in, and that are big.
const SKIPPED_NAMES: [&str; 3] = [".git", ".hg", ".svn"];
/// Folders of the kernel's own.
const SKIPPED_PATHS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// One file or folder on the way.
pub(super) struct Entry<'a> {
    pub(super) path: &'a Path,
    pub(super) file_type: FileType,
    /// Whether it lies directly in the folder where the walk began.
    pub(super) at_top: bool,
}

/// All walks of one search: they share the time, and no folder is read twice.
pub(super) struct Walk {
    limits: SearchLimits,
    started: Instant,
    /// Entries seen since the present walk began: a huge tree must not keep other places from being searched.
    entries: usize,
    /// Folders by device and inode, with the depth that was left when they were read.
    seen: HashMap<(u64, u64), usize>,
    skipped: Vec<PathBuf>,
    hit: BTreeSet<Limit>,
    changed_since: Option<SystemTime>,
}

struct Folder {
    path: PathBuf,
    depth_left: usize,
    at_top: bool,
}

impl Walk {
    pub(super) fn new(host: &Host, limits: SearchLimits) -> Walk {
        Walk {
            limits,
            started: Instant::now(),
            entries: 0,
            seen: HashMap::new(),
            skipped: SKIPPED_PATHS.iter().map(|path| host.path(path)).collect(),
            hit: BTreeSet::new(),
            changed_since: None,
        }
    }

    /// From now on, reads only those folders beneath a root in which something was made, renamed or removed since `time`;
    /// all of them where that is `None`.
    pub(super) fn only_changed_since(&mut self, time: Option<SystemTime>) {
        self.changed_since = time;
    }

    /// Returns the limits that kept the walks from seeing everything.
    pub(super) fn limits_hit(self) -> BTreeSet<Limit> {
        self.hit
    }

    /// Tells whether there is no time left for another walk, which then is not made.
    pub(super) fn has_no_time(&mut self) -> bool {
        if self.started.elapsed() > self.limits.time {
            self.hit.insert(Limit::Time);
        }
        self.ran_out_of_time()
    }

    /// Tells whether a walk was ended, or not made, because the time was over.
    pub(super) fn ran_out_of_time(&self) -> bool {
        self.hit.contains(&Limit::Time)
    }

    /// Visits what lies in `root` and, as far as `depth`, in the folders beneath it on the same file system.
    ///
    /// Returns why it could not see everything, if so.
    pub(super) fn walk(
        &mut self,
        root: &Path,
        depth: usize,
        visit: &mut dyn FnMut(Entry<'_>),
    ) -> Option<String> {
        let metadata = match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => metadata,
            Ok(_) => return Some("is not a folder".to_owned()),
            Err(error) => return Some(error.to_string()),
        };
        let device = metadata.dev();
        self.entries = 0;
        if !self.enter(root, &metadata, depth) {
            return None;
        }
        let mut queue = VecDeque::from([Folder { path: root.to_owned(), depth_left: depth, at_top: true }]);
        let mut unread: Vec<PathBuf> = Vec::new();
        while let Some(folder) = queue.pop_front() {
            let Ok(entries) = std::fs::read_dir(&folder.path) else {
                unread.push(folder.path);
                continue;
            };
            for entry in entries.flatten() {
                if self.is_over() {
                    return describe(root, &unread);
                }
                let path = entry.path();
                let Ok(file_type) = entry.file_type() else { continue };
                visit(Entry { path: &path, file_type, at_top: folder.at_top });
                if !file_type.is_dir() {
                    continue;
                }
                let Some(depth_left) = folder.depth_left.checked_sub(1) else {
                    if depth >= self.limits.depth {
                        self.hit.insert(Limit::Depth);
                    }
                    continue;
                };
                // The link itself, not what it may point at by now.
                let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
                let is_inside = metadata.is_dir() && metadata.dev() == device;
                if is_inside && self.has_changed(&metadata) && self.enter(&path, &metadata, depth_left) {
                    queue.push_back(Folder { path, depth_left, at_top: false });
                }
            }
        }
        describe(root, &unread)
    }

    /// Returns whether a folder is worth reading: not skipped, and not read to that depth before.
    fn enter(&mut self, path: &Path, metadata: &Metadata, depth_left: usize) -> bool {
        let named = path.file_name().is_some_and(|name| SKIPPED_NAMES.iter().any(|skipped| name == *skipped));
        if named || self.skipped.iter().any(|skipped| skipped == path) {
            return false;
        }
        let key = (metadata.dev(), metadata.ino());
        if self.seen.get(&key).is_some_and(|seen| *seen >= depth_left) {
            return false;
        }
        self.seen.insert(key, depth_left);
        true
    }

    fn has_changed(&self, folder: &Metadata) -> bool {
        let Some(since) = self.changed_since else { return true };
        folder.modified().map_or(true, |changed| changed >= since)
    }

    fn is_over(&mut self) -> bool {
        self.entries += 1;
        if self.entries > self.limits.entries {
            self.hit.insert(Limit::Entries);
            return true;
        }
        // Asking for the time costs more than an entry does.
        if self.entries.is_multiple_of(64) && self.started.elapsed() > self.limits.time {
            self.hit.insert(Limit::Time);
            return true;
        }
        false
    }
}

fn describe(root: &Path, unread: &[PathBuf]) -> Option<String> {
    match unread {
        [] => None,
        [only] if only == root => Some("cannot be read".to_owned()),
        [only] => Some(format!("{} in it cannot be read", quoted_path(only))),
        [first, ..] => {
            Some(format!("{} folders in it cannot be read, e.g. {}", unread.len(), quoted_path(first)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(walk: &mut Walk, root: &Path, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        walk.walk(root, depth, &mut |entry| {
            names.push(entry.path.strip_prefix(root).unwrap().display().to_string());
        });
        names
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        root
    }

    fn walk(root: &Path, limits: SearchLimits) -> Walk {
        Walk::new(&Host::at(root), limits)
    }

    #[test]
    fn near_files_come_before_deep_ones() {
        let root = tree(&["a/b/c/deep", "z/near", "top"]);
        let names = names(&mut walk(root.path(), SearchLimits::default()), root.path(), 9);
        let at = |name: &str| names.iter().position(|found| found == name).unwrap();
        assert!(at("top") < at("z/near") && at("z/near") < at("a/b/c/deep"), "{names:?}");
    }

    #[test]
    fn repositories_and_kernel_folders_are_left_out() {
        let root = tree(&[".git/core", "proc/core", "sys/core", "dev/core", "sub/proc/core"]);
        let mut names = names(&mut walk(root.path(), SearchLimits::default()), root.path(), 9);
        names.retain(|name| name.ends_with("core"));
        assert_eq!(names, ["sub/proc/core"]);
    }

    #[test]
    fn depth_is_kept_and_told_only_where_the_limit_cut_it() {
        let root = tree(&["a/b/c"]);
        let limits = SearchLimits { depth: 1, ..SearchLimits::default() };
        let mut shallow = walk(root.path(), limits);
        assert_eq!(names(&mut shallow, root.path(), 0), ["a"]);
        assert!(shallow.limits_hit().is_empty(), "nobody asked for more");
        let mut cut = walk(root.path(), limits);
        assert_eq!(names(&mut cut, root.path(), 1), ["a", "a/b"]);
        assert_eq!(cut.limits_hit(), BTreeSet::from([Limit::Depth]));
    }

    #[test]
    fn counts_and_time_are_capped() {
        let many: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
        let root = tree(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let mut few = walk(root.path(), SearchLimits { entries: 50, ..SearchLimits::default() });
        assert_eq!(names(&mut few, root.path(), 1).len(), 50);
        assert_eq!(few.limits_hit(), BTreeSet::from([Limit::Entries]));
        let mut short = walk(root.path(), SearchLimits { time: Duration::ZERO, ..SearchLimits::default() });
        assert!(names(&mut short, root.path(), 1).len() < 200);
        assert_eq!(short.limits_hit(), BTreeSet::from([Limit::Time]));
    }

    #[test]
    fn linked_folders_are_not_followed_and_none_is_read_twice() {
        let root = tree(&["a/file", "b/file"]);
        std::os::unix::fs::symlink("a", root.path().join("link")).unwrap();
        std::os::unix::fs::symlink("..", root.path().join("a/up")).unwrap();
        let mut walk = walk(root.path(), SearchLimits::default());
        let mut names_seen = names(&mut walk, root.path(), 9);
        names_seen.sort();
        assert_eq!(names_seen, ["a", "a/file", "a/up", "b", "b/file", "link"]);
        assert_eq!(names(&mut walk, root.path(), 9).len(), 0);
    }

    #[test]
    fn a_folder_seen_from_afar_is_read_again_where_the_depth_allows_more() {
        let root = tree(&["a/b/file"]);
        let mut walk = walk(root.path(), SearchLimits::default());
        assert_eq!(names(&mut walk, &root.path().join("a"), 0), ["b"]);
        assert!(names(&mut walk, root.path(), 9).contains(&"a/b/file".to_owned()));
    }

    #[test]
    fn folders_in_which_nothing_happened_can_be_left_out() {
        let root = tree(&["old/file", "new/file", "old/below/file"]);
        let hour = std::time::Duration::from_secs(3600);
        for folder in ["", "old"] {
            let folder = std::fs::File::open(root.path().join(folder)).unwrap();
            folder.set_modified(SystemTime::now() - 2 * hour).unwrap();
        }
        let mut walk = walk(root.path(), SearchLimits::default());
        walk.only_changed_since(Some(SystemTime::now() - hour));
        let mut seen = names(&mut walk, root.path(), 9);
        seen.sort();
        assert_eq!(seen, ["new", "new/file", "old"]);
        walk.only_changed_since(None);
        assert!(names(&mut walk, &root.path().join("old"), 9).contains(&"below/file".to_owned()));
    }

    #[test]
    fn a_missing_root_is_told() {
        let root = tree(&["file"]);
        let mut walk = walk(root.path(), SearchLimits::default());
        assert!(walk.walk(&root.path().join("gone"), 1, &mut |_| {}).is_some());
        assert_eq!(walk.walk(&root.path().join("file"), 1, &mut |_| {}).as_deref(), Some("is not a folder"));
    }
}
