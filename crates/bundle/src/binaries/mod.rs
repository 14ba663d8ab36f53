//! The binaries that came with a core.

mod heap;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use epitaph_elf::BuildId;

use crate::names::safe_name;
use heap::Heap;

/// How many folders above a core may be the one that it came in.
const HIGHEST: usize = 6;
/// Longest name of a stored binary, in bytes.
pub(crate) const LONGEST_NAME: usize = 100;
/// How many folders in `files/` are looked at.
const MOST_FILES: usize = 10_000;

/// The binaries in an output folder, a pulled tree or a heap of downloads.
///
/// Making one costs nothing: folders are looked at when they are asked about, and only headers are read. What is
/// returned is a candidate: whether it is the right file is for the asker to check.
///
/// ```no_run
/// use epitaph_bundle::Binaries;
///
/// let binaries = Binaries::beside("artifacts/crashes/20261122T101501Z-parser-sigsegv-1f2e3d4c5b6a7988/core.zst".as_ref());
/// let id = "8f0d3b2c".parse().unwrap();
/// for path in binaries.by_build_id(&id) {
///     println!("{}", path.display()); // artifacts/buildid/8f0d3b2c/executable
/// }
/// ```
#[derive(Debug)]
pub struct Binaries {
    root: PathBuf,
    /// Whether the root is known to hold what came with the core, so that it is searched deeply.
    known: bool,
    heap: OnceLock<Heap>,
}

impl Binaries {
    /// The binaries beneath `root`, which holds what came with a core.
    pub fn in_tree(root: &Path) -> Binaries {
        Binaries { root: root.to_owned(), known: true, heap: OnceLock::new() }
    }

    /// The binaries that came with `core`: those of the nearest output folder that it lies in, or else those in the
    /// folder that it lies in.
    pub fn beside(core: &Path) -> Binaries {
        let core = std::path::absolute(core).unwrap_or_else(|_| core.to_owned());
        let root = core.ancestors().skip(1).take(HIGHEST).find(|folder| is_root(folder, &core));
        let known = root.is_some();
        let root = root.or(core.parent()).unwrap_or(Path::new("/")).to_owned();
        Binaries { root, known, heap: OnceLock::new() }
    }

    /// Returns the folder that is searched.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns files that were mapped under this build ID.
    pub fn by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.stored(id, "executable").map_or_else(|| self.heap().images(id), |path| vec![path])
    }

    /// Returns files that hold only debug information, for this build ID.
    pub fn debug_by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.stored(id, "debuginfo").map_or_else(|| self.heap().debug_files(id), |path| vec![path])
    }

    /// Returns what dwz took out of debug information, of this build ID or the checksum that stands for one.
    pub fn supplementary_by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.stored(id, "debuginfo").map_or_else(|| self.heap().supplementary(id), |path| vec![path])
    }

    /// Returns files without a build ID whose stored name is that of a mapped file called `name` (no folders).
    pub fn by_name(&self, name: &OsStr) -> Vec<PathBuf> {
        self.named(name, Heap::named)
    }

    /// Returns files that are not linked, as split debug information is, whose stored name is that of a `.dwo` or `.dwp`
    /// file called `name` (no folders).
    pub fn split_by_name(&self, name: &OsStr) -> Vec<PathBuf> {
        self.named(name, Heap::unlinked)
    }

    /// Returns the files called `name` that an output folder has, and those of the heap.
    fn named(&self, name: &OsStr, in_heap: impl Fn(&Heap, &str) -> Vec<PathBuf>) -> Vec<PathBuf> {
        let name = safe_name(name.as_bytes(), LONGEST_NAME);
        let mut found = in_files(&self.root.join("files"), &name);
        for path in in_heap(self.heap(), &name) {
            if !found.contains(&path) {
                found.push(path);
            }
        }
        found
    }

    /// Returns the file that an output folder has for a build ID.
    fn stored(&self, id: &BuildId, name: &str) -> Option<PathBuf> {
        let path = self.root.join("buildid").join(id.to_string()).join(name);
        path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()).then_some(path)
    }

    fn heap(&self) -> &Heap {
        self.heap.get_or_init(|| Heap::of(&self.root, self.known))
    }
}

/// Tells whether `folder` is the output folder that `core` came in.
fn is_root(folder: &Path, core: &Path) -> bool {
    core.starts_with(folder.join("crashes"))
        || folder.join("manifest.json").is_file()
        || folder.join("buildid").is_dir()
}

/// Returns the files called `name` in `files/<sha256>/`.
fn in_files(files: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(folders) = std::fs::read_dir(files) else { return Vec::new() };
    let mut found: Vec<PathBuf> = folders
        .take(MOST_FILES)
        .filter_map(|folder| Some(folder.ok()?.path().join(name)))
        .filter(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests;
