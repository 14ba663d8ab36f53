//! A small cache of pages over slower memory.

use std::cell::RefCell;

use crate::memory::{Memory, MemoryError};
use crate::segment::Segment;

/// Bytes of a cached page: unwinding reads words near each other, so a page answers hundreds of reads.
const PAGE: usize = 4096;

/// Pages that are kept: 256 KiB in all.
const PAGES: usize = 64;

/// Wraps memory so that reads near each other cost one read of the memory beneath. Not shared between threads.
pub struct PageCache<'a> {
    inner: &'a dyn Memory,
    slots: RefCell<Vec<Slot>>,
}

/// A direct-mapped slot: the page's number and its bytes, empty if never filled.
#[derive(Clone, Default)]
struct Slot {
    page: u64,
    bytes: Box<[u8]>,
}

impl std::fmt::Debug for PageCache<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageCache").finish_non_exhaustive()
    }
}

impl<'a> PageCache<'a> {
    /// Wraps `inner`.
    pub fn new(inner: &'a dyn Memory) -> PageCache<'a> {
        PageCache { inner, slots: RefCell::new(vec![Slot::default(); PAGES]) }
    }

    /// Copies from one page; `false` if the page as a whole can't be read.
    fn read_within(&self, page: u64, offset: usize, buf: &mut [u8]) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(page as usize % PAGES) else { return false };
        if slot.page != page || slot.bytes.is_empty() {
            let mut bytes = std::mem::take(&mut slot.bytes);
            if bytes.is_empty() {
                bytes = vec![0; PAGE].into_boxed_slice();
            }
            if self.inner.read(page.wrapping_mul(PAGE as u64), &mut bytes).is_err() {
                return false;
            }
            *slot = Slot { page, bytes };
        }
        match slot.bytes.get(offset..offset + buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}

impl Memory for PageCache<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let (page, offset) = (address / PAGE as u64, (address % PAGE as u64) as usize);
        if offset + buf.len() <= PAGE && self.read_within(page, offset, buf) {
            return Ok(());
        }
        // Reads across pages are rare, and a page that isn't wholly there must tell exactly what isn't.
        self.inner.read(address, buf)
    }

    fn is_executable(&self, address: u64) -> bool {
        self.inner.is_executable(address)
    }

    fn regions(&self) -> &[Segment] {
        self.inner.regions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// 0x1800 bytes from 0x1000, each the low byte of its address.
    struct Pattern(Cell<usize>);

    impl Memory for Pattern {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            self.0.set(self.0.get() + 1);
            for (index, byte) in buf.iter_mut().enumerate() {
                let at = address + index as u64;
                if !(0x1000..0x2800).contains(&at) {
                    return Err(MemoryError::Unmapped { address: at });
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
    fn it_answers_as_the_memory_beneath() {
        let pattern = Pattern(Cell::new(0));
        let cache = PageCache::new(&pattern);
        for address in 0xff0..0x2810 {
            for len in [1, 8, 32] {
                let (mut cached, mut direct) = (vec![0; len], vec![0; len]);
                assert_eq!(
                    cache.read(address, &mut cached),
                    pattern.read(address, &mut direct),
                    "{address:#x}+{len}"
                );
                assert_eq!(cached, direct);
            }
        }
    }

    #[test]
    fn a_page_is_read_once() {
        let pattern = Pattern(Cell::new(0));
        let cache = PageCache::new(&pattern);
        for address in 0x1000..0x1ff8 {
            cache.read(address, &mut [0; 8]).unwrap();
        }
        assert_eq!(pattern.0.get(), 1);
    }
}
