//! What can go wrong around the measuring; what goes wrong in a measured tool is a result.

use std::path::PathBuf;

use epitaph_testkit::crash::CrashError;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done, on which path.
        what: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The machine lacks what an input needs.
    #[error("{0}")]
    Lacking(String),
    /// An input could not be made.
    #[error("making the input {input} failed: {why}")]
    Input {
        /// The input's name.
        input: String,
        /// What its rule printed, or how its program ended.
        why: String,
    },
    /// The kernel leaves no cores here.
    #[error("no cores can be made here: {0}")]
    Crash(#[from] CrashError),
    /// There is no epitaph to measure.
    #[error("{0}: no such program (make build makes it)")]
    NoEpitaph(PathBuf),
    /// No case has this name.
    #[error("no case is named {asked:?}: there are {known}")]
    NoCase {
        /// What was asked for.
        asked: String,
        /// The names that there are.
        known: String,
    },
    /// A result could not be written as JSON, or the launcher's not read.
    #[error("{what}: {source}")]
    Json {
        /// What was written or read.
        what: String,
        /// The reason.
        source: serde_json::Error,
    },
}

impl BenchError {
    /// For `map_err`: says what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> BenchError {
        let what = what.into();
        move |source| BenchError::Io { what, source }
    }

    /// For `map_err`: says what was being written or read.
    pub(crate) fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> BenchError {
        let what = what.into();
        move |source| BenchError::Json { what, source }
    }
}
