//! Real crashes: a program of `testdata/programs`, built, run and killed by the real kernel.
//!
//! ```no_run
//! use epitaph_testkit::crash::{Crash, program};
//!
//! # fn a_test() {
//! let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
//! assert!(crash.core.exists());
//! # }
//! ```
//!
//! Cores are taken where the host's `core_pattern` is a plain file name, so that the kernel leaves them in the
//! working folder, and nothing is changed. Elsewhere, root sets such a pattern for as long as a crash takes
//! ([`CoresHere`]), and everybody else skips the test.

mod build;
mod cores_here;
mod go_programs;
mod pattern;
mod programs;
mod run;
mod test_programs;

use std::path::PathBuf;

use tempfile::TempDir;

pub(crate) use build::run as build_step;
pub use cores_here::{CoresHere, PLAIN_PATTERN};
pub use go_programs::GO_PROGRAMS;
pub use pattern::PatternGuard;
pub use programs::{PROGRAMS, Program, program, sources_folder};
pub use run::{Built, without_core_limit};
pub use test_programs::TEST_PROGRAMS;

use crate::skip;

/// Why there is no crash to test with.
#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    /// This machine can't do it; the test is to be skipped.
    #[error("{0}")]
    Unavailable(String),
    /// A build step failed.
    #[error("building {program} failed: {step}\n{output}")]
    Build {
        /// The program's name.
        program: String,
        /// The command.
        step: String,
        /// What it printed.
        output: String,
    },
    /// The program ended in another way than it should.
    #[error("{program} should have died of signal {expected}, but: {got}")]
    Survived {
        /// The program's name.
        program: String,
        /// The signal that should have killed it.
        expected: i32,
        /// How it ended instead.
        got: String,
    },
    /// It died, and no core was left.
    #[error("{program} died in {folder}, and no core was left there")]
    NoCore {
        /// The program's name.
        program: String,
        /// Its working folder.
        folder: PathBuf,
    },
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done, on which path.
        what: String,
        /// The reason.
        source: std::io::Error,
    },
}

impl CrashError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> CrashError {
        let what = what.into();
        move |source| CrashError::Io { what, source }
    }
}

/// A program that died, and its core. The folder goes when this is dropped.
#[derive(Debug)]
pub struct Crash {
    /// The executable that ran, in a folder of its own with whatever was built beside it.
    pub exe: PathBuf,
    /// The core.
    pub core: PathBuf,
    /// The working folder that the program died in, which holds nothing but the core.
    pub work: PathBuf,
    /// How it ended.
    pub status: std::process::ExitStatus,
    /// Its process id.
    pub pid: u32,
    /// What it wrote on standard error.
    pub stderr: String,
    /// The folder that holds all of the above.
    pub dir: TempDir,
}

impl Crash {
    /// Builds `program` (or takes the build of an earlier call) and lets it crash, now.
    pub fn of(program: &Program) -> Result<Crash, CrashError> {
        let built = Built::of(program)?;
        built.crash(&CoresHere::acquire()?)
    }

    /// As [`Crash::of`]; where this machine can't do it, says that the test is skipped and returns nothing.
    ///
    /// # Panics
    /// When it should have worked and didn't.
    #[track_caller]
    pub fn of_or_skip(program: &Program) -> Option<Crash> {
        or_skip(Crash::of(program))
    }
}

/// Returns what was made; where this machine can't make it, says that the running test is skipped.
///
/// # Panics
/// When it should have worked and didn't.
#[track_caller]
pub fn or_skip<T>(made: Result<T, CrashError>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(CrashError::Unavailable(reason)) => {
            skip::skipped(&format!("no crash: {reason}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}
