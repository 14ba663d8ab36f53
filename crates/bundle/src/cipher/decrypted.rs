//! Random access to what an age file holds.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamReader;
use age::{DecryptError, Decryptor};
use epitaph_elf::{ReadAt, fill};

use super::{CipherError, Identities};

/// A header is shorter, in bytes: one of a hundred recipients has 12 KB.
const LONGEST_HEADER: usize = 64 << 10;
/// The last line of a header begins so (age-encryption.org/v1, "Header MAC").
const HEADER_END: &[u8] = b"\n--- ";

/// What an age file holds, decrypted where it is read. Each part is authenticated before it is given.
pub(crate) struct Decrypted {
    file: Arc<File>,
    identities: Identities,
    size: u64,
    /// Set up anew after an error, which leaves it in no known state.
    reader: Mutex<Option<StreamReader<Cursor>>>,
}

impl Decrypted {
    /// Opens an age file for those who hold `identities`; `path` is what errors call it. Its end is checked: a file that
    /// was cut is refused.
    pub(crate) fn open(path: &Path, file: File, identities: &Identities) -> Result<Decrypted, CipherError> {
        let file = Arc::new(file);
        let damaged = |source| CipherError::Damaged { path: path.to_owned(), source };
        check_header(&file).map_err(damaged)?;
        let mut reader = decrypt(&file, identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => {
                CipherError::ForOthers { path: path.to_owned() }
            }
            DecryptError::Io(source) => damaged(source),
            other => damaged(io::Error::other(other)),
        })?;
        let size = reader.seek(SeekFrom::End(0)).map_err(damaged)?;
        Ok(Decrypted { file, identities: identities.clone(), size, reader: Mutex::new(Some(reader)) })
    }
}

impl ReadAt for Decrypted {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        // The reader may not be led beyond its end.
        let left = self.size.saturating_sub(offset);
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = buf.get_mut(..len).unwrap_or_default();
        if part.is_empty() {
            return Ok(0);
        }
        let mut held = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = match held.take() {
            Some(reader) => reader,
            None => decrypt(&self.file, &self.identities).map_err(io::Error::other)?,
        };
        reader.seek(SeekFrom::Start(offset))?;
        reader.read_exact(part)?;
        *held = Some(reader);
        Ok(len)
    }
}

/// Finds the end of the header, which the library would look for in all of the file.
fn check_header(file: &File) -> io::Result<()> {
    let mut head = vec![0; LONGEST_HEADER];
    let count = fill(file, 0, &mut head)?;
    head.truncate(count);
    if head.windows(HEADER_END.len()).any(|bytes| bytes == HEADER_END) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "its header has no end"))
}

fn decrypt(file: &Arc<File>, identities: &Identities) -> Result<StreamReader<Cursor>, DecryptError> {
    Decryptor::new(Cursor { file: Arc::clone(file), at: 0 })?.decrypt(identities.keys())
}

/// A file with a position of its own: that of a file is shared by all its handles.
struct Cursor {
    file: Arc<File>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = FileExt::read_at(&*self.file, buf, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let target = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
