//! What is sent: it can be had anew for each attempt.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::once;
use reqwest::header::HeaderMap;
use url::Url;

use super::get::get;
use super::session::Session;
use crate::StoreError;
use crate::hash::Copied;
use crate::http::Answer;

/// The content of one file in the store.
pub(super) enum Payload<'a> {
    /// A short one.
    Bytes(Bytes),
    /// A file of this host, whose content is known. `at` is told how far it is.
    File { path: &'a Path, content: &'a Copied, at: &'a (dyn Fn(u64) + Send + Sync) },
    /// What the store holds already, of this size, at another key.
    Stored { session: &'a Arc<Session>, key: &'a str, size: u64 },
}

impl Payload<'_> {
    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { content, .. } => content.size,
            Self::Stored { size, .. } => *size,
        }
    }

    /// Sends it once.
    pub(super) async fn send(
        &self,
        session: &Session,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Answer, StoreError> {
        let length = self.length();
        match self {
            Self::Bytes(bytes) => {
                let piece = bytes.clone();
                let pieces = once(async move { Ok(piece) }).boxed();
                session.client().put(url, headers, length, pieces, &|_| ()).await
            }
            Self::File { path, content, at } => {
                session.client().put_file(url, headers, path, content, *at).await
            }
            Self::Stored { session: from, key, .. } => {
                let content = get(from, key, 0..length).await?;
                let pieces = content.chunks.map(|chunk| chunk.map_err(io::Error::other)).boxed();
                session.client().put(url, headers, length, pieces, &|_| ()).await
            }
        }
    }
}
