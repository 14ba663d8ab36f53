//! What a push or a pull has done.

use crate::StoreError;
use crate::listing::Artifact;
use crate::warning::Warning;

/// A file that was left out because it is nothing to transfer: a link, a FIFO, the store itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The local file.
    pub path: String,
    /// Why, as a fragment: `a FIFO`.
    pub reason: String,
}

/// A file that should have been transferred, but could not be.
#[derive(Debug)]
pub struct Failed {
    /// The local file on a push, the artifact on a pull.
    pub path: String,
    /// Why.
    pub error: StoreError,
}

/// The outcome of a push. What is listed in `artifacts` is in the store, whatever else happened.
#[derive(Debug, Default)]
pub struct Pushed {
    /// The files that are in the store now, in the order in which they were copied.
    pub artifacts: Vec<Artifact>,
    /// The sum of their sizes.
    pub bytes: u64,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// What could not be read or written.
    pub failed: Vec<Failed>,
    /// What should be known besides.
    pub warnings: Vec<Warning>,
    /// The key of the manifest that makes the push visible; none if there was nothing to push.
    pub manifest_key: Option<String>,
}

/// The outcome of a pull.
#[derive(Debug, Default)]
pub struct Pulled {
    /// The job whose artifacts were pulled.
    pub job: String,
    /// Its repository.
    pub repo: String,
    /// Files copied by this pull.
    pub fetched: u64,
    /// Bytes that this pull copied; a resumed file counts from where it was resumed.
    pub bytes: u64,
    /// Files that were there already.
    pub present: u64,
    /// Files that are not there, with the reasons.
    pub failed: Vec<Failed>,
    /// What should be known besides.
    pub warnings: Vec<Warning>,
}

/// The outcome of a gc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Pushes that were old.
    pub pushes: u64,
    /// Files that no push named any more.
    pub files: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// Files that should have gone as well, but the store was too slow for it to be safe.
    pub left: u64,
    /// What pushes had begun and never finished.
    pub unfinished: u64,
}

impl Collected {
    /// Counts a file that went.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
