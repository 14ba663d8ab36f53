//! The memory of a process that stands still: `/proc/PID/mem`, and `/proc/PID/pagemap` for what there is of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use epitaph_elf::ReadAt;
use rustix::process::Pid;

/// Bytes of an entry of the page map (linux/Documentation/admin-guide/mm/pagemap.rst).
const ENTRY: u64 = 8;
/// Of an entry: the page is in memory, or swapped out. Without either, the process never touched it.
const THERE: u64 = 1 << 63 | 1 << 62;
/// Entries that are read at once.
const AT_ONCE: u64 = 8192;

/// Memory by address.
#[derive(Debug)]
pub(super) struct LiveMemory {
    memory: File,
    /// Without it, every page is taken for touched.
    page_map: Option<File>,
    page_size: u64,
    /// Where pages hold zeros until they are touched, by address: reading those would make the process have them.
    zeros_at_first: Vec<Range<u64>>,
}

impl LiveMemory {
    /// Opens the memory of a process.
    pub(super) fn open(process: Pid) -> io::Result<LiveMemory> {
        let folder = format!("/proc/{}", process.as_raw_pid());
        Ok(LiveMemory {
            memory: File::open(format!("{folder}/mem"))?,
            page_map: File::open(format!("{folder}/pagemap")).ok(),
            page_size: procfs::page_size(),
            zeros_at_first: Vec::new(),
        })
    }

    /// Says where pages hold zeros until they are touched, by address.
    pub(super) fn with_zeros_at_first(self, ranges: Vec<Range<u64>>) -> LiveMemory {
        LiveMemory { zeros_at_first: ranges, ..self }
    }

    pub(super) fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Finds the first pages of a range that were touched; none is told beyond those that are looked at in one go.
    fn touched(&self, range: Range<u64>) -> Option<Range<u64>> {
        let Some(page_map) = &self.page_map else { return Some(range) };
        let mut page = range.start / self.page_size;
        let last = range.end.div_ceil(self.page_size);
        let mut entries = Vec::new();
        while page < last {
            entries.resize(((last - page).min(AT_ONCE) * ENTRY) as usize, 0);
            let Ok(read @ 8..) = FileExt::read_at(page_map, &mut entries, page * ENTRY) else {
                return Some(page * self.page_size..range.end);
            };
            let (words, _) = entries.get(..read).unwrap_or_default().as_chunks::<{ ENTRY as usize }>();
            let is_there = |word: &[u8; ENTRY as usize]| u64::from_ne_bytes(*word) & THERE != 0;
            if let Some(first) = words.iter().position(is_there) {
                let count = words.iter().skip(first).take_while(|word| is_there(word)).count();
                let start = (page + first as u64) * self.page_size;
                let end = start + count as u64 * self.page_size;
                return Some(start.max(range.start)..end.min(range.end));
            }
            page += words.len() as u64;
        }
        None
    }
}

impl ReadAt for LiveMemory {
    fn size(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, address: u64, buf: &mut [u8]) -> io::Result<usize> {
        match FileExt::read_at(&self.memory, buf, address) {
            Ok(count) => Ok(count),
            // A page that can't be had: of a file that became shorter, or of a device. The kernel's cores have a hole.
            Err(_) => {
                let left = self.page_size - address % self.page_size;
                let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                buf.get_mut(..len).unwrap_or_default().fill(0);
                Ok(len)
            }
        }
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        let first = self.zeros_at_first.partition_point(|range| range.end <= from);
        let mut at = from;
        for range in self.zeros_at_first.iter().skip(first) {
            if at < range.start {
                return Some(at..range.start);
            }
            if let Some(touched) = self.touched(at..range.end) {
                return Some(touched);
            }
            at = range.end;
        }
        Some(at..u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_were_touched_are_data() {
        const PAGES: usize = 64;
        let page = procfs::page_size() as usize;
        let mut memory = vec![0_u8; PAGES * page]; // from fresh zeros, none of them touched
        let start = (memory.as_ptr() as u64).next_multiple_of(page as u64);
        let skipped = (start - memory.as_ptr() as u64) as usize;
        memory[skipped + 20 * page] = 1;
        memory[skipped + 21 * page] = 2;
        let end = start + 40 * page as u64;
        let live = LiveMemory::open(rustix::process::getpid())
            .unwrap()
            .with_zeros_at_first(std::iter::once(start + page as u64..end).collect());
        let data = live.next_data(start + page as u64).unwrap();
        // A huge page may have come instead of single ones.
        assert!(data.start <= start + 20 * page as u64 && data.end >= start + 22 * page as u64, "{data:x?}");
        let mut bytes = [0; 1];
        live.read_at(start + 21 * page as u64, &mut bytes).unwrap();
        assert_eq!(bytes, [2]);
        assert_eq!(live.next_data(end), Some(end..u64::MAX));
        assert_eq!(live.next_data(start), Some(start..start + page as u64));
    }

    #[test]
    fn what_cannot_be_read_is_zero_up_to_the_end_of_its_page() {
        let live = LiveMemory::open(rustix::process::getpid()).unwrap();
        let mut bytes = [7; 64];
        assert_eq!(live.read_at(live.page_size() - 16, &mut bytes).unwrap(), 16);
        assert_eq!(bytes[..16], [0; 16]);
    }
}
