//! The list of the crashes that were found and not kept: `not-kept.jsonl`, a small summary on each line.

use std::collections::HashSet;
use std::path::PathBuf;

use epitaph_summary::CrashSummary;

use super::{BundleError, OutputFolder};
use crate::id::fingerprint_of;
use crate::summaries::{Crashes, read_into};

/// The list's name.
pub(super) const NOT_KEPT: &str = "not-kept.jsonl";
/// How many crashes are listed.
const MOST_LISTED: usize = 20_000;

impl OutputFolder {
    /// Returns where crashes are listed that are not kept.
    pub fn not_kept_path(&self) -> PathBuf {
        self.path.join(NOT_KEPT)
    }

    /// Reads the list of the crashes that are not kept; what can't be read of it is left out.
    pub fn not_kept(&self) -> Vec<CrashSummary> {
        let (path, mut listed) = (self.not_kept_path(), Crashes::default());
        if path.symlink_metadata().is_ok() {
            read_into(&path, &mut listed);
        }
        listed.summaries
    }

    /// Adds crashes to the list of those that are not kept, each once, and takes off it what was sealed since. Returns
    /// how many crashes there is no room for in it.
    pub fn list_not_kept(&self, crashes: Vec<CrashSummary>) -> Result<usize, BundleError> {
        let _lock = self.lock_reports()?;
        let before = self.not_kept();
        let mut seen: HashSet<String> = self.sealed_ids()?.iter().map(|id| key_of_id(id)).collect();
        let (known, mut listed) = (before.len(), Vec::new());
        for crash in before.into_iter().chain(crashes) {
            if key(&crash).is_none_or(|key| seen.insert(key)) {
                listed.push(crash);
            }
        }
        let left_out = listed.len().saturating_sub(MOST_LISTED);
        listed.truncate(MOST_LISTED);
        let path = self.not_kept_path();
        if listed.is_empty() {
            if known > 0 {
                std::fs::remove_file(&path).map_err(|error| BundleError::write(&path, 0, error))?;
            }
            return Ok(left_out);
        }
        let mut text = Vec::new();
        for crash in &listed {
            serde_json::to_writer(&mut text, crash)
                .map_err(|error| BundleError::Write { path: path.clone(), source: error.into() })?;
            text.push(b'\n');
        }
        self.write_small(&self.path, &path, &text)?;
        Ok(left_out)
    }
}

/// What tells a crash from the others: its id without its time stamp or, where that isn't known, where its core is.
fn key(crash: &CrashSummary) -> Option<String> {
    let path = || crash.core.as_ref().and_then(|core| core.path.clone());
    crash.id.as_deref().map(key_of_id).or_else(path)
}

fn key_of_id(id: &str) -> String {
    fingerprint_of(id).unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Core;

    use super::*;
    use crate::folder::SealRequest;

    fn crash(id: Option<&str>, path: &str) -> CrashSummary {
        let core = Core { path: Some(path.to_owned()), ..Core::default() };
        CrashSummary { id: id.map(str::to_owned), core: Some(core), ..CrashSummary::new("0") }
    }

    #[test]
    fn each_crash_is_listed_once_until_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutputFolder::open(dir.path()).unwrap();
        let id = "20270115T080000Z-parser-sigsegv-1f2e3d4c5b6a7988";
        let same = "20270115T080009Z-parser-sigsegv-1f2e3d4c5b6a7988";
        assert_eq!(out.list_not_kept(Vec::new()).unwrap(), 0);
        assert!(!out.not_kept_path().exists(), "nothing to list");
        out.list_not_kept(vec![crash(Some(id), "/core.1"), crash(None, "/core.2")]).unwrap();
        out.list_not_kept(vec![crash(Some(same), "/copy"), crash(None, "/core.2"), crash(None, "/core.3")])
            .unwrap();
        let paths =
            || -> Vec<String> { out.not_kept().into_iter().filter_map(|crash| crash.core?.path).collect() };
        assert_eq!(paths(), ["/core.1", "/core.2", "/core.3"]);
        out.seal(SealRequest::new(same, crash(Some(same), "/core.1"))).unwrap();
        out.list_not_kept(Vec::new()).unwrap();
        assert_eq!(paths(), ["/core.2", "/core.3"]);
    }

    #[test]
    fn the_list_has_an_end_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutputFolder::open(dir.path()).unwrap();
        let many = (0..MOST_LISTED + 3).map(|index| crash(None, &format!("/core.{index}"))).collect();
        assert_eq!(out.list_not_kept(many).unwrap(), 3);
        assert_eq!(out.not_kept().len(), MOST_LISTED);
    }
}
