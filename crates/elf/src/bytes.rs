//! Bytes of an object file: mapped or owned, cheap to clone and to slice.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Shared, immutable bytes.
#[derive(Clone)]
pub struct Bytes {
    backing: Arc<Backing>,
    range: Range<usize>,
}

enum Backing {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}

impl Bytes {
    /// Maps a whole file. Pages are read as they are touched, without read-ahead: object files are big and
    /// little of them is needed.
    pub fn map(file: &File) -> io::Result<Bytes> {
        #[expect(unsafe_code, reason = "mapping a file is what memmap2 calls unsafe")]
        // SAFETY: the map is private and read-only, so nothing is written through it. The file may still change
        // beneath it: its bytes are treated as hostile wherever they are read, so other bytes than expected are
        // harmless. A file that is truncated while it is mapped raises SIGBUS; object files are replaced by
        // rename in practice, and cores (which are not) are never mapped.
        let map = unsafe { memmap2::Mmap::map(file)? };
        // Only advice: a file system that knows no advice serves the map all the same. Without the second one, a page
        // that is touched may bring the two megabytes around it into our memory.
        let _ = map.advise(memmap2::Advice::Random);
        let _ = map.advise(memmap2::Advice::NoHugePage);
        let len = map.len();
        Ok(Bytes { backing: Arc::new(Backing::Mapped(map)), range: 0..len })
    }

    /// Returns the bytes in `range`, sharing them; `None` if it reaches beyond the end.
    pub fn slice(&self, range: Range<usize>) -> Option<Bytes> {
        self.get(range.clone())?;
        let start = self.range.start.checked_add(range.start)?;
        Some(Bytes { backing: Arc::clone(&self.backing), range: start..start.checked_add(range.len())? })
    }
}

impl Bytes {
    /// Lets the system read a part of a mapped file at once: reading page by page as they are touched takes far longer.
    /// Says nothing of a small part, of what isn't mapped, or of what isn't a part of these bytes.
    pub fn will_need(&self, part: &[u8]) {
        /// Bytes from which on it pays to ask.
        const LARGE: usize = 256 << 10;
        let Backing::Mapped(map) = &*self.backing else { return };
        let start = (part.as_ptr() as usize).checked_sub(map.as_ptr() as usize);
        if let Some(start) = start.filter(|start| part.len() >= LARGE && *start < map.len()) {
            // Only advice: without it, the pages come all the same.
            let _ = map.advise_range(memmap2::Advice::WillNeed, start, part.len().min(map.len() - start));
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        let range = 0..bytes.len();
        Bytes { backing: Arc::new(Backing::Owned(bytes)), range }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &*self.backing {
            Backing::Mapped(map) => map,
            Backing::Owned(bytes) => bytes,
        };
        all.get(self.range.clone()).unwrap_or_default()
    }
}
