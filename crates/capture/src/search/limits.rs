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
    /// Cores taken, each of which is an open file; further ones are only listed.
    pub cores: usize,
    /// Time for looking at files and folders, in all places together.
    pub time: Duration,
    /// Time to wait for cores that are still being written.
    pub settle: Duration,
}

/// Cores that are taken where a process may have 1024 open files.
const FEW_CORES: usize = 128;
/// Cores that are taken where it may have many.
const MANY_CORES: usize = 2048;

impl SearchLimits {
    /// Takes as many cores as a process with so many open files can, and leave files for reading them.
    #[must_use]
    pub fn with_open_files(self, files: u64) -> SearchLimits {
        let most = usize::try_from(files / 2).unwrap_or(MANY_CORES);
        SearchLimits { cores: most.clamp(FEW_CORES, MANY_CORES), ..self }
    }
}

impl Default for SearchLimits {
    fn default() -> SearchLimits {
        SearchLimits {
            entries: 200_000,
            depth: 24,
            cores: FEW_CORES,
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
