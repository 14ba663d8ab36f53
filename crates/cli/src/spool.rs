//! The folder for cores that `run` writes itself, until they are kept.

use std::path::{Path, PathBuf};

use epitaph_capture::{Candidate, Dumps};
use tempfile::TempDir;

use crate::error::{Error, message, with_causes};
use crate::terminal;

/// A folder that only this user can enter, among the system's temporary files: it may not lie in the folder that a CI
/// system stores, for what is in it is whole and has its secrets.
pub(crate) struct Spool {
    folder: TempDir,
}

impl Spool {
    /// Makes the folder.
    pub(crate) fn new() -> Result<Spool, Error> {
        let folder = tempfile::Builder::new().prefix("epitaph-run-").tempdir();
        let folder = folder.map_err(|error| {
            Error::from(error).context("there is no temporary folder for cores, so none are written")
        })?;
        Ok(Spool { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the cores that are `safe` elsewhere, and the folder unless there are others.
    pub(crate) fn close(self, safe: &[PathBuf]) {
        let folder = self.folder.keep();
        for core in safe.iter().filter(|core| core.starts_with(&folder)) {
            // What can't be removed is told below.
            let _ = std::fs::remove_file(core);
        }
        if std::fs::remove_dir(&folder).is_err() {
            terminal::note(&format!("cores that were not kept are left in {}", folder.display()));
        }
    }
}

/// Opens the cores that were written, and tells which could not be.
pub(crate) fn candidates(dumps: &Dumps) -> Vec<Candidate> {
    for error in &dumps.failed {
        terminal::warning(&with_causes(&**error));
    }
    if dumps.more > 0 {
        terminal::warning(&format!("{} more processes died, or hung, and were not dumped", dumps.more));
    }
    let mut candidates = Vec::new();
    for dumped in &dumps.cores {
        match dumped.candidate() {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => message(format!("{}: {error}", dumped.core.display()), None).print_as_warning(),
        }
    }
    candidates
}
