//! What a core file is read through.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::stream::NotKept;

/// Random access to bytes: an open file, or bytes in memory.
///
/// Cores are read through this and never mapped: a core may be sparse and span far more than it holds, and one
/// that shrinks while it is mapped would kill the reader.
pub trait ReadAt: Send + Sync {
    /// Returns the number of bytes there are, holes included.
    fn size(&self) -> io::Result<u64>;

    /// Reads into `buf` from `offset`; returns the number of bytes read, which is 0 only at the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Returns the next range at or after `from` that may hold anything but zeros, without reading it; `None` if
    /// there are only zeros up to the end. The range may reach beyond the end.
    ///
    /// A source that doesn't know its holes takes all for data.
    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        Some(from..u64::MAX)
    }

    /// Returns the first part of `range` that reads don't fail in because its bytes were not kept ([`NotKept`]); `None`
    /// if there is none.
    fn readable(&self, range: Range<u64>) -> Option<Range<u64>> {
        (range.start < range.end).then_some(range)
    }

    /// Returns a reader of all bytes from the first on, where that costs less than reading them by offset; `None` where
    /// it doesn't.
    fn in_order(&self) -> io::Result<Option<Box<dyn io::Read + '_>>> {
        Ok(None)
    }
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        // The position that is moved is nobody's: every reader says where it reads.
        let start = match rustix::fs::seek(self, SeekFrom::Data(from)) {
            Ok(start) => start.max(from),
            Err(Errno::NXIO) => return None,
            Err(_) => return Some(from..u64::MAX), // a file system that doesn't know its holes
        };
        // An end that isn't after the start would lead in circles: such an answer is taken for "all data".
        let end = rustix::fs::seek(self, SeekFrom::Hole(start)).ok().filter(|end| *end > start);
        Some(start..end.unwrap_or(u64::MAX))
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl ReadAt for &[u8] {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buf)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        (**self).next_data(from)
    }

    fn readable(&self, range: Range<u64>) -> Option<Range<u64>> {
        (**self).readable(range)
    }

    fn in_order(&self) -> io::Result<Option<Box<dyn io::Read + '_>>> {
        (**self).in_order()
    }
}

/// Reads up to `len` bytes from `offset`: fewer where the file ends earlier, or what was kept of it.
pub(crate) fn read_up_to(source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let available = source.size()?.saturating_sub(offset);
    let mut buf = vec![0; len.min(usize::try_from(available).unwrap_or(usize::MAX))];
    let count = match fill(source, offset, &mut buf) {
        Err(error) => NotKept::of(&error).map(|byte| (byte.offset - offset) as usize).ok_or(error)?,
        Ok(count) => count,
    };
    buf.truncate(count);
    Ok(buf)
}

/// Fills as much of `buf` as the source has from `offset`; returns how much that was.
pub fn fill(source: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let Some(at) = offset.checked_add(done as u64) else { break };
        match source.read_at(at, rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
