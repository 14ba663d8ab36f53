//! How much a search may cost.

use std::fmt;
use std::time::Duration;

/// How much a search may cost. What was cut is told in [`Found::limits_hit`](super::Found::limits_hit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    /// Files and folders looked at in one place.
    pub entries: usize,
    /// Folders below a place whose whole tree is searched.
    pub depth: usize,
    /// Cores taken.
    pub cores: usize,
    /// Time for looking at files and folders, in all places together.
    pub time: Duration,
    /// Time to wait for cores that are still being written.
    pub settle: Duration,
}

impl Default for SearchLimits {
    fn default() -> SearchLimits {
        SearchLimits {
            entries: 200_000,
            depth: 24,
            cores: 128, // each is an open file, and a process may have 1024 of those
            time: Duration::from_secs(5),
            settle: Duration::from_secs(5),
        }
    }
}

/// A limit that kept a search from seeing everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Limit {
    /// Too many files and folders.
    Entries,
    /// Too deep a tree.
    Depth,
    /// Too many cores.
    Cores,
    /// Too slow.
    Time,
    /// A core was still growing when the time to wait for it was over.
    Settle,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Entries => "there are too many files and folders",
            Limit::Depth => "some folders lie too deep",
            Limit::Cores => "there are too many cores",
            Limit::Time => "it took too long",
            Limit::Settle => "a core was still being written",
        })
    }
}
