//! Memory that remembers what was read of it, so that a smaller core can keep it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::memory::{Memory, MemoryError};
use crate::segment::Segment;
use crate::slim::PAGE;

/// Bytes of a read that is a search: what it finds is read again, and the rest isn't worth keeping.
const SEARCH: usize = 64 << 10;

/// Memory that remembers which of its pages were read.
///
/// Reads of more than 64 KiB are not remembered: whoever searches memory in large parts has to read again what it found.
pub struct Recording<'a> {
    memory: &'a dyn Memory,
    most: usize,
    pages: RefCell<BTreeSet<u64>>,
}

impl std::fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("pages", &self.pages.borrow().len()).finish_non_exhaustive()
    }
}

impl<'a> Recording<'a> {
    /// Remembers the first `most` pages that are read of `memory`.
    pub fn new(memory: &'a dyn Memory, most: usize) -> Recording<'a> {
        Recording { memory, most, pages: RefCell::default() }
    }

    /// Returns the pages that were read, by address; pages of 4 KiB, whatever the process's own are.
    pub fn pages(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let pages = self.pages.borrow().clone();
        pages.into_iter().map(|page| page.saturating_mul(PAGE)..page.saturating_add(1).saturating_mul(PAGE))
    }
}

impl Memory for Recording<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(address, buf)?;
        let mut pages = self.pages.borrow_mut();
        if let Some(last) = (buf.len() as u64).checked_sub(1)
            && buf.len() <= SEARCH
            && pages.len() < self.most
        {
            pages.extend(address / PAGE..=address.saturating_add(last) / PAGE);
        }
        Ok(())
    }

    fn is_executable(&self, address: u64) -> bool {
        self.memory.is_executable(address)
    }

    fn regions(&self) -> &[Segment] {
        self.memory.regions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything but the first page is there.
    struct Zeros;

    impl Memory for Zeros {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            buf.fill(0);
            if address < PAGE { Err(MemoryError::Unmapped { address }) } else { Ok(()) }
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn what_was_read_is_remembered_and_what_was_searched_is_not() {
        let recording = Recording::new(&Zeros, 4);
        for (address, len) in [(0x10, 8), (0x5ffc, 8), (0x3000, 0), (0x2000, 1), (0x10_0000, SEARCH + 1)] {
            let _ = recording.read(address, &mut vec![1; len]);
        }
        assert!(recording.pages().eq([0x2000..0x3000, 0x5000..0x6000, 0x6000..0x7000]));
        let recording = Recording::new(&Zeros, 4);
        for page in 1..100 {
            recording.read(page * PAGE, &mut [0]).unwrap();
        }
        assert_eq!(recording.pages().count(), 4);
    }
}
