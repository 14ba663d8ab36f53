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

/// An archive of which every file was unpacked.
#[derive(Debug, Serialize, Deserialize)]
struct Unpacked {
    /// The hash of the archive's URL, which is the source of its files as well.
    archive: String,
    files: u64,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Done(Done),
    Unpacked(Unpacked),
}

/// All completed files of a target, and the journal that grows with each one.
#[derive(Debug)]
pub(crate) struct Record {
    done: HashMap<String, Done>,
    /// How many files came of an archive, by the hash of its URL.
    unpacked: HashMap<String, u64>,
    journal: File,
}

impl Record {
    pub(crate) fn open(target: &Target) -> Result<Self, StoreError> {
        let text = target.read_note(NAME, LONGEST).unwrap_or_default();
        let mut record =
            Self { done: HashMap::new(), unpacked: HashMap::new(), journal: target.journal(NAME)? };
        // A line that was cut off when a pull was killed is as good as none.
        for line in text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
            match line {
                Line::Done(done) => drop(record.done.insert(done.path.clone(), done)),
                Line::Unpacked(Unpacked { archive, files }) => drop(record.unpacked.insert(archive, files)),
            }
        }
        Ok(record)
    }

    /// Whether the target still has that file as a pull from the same URL left it.
    pub(crate) fn holds(&self, target: &Target, path: &SafePath, url: &str) -> bool {
        self.done
            .get(path.as_str())
            .is_some_and(|done| done.source == sha256_of(url) && done.is_unchanged(target, path))
    }

    /// How many files the target has of an archive, if it still has all of them as they were unpacked.
    pub(crate) fn holds_unpacked(&self, target: &Target, url: &str) -> Option<u64> {
        let source = sha256_of(url);
        let files = *self.unpacked.get(&source)?;
        let of_it = self.done.values().filter(|done| done.source == source);
        let held = of_it.filter(|done| {
            SafePath::parse(None, &done.path).is_ok_and(|path| done.is_unchanged(target, &path))
        });
        (held.count() as u64 == files).then_some(files)
    }

    /// Remembers a completed file. If that fails, the file is only fetched again next time.
    pub(crate) fn add(&self, path: &SafePath, url: &str, metadata: &Metadata) {
        self.write(&Line::Done(Done::new(path, url, metadata)));
    }

    /// Remembers that an archive was unpacked as a whole, after its files were added.
    pub(crate) fn add_unpacked(&self, url: &str, files: u64) {
        self.write(&Line::Unpacked(Unpacked { archive: sha256_of(url), files }));
    }

    fn write(&self, line: &Line) {
        if let Ok(line) = serde_json::to_string(line) {
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

    fn is_unchanged(&self, target: &Target, path: &SafePath) -> bool {
        let metadata = target.existing(path).and_then(|file| file.metadata().ok());
        metadata.is_some_and(|metadata| {
            self.size == metadata.len() && self.modified == (metadata.mtime(), metadata.mtime_nsec())
        })
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

    #[test]
    fn an_archive_is_held_while_all_its_files_are() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let url = "https://host/archive";
        let record = Record::open(&target).unwrap();
        for name in ["a", "b"] {
            let path = SafePath::parse(Some("logs"), name).unwrap();
            target.part("p").unwrap().write_all(b"abc").unwrap();
            target.publish("p", &path).unwrap();
            record.add(&path, url, &fs::metadata(dir.path().join(path.as_str())).unwrap());
        }
        assert_eq!(Record::open(&target).unwrap().holds_unpacked(&target, url), None, "it may have more");
        record.add_unpacked(url, 2);
        assert_eq!(Record::open(&target).unwrap().holds_unpacked(&target, url), Some(2));
        assert_eq!(Record::open(&target).unwrap().holds_unpacked(&target, "https://host/other"), None);
        fs::remove_file(dir.path().join("logs/b")).unwrap();
        assert_eq!(Record::open(&target).unwrap().holds_unpacked(&target, url), None);
    }
}
