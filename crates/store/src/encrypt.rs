//! What keeps a store from reading what it keeps.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Decides which files leave encrypted, and encrypts them. How, a store doesn't know.
pub trait Encrypt: fmt::Debug + Send + Sync {
    /// Returns what the name of a file is given at its end because it leaves encrypted, which is nothing if only what it
    /// says of others is changed; none for one that leaves as it is.
    fn suffix(&self, file: &Path) -> Option<&'static str>;

    /// Encrypts or changes a file, and returns the one that leaves in its place.
    ///
    /// The same file gives the same one until it was changed: whatever is sent twice, and whatever another process takes
    /// up where this one ended, must be the same bytes.
    fn encrypt(&self, file: &Path) -> io::Result<PathBuf>;
}
