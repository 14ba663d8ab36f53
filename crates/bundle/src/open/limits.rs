//! How far opening a core may go.

use std::path::PathBuf;

/// How far opening a compressed core may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLimits {
    /// Where it is decompressed; the system's temporary folder (`TMPDIR`) by default.
    pub temp_dir: Option<PathBuf>,
    /// The most bytes that a core may span, holes included.
    pub largest: u64,
    /// Bytes of disk that decompressing leaves free for others.
    pub keep_free: u64,
}

impl Default for OpenLimits {
    fn default() -> OpenLimits {
        OpenLimits { temp_dir: None, largest: 256 << 30, keep_free: 64 << 20 }
    }
}
