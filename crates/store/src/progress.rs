//! How a caller watches a transfer.

use std::time::Duration;

use crate::StoreError;

/// Told about each step of a push or pull. All methods do nothing unless they are overridden.
///
/// Every file that is [`started`](Self::started) ends in exactly one of [`finished`](Self::finished) and
/// [`failed`](Self::failed); one that needs no transfer is only [`skipped`](Self::skipped), and one that can't even
/// start only fails. Several files are on their way at once, so each call names its file: on a push by its artifact
/// path, on a pull by its path in the target folder. Names come from a store and may hold any character. Calls come
/// from the thread that called `push` or `pull`.
pub trait Progress: Send + Sync {
    /// The work is known: so many files, and so many bytes where the store tells sizes before the transfer.
    fn total(&self, files: u64, bytes: Option<u64>) {
        let _ = (files, bytes);
    }

    /// A file's transfer starts. `size` is in bytes, where it is known.
    fn started(&self, path: &str, size: Option<u64>) {
        let _ = (path, size);
    }

    /// A file's first `position` bytes are there. A resumed file starts above 0; a restarted one goes back.
    /// `size` is the whole length in bytes, where it is known by now.
    fn advanced(&self, path: &str, position: u64, size: Option<u64>) {
        let _ = (path, position, size);
    }

    /// A file is complete, checked and under its name.
    fn finished(&self, path: &str) {
        let _ = path;
    }

    /// A file is not transferred, and need not be: it is there already, or is nothing that can be pushed.
    fn skipped(&self, path: &str, reason: &str) {
        let _ = (path, reason);
    }

    /// A file could not be transferred; the others go on.
    fn failed(&self, path: &str, error: &StoreError) {
        let _ = (path, error);
    }

    /// A request failed and will be sent again after `wait`; `attempt` counts from 1.
    fn retrying(&self, path: &str, attempt: u32, wait: Duration, error: &StoreError) {
        let _ = (path, attempt, wait, error);
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
