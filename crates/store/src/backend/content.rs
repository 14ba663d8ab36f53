//! Content on its way out of a backend.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::StoreError;
use crate::runtime::Blocking;

/// Pieces of content in their order. An error is the last one.
pub(crate) type Chunks = BoxStream<'static, Result<Bytes, StoreError>>;

/// What a key holds, or a part of it.
pub(crate) struct Content {
    /// The length in bytes of all that the key holds.
    pub(crate) size: u64,
    /// The bytes that were asked for.
    pub(crate) chunks: Chunks,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Content {
    /// Reads all of it into memory, unless it is longer than `limit` bytes: then the answer is none.
    pub(crate) async fn bytes(mut self, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunks.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() as u64 > limit {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// Makes it readable from a thread that may block.
    pub(crate) fn into_reader(self, runtime: Blocking) -> impl Read + Send + use<> {
        Reader { runtime, chunks: self.chunks, chunk: Bytes::new() }
    }
}

/// Waits for each piece when the one before has been read.
struct Reader {
    runtime: Blocking,
    chunks: Chunks,
    chunk: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !buffer.is_empty() {
            match self.runtime.wait(self.chunks.next()) {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = self.chunk.len().min(buffer.len());
        if let Some(start) = buffer.get_mut(..length) {
            self.chunk.copy_to_slice(start);
        }
        Ok(length)
    }
}
