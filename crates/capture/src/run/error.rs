//! Why a command could not be run.

use std::io;
use std::path::PathBuf;

use crate::text::quoted_path;

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program.
    #[error("cannot run {}", quoted_path(program))]
    NotFound {
        /// What was asked for.
        program: PathBuf,
        /// Whether the file is there after all, so that it is the interpreter or loader it names that is
        /// missing.
        exists: bool,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is, but it can't be executed.
    #[error("cannot run {}", quoted_path(program))]
    NotExecutable {
        /// What was asked for.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The start failed for a reason of ours: no more processes or memory, an argument with a NUL byte.
    #[error("cannot start a process for {}", quoted_path(program))]
    Start {
        /// What was asked for.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The command's end could not be waited for.
    #[error("cannot wait for process {pid}")]
    Wait {
        /// The command's process.
        pid: u32,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl RunError {
    /// Returns the exit status that env(1) has for it: 127 not found, 126 not executable, 125 a failure of
    /// our own.
    pub fn status(&self) -> i32 {
        match self {
            RunError::NotFound { .. } => 127,
            RunError::NotExecutable { .. } => 126,
            RunError::Start { .. } | RunError::Wait { .. } => 125,
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            RunError::NotFound { exists: true, .. } => Some(
                "the file is there, but the interpreter of its `#!` line, or its dynamic loader, is not"
                    .to_owned(),
            ),
            RunError::NotFound { program, .. } if program.components().count() == 1 => {
                Some("it is in no folder of PATH; write ./NAME for a program in this folder".to_owned())
            }
            RunError::NotExecutable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(
                    "make it executable (chmod +x), and its file system must not be mounted noexec"
                        .to_owned(),
                )
            }
            _ => None,
        }
    }
}
