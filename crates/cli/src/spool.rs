//! The folder for cores that are written here, of traced processes, until they are kept.

use std::io;
use std::path::{Path, PathBuf};

use epitaph_capture::{Candidate, Dumps};
use tempfile::TempDir;

use crate::error::{Error, message, with_causes};
use crate::terminal;

/// A folder that only this user can enter, among the system's temporary files: it may not lie in the folder that a CI
/// system stores, for what is in it is whole and has its secrets.
///
/// It stays where it is, whatever becomes of us, until it is [closed](Spool::close): it may hold the only copies.
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Makes the folder; beside `out`, where the system's temporary files can't be had.
    pub(crate) fn new(out: &Path) -> Result<Spool, Error> {
        let folder = temporary_folder("epitaph-run-", out).map_err(|error| {
            Error::from(error).context("there is no temporary folder for cores, so epitaph writes none here")
        })?;
        Ok(Spool { folder: folder.keep() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Removes the cores that are `safe` elsewhere, and the folder unless there are others.
    pub(crate) fn close(self, safe: &[PathBuf]) {
        let folder = self.folder;
        for core in safe.iter().filter(|core| core.starts_with(&folder)) {
            // What can't be removed is told below.
            let _ = std::fs::remove_file(core);
        }
        if std::fs::remove_dir(&folder).is_err() {
            terminal::note(&format!("cores that were not kept are left in {}", folder.display()));
        }
    }
}

/// Makes a folder that only this user can enter, among the system's temporary files or, where they can't be had, beside
/// `out`.
pub(crate) fn temporary_folder(prefix: &str, out: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix);
    let beside = || {
        let out = std::path::absolute(out).ok()?;
        builder.tempdir_in(out.parent()?).ok()
    };
    builder.tempdir().or_else(|error| beside().ok_or(error))
}

/// Opens the cores that were written, and tells which could not be.
pub(crate) fn candidates(dumps: &Dumps) -> Vec<Candidate> {
    for error in &dumps.failed {
        terminal::warning(&with_causes(&**error));
    }
    if dumps.more > 0 {
        terminal::warning(&format!(
            "{} more processes died, or hung, and were not dumped: --max-cores says how many are",
            dumps.more
        ));
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
