//! A core that is laid out: as bytes, or as a sparse file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::encode::{Class, Endian};

/// The largest core that is ever held in memory; larger ones go to a sparse file.
const LARGEST_IN_MEMORY: u64 = 1 << 30;

/// Bytes at an offset; what lies between chunks is zero.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Where a note stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoteMark {
    pub(super) kind: u32,
    pub(super) header: usize,
    pub(super) description: usize,
}

/// A built core.
#[derive(Clone, Debug)]
pub struct CoreImage {
    chunks: Vec<Chunk>,
    length: u64,
    pub(super) class: Class,
    pub(super) endian: Endian,
    headers_end: usize,
    notes: Vec<NoteMark>,
}

impl CoreImage {
    pub(super) fn new(
        chunks: Vec<Chunk>,
        length: u64,
        class: Class,
        endian: Endian,
        headers_end: usize,
        notes: Vec<NoteMark>,
    ) -> CoreImage {
        CoreImage { chunks, length, class, endian, headers_end, notes }
    }

    /// Returns the file's size in bytes, holes included.
    pub fn size(&self) -> u64 {
        self.length
    }

    /// Returns how many bytes ELF header, program headers and notes take at the file's start.
    pub fn headers_size(&self) -> usize {
        self.headers_end
    }

    /// Returns the whole file.
    ///
    /// # Panics
    /// When it is larger than 1 GiB: [`CoreImage::write_to`] makes a sparse file of it.
    pub fn to_vec(&self) -> Vec<u8> {
        assert!(self.length <= LARGEST_IN_MEMORY, "a core of {} bytes is written to a file", self.length);
        let mut file = vec![0; self.length as usize];
        for chunk in &self.chunks {
            let start = chunk.offset as usize;
            file[start..start + chunk.bytes.len()].copy_from_slice(&chunk.bytes);
        }
        file
    }

    /// Writes the file to `path`, with holes where nothing but zeros was asked for.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        for chunk in &self.chunks {
            file.seek(SeekFrom::Start(chunk.offset))?;
            file.write_all(&chunk.bytes)?;
        }
        file.set_len(self.length)
    }

    /// Returns every shorter form of the file that cuts within the headers and notes, byte by byte, then one
    /// per 64 bytes: what an interrupted copy may leave.
    pub fn prefixes(&self) -> impl Iterator<Item = Vec<u8>> {
        let whole = self.to_vec();
        let headers = self.headers_end.min(whole.len());
        let lengths = (0..headers).chain((headers..whole.len()).step_by(64));
        lengths.map(move |length| whole[..length].to_vec())
    }

    /// Returns the file once per byte of its headers and notes, with that byte inverted.
    pub fn flips(&self) -> impl Iterator<Item = Vec<u8>> {
        let whole = self.to_vec();
        (0..self.headers_end).map(move |at| {
            let mut flipped = whole.clone();
            flipped[at] = !flipped[at];
            flipped
        })
    }

    pub(super) fn note(&self, kind: u32) -> Option<NoteMark> {
        self.notes.iter().copied().find(|note| note.kind == kind)
    }

    pub(super) fn first_note(&self) -> Option<NoteMark> {
        self.notes.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use crate::core::{CoreBuilder, Segment, Thread};

    #[test]
    fn a_sparse_core_costs_what_it_holds() {
        let core = CoreBuilder::new()
            .thread(Thread::new(1))
            .segment(Segment::hole(0x7000_0000, 16 << 30))
            .segment(Segment::data(0x7_0000_0000, [7; 16]))
            .build();
        let file = tempfile::NamedTempFile::new().unwrap();
        core.write_to(file.path()).unwrap();
        let metadata = file.path().metadata().unwrap();
        assert_eq!(metadata.len(), core.size());
        assert!(metadata.len() > 16 << 30 && metadata.blocks() * 512 < 1 << 20, "{metadata:?}");
    }

    #[test]
    fn a_file_holds_what_the_bytes_hold() {
        let core =
            CoreBuilder::new().segment(Segment::hole(0, 5000)).segment(Segment::data(1 << 20, [1])).build();
        let file = tempfile::NamedTempFile::new().unwrap();
        core.write_to(file.path()).unwrap();
        assert!(std::fs::read(file.path()).unwrap() == core.to_vec());
    }

    #[test]
    fn prefixes_and_flips_are_all_different_from_the_whole() {
        let core = CoreBuilder::new().thread(Thread::new(1)).segment(Segment::data(4096, [9; 100])).build();
        let whole = core.to_vec();
        assert!(core.prefixes().all(|prefix| prefix.len() < whole.len() && whole.starts_with(&prefix)));
        assert_eq!(core.flips().count(), core.headers_size());
        assert!(core.flips().all(|flipped| flipped.len() == whole.len() && flipped != whole));
    }
}
