//! The bytes of an object, put together from wherever they are.

use std::ops::Range;

use epitaph_elf::{Memory, MemoryError};

use crate::die::Die;
use crate::variable::Missing;

/// Most bytes of an object that are read: no more than that is shown of any.
const MOST_BYTES: u64 = 1 << 16;
/// Bytes that are read at once where not all can be read.
const PIECE: u64 = 64;

/// A pointer to what has no place in memory (`DW_OP_implicit_pointer`).
#[derive(Clone)]
pub(crate) struct Implicit<'u> {
    /// The entry of what it points to.
    pub(crate) target: Die<'u>,
    /// Bytes from its start.
    pub(crate) offset: i64,
}

/// The bytes of an object, as far as they are known.
#[derive(Clone, Default)]
pub(crate) struct Content<'u> {
    pub(crate) bytes: Vec<u8>,
    /// What is missing of them, in order.
    missing: Vec<(Range<usize>, Missing)>,
    /// Where it is, if it is in memory as a whole.
    pub(crate) address: Option<u64>,
    /// Pointers to what has no place.
    implicit: Vec<(usize, Implicit<'u>)>,
}

impl<'u> Content<'u> {
    /// An object of which every byte is known.
    pub(crate) fn known(bytes: Vec<u8>) -> Content<'u> {
        Content { bytes, ..Content::default() }
    }

    /// An object of which nothing is known.
    pub(crate) fn missing(size: u64, why: Missing) -> Content<'u> {
        let size = size.min(MOST_BYTES) as usize;
        let missing = vec![(0..size.max(1), why)];
        Content { bytes: vec![0; size], missing, ..Content::default() }
    }

    /// Reads an object in memory.
    pub(crate) fn read(memory: &dyn Memory, address: u64, size: u64) -> Content<'u> {
        let size = size.min(MOST_BYTES);
        let mut content =
            Content { bytes: vec![0; size as usize], address: Some(address), ..Content::default() };
        if address.checked_add(size).is_none() {
            content.missing.push((0..size as usize, Missing::Memory(MemoryError::Unmapped { address })));
            return content;
        }
        if size == 0 || memory.read(address, &mut content.bytes).is_ok() {
            return content;
        }
        let mut start = 0;
        while start < size {
            let end = size.min((address + start + PIECE) / PIECE * PIECE - address).max(start + 1);
            let range = start as usize..end as usize;
            let part = content.bytes.get_mut(range.clone()).unwrap_or_default();
            if let Err(error) = memory.read(address + start, part) {
                part.fill(0);
                content.missing.push((range, Missing::Memory(error)));
            }
            start = end;
        }
        content
    }

    /// Puts a part of another object at an offset of this one; both have the same byte order.
    pub(crate) fn put(&mut self, at: usize, part: &Content<'u>) {
        let end = at.saturating_add(part.bytes.len());
        if self.bytes.len() < end {
            self.bytes.resize(end.min(MOST_BYTES as usize), 0);
        }
        for (into, byte) in self.bytes.iter_mut().skip(at).zip(&part.bytes) {
            *into = *byte;
        }
        self.missing.extend(part.missing.iter().map(|(range, why)| (range.start + at..range.end + at, *why)));
        self.implicit.extend(part.implicit.iter().map(|(offset, implicit)| (offset + at, implicit.clone())));
    }

    pub(crate) fn with_implicit(mut self, implicit: Implicit<'u>) -> Content<'u> {
        self.implicit.push((0, implicit));
        self
    }

    /// Returns the pointer at an offset that points to what has no place.
    pub(crate) fn implicit_at(&self, offset: usize) -> Option<&Implicit<'u>> {
        self.implicit.iter().find(|(at, _)| *at == offset).map(|(_, implicit)| implicit)
    }

    /// Returns some of the bytes, or why they are not all known.
    pub(crate) fn get(&self, offset: usize, len: usize) -> Result<&[u8], Missing> {
        let range = offset..offset.saturating_add(len);
        let overlaps =
            |gap: &Range<usize>| gap.start < range.end.max(range.start + 1) && range.start < gap.end;
        if let Some((_, why)) = self.missing.iter().find(|(gap, _)| overlaps(gap)) {
            return Err(*why);
        }
        self.bytes.get(range).ok_or(Missing::Unavailable)
    }

    /// Returns why nothing of it is known, where that is so.
    pub(crate) fn wholly_missing(&self) -> Option<Missing> {
        let (_, first) = self.missing.first()?;
        let mut end = 0;
        for (range, _) in &self.missing {
            if range.start > end {
                return None;
            }
            end = end.max(range.end);
        }
        (end >= self.bytes.len()).then_some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that ends at an address.
    struct UpTo(u64);

    impl Memory for UpTo {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            for (at, byte) in (address..).zip(buf) {
                if at >= self.0 {
                    return Err(MemoryError::NotDumped { address: at });
                }
                *byte = at as u8;
            }
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn what_can_be_read_of_an_object_is() {
        let content = Content::read(&UpTo(0x1080), 0x1030, 0x100);
        assert_eq!(content.get(0, 4), Ok(&[0x30, 0x31, 0x32, 0x33][..]));
        assert_eq!(content.get(0x4f, 1), Ok(&[0x7f][..]));
        assert_eq!(content.get(0x4f, 2), Err(Missing::Memory(MemoryError::NotDumped { address: 0x1080 })));
        assert_eq!(content.wholly_missing(), None);
        let nothing = Content::read(&UpTo(0x1000), 0x2000, 8);
        assert_eq!(
            nothing.wholly_missing(),
            Some(Missing::Memory(MemoryError::NotDumped { address: 0x2000 }))
        );
        let beyond = Content::read(&UpTo(0), u64::MAX - 3, 8);
        assert!(beyond.wholly_missing().is_some());
        assert_eq!(Content::read(&UpTo(0x1_0000_0000), 0x1000, u64::MAX / 2).bytes.len(), 1 << 16);
    }
}
