//! The few operations on keys that a store is made of, and who does them.
//!
//! [`Backend`] is what the flows of [`keyed`](crate::keyed) (push, pull, ls, gc) are written against. `folder` does
//! them in a folder, `dav` on a web server, `objects` in anything that [`object_store::ObjectStore`] speaks to. Keys are those of
//! [`layout`](crate::layout): components between slashes, none of them empty, `.` or `..`.

#[cfg(test)]
mod conformance;
mod content;
mod dav;
mod folder;
mod objects;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::StoreError;
use crate::hash::Copied;

pub(crate) use content::Content;
pub(crate) use dav::Dav;
pub(crate) use folder::Folder;
pub(crate) use objects::Objects;

/// A time that a store doesn't tell: never old.
pub(crate) const UNKNOWN: Timestamp = Timestamp::MAX;

/// A key with what a listing says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
    /// When its content was last written, by the store's clock; [`UNKNOWN`] if it doesn't tell.
    pub(crate) modified: Timestamp,
}

/// A file that is at the key of its content now.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) content: Copied,
    /// When that content was last written, if it was there before.
    pub(crate) there_since: Option<Timestamp>,
    /// Why another process could not have gone on, had this one died.
    pub(crate) trouble: Option<StoreError>,
}

impl Stored {
    /// Content that was not there before.
    pub(crate) fn new(content: Copied) -> Self {
        Self { content, there_since: None, trouble: None }
    }
}

/// Told the position in a file after each piece that is safe.
pub(crate) type At<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// A place that holds bytes at keys. Operations may run at once, from several processes.
#[async_trait]
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Where it is, as a person may see it: never with a secret.
    fn url(&self) -> String;

    /// Where a key is, likewise.
    fn locate(&self, key: &str) -> String;

    /// Its folder, if it is one of this host.
    fn local(&self) -> Option<&Path> {
        None
    }

    /// Makes it ready for the first push, where that takes something.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// The names right below a prefix that have keys below them.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// All keys below a prefix, in any order. What is not written to its end is not among them. An empty prefix
    /// stands for the whole store.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// What is known of a key; none if there is nothing.
    async fn head(&self, key: &str) -> Result<Option<Object>, StoreError>;

    /// Reads from `range.start` to before `range.end` or the end of the content, whichever comes first. A key that is
    /// absent is an error for which [`StoreError::is_absent`] holds.
    async fn get(&self, key: &str, range: Range<u64>) -> Result<Content, StoreError>;

    /// Copies a file of this host to the key of its content. Content that is there already is only read.
    async fn put_file(&self, source: &Path, at: At<'_>) -> Result<Stored, StoreError>;

    /// Writes a small file, and replaces what was there.
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Gives a blob a second key, unless that key is taken: two files of one build ID are the same to a debugger. Tells
    /// since when it is, if it is.
    async fn alias(&self, sha256: &str, key: &str) -> Result<Option<Timestamp>, StoreError>;

    /// Makes everything before it durable, then writes a small file that must not be there yet; `false` if it is.
    async fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError>;

    /// Removes keys; one that is absent is no error.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Removes what pushes left unfinished before that time, as far as it can be known. Tells how many.
    async fn sweep(&self, before: Timestamp) -> Result<u64, StoreError>;
}
