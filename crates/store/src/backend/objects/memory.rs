//! What is remembered of one upload, as far as that is possible.
//!
//! A home that is full or can't be written must not cost a dying job its core: without a journal, another process
//! can't go on with the upload, and that is all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::journal::{Journal, Journals, Upload};
use crate::StoreError;

/// The journal of an upload, if there is one, and what went wrong with it.
#[derive(Debug)]
pub(super) struct Memory {
    journal: Option<Journal>,
    trouble: Mutex<Option<StoreError>>,
}

impl Memory {
    /// Opens the journal of a key's upload.
    pub(super) fn of(journals: Option<&Journals>, key: &str) -> Self {
        let (journal, trouble) = match journals.map(|journals| journals.open(key)) {
            Some(Ok(journal)) => (Some(journal), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        Self { journal, trouble: Mutex::new(trouble) }
    }

    /// The upload that an earlier process has begun, and what it has sent of it.
    pub(super) fn found(&self) -> Option<(Upload, BTreeMap<usize, String>)> {
        let journal = self.journal.as_ref()?;
        Some((journal.upload.clone()?, journal.parts.clone()))
    }

    /// Whether another process can go on.
    pub(super) fn holds(&self) -> bool {
        self.journal.is_some() && self.trouble().is_none()
    }

    /// Remembers that an upload has begun.
    pub(super) fn begin(&mut self, upload: Upload) {
        if let Some(journal) = &mut self.journal {
            let begun = journal.begin(upload);
            self.note(begun);
        }
    }

    /// Remembers a part that the store has confirmed.
    pub(super) fn add(&self, part: usize, id: &str) {
        // What follows a gap may belong to another upload.
        if let Some(journal) = self.journal.as_ref().filter(|_| self.holds()) {
            self.note(journal.add(part, id.to_owned()));
        }
    }

    /// Forgets the upload, which has ended, and tells what went wrong with remembering it.
    pub(super) fn end(mut self) -> Option<StoreError> {
        if let Some(journal) = self.journal.take() {
            let ended = journal.end();
            self.note(ended);
        }
        self.trouble.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the first failure.
    fn note(&self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            self.trouble().get_or_insert(error);
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<StoreError>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_place_nothing_is_remembered_and_that_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("uploads"), "no folder").unwrap();
        let journals = Journals::new(dir.path(), "s3://bucket", String::new());
        let mut memory = Memory::of(Some(&journals), "k");
        assert!(!memory.holds() && memory.found().is_none());
        memory.begin(journals.upload("k", 8, "id".into()));
        memory.add(0, "tag");
        assert!(matches!(memory.end(), Some(StoreError::Io { .. })));
        assert!(Memory::of(None, "k").end().is_none());
    }

    #[test]
    fn a_journal_that_someone_removed_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let journals = Journals::new(dir.path(), "s3://bucket", String::new());
        let mut memory = Memory::of(Some(&journals), "k");
        memory.begin(journals.upload("k", 8, "id".into()));
        std::fs::remove_dir_all(dir.path().join("uploads")).unwrap();
        memory.add(0, "tag");
        assert!(memory.holds() && memory.end().is_none());
    }
}
