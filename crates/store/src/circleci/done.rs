//! The record of what earlier pulls into the same folder have completed.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::hash::sha256_of;
use crate::paths::SafePath;
use crate::target::Target;

const NAME: &str = "done.jsonl";

/// A line is some 200 bytes long; beyond a million of them everything is fetched again.
const LONGEST: u64 = 512 << 20;

/// A completed file: what it came from, and what it looked like afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    path: String,
    /// The URL's hash, since a URL can hold a secret.
    source: String,
    size: u64,
    /// Seconds and nanoseconds; a file that was changed since is fetched again.
    modified: (i64, i64),
}

/// All completed files of a target, and the journal that grows with each one.
#[derive(Debug)]
pub(super) struct Record {
    done: HashMap<String, Done>,
    journal: File,
}

impl Record {
    pub(super) fn open(target: &Target) -> Result<Self, StoreError> {
        let text = target.read_note(NAME, LONGEST).unwrap_or_default();
        // A line that was cut off when a pull was killed is as good as none.
        let lines =
            text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Done>(line).ok());
        let done = lines.map(|done| (done.path.clone(), done)).collect();
        Ok(Self { done, journal: target.journal(NAME)? })
    }

    /// Whether the target still has that file as a pull from the same URL left it.
    pub(super) fn holds(&self, target: &Target, path: &SafePath, url: &str) -> bool {
        let Some(done) = self.done.get(path.as_str()) else { return false };
        let Some(file) = target.existing(path) else { return false };
        file.metadata().is_ok_and(|metadata| *done == Done::new(path, url, &metadata))
    }

    /// Remembers a completed file. If that fails, the file is only fetched again next time.
    pub(super) fn add(&self, path: &SafePath, url: &str, metadata: &Metadata) {
        if let Ok(line) = serde_json::to_string(&Done::new(path, url, metadata)) {
            // The line break comes first as well: the line before may have been cut off.
            let _ = (&self.journal).write_all(format!("\n{line}\n").as_bytes());
        }
    }
}

impl Done {
    fn new(path: &SafePath, url: &str, metadata: &Metadata) -> Self {
        Self {
            path: path.as_str().to_owned(),
            source: sha256_of(url),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::paths::STAGING;

    #[test]
    fn a_file_is_held_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let path = SafePath::parse(Some("0"), "a").unwrap();
        let url = "https://host/a?secret";
        target.part("p").unwrap().write_all(b"abc").unwrap();
        target.publish("p", &path).unwrap();

        let record = Record::open(&target).unwrap();
        assert!(!record.holds(&target, &path, url));
        record.add(&path, url, &fs::metadata(dir.path().join("0/a")).unwrap());
        let journal = dir.path().join(STAGING).join(NAME);
        assert!(!fs::read_to_string(&journal).unwrap().contains("secret"));
        assert!(Record::open(&target).unwrap().holds(&target, &path, url));
        assert!(!Record::open(&target).unwrap().holds(&target, &path, "https://host/b"));

        // A torn line costs nothing but itself.
        fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(b"{\"path\":").unwrap();
        let record = Record::open(&target).unwrap();
        assert!(record.holds(&target, &path, url));
        let other = SafePath::parse(Some("0"), "b").unwrap();
        fs::copy(dir.path().join("0/a"), dir.path().join("0/b")).unwrap();
        record.add(&other, url, &fs::metadata(dir.path().join("0/b")).unwrap());
        assert!(Record::open(&target).unwrap().holds(&target, &other, url));

        fs::write(dir.path().join("0/a"), "ab").unwrap();
        assert!(!Record::open(&target).unwrap().holds(&target, &path, url));
    }
}
