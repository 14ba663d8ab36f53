//! Why the output folder can't be used.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why the output folder, or a file in it, can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Something else is where a folder should be.
    #[error("{}: not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to somebody else, who could make us write anywhere.
    #[error("{}: belongs to another user (uid {owner})", path.display())]
    NotOurs {
        /// The folder, or the symbolic link to it.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Somebody else held a lock for longer than is waited.
    #[error("{}: locked by another process for more than {} s", path.display(), waited.as_secs())]
    Busy {
        /// The locked folder.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// A crash's id is not one that can name a folder.
    #[error("{id:?} cannot name a crash: only [A-Za-z0-9._-], at most 100 bytes")]
    BadId {
        /// The id.
        id: String,
    },
    /// A report's name is not one that a report may have.
    #[error("{name:?} cannot name a report")]
    BadReportName {
        /// The name.
        name: String,
    },
    /// The disk is full.
    #[error("{}: no space left: {needed} bytes are needed", path.display())]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// Its size in bytes.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Something can't be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something can't be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The original of a sealed core was not removed.
    #[error("{}: not removed: {why}", path.display())]
    NotRemoved {
        /// The original.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The original of a sealed core was not removed: its copy is less than it, on purpose.
    #[error("{}: not removed: it holds more than its copy", path.display())]
    OnlyReduced {
        /// The original.
        path: PathBuf,
    },
}

impl BundleError {
    pub(super) fn write(path: &std::path::Path, needed: u64, source: io::Error) -> BundleError {
        let path = path.to_owned();
        if super::disk::is_full(&source) {
            BundleError::Full { path, needed, source }
        } else {
            BundleError::Write { path, source }
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            BundleError::NotAFolder { .. } => "name another output folder with --out",
            BundleError::NotOurs { .. } => "name an output folder of your own with --out",
            BundleError::Busy { .. } => "look for an epitaph that hangs",
            BundleError::Full { .. } => {
                "free some space, or name an output folder on another disk with --out; the cores stay where they are"
            }
            BundleError::Write { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                "name an output folder that you may write to with --out"
            }
            BundleError::OnlyReduced { .. } => "with --core full the copy is whole, and the original can go",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
