//! The question for a module's files, and its answer. Who answers is somebody else's: `symbols` searches folders.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build_id::BuildId;
use crate::links::{DebugLink, SupplementaryLink};
use crate::module::Module;
use crate::object::Object;

/// Finds the files of modules.
pub trait Locate: Sync {
    /// Finds the file that was mapped.
    fn image(&self, wanted: &Wanted<'_>) -> Located;

    /// Finds the separate file with its debug information.
    fn debug(&self, wanted: &DebugWanted<'_>) -> Located;

    /// Finds a file that the debug information continues in.
    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located;
}

/// A mapped file that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the core says of it.
    pub module: &'a Module,
    /// The name of the core's architecture (a file of another one is another file).
    pub arch: &'static str,
}

/// A debug file that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct DebugWanted<'a> {
    /// What the core says of the module.
    pub module: &'a Module,
    /// Its build ID, from the core or else from its file.
    pub build_id: Option<&'a BuildId>,
    /// Where its file was found, if it was.
    pub image_path: Option<&'a Path>,
    /// What its file says of the debug file.
    pub link: Option<&'a DebugLink>,
}

/// A file that a module's debug information continues in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Companion {
    /// One unit's split debug information, a `.dwo` file (DWARF 5, 7.3.2).
    Split {
        /// `DW_AT_dwo_name`: its path, from the unit's folder if it is relative.
        name: PathBuf,
        /// `DW_AT_comp_dir`: the unit's folder.
        folder: Option<PathBuf>,
        /// The ID that the unit and its file share.
        id: u64,
    },
    /// The split debug information of all units, a `.dwp` file (DWARF 5, 7.3.5).
    Package,
    /// What several modules' debug information has in common (DWARF 5, 7.3.6).
    Supplementary(SupplementaryLink),
}

impl fmt::Display for Companion {
    /// Says what kind of file it is, and its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Companion::Split { name, .. } => write!(f, "split debug information {}", name.display()),
            Companion::Package => f.write_str("split debug information package"),
            Companion::Supplementary(link) => {
                write!(f, "supplementary debug file {}", link.name.display())
            }
        }
    }
}

/// Which of a module's files one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModulePart {
    /// The file that was mapped.
    Image,
    /// The separate file with its debug information.
    Debug,
    /// A file that the debug information continues in.
    Companion(Companion),
}

/// A companion that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct CompanionWanted<'a> {
    /// What the core says of the module.
    pub module: &'a Module,
    /// Where its file was found, if it was.
    pub image_path: Option<&'a Path>,
    /// Where its separate debug file was found, if there is one.
    pub debug_path: Option<&'a Path>,
    /// What is looked for.
    pub companion: &'a Companion,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub enum Located {
    /// It was found.
    Found(Found),
    /// It was not.
    Missing {
        /// Each file that was looked at, and why it isn't the one.
        tried: Vec<Tried>,
    },
}

impl Located {
    /// Returns the file, if it was found.
    pub fn found(&self) -> Option<&Found> {
        match self {
            Located::Found(found) => Some(found),
            Located::Missing { .. } => None,
        }
    }

    /// Returns where the file is, if it was found and is not in the core.
    pub fn path(&self) -> Option<&Path> {
        self.found()?.path.as_deref()
    }
}

/// A file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file.
    pub object: Arc<Object>,
    /// Its path; `None` for an image in the core.
    pub path: Option<PathBuf>,
    /// How it was found.
    pub origin: Origin,
    /// How sure it is that it is the right one.
    pub state: FileState,
}

/// How a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user named it.
    Given,
    /// At the path that the core names.
    RecordedPath,
    /// At that path beneath another root.
    Sysroot,
    /// In the folder tree that came with the core, by build ID or content.
    Bundle,
    /// In a debug folder, by build ID.
    BuildId,
    /// By what another of the module's files says of it: `.gnu_debuglink`, `DW_AT_dwo_name`, `.gnu_debugaltlink`.
    DebugLink,
    /// Beside the core.
    Beside,
    /// From a debuginfod server, or the cache of what such servers sent, by build ID.
    Debuginfod,
    /// In the core itself.
    Core,
}

/// How sure it is that a file is the one that was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Same build ID.
    Verified,
    /// The core has no build ID of it; the first page is the same (or where the core holds nothing of the file, the
    /// layout is), and the file is no younger than the core.
    Unverified,
    /// Another build, used because the user said so.
    Mismatch,
}

/// A file that was looked at and is not the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Its path.
    pub path: PathBuf,
    /// Why it isn't.
    pub outcome: Outcome,
}

/// Why a file is not the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no such file.
    Absent,
    /// It can't be opened or read: the reason.
    Unreadable(String),
    /// It isn't an ELF file.
    NotElf,
    /// It has another build ID, or has one where none should be, or none where one should be.
    OtherBuild(Option<BuildId>),
    /// It has no build ID to compare, and its first page is another than the core's.
    OtherContent,
    /// The core holds nothing of the mapped file, neither build ID nor first page (it is cut short, or was told to
    /// leave them out), and the file doesn't fit where the mapped one lay.
    OtherLayout,
    /// The core holds nothing of the mapped file, which had been deleted or replaced before the process died.
    Replaced,
    /// There is no build ID to compare, and it is younger than the core.
    Younger,
    /// Its CRC is not the one that the debug link names.
    OtherCrc,
    /// It is split debug information of other units: the ID of the first one, if it has any.
    OtherSplit(Option<u64>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Absent => f.write_str("no such file"),
            Outcome::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Outcome::NotElf => f.write_str("not an ELF file"),
            Outcome::OtherBuild(Some(id)) => write!(f, "a different build ({id})"),
            Outcome::OtherBuild(None) => f.write_str("a different build (it has no build ID)"),
            Outcome::OtherContent => f.write_str("its first page differs from the core's"),
            Outcome::OtherLayout => {
                f.write_str("it does not fit where the core says that the file was mapped")
            }
            Outcome::Replaced => f.write_str("the file was deleted or replaced before the process died"),
            Outcome::Younger => f.write_str("it is younger than the core, which has no build ID of it"),
            Outcome::OtherSplit(Some(id)) => {
                write!(f, "split debug information of another build (ID {id:016x})")
            }
            Outcome::OtherSplit(None) => f.write_str("it holds no split debug information"),
            Outcome::OtherCrc => f.write_str("its CRC is not the one that .gnu_debuglink names"),
        }
    }
}

impl Outcome {
    /// Tells whether it is the file of that name but another build: worth a warning.
    pub fn is_other_build(&self) -> bool {
        matches!(
            self,
            Outcome::OtherBuild(_)
                | Outcome::OtherContent
                | Outcome::OtherLayout
                | Outcome::Replaced
                | Outcome::Younger
                | Outcome::OtherSplit(_)
        )
    }
}
