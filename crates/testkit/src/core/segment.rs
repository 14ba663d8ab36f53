//! Memory that a core describes: one `PT_LOAD` each.

/// `PF_R | PF_W`: what stacks and heaps have.
const READ_WRITE: u32 = 0b110;

/// What the file holds of a segment.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes that are a hole in the file: they read as zero and cost nothing on disk.
    Hole(u64),
}

/// One mapping of the dead process, dumped wholly, in part, or not at all.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(super) address: u64,
    pub(super) flags: u32,
    pub(super) memory_size: u64,
    pub(super) content: Content,
}

impl Segment {
    /// A mapping at `address` that is dumped wholly (`p_filesz == p_memsz`), readable and writable.
    pub fn data(address: u64, bytes: impl Into<Vec<u8>>) -> Segment {
        let bytes = bytes.into();
        Segment {
            address,
            flags: READ_WRITE,
            memory_size: bytes.len() as u64,
            content: Content::Bytes(bytes),
        }
    }

    /// A mapping of `size` bytes of which nothing is dumped (`p_filesz == 0`).
    pub fn undumped(address: u64, size: u64) -> Segment {
        Segment::data(address, Vec::new()).memory_size(size)
    }

    /// A mapping of `size` zero bytes that are dumped as a hole in the file.
    pub fn hole(address: u64, size: u64) -> Segment {
        Segment { address, flags: READ_WRITE, memory_size: size, content: Content::Hole(size) }
    }

    /// Sets `p_memsz`: larger than what is dumped, as in a kernel-written core, or smaller, which is nonsense.
    #[must_use]
    pub fn memory_size(mut self, size: u64) -> Segment {
        self.memory_size = size;
        self
    }

    /// Sets `p_flags` (`PF_X` 1, `PF_W` 2, `PF_R` 4).
    #[must_use]
    pub fn flags(mut self, flags: u32) -> Segment {
        self.flags = flags;
        self
    }

    /// Bytes in the file: `p_filesz`.
    pub(super) fn file_size(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Hole(size) => *size,
        }
    }
}
