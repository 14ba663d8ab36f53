//! Object stores: anything that [`object_store::ObjectStore`] speaks to.
//!
//! `open` makes one from a URL and the environment's settings, `transport` carries its requests, `upload` sends files in
//! parts, `journal` remembers parts across the death of the process, `memory` makes the best of it where that fails, `again`
//! repeats what the client doesn't, `error` puts what went wrong into our words.

mod again;
mod buffers;
mod digest;
mod error;
mod journal;
mod memory;
mod oidc;
mod open;
mod transport;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::multipart::MultipartStore;
use object_store::path::Path as ObjectPath;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use tokio::sync::Semaphore;

use super::{At, Backend, Content, Object, Stored, UNKNOWN};
use crate::StoreError;
use crate::layout::blob_key;
use crate::options::{Network, StoreOptions};

use again::Again;
use buffers::Buffers;
use journal::Journals;

/// More keys than any fleet has; a server that lists on and on is not believed.
const MOST_KEYS: usize = 10_000_000;

/// Content in flight is counted in units of so many bytes.
const UNIT: u64 = 1 << 20;

/// An object store, below a prefix.
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// The same, where an upload in parts can be taken up by another process.
    multipart: Option<Arc<dyn MultipartStore>>,
    /// Without slashes at its ends; may be empty.
    prefix: String,
    url: String,
    network: Network,
    /// One permit for each [`UNIT`] of content that may be in memory, whatever file it is of.
    in_flight: Semaphore,
    buffers: Buffers,
    journals: Option<Journals>,
}

impl Objects {
    /// Makes a backend of a store, whose keys are below `prefix`. `url` is how it is shown.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        multipart: Option<Arc<dyn MultipartStore>>,
        prefix: String,
        url: String,
        options: &StoreOptions,
    ) -> Self {
        let network = options.network.clone();
        let units = network.part_size.div_ceil(UNIT).saturating_mul(network.requests.max(1) as u64);
        let in_flight =
            Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS));
        let journals =
            options.state.as_ref().map(|state| Journals::new(state, &url, options.cloud.servers()));
        let buffers = Buffers::default();
        Self { store, multipart, prefix, url, network, in_flight, buffers, journals }
    }

    fn path(&self, key: &str) -> Result<ObjectPath, StoreError> {
        let separator = if self.prefix.is_empty() || key.is_empty() { "" } else { "/" };
        ObjectPath::parse(format!("{}{separator}{key}", self.prefix))
            .map_err(|error| self.error(key, error.into()))
    }

    fn error(&self, key: &str, error: object_store::Error) -> StoreError {
        error::from(self.locate(key), error)
    }

    /// A listed object; none if it is not below our prefix.
    fn object(&self, meta: &ObjectMeta) -> Option<Object> {
        let key = meta.location.as_ref().strip_prefix(&self.prefix)?;
        let key = if self.prefix.is_empty() { key } else { key.strip_prefix('/')? };
        let nanoseconds = i32::try_from(meta.last_modified.timestamp_subsec_nanos()).unwrap_or_default();
        let modified = Timestamp::new(meta.last_modified.timestamp(), nanoseconds).unwrap_or(UNKNOWN);
        Some(Object { key: key.to_owned(), size: meta.size, modified })
    }

    async fn list_once(&self, path: &ObjectPath) -> Result<Vec<Object>, object_store::Error> {
        let mut listed = self.store.list(Some(path));
        let mut objects = Vec::new();
        while let Some(meta) = listed.try_next().await? {
            objects.extend(self.object(&meta));
            if objects.len() > MOST_KEYS {
                break;
            }
        }
        Ok(objects)
    }

    async fn write(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<(), object_store::Error> {
        let path = ObjectPath::parse(format!("{}/{key}", self.prefix).trim_start_matches('/'))?;
        let options = PutOptions { mode, ..PutOptions::default() };
        self.store.put_opts(&path, PutPayload::from(bytes), options).await.map(|_| ())
    }
}

#[async_trait]
impl Backend for Objects {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn locate(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut again = Again::new(self, prefix);
        let path = self.path(prefix)?;
        let listed = loop {
            match self.store.list_with_delimiter(Some(&path)).await {
                Ok(listed) => break listed,
                Err(error) => again.after(error).await?,
            }
        };
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let mut again = Again::new(self, prefix);
        let path = self.path(prefix)?;
        loop {
            match self.list_once(&path).await {
                Ok(objects) if objects.len() > MOST_KEYS => {
                    let why = format!("it lists more than {MOST_KEYS} keys");
                    return Err(StoreError::BadAnswer { url: self.locate(prefix), why });
                }
                Ok(objects) => return Ok(objects),
                Err(error) => again.after(error).await?,
            }
        }
    }

    async fn head(&self, key: &str) -> Result<Option<Object>, StoreError> {
        match self.store.head(&self.path(key)?).await {
            Ok(meta) => Ok(self.object(&meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(key, error)),
        }
    }

    async fn get(&self, key: &str, range: Range<u64>) -> Result<Content, StoreError> {
        if range.is_empty() {
            // No header can ask for nothing.
            let absent = || StoreError::Absent { url: self.locate(key) };
            let size = self.head(key).await?.ok_or_else(absent)?.size;
            return Ok(Content { size, chunks: stream::empty().boxed() });
        }
        let range = match range {
            Range { start: 0, end: u64::MAX } => None,
            Range { start, end: u64::MAX } => Some(GetRange::Offset(start)),
            range => Some(GetRange::Bounded(range)),
        };
        let options = GetOptions { range, ..GetOptions::default() };
        let got =
            self.store.get_opts(&self.path(key)?, options).await.map_err(|error| self.error(key, error))?;
        let (size, url) = (got.meta.size, self.locate(key));
        let chunks = got.into_stream().map_err(move |error| error::from(url.clone(), error));
        Ok(Content { size, chunks: chunks.boxed() })
    }

    async fn put_file(&self, source: &Path, at: At<'_>) -> Result<Stored, StoreError> {
        self.upload(source, at).await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.write(key, bytes, PutMode::Overwrite).await.map_err(|error| self.error(key, error))
    }

    async fn alias(&self, sha256: &str, key: &str) -> Result<Option<Timestamp>, StoreError> {
        // Two pushes may both find nothing: what they write then is the same to a debugger.
        if let Some(there) = self.head(key).await? {
            return Ok(Some(there.modified));
        }
        let blob = self.path(&blob_key(sha256).unwrap_or_default())?;
        self.store.copy(&blob, &self.path(key)?).await.map_err(|error| self.error(key, error))?;
        Ok(None)
    }

    async fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let mut again = Again::new(self, key);
        loop {
            match self.write(key, bytes.clone(), PutMode::Create).await {
                Ok(()) => return Ok(true),
                // It may be ours: the answer to an earlier attempt may have been lost.
                Err(object_store::Error::AlreadyExists { .. }) => {
                    let there = self.get(key, 0..u64::MAX).await?.bytes(bytes.len() as u64).await?;
                    return Ok(there.is_some_and(|there| there == bytes));
                }
                Err(error) => again.after(error).await?,
            }
        }
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let paths: Vec<_> = keys.iter().map(|key| self.path(key)).collect::<Result<_, _>>()?;
        let mut deleted = self.store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
        while let Some(outcome) = deleted.next().await {
            match outcome {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.error("", error)),
            }
        }
        Ok(())
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.abort_old_uploads(before).await
    }
}

impl fmt::Debug for Objects {
    // The store's own text may hold more than may be seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("url", &self.url).finish_non_exhaustive()
    }
}
