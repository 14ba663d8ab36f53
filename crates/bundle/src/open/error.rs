//! Why a file is not opened as a core.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cipher::CipherError;
use crate::regular::NotOpened;

/// Why a file is not opened as a core.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It may not be read.
    #[error("{}: may not be read", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a pipe, a device, …
    #[error("{}: it is {kind}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is: `a folder`, `a pipe (FIFO)`, `a socket`, `a device`, `a symbolic link`.
        kind: &'static str,
    },
    /// It has no bytes.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is an ELF file, but not a core.
    #[error("{}: it is {kind}, not a core", path.display())]
    NotACore {
        /// The file.
        path: PathBuf,
        /// What it is: `a program`, `a program or shared library`, `an object file`, `an ELF file with a broken header`.
        kind: &'static str,
    },
    /// It is something else altogether.
    #[error("{}: it is {kind}, not a core", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What it is, as far as that is known.
        kind: &'static str,
        /// What to do with such a file, if that is known.
        advice: Option<&'static str>,
    },
    /// Only who has a private key may read it, and none was given.
    #[error("{}: it is encrypted", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// It is encrypted, and can't be decrypted.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// What wraps the core is broken from its very start.
    #[error("{}: broken {wrapper} file", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What wraps it: `zstd`, `gzip`, `xz`, `lz4`, `bzip2`, `apport`.
        wrapper: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// Anything else that the system said.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn of_file(path: &Path, error: NotOpened) -> OpenError {
        let path = path.to_owned();
        match error {
            NotOpened::NotRegular(kind) => OpenError::NotAFile { path, kind },
            NotOpened::Io(source) => match source.kind() {
                io::ErrorKind::NotFound => OpenError::Missing { path },
                io::ErrorKind::PermissionDenied => OpenError::Denied { path, source },
                _ => OpenError::Read { path, source },
            },
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            OpenError::Missing { .. } => "check the path; `epitaph collect` searches for cores",
            OpenError::Denied { .. } => {
                "cores are readable only for the user whose process died: run as that user or as root"
            }
            OpenError::NotAFile { kind: "a pipe (FIFO)", .. } => {
                "a core is read back and forth: save it to a file first"
            }
            OpenError::NotAFile { .. } => return None,
            OpenError::Empty { .. } => {
                "the disk was full, or the dump was cut off at its start (`ulimit -c`): nothing can be read from it"
            }
            OpenError::NotACore { kind: "an ELF file with a broken header", .. } => {
                "the dump was cut off in its first bytes, or something overwrote them"
            }
            OpenError::NotACore { .. } => "give the core, and the program with --exe",
            OpenError::NotElf { advice, .. } => {
                advice.unwrap_or("give a core file, or a folder that `epitaph collect` made")
            }
            OpenError::Encrypted { .. } => {
                "name the file of a private key that it was encrypted for: --identity FILE"
            }
            OpenError::Cipher(error) => return error.hint(),
            OpenError::Broken { .. } => {
                "fetch or copy the file again: compare its size and sha256 with the original's (manifest.json)"
            }
            OpenError::Read { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
