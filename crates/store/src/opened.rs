//! Content on its way out of a store, a piece at a time.

use std::fmt;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::hash::hex;

/// A file of a store, open for reading.
///
/// Reading blocks, and takes no more memory than the reader's own buffer and what the connection to a store holds. An
/// error of the reader means that the content is not whole, whatever came before it.
pub struct Opened {
    /// The length of the whole file in bytes, also where only a part of it is read.
    pub size: u64,
    /// The bytes that were asked for, and no others.
    pub content: Box<dyn Read + Send>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Hashes what is read, and refuses the last piece where the whole is not what was promised.
///
/// Who sends the content on has announced its length before: only if something is missing at the end does the receiver
/// know that it is bad.
#[derive(Debug)]
pub(crate) struct Verified<R> {
    content: R,
    hasher: Sha256,
    left: u64,
    expected: String,
}

impl<R: Read> Verified<R> {
    /// Reads `size` bytes whose SHA-256 in lower-case hex is `expected`.
    pub(crate) fn new(content: R, size: u64, expected: String) -> Self {
        Self { content, hasher: Sha256::new(), left: size, expected }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let length = self.content.read(buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(buffer.get(..length).unwrap_or_default());
        self.left = self.left.saturating_sub(length as u64);
        if self.left == 0 {
            let found = hex(&self.hasher.finalize_reset());
            if found != self.expected {
                let expected = &self.expected;
                let why = format!("damaged in the store: expected sha256 {expected}, found {found}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256_of;

    fn read(content: &str, size: u64, sum: &str) -> (Vec<u8>, io::Result<usize>) {
        let mut verified = Verified::new(content.as_bytes(), size, sum.to_owned());
        let mut bytes = Vec::new();
        let mut piece = [0; 4];
        loop {
            match verified.read(&mut piece) {
                Ok(0) => return (bytes, Ok(0)),
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    #[test]
    fn what_is_right_passes() {
        let (bytes, end) = read("content", 7, &sha256_of("content"));
        assert_eq!((bytes.as_slice(), end.unwrap()), (b"content".as_slice(), 0));
        assert_eq!(read("", 0, &sha256_of("")).1.unwrap(), 0);
    }

    #[test]
    fn what_is_wrong_is_never_whole() {
        let (bytes, end) = read("contenT", 7, &sha256_of("content"));
        assert_eq!((bytes.len(), end.unwrap_err().kind()), (4, io::ErrorKind::InvalidData));
        let (bytes, end) = read("cont", 7, &sha256_of("content"));
        assert_eq!((bytes.len(), end.unwrap_err().kind()), (4, io::ErrorKind::UnexpectedEof));
        // What was appended later is not read.
        assert_eq!(read("content, and more", 7, &sha256_of("content")).0, b"content");
    }
}
