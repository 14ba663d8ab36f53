//! From a file to the key of its content.
//!
//! A file is read twice: for its hash, which is its key and tells whether it is there already, and to be sent. Short
//! files go whole, others in parts of which several are on their way at once. Where a store allows it, what has been
//! confirmed is in a journal, and another process can go on from there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::sync::SemaphorePermit;

use super::again::Again;
use super::digest::Digests;
use super::journal::Journal;
use super::memory::Memory;
use super::{Objects, UNIT};
use crate::StoreError;
use crate::backend::{At, Backend, Stored};
use crate::files::open_regular;
use crate::layout::blob_key;

/// A file on its way.
struct Source<'a> {
    path: &'a Path,
    file: Arc<File>,
    digests: Arc<Digests>,
    key: String,
    object: ObjectPath,
    at: At<'a>,
}

impl Objects {
    /// Sends a file, unless its content is there already.
    pub(super) async fn upload(&self, path: &Path, at: At<'_>) -> Result<Stored, StoreError> {
        let file = Arc::new(open_regular(path)?);
        let (least, opened) = (self.network.part_size, Arc::clone(&file));
        let digests =
            aside(move || Digests::of(&opened, least)).await.map_err(StoreError::io("read", path))?;
        let content = digests.content.clone();
        let key = blob_key(&content.sha256).unwrap_or_default();
        if let Some(there) = self.head(&key).await?
            && there.size == content.size
        {
            self.forget(&key).await;
            at(content.size);
            return Ok(Stored { there_since: Some(there.modified), ..Stored::new(content) });
        }
        let object = self.path(&key)?;
        let source = Source { path, file, digests: Arc::new(digests), key, object, at };
        let mut stored = Stored::new(content);
        match &self.multipart {
            _ if source.digests.parts() == 1 => self.send_whole(&source).await?,
            Some(multipart) => stored.trouble = self.send_resumably(multipart.as_ref(), &source).await?,
            None => self.send_in_order(&source).await?,
        }
        Ok(stored)
    }

    /// Ends the uploads whose journals were written last before that time. Tells how many.
    pub(super) async fn abort_old_uploads(&self, before: Timestamp) -> Result<u64, StoreError> {
        let journals = self.journals.as_ref().map(|journals| journals.abandoned(before)).unwrap_or_default();
        let mut aborted = 0;
        for journal in journals {
            self.abort(journal).await?;
            aborted += 1;
        }
        Ok(aborted)
    }

    async fn send_whole(&self, source: &Source<'_>) -> Result<(), StoreError> {
        let (bytes, _permit) = self.part(source, 0).await?;
        let payload = PutPayload::from_bytes(bytes);
        self.store.put(&source.object, payload).await.map_err(|error| self.error(&source.key, error))?;
        (source.at)(source.digests.content.size);
        Ok(())
    }

    /// For stores whose parts must follow each other.
    async fn send_in_order(&self, source: &Source<'_>) -> Result<(), StoreError> {
        let failed = |error| self.error(&source.key, error);
        let mut upload = self.store.put_multipart(&source.object).await.map_err(failed)?;
        let sent = self.send_each(upload.as_mut(), source).await;
        let sent = match sent {
            Ok(()) => upload.complete().await.map(|_| ()).map_err(failed),
            Err(error) => Err(error),
        };
        if sent.is_err() {
            // What can't be aborted is not there under its name either.
            let _ = upload.abort().await;
        }
        sent
    }

    async fn send_each(
        &self,
        upload: &mut dyn MultipartUpload,
        source: &Source<'_>,
    ) -> Result<(), StoreError> {
        let mut position = 0;
        for part in 0..source.digests.parts() {
            let (bytes, _permit) = self.part(source, part).await?;
            position += bytes.len() as u64;
            let sent = upload.put_part(PutPayload::from_bytes(bytes)).await;
            sent.map_err(|error| self.error(&source.key, error))?;
            (source.at)(position);
        }
        Ok(())
    }

    /// Sends a file in parts, and goes on where an earlier process stopped. Tells why a later one could not.
    async fn send_resumably(
        &self,
        multipart: &dyn MultipartStore,
        source: &Source<'_>,
    ) -> Result<Option<StoreError>, StoreError> {
        let mut memory = Memory::of(self.journals.as_ref(), &source.key);
        if let Some((known, parts)) = memory.found()
            && known.key == source.key
            && known.part_size == source.digests.part_size
        {
            match self.send_parts(multipart, source, &known.id, &memory, &parts).await {
                Ok(()) => return Ok(memory.end()),
                // It was aborted, or completed by someone whose answer was lost, or another bucket has its name by now.
                Err(
                    StoreError::Absent { .. } | StoreError::Rejected { status: Some(400..=428 | 500), .. },
                ) => {}
                Err(error) => return Err(error),
            }
            let there = self.head(&source.key).await?;
            if there.is_some_and(|there| there.size == source.digests.content.size) {
                return Ok(memory.end());
            }
        }
        let id = self.begin(multipart, source).await?;
        if let Some(journals) = &self.journals {
            memory.begin(journals.upload(&source.key, source.digests.part_size, id.clone()));
        }
        match self.send_parts(multipart, source, &id, &memory, &BTreeMap::new()).await {
            Ok(()) => Ok(memory.end()),
            // Another process may have better luck.
            Err(error) if memory.holds() && error.is_transient() => Err(error),
            Err(error) => {
                let _ = multipart.abort_multipart(&source.object, &id).await;
                memory.end();
                Err(error)
            }
        }
    }

    /// Sends the parts that are missing, several at once, and puts them together.
    async fn send_parts(
        &self,
        multipart: &dyn MultipartStore,
        source: &Source<'_>,
        id: &str,
        memory: &Memory,
        known: &BTreeMap<usize, String>,
    ) -> Result<(), StoreError> {
        let id = &id.to_owned();
        let position = AtomicU64::new(0);
        let moved = |part| {
            let length = source.digests.length(part);
            (source.at)(position.fetch_add(length, Ordering::Relaxed) + length);
        };
        let sends = (0..source.digests.parts()).map(|part| async move {
            if let Some(known) = known.get(&part) {
                return Ok((part, PartId { content_id: known.clone() }));
            }
            let (bytes, _permit) = self.part(source, part).await?;
            let sent = multipart.put_part(&source.object, id, part, PutPayload::from_bytes(bytes)).await;
            let sent = sent.map_err(|error| self.error(&source.key, error))?;
            memory.add(part, &sent.content_id);
            Ok((part, sent))
        });
        let sends = stream::iter(sends).buffer_unordered(self.network.requests.max(1));
        let sends = sends.inspect_ok(|(part, _)| moved(*part));
        let mut parts: Vec<(usize, PartId)> = sends.try_collect::<Vec<_>>().await?;
        parts.sort_by_key(|(part, _)| *part);
        self.complete(multipart, source, id, parts.into_iter().map(|(_, id)| id).collect()).await
    }

    /// Begins an upload in parts. One whose name was lost with an answer holds nothing.
    async fn begin(&self, multipart: &dyn MultipartStore, source: &Source<'_>) -> Result<String, StoreError> {
        let mut again = Again::new(self, &source.key);
        loop {
            match multipart.create_multipart(&source.object).await {
                Ok(id) => return Ok(id),
                Err(error) => again.after(error).await?,
            }
        }
    }

    /// Puts an upload's parts together.
    async fn complete(
        &self,
        multipart: &dyn MultipartStore,
        source: &Source<'_>,
        id: &String,
        parts: Vec<PartId>,
    ) -> Result<(), StoreError> {
        let mut again = Again::new(self, &source.key);
        loop {
            let completed = multipart.complete_multipart(&source.object, id, parts.clone()).await;
            let Err(error) = completed else { return Ok(()) };
            let outcome = again.after(error).await;
            // The answer to this attempt or an earlier one may have been lost.
            let is_lost = match &outcome {
                Ok(()) | Err(StoreError::BadAnswer { .. }) => true,
                Err(error) => is_gone(error),
            };
            let there = if is_lost { self.head(&source.key).await? } else { None };
            if there.is_some_and(|there| there.size == source.digests.content.size) {
                return Ok(());
            }
            outcome?;
        }
    }

    /// Reads a part when there is room for it.
    async fn part(
        &self,
        source: &Source<'_>,
        part: usize,
    ) -> Result<(Bytes, SemaphorePermit<'_>), StoreError> {
        let most = self.network.part_size.div_ceil(UNIT).saturating_mul(self.network.requests.max(1) as u64);
        let units = source.digests.length(part).div_ceil(UNIT).clamp(1, most.max(1));
        let permit = self.in_flight.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await;
        let failed = StoreError::io("read", source.path);
        let Ok(permit) = permit else { return Err(failed(io::ErrorKind::Interrupted.into())) };
        let (digests, file) = (Arc::clone(&source.digests), Arc::clone(&source.file));
        let buffers = self.buffers.clone();
        let bytes = aside(move || digests.read(&file, part, &buffers)).await.map_err(failed)?;
        let bytes = bytes.ok_or_else(|| StoreError::Changed { path: source.path.to_owned() })?;
        Ok((bytes, permit))
    }

    /// Ends an upload of content that came into the store by another way.
    async fn forget(&self, key: &str) {
        let journal = self.journals.as_ref().filter(|journals| journals.has(key));
        if let Some(Ok(journal)) = journal.map(|journals| journals.open(key)) {
            // A gc tries again.
            let _ = self.abort(journal).await;
        }
    }

    async fn abort(&self, journal: Journal) -> Result<(), StoreError> {
        if let (Some(upload), Some(multipart)) = (&journal.upload, &self.multipart) {
            let aborted = multipart.abort_multipart(&self.path(&upload.key)?, &upload.id).await;
            match aborted.map_err(|error| self.error(&upload.key, error)) {
                Err(error) if error.is_transient() && !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        journal.end()
    }
}

/// Whether a store doesn't know an upload any more. Some say so by a server's error, or that nobody may ask for it.
fn is_gone(error: &StoreError) -> bool {
    error.is_absent() || matches!(error, StoreError::Rejected { status: Some(403 | 404 | 500), .. })
}

/// Reads and hashes on another thread, so that transfers go on meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
