//! Reading the crashes back, and rewriting the reports over all of them.

use std::path::{Path, PathBuf};

use epitaph_summary::{CrashSummary, Warning};

use super::disk::sweep;
use super::is_sealed;
use super::lock::FolderLock;
use super::manifest::MANIFEST;
use super::not_kept::NOT_KEPT;
use super::seal::not_locked;
use super::{BundleError, CRASHES, OutputFolder, SUMMARY, make_folder};
use crate::names::is_safe_name;
use crate::summaries::{Crashes, read_into};

/// Folders that hold no reports.
const NOT_FOR_REPORTS: [&str; 3] = [CRASHES, "buildid", "files"];
/// Longest part of a report's name, in bytes.
const LONGEST_PART: usize = 100;

impl OutputFolder {
    /// Reads the summaries of all sealed crashes, by time, then by id.
    pub fn summaries(&self) -> Result<Crashes, BundleError> {
        let mut crashes = Crashes::default();
        for folder in self.crash_folders()? {
            if is_sealed(&folder) {
                read_into(&folder.join(SUMMARY), &mut crashes);
            }
        }
        crashes.sort();
        Ok(crashes)
    }

    /// Returns the ids of all sealed crashes.
    pub fn sealed_ids(&self) -> Result<Vec<String>, BundleError> {
        let sealed = self.crash_folders()?.into_iter().filter(|folder| is_sealed(folder));
        Ok(sealed.filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned())).collect())
    }

    /// Tells whether there are reports, over whatever crashes: with no new ones, they need not be rewritten.
    pub fn has_reports(&self) -> bool {
        // It is written after all of them.
        self.path.join(MANIFEST).is_file()
    }

    /// Rewrites the reports: hands all crashes to `render`, which returns each report's path in the folder (such as
    /// `junit/epitaph.xml`) and its bytes.
    ///
    /// Reading, rendering and writing happen under one lock, so that of several writers the last one's reports tell
    /// of every crash that was sealed before. If a report can't be written, the others are written all the same.
    pub fn refresh(
        &self,
        render: impl FnOnce(&[CrashSummary]) -> Vec<(String, Vec<u8>)>,
    ) -> Result<Crashes, BundleError> {
        let lock = self.lock_reports()?;
        let mut crashes = self.summaries()?;
        if lock.excludes_others() {
            sweep(&self.path);
        } else {
            crashes.warnings.push(not_locked(&self.path));
        }
        for folder in self.crash_folders()? {
            crashes.warnings.extend(tidy_unsealed(&folder));
        }
        let mut first_error = None;
        for (name, bytes) in render(&crashes.summaries) {
            if let Err(error) = self.write_report(&name, &bytes) {
                first_error.get_or_insert(error);
            }
        }
        let listed = self.rewrite_manifest();
        first_error.map_or(listed, Err).map(|()| crashes)
    }

    fn write_report(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let parts: Vec<&str> = name.split('/').collect();
        let safe = parts.iter().all(|part| is_safe_name(part, LONGEST_PART))
            && !parts.first().is_some_and(|first| NOT_FOR_REPORTS.contains(first))
            && ![MANIFEST, NOT_KEPT].contains(&name);
        if !safe {
            return Err(BundleError::BadReportName { name: name.to_owned() });
        }
        let path = self.path.join(name);
        make_folder(path.parent().unwrap_or(&self.path))?;
        // Written in the locked folder: a temporary file left there by a killed writer is found by the next one.
        self.write_small(&self.path, &path, bytes)
    }

    /// Returns the folders of all crashes, sealed or not, by name.
    fn crash_folders(&self) -> Result<Vec<PathBuf>, BundleError> {
        let path = self.crashes();
        let entries = std::fs::read_dir(&path).map_err(|source| BundleError::Read { path, source })?;
        let mut folders: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        folders.sort();
        Ok(folders)
    }
}

/// Removes what a killed writer left of a crash that it didn't seal. A core that it had stored whole stays, and is
/// told of.
fn tidy_unsealed(folder: &Path) -> Option<Warning> {
    if is_sealed(folder) {
        return None;
    }
    // Locked means alive; where nothing can be locked, nobody can be told to be dead.
    let lock = FolderLock::now(folder).ok().filter(FolderLock::excludes_others)?;
    if is_sealed(folder) {
        return None;
    }
    sweep(folder);
    let _ = std::fs::remove_dir(folder); // succeeds only if nothing is in it
    drop(lock);
    folder.exists().then(|| {
        let text = format!("{} has no summary: whoever was storing it was interrupted", folder.display());
        Warning::new("crash_not_sealed", text)
    })
}
