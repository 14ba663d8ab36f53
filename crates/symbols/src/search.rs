//! The search order for a module's files.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use epitaph_elf::{
    BuildId, CompanionWanted, DebugWanted, FileState, Found, Locate, Located, Origin, Outcome, Tried, Wanted,
};

use crate::companions::companion_state;
use crate::sysroot::beneath;
use crate::verify::{Opened, compare, open};

/// The files that came with a core: an output folder, a pulled tree, a heap of downloads.
pub trait CameWithCore: Sync {
    /// Returns the executables and libraries of this build ID.
    fn by_build_id(&self, id: &BuildId) -> Vec<PathBuf>;
    /// Returns the debug files of this build ID.
    fn debug_by_build_id(&self, id: &BuildId) -> Vec<PathBuf>;
    /// Returns the executables and libraries of this file name.
    fn by_name(&self, name: &OsStr) -> Vec<PathBuf>;
    /// Returns what dwz took out of debug information, of this build ID or the checksum that stands for one.
    fn supplementary_by_build_id(&self, id: &BuildId) -> Vec<PathBuf>;
    /// Returns split debug information, `.dwo` and `.dwp` files, of this file name.
    fn split_by_name(&self, name: &OsStr) -> Vec<PathBuf>;
}

/// Where files are looked for.
#[derive(Default)]
pub struct SearchOptions<'a> {
    /// The main executable, named by the user.
    pub executable: Option<PathBuf>,
    /// A folder that holds the crashed machine's root: recorded paths are looked up beneath it, and not here.
    pub sysroot: Option<PathBuf>,
    /// Folders of debug files, before `/usr/lib/debug`.
    pub debug_dirs: Vec<PathBuf>,
    /// Use a file of another build rather than none.
    pub allow_mismatch: bool,
    /// When the core was written: what has no build ID must be older.
    pub core_time: Option<SystemTime>,
    /// The folder that the core lies in.
    pub beside: Option<PathBuf>,
    /// What came with the core.
    pub came_with: Option<&'a dyn CameWithCore>,
}

impl fmt::Debug for SearchOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchOptions")
            .field("executable", &self.executable)
            .field("sysroot", &self.sysroot)
            .field("debug_dirs", &self.debug_dirs)
            .finish_non_exhaustive()
    }
}

/// Finds files in folders.
///
/// A mapped file: the one the user named; then what came with the core; then the recorded path (beneath the
/// sysroot, if there is one); then the debug folders by build ID; then beside the core. A debug file: what came
/// with the core; then the debug folders by build ID; then `.gnu_debuglink` beside the file, in its `.debug`, and
/// in the debug folders (GDB manual, "Separate Debug Files"). Split debug information, and what dwz took out of debug
/// files: where the files that need it say, near those, in the debug folders.
#[derive(Debug)]
pub struct FileSearch<'a> {
    options: SearchOptions<'a>,
}

/// The usual folder of debug files.
const DEBUG_DIR: &str = "/usr/lib/debug";

impl<'a> FileSearch<'a> {
    /// Makes a search with these options.
    pub fn new(options: SearchOptions<'a>) -> FileSearch<'a> {
        FileSearch { options }
    }

    /// The files that may be the mapped one, best first, each with whether it must be older than the core.
    fn image_candidates(&self, wanted: &Wanted<'_>) -> Vec<(PathBuf, Origin, bool)> {
        let module = wanted.module;
        let options = &self.options;
        let mut candidates = Vec::new();
        if let Some(executable) = options.executable.as_ref().filter(|_| module.main) {
            candidates.push((executable.clone(), Origin::Given, false));
        }
        if let Some(tree) = options.came_with {
            let found = match &module.build_id {
                Some(id) => tree.by_build_id(id),
                None => module.path.file_name().map(|name| tree.by_name(name)).unwrap_or_default(),
            };
            candidates.extend(found.into_iter().map(|path| (path, Origin::Bundle, false)));
        }
        // What the kernel marks as deleted may be a file whose name ends so.
        let mut marked = module.path.clone().into_os_string();
        marked.push(" (deleted)");
        let paths = [Some(module.path.clone()), module.deleted.then(|| PathBuf::from(marked))];
        for path in paths.into_iter().flatten().filter(|path| path.is_absolute()) {
            candidates.push(match &options.sysroot {
                Some(root) => (beneath(root, &path), Origin::Sysroot, true),
                None => (path, Origin::RecordedPath, true),
            });
        }
        if let Some(id) = &module.build_id {
            let by_id = build_id_path(id, "").map(|path| self.in_debug_dirs(&path)).unwrap_or_default();
            candidates.extend(by_id.into_iter().map(|path| (path, Origin::BuildId, true)));
        }
        if let (Some(dir), Some(name)) = (&options.beside, module.path.file_name()) {
            candidates.push((dir.join(name), Origin::Beside, true));
        }
        candidates
    }

    fn debug_candidates(&self, wanted: &DebugWanted<'_>) -> Vec<(PathBuf, Origin)> {
        let mut candidates = Vec::new();
        if let Some(id) = wanted.build_id {
            let came = self.options.came_with.map(|tree| tree.debug_by_build_id(id)).unwrap_or_default();
            candidates.extend(came.into_iter().map(|path| (path, Origin::Bundle)));
            candidates.extend(self.debug_dirs_by_build_id(id));
        }
        if let Some(link) = wanted.link
            // A link names a file, not a path: anything else is crafted.
            && let Some(name) = link.name.file_name().filter(|name| **name == *link.name.as_os_str())
        {
            let near = wanted.image_path.and_then(Path::parent);
            let recorded = wanted.module.path.parent().filter(|dir| dir.is_absolute());
            for dir in near.into_iter().chain(recorded.filter(|_| self.options.sysroot.is_none())) {
                candidates.push((dir.join(name), Origin::DebugLink));
                candidates.push((dir.join(".debug").join(name), Origin::DebugLink));
            }
            for dir in recorded.into_iter().chain(near) {
                let paths = self.in_debug_dirs(&dir.join(name));
                candidates.extend(paths.into_iter().map(|path| (path, Origin::DebugLink)));
            }
        }
        candidates
    }

    /// Debug files of this build ID in the debug folders.
    fn debug_dirs_by_build_id(&self, id: &BuildId) -> impl Iterator<Item = (PathBuf, Origin)> + use<> {
        let by_id = build_id_path(id, ".debug").map(|path| self.in_debug_dirs(&path)).unwrap_or_default();
        by_id.into_iter().map(|path| (path, Origin::BuildId))
    }

    /// Supplementary files of this build ID: what came with the core, and those in the debug folders.
    pub(crate) fn supplementary_by_build_id(&self, id: &BuildId) -> Vec<(PathBuf, Origin)> {
        let came = self.options.came_with.map(|tree| tree.supplementary_by_build_id(id)).unwrap_or_default();
        let came = came.into_iter().map(|path| (path, Origin::Bundle));
        came.chain(self.debug_dirs_by_build_id(id)).collect()
    }

    /// Split debug information of this name that came with the core, or lies beside it.
    pub(crate) fn split_by_name(&self, name: &OsStr) -> Vec<(PathBuf, Origin)> {
        let came = self.options.came_with.map(|tree| tree.split_by_name(name)).unwrap_or_default();
        let beside = self.options.beside.as_ref().map(|dir| (dir.join(name), Origin::Beside));
        came.into_iter().map(|path| (path, Origin::Bundle)).chain(beside).collect()
    }

    /// Where an absolute path of the crashed machine is on this one.
    pub(crate) fn in_root(&self, path: &Path) -> PathBuf {
        match &self.options.sysroot {
            Some(root) => beneath(root, path),
            None => path.to_owned(),
        }
    }

    /// A path beneath each of the debug folders; those that the user named are this machine's.
    pub(crate) fn in_debug_dirs(&self, path: &Path) -> Vec<PathBuf> {
        let inner: PathBuf =
            path.components().filter(|component| matches!(component, Component::Normal(_))).collect();
        let named = self.options.debug_dirs.iter().map(|dir| dir.join(&inner));
        named.chain([self.in_root(&Path::new(DEBUG_DIR).join(&inner))]).collect()
    }
}

/// Opens the candidates one after the other until `state` takes one; `skip` is none of them.
fn first(
    candidates: Vec<(PathBuf, Origin)>,
    skip: Option<&Path>,
    state: impl Fn(&Opened) -> Result<FileState, Outcome>,
) -> Located {
    let mut tried: Vec<Tried> = Vec::new();
    for (path, origin) in candidates {
        if tried.iter().any(|tried| tried.path == path) || skip == Some(&path) {
            continue;
        }
        let opened = open(&path).and_then(|opened| Ok((state(&opened)?, opened.object)));
        match opened {
            Ok((state, object)) => return Located::Found(Found { object, path: Some(path), origin, state }),
            Err(outcome) => tried.push(Tried { path, outcome }),
        }
    }
    Located::Missing { tried }
}

impl Locate for FileSearch<'_> {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        let mut tried: Vec<Tried> = Vec::new();
        let mut mismatch = None;
        for (path, origin, must_be_older) in self.image_candidates(wanted) {
            if tried.iter().any(|tried| tried.path == path) {
                continue;
            }
            let newest = self.options.core_time.filter(|_| must_be_older);
            let outcome = match open(&path) {
                Ok(opened) => match compare(&opened, wanted, newest, origin) {
                    Ok(state) => {
                        return Located::Found(Found {
                            object: opened.object,
                            path: Some(path),
                            origin,
                            state,
                        });
                    }
                    Err(outcome) => {
                        mismatch.get_or_insert((opened, path.clone(), origin));
                        outcome
                    }
                },
                Err(outcome) => outcome,
            };
            tried.push(Tried { path, outcome });
        }
        match mismatch.filter(|_| self.options.allow_mismatch) {
            Some((Opened { object, .. }, path, origin)) => {
                Located::Found(Found { object, path: Some(path), origin, state: FileState::Mismatch })
            }
            None => Located::Missing { tried },
        }
    }

    fn debug(&self, wanted: &DebugWanted<'_>) -> Located {
        first(self.debug_candidates(wanted), wanted.image_path, |opened| debug_state(opened, wanted))
    }

    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        first(self.companion_candidates(wanted), wanted.image_path, |opened| {
            companion_state(&opened.object, wanted.companion)
        })
    }
}

/// Compares a debug file with what is wanted: by build ID, or by the CRC of the whole file where there is none.
fn debug_state(opened: &Opened, wanted: &DebugWanted<'_>) -> Result<FileState, Outcome> {
    match (wanted.build_id, opened.object.build_id()) {
        (Some(wanted), Some(found)) if wanted == found => Ok(FileState::Verified),
        (Some(_), found) => Err(Outcome::OtherBuild(found.cloned())),
        (None, _) => match wanted.link {
            Some(link) if crc32fast::hash(opened.object.bytes()) == link.crc => Ok(FileState::Verified),
            _ => Err(Outcome::OtherCrc),
        },
    }
}

/// `.build-id/ab/cdef…` with a suffix; `None` for a build ID that is too short to be split.
fn build_id_path(id: &BuildId, suffix: &str) -> Option<PathBuf> {
    let hex = id.to_string();
    let (first, rest) = hex.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())?;
    Some(Path::new(".build-id").join(first).join(format!("{rest}{suffix}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_are_split_after_their_first_byte() {
        let id: BuildId = "abcdef".parse().unwrap();
        assert_eq!(build_id_path(&id, ".debug"), Some(PathBuf::from(".build-id/ab/cdef.debug")));
        assert_eq!(build_id_path(&"ab".parse().unwrap(), ""), None);
    }
}
