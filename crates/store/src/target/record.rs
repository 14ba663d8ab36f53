//! What earlier pulls have written into a target: their files, the folders they made, the archives they unpacked.
//!
//! It tells what need not be fetched again, and what may be replaced: everything else in the folder is someone else's.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::hash::sha256_of;
use crate::paths::SafePath;

/// Where it is kept, beside the unfinished files.
pub(super) const NAME: &str = "done.jsonl";

/// A line is some 200 bytes long; beyond a million of them everything is fetched again.
pub(super) const LONGEST: u64 = 512 << 20;

/// A completed file: what it came from, and what it looked like afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    path: String,
    /// The hash of what it came from, since a URL can hold a secret.
    source: String,
    size: u64,
    /// Seconds and nanoseconds; a file that was changed since is fetched again.
    modified: (i64, i64),
    #[serde(flatten)]
    inode: Inode,
}

/// Which file or folder it is, whatever has become of its content. A number alone may be another one's by now: file systems
/// give those of what was removed away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inode {
    #[serde(default, rename = "inode")]
    number: u64,
    /// When it was made, in nanoseconds since 1970, where the file system says so.
    #[serde(default)]
    born: Option<u64>,
}

impl Inode {
    pub(super) fn of(file: &Metadata) -> Self {
        let born = file.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self { number: file.ino(), born: born.and_then(|born| u64::try_from(born.as_nanos()).ok()) }
    }

    /// Whether both are the same for certain.
    fn is(self, other: Self) -> bool {
        self == other && self.born.is_some()
    }
}

/// An archive of which every file was unpacked.
#[derive(Debug, Serialize, Deserialize)]
struct Unpacked {
    /// The hash of where the archive came from, which is the source of its files as well.
    archive: String,
    files: u64,
}

/// A folder that a pull made, or found empty.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    /// Below the target; empty for the target itself.
    folder: String,
    #[serde(flatten)]
    inode: Inode,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Done(Done),
    Unpacked(Unpacked),
    Made(Made),
}

/// What the lines say, each the last of its kind.
#[derive(Debug, Default)]
struct Entries {
    files: HashMap<String, Done>,
    /// How many files came of an archive, by the hash of where it came from.
    unpacked: HashMap<String, u64>,
    folders: HashMap<String, Inode>,
}

/// All that is known of a target, and the journal that grows with each step.
#[derive(Debug)]
pub(super) struct Record {
    entries: Mutex<Entries>,
    journal: File,
}

impl Record {
    /// Reads what a journal says, and goes on with it. A line that was cut off when a pull was killed is as good as none.
    pub(super) fn new(text: &[u8], journal: File) -> Self {
        let mut entries = Entries::default();
        for line in text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
            entries.take(line);
        }
        Self { entries: Mutex::new(entries), journal }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        let entries = self.entries();
        entries.files.is_empty() && entries.unpacked.is_empty() && entries.folders.is_empty()
    }

    /// Whether a file is as a pull from that source left it.
    pub(super) fn holds(&self, path: &SafePath, source: &str, file: &Metadata) -> bool {
        let entries = self.entries();
        let done = entries.files.get(path.as_str());
        done.is_some_and(|done| done.source == sha256_of(source) && done.is_unchanged(file))
    }

    /// How many files came of an archive, and those of them that were found as they were unpacked. `look` finds a file.
    pub(super) fn of_archive(
        &self,
        source: &str,
        look: impl Fn(&SafePath) -> Option<Metadata>,
    ) -> Option<(u64, u64)> {
        let (entries, source) = (self.entries(), sha256_of(source));
        let files = *entries.unpacked.get(&source)?;
        let of_it = entries.files.values().filter(|done| done.source == source);
        let held = of_it.filter(|done| {
            let path = SafePath::parse(None, &done.path);
            path.ok().and_then(|path| look(&path)).is_some_and(|file| done.is_unchanged(&file))
        });
        Some((files, held.count() as u64))
    }

    /// Whether it was a pull that wrote a file, even if someone has edited it since.
    pub(super) fn wrote(&self, path: &SafePath, file: &Metadata) -> bool {
        let entries = self.entries();
        let done = entries.files.get(path.as_str());
        done.is_some_and(|done| done.is_unchanged(file) || done.inode.is(Inode::of(file)))
    }

    /// The paths of all files that pulls wrote, whatever has become of them, in their order.
    pub(super) fn paths(&self) -> Vec<SafePath> {
        let entries = self.entries();
        let mut paths: Vec<&str> = entries.files.keys().map(String::as_str).collect();
        paths.sort_unstable();
        paths.into_iter().filter_map(|path| SafePath::parse(None, path).ok()).collect()
    }

    /// Whether it was a pull that made a folder.
    pub(super) fn made(&self, folder: &str, inode: Inode) -> bool {
        self.entries().folders.get(folder).is_some_and(|made| made.is(inode))
    }

    /// Remembers a completed file. If that fails, the file is only fetched again next time.
    pub(super) fn add(&self, path: &SafePath, source: &str, file: &Metadata) {
        self.write(Line::Done(Done {
            path: path.as_str().to_owned(),
            source: sha256_of(source),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            inode: Inode::of(file),
        }));
    }

    /// Remembers a folder.
    pub(super) fn add_folder(&self, folder: &str, inode: Inode) {
        self.write(Line::Made(Made { folder: folder.to_owned(), inode }));
    }

    /// Remembers that an archive was unpacked as a whole, after its files were added.
    pub(super) fn add_unpacked(&self, source: &str, files: u64) {
        self.write(Line::Unpacked(Unpacked { archive: sha256_of(source), files }));
    }

    fn write(&self, line: Line) {
        if let Ok(text) = serde_json::to_string(&line) {
            // The line break comes first as well: the line before may have been cut off.
            let _ = (&self.journal).write_all(format!("\n{text}\n").as_bytes());
        }
        self.entries().take(line);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn take(&mut self, line: Line) {
        match line {
            Line::Done(done) => drop(self.files.insert(done.path.clone(), done)),
            Line::Unpacked(Unpacked { archive, files }) => drop(self.unpacked.insert(archive, files)),
            Line::Made(Made { folder, inode }) => drop(self.folders.insert(folder, inode)),
        }
    }
}

impl Done {
    fn is_unchanged(&self, file: &Metadata) -> bool {
        self.size == file.len() && self.modified == (file.mtime(), file.mtime_nsec())
    }
}
