//! What is about to leave this machine, and may hold secrets.

use std::fs::File;
use std::path::{Path, PathBuf};

use epitaph_bundle::{CoreInTree, find_cores, holds_core, read_summaries};
use epitaph_summary::Core;

use crate::terminal;

/// Warns of cores that go to a store on another machine with all that their processes held. Nothing is held back.
pub(crate) fn warn_of_raw_cores(paths: &[PathBuf], url: &str) {
    if !is_elsewhere(url) {
        return;
    }
    let mut raw = paths.iter().flat_map(|path| raw_cores(path));
    let Some(first) = raw.next() else { return };
    let more = match raw.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    terminal::warning(&format!(
        "{}{more}: whole cores leave this machine, with the environment of their processes, secrets included",
        first.display()
    ));
    terminal::hint(
        "encrypt them: --encrypt age1…; or collect with --scrub always, or make them small: epitaph slim --scrub always",
    );
}

/// Tells whether a store is on another machine, as far as its address says.
fn is_elsewhere(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| !scheme.eq_ignore_ascii_case("file"))
}

/// Finds the cores at a path in which secrets were not overwritten. What can't be read here can't be pushed either, and
/// is told then.
fn raw_cores(path: &Path) -> Vec<PathBuf> {
    let found = find_cores(path).map(|found| found.crashes).unwrap_or_default();
    let raw = found.into_iter().filter(|crash| !is_scrubbed(crash));
    let holds_core = |path: &PathBuf| File::open(path).and_then(|file| holds_core(&file)).unwrap_or(false);
    raw.filter_map(|crash| crash.core).filter(holds_core).collect()
}

/// Tells whether a crash's summary says that secrets were overwritten in its core.
fn is_scrubbed(crash: &CoreInTree) -> bool {
    let Some(crashes) = crash.summary.as_deref().and_then(|path| read_summaries(path).ok()) else {
        return false;
    };
    let says_so = |core: Core| core.scrubbed == Some(true);
    crashes.summaries.into_iter().any(|summary| summary.core.is_some_and(says_so))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a core's ELF header.
    fn core() -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(16, 0);
        header.extend([4, 0, 62, 0]);
        header.resize(64, 0);
        header
    }

    #[test]
    fn cores_are_raw_unless_their_summary_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let crash = |id: &str, scrubbed: &str| {
            let place = folder.path().join("crashes").join(id);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("core.zst"), core()).unwrap();
            let tool = r#""tool":{"name":"epitaph","version":"0.1.0"}"#;
            let summary = format!(r#"{{"schema":"epitaph-crash/1",{tool},"core":{{{scrubbed}}}}}"#);
            std::fs::write(place.join("summary.json"), summary).unwrap();
            place.join("core.zst")
        };
        let scrubbed = crash("a", r#""scrubbed":true"#);
        let raw = crash("b", "");
        std::fs::write(folder.path().join("notes.txt"), "core").unwrap();
        let canonical = |path: &Path| path.canonicalize().unwrap();
        assert_eq!(raw_cores(folder.path()), [canonical(&raw)]);
        assert_eq!(raw_cores(&scrubbed), [] as [PathBuf; 0]);
        assert_eq!(raw_cores(&raw), [raw]);
        assert_eq!(raw_cores(&folder.path().join("notes.txt")), [] as [PathBuf; 0]);
        let alone = folder.path().join("core.4711");
        std::fs::write(&alone, core()).unwrap();
        assert_eq!(raw_cores(&alone), [alone]);
    }

    #[test]
    fn a_folder_is_on_this_machine() {
        for here in ["store", "/mnt/store", "file:///mnt/store", "FILE:///x"] {
            assert!(!is_elsewhere(here), "{here}");
        }
        for there in ["s3://bucket/x", "https://host/x", "gs://bucket"] {
            assert!(is_elsewhere(there), "{there}");
        }
    }
}
