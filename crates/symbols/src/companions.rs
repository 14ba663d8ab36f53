//! Where a module's debug information may continue: split debug information, packages of it, and what dwz took out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use epitaph_elf::{Companion, CompanionWanted, FileState, Object, Origin, Outcome, SupplementaryLink};
use gimli::{DwoId, SectionId};

use crate::search::FileSearch;
use crate::split;

/// The folder of debug folders in which distributions keep what dwz took out.
const DWZ_DIR: &str = ".dwz";

impl FileSearch<'_> {
    /// The files that may be the wanted one, best first.
    pub(crate) fn companion_candidates(&self, wanted: &CompanionWanted<'_>) -> Vec<(PathBuf, Origin)> {
        match wanted.companion {
            Companion::Split { name, folder, .. } => self.split_candidates(wanted, name, folder.as_deref()),
            Companion::Package => self.package_candidates(wanted),
            Companion::Supplementary(link) => self.supplementary_candidates(wanted, link),
        }
    }

    /// A `.dwo` file: where it was compiled; then near the files that need it; then the same beneath the debug
    /// folders; then what came with the core, by name.
    fn split_candidates(
        &self,
        wanted: &CompanionWanted<'_>,
        name: &Path,
        folder: Option<&Path>,
    ) -> Vec<(PathBuf, Origin)> {
        let full = folder.map_or_else(|| name.to_owned(), |folder| folder.join(name));
        let mut paths = Vec::new();
        if full.is_absolute() {
            paths.push(self.in_root(&full));
        }
        for near in folders(wanted) {
            if full.is_relative() {
                paths.push(near.join(&full));
            }
            if name.is_relative() {
                paths.push(near.join(name));
            }
            paths.extend(name.file_name().map(|name| near.join(name)));
        }
        paths.extend(self.in_debug_dirs(&full));
        let last = name.file_name().map(|name| self.split_by_name(name)).unwrap_or_default();
        linked(paths).chain(last).collect()
    }

    /// A `.dwp` file bears the name of the file that it is for, with `.dwp` added (GDB manual, "Separate Debug
    /// Files"); for `prog.debug` it may be `prog.dwp` too.
    fn package_candidates(&self, wanted: &CompanionWanted<'_>) -> Vec<(PathBuf, Origin)> {
        let recorded = Some(wanted.module.path.as_path()).filter(|path| path.is_absolute());
        let mut paths = Vec::new();
        for path in [wanted.image_path, wanted.debug_path].into_iter().flatten() {
            paths.push(with_dwp(path));
            if path.extension().is_some_and(|extension| extension == "debug") {
                paths.push(with_dwp(&path.with_extension("")));
            }
        }
        paths.extend(recorded.map(|path| self.in_root(&with_dwp(path))));
        for path in wanted.image_path.into_iter().chain(recorded) {
            paths.extend(self.in_debug_dirs(&with_dwp(path)));
        }
        let names = [wanted.image_path, recorded].into_iter().flatten();
        let last = names.filter_map(|path| Some(self.split_by_name(with_dwp(path).file_name()?))).flatten();
        linked(paths).chain(last).collect()
    }

    /// A supplementary file: at its path, which may be relative to the file that names it; then by build ID; then in
    /// the debug folders' own folder for such files.
    fn supplementary_candidates(
        &self,
        wanted: &CompanionWanted<'_>,
        link: &SupplementaryLink,
    ) -> Vec<(PathBuf, Origin)> {
        let mut paths = Vec::new();
        if link.name.is_absolute() {
            paths.push(self.in_root(&link.name));
        } else {
            paths.extend(folders(wanted).map(|near| near.join(&link.name)));
        }
        let by_id = link.id.as_ref().map(|id| self.supplementary_by_build_id(id)).unwrap_or_default();
        let name = link.name.file_name().map(|name| Path::new(DWZ_DIR).join(name));
        let kept = name.map(|name| self.in_debug_dirs(&name)).unwrap_or_default();
        linked(paths).chain(by_id).chain(linked(kept)).collect()
    }
}

/// Tells whether a file is the companion that is looked for.
pub(crate) fn companion_state(object: &Object, companion: &Companion) -> Result<FileState, Outcome> {
    match companion {
        Companion::Split { id, .. } => match split::has_unit(object, DwoId(*id)) {
            Ok(()) => Ok(FileState::Verified),
            Err(other) => Err(Outcome::OtherSplit(other.map(|DwoId(id)| id))),
        },
        // Its units are verified one by one: it has them by ID.
        Companion::Package if object.has_section(SectionId::DebugCuIndex.name()) => Ok(FileState::Verified),
        Companion::Package => Err(Outcome::OtherSplit(None)),
        Companion::Supplementary(SupplementaryLink { id: Some(id), .. }) => match object.supplementary_id() {
            Some(found) if found == *id => Ok(FileState::Verified),
            other => Err(Outcome::OtherBuild(other)),
        },
        Companion::Supplementary(_) => Ok(FileState::Unverified),
    }
}

/// The folders of the files that need the companion.
fn folders<'a>(wanted: &CompanionWanted<'a>) -> impl Iterator<Item = &'a Path> + use<'a> {
    [wanted.debug_path, wanted.image_path].into_iter().flatten().filter_map(Path::parent)
}

fn linked(paths: Vec<PathBuf>) -> impl Iterator<Item = (PathBuf, Origin)> {
    paths.into_iter().map(|path| (path, Origin::DebugLink))
}

fn with_dwp(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".dwp");
    PathBuf::from(name)
}
