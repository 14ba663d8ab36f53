//! What can keep this crate from looking at the host.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the host's core pattern isn't known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file isn't there.
    #[error("no core pattern: {} does not exist", path.display())]
    NoCorePattern {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error("cannot read the core pattern from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
}

impl CaptureError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            CaptureError::NoCorePattern { .. } => {
                Some("this kernel writes no cores, or /proc is not mounted".to_owned())
            }
            CaptureError::Read { .. } => {
                Some("cores are found by their usual names only (core, core.PID, …)".to_owned())
            }
        }
    }
}
