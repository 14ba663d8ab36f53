//! Memory for parts of files, used again and again: an allocator that gets each part's memory back from another thread
//! keeps up to three times what is in use.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Shorter content has memory of its own.
const WORTH_KEEPING: usize = 1 << 20;

/// Memory that is not in use now. There is never more of it than parts were on their way at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Content that gives its memory back.
struct Lent {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// Returns so many zeros, or bytes of content that was sent before.
    pub(super) fn take(&self, length: usize) -> Vec<u8> {
        let mut bytes =
            if length < WORTH_KEEPING { Vec::new() } else { self.all(Vec::pop).unwrap_or_default() };
        bytes.resize(length, 0);
        bytes
    }

    /// Makes content of memory that comes back when nobody needs the content any more.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() < WORTH_KEEPING {
            return bytes.into();
        }
        Bytes::from_owner(Lent { bytes, home: self.clone() })
    }

    fn all<T>(&self, work: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home.all(|free| free.push(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_last_one_is_done() {
        let buffers = Buffers::default();
        let bytes = buffers.lend(buffers.take(WORTH_KEEPING));
        let (place, second) = (bytes.as_ptr(), bytes.clone());
        drop(bytes);
        assert_eq!(buffers.all(|free| free.len()), 0);
        drop(second);
        assert_eq!(buffers.all(|free| free.len()), 1);
        let again = buffers.take(WORTH_KEEPING);
        assert_eq!((again.as_ptr(), again.len()), (place, WORTH_KEEPING));
    }

    #[test]
    fn short_content_keeps_no_memory() {
        let buffers = Buffers::default();
        drop(buffers.lend(buffers.take(10)));
        assert_eq!(buffers.all(|free| free.len()), 0);
    }
}
