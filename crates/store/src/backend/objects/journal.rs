//! What has been sent of a file in parts, kept where it outlives the process.
//!
//! A journal is a file of JSON lines: which upload it is of, then a line for each part that the store has confirmed,
//! each synced before the next step. It is locked while its upload runs, and removed when the upload has ended. A line
//! that was cut off by the death of its writer costs one part.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::hash::sha256_of;

/// How many processes of this host may send the same content to the same store at once and all be resumable.
const NAMESAKES: u32 = 16;

/// Ten thousand parts with their tags are a tenth of that.
const LONGEST: u64 = 16 << 20;

/// The journals of one store.
#[derive(Debug)]
pub(super) struct Journals {
    folder: PathBuf,
    store: String,
    /// Where that store's server is, where it isn't the provider's own.
    server: String,
}

/// The upload that a journal is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) store: String,
    #[serde(default)]
    server: String,
    pub(super) key: String,
    pub(super) part_size: u64,
    /// The store's name for it.
    pub(super) id: String,
}

/// A part that the store has confirmed.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    part: usize,
    id: String,
}

/// The record of one upload.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<Flock<File>>,
    pub(super) upload: Option<Upload>,
    /// What the store calls the parts that it has, by their numbers from 0.
    pub(super) parts: BTreeMap<usize, String>,
}

impl Journals {
    pub(super) fn new(state: &Path, store: &str, server: String) -> Self {
        Self { folder: state.join("uploads"), store: store.to_owned(), server }
    }

    /// Whether there is a journal of a key's upload.
    pub(super) fn has(&self, key: &str) -> bool {
        self.path(key, 0).exists()
    }

    fn path(&self, key: &str, namesake: u32) -> PathBuf {
        let name = sha256_of(format!("{}\n{key}", self.store));
        self.folder.join(format!("{name}.{namesake}.jsonl"))
    }

    /// Opens the journal of a key's upload, for which none need have begun. An upload of other parts is not taken up.
    pub(super) fn open(&self, key: &str) -> Result<Journal, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(StoreError::io("create", &self.folder))?;
        for namesake in 0..NAMESAKES {
            let path = self.path(key, namesake);
            match Journal::open(&path, true) {
                Ok(Some(journal)) => return Ok(journal),
                Ok(None) => {}
                Err(error) => return Err(StoreError::io("open", &path)(error)),
            }
        }
        Err(StoreError::io("lock", &self.path(key, 0))(io::ErrorKind::WouldBlock.into()))
    }

    /// All journals of this store that nobody writes and that were written last before that time.
    pub(super) fn abandoned(&self, before: Timestamp) -> Vec<Journal> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let is_old = |path: &PathBuf| {
            let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
            modified.ok().and_then(|time| Timestamp::try_from(time).ok()).is_some_and(|time| time < before)
        };
        let old = entries.map(|entry| entry.path()).filter(is_old);
        let journals = old.filter_map(|path| Journal::open(&path, false).ok().flatten());
        journals
            .filter(|journal| journal.upload.as_ref().is_some_and(|upload| self.is_here(upload)))
            .collect()
    }

    /// Whether an upload is to this store, and not to one of the same name at another server.
    fn is_here(&self, upload: &Upload) -> bool {
        upload.store == self.store && upload.server == self.server
    }

    /// The record that an upload has begun.
    pub(super) fn upload(&self, key: &str, part_size: u64, id: String) -> Upload {
        let (store, server) = (self.store.clone(), self.server.clone());
        Upload { store, server, key: key.to_owned(), part_size, id }
    }
}

impl Journal {
    /// Opens and locks a journal; none if someone else has it.
    fn open(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(create).mode(0o600).custom_flags(flags.bits());
        let Ok(mut file) = Flock::lock(options.open(path)?, FlockArg::LockExclusiveNonblock) else {
            return Ok(None);
        };
        let mut text = Vec::new();
        (&mut *file).take(LONGEST).read_to_end(&mut text)?;
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let upload = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        let parts = lines.filter_map(|line| serde_json::from_slice::<Part>(line).ok());
        let parts = parts.map(|part| (part.part, part.id)).collect();
        Ok(Some(Self { path: path.to_owned(), file: Mutex::new(file), upload, parts }))
    }

    /// Begins anew.
    pub(super) fn begin(&mut self, upload: Upload) -> Result<(), StoreError> {
        self.parts.clear();
        {
            let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.set_len(0).map_err(StoreError::io("write", &self.path))?;
        }
        self.add_line(&upload)?;
        self.upload = Some(upload);
        Ok(())
    }

    /// Remembers a part.
    pub(super) fn add(&self, part: usize, id: String) -> Result<(), StoreError> {
        self.add_line(&Part { part, id })
    }

    /// Forgets the upload, which has ended.
    pub(super) fn end(self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    fn add_line(&self, line: &impl Serialize) -> Result<(), StoreError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_string(line).map_err(io::Error::from).and_then(|line| {
            // The line break comes first as well: the line before may have been cut off.
            (&**file).write_all(format!("\n{line}\n").as_bytes())?;
            file.sync_data()
        });
        written.map_err(StoreError::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let journals = Journals::new(dir.path(), "s3://bucket", String::new());
        let mut journal = journals.open("k").unwrap();
        assert_eq!(journal.upload, None);
        let upload = journals.upload("k", 8, "id".into());
        journal.begin(upload.clone()).unwrap();
        journal.add(3, "tag".into()).unwrap();
        (&**journal.file.lock().unwrap()).write_all(b"{\"part\":9,").unwrap();
        let path = journal.path.clone();
        drop(journal);
        let journal = journals.open("k").unwrap();
        assert_eq!((journal.upload.as_ref(), journal.parts.len()), (Some(&upload), 1));
        assert_eq!(journal.parts[&3], "tag");
        journal.add(4, "after the torn line".into()).unwrap();
        drop(journal);
        let journal = journals.open("k").unwrap();
        assert_eq!(journal.parts.len(), 2);
        journal.end().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn one_process_has_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let journals = Journals::new(dir.path(), "s3://bucket", String::new());
        let first = journals.open("k").unwrap();
        let second = journals.open("k").unwrap();
        assert_ne!(first.path, second.path);
    }

    #[test]
    fn only_old_journals_of_the_store_are_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        let journals = |store, server: &str| Journals::new(dir.path(), store, server.to_owned());
        let ours = journals("s3://a", "http://one");
        let (others, elsewhere) = (journals("s3://b", "http://one"), journals("s3://a", "http://two"));
        for (journals, key) in [(&ours, "k"), (&others, "k"), (&elsewhere, "other k")] {
            journals.open(key).unwrap().begin(journals.upload(key, 8, "id".into())).unwrap();
        }
        let now = Timestamp::now();
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(ours.abandoned(now - hour).len(), 0);
        assert_eq!(ours.abandoned(now + hour).len(), 1);
        let _running = ours.open("k").unwrap();
        assert_eq!(ours.abandoned(now + hour).len(), 0);
    }
}
