//! A core that the kernel is still writing: its front from the pipe, its memory from the process itself.
//!
//! The dying process waits for whoever reads the pipe, and its other threads are gone or stopped: its memory stays as
//! the core will hold it. So a slim core is made without a byte of the core's memory being read from the pipe.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use epitaph_elf::{CoreFile, NotKept, ReadAt, Segment};
use rustix::io::Errno;

/// The unit in which memory is there or isn't.
const PAGE: u64 = 4096;
/// Addresses from here on can't be read: they are negative as offsets in a file. On x86-64 the kernel's own page is
/// there (`[vsyscall]`), which it writes into cores.
const UNREACHABLE: u64 = 1 << 63;

/// The core as it will be.
pub(super) struct LiveCore {
    front: Arc<Vec<u8>>,
    /// What is written of memory, by offset in the file.
    segments: Vec<Segment>,
    /// The parts of the file whose memory can't be reached, in order.
    hidden: Vec<Range<u64>>,
    /// `/proc/PID/mem`.
    memory: File,
    size: u64,
}

impl LiveCore {
    /// Puts a core together of its front, what that says, and the process's memory.
    pub(super) fn new(front: Arc<Vec<u8>>, core: &CoreFile, memory: File, size: u64) -> LiveCore {
        LiveCore::of(front, core.parts().to_vec(), memory, size)
    }

    fn of(front: Arc<Vec<u8>>, mut segments: Vec<Segment>, memory: File, size: u64) -> LiveCore {
        segments.retain(|segment| segment.file_size > 0);
        segments.sort_unstable_by_key(|segment| segment.offset);
        let hidden = segments.iter().filter(|segment| segment.address >= UNREACHABLE);
        let hidden = hidden.map(|segment| segment.offset..segment.offset.saturating_add(segment.file_size));
        LiveCore { front, hidden: hidden.collect(), segments, memory, size }
    }

    /// Reads memory. A page that can't be had is zeros, as the kernel writes it (linux/fs/coredump.c,
    /// `dump_user_range`); a process that is gone is an error.
    fn read_memory(&self, address: u64, buf: &mut [u8]) -> io::Result<usize> {
        match FileExt::read_at(&self.memory, buf, address) {
            Ok(0) => {
                let why = "the process ended before its memory was read";
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))
            }
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                let rest = PAGE - address % PAGE;
                let len = buf.len().min(usize::try_from(rest).unwrap_or(buf.len()));
                buf.get_mut(..len).unwrap_or_default().fill(0);
                Ok(len)
            }
            read => read,
        }
    }
}

impl ReadAt for LiveCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        let buf = buf.get_mut(..len).unwrap_or_default();
        let front =
            usize::try_from(offset).ok().and_then(|start| self.front.get(start..)).unwrap_or_default();
        if !front.is_empty() || buf.is_empty() {
            return front.read_at(0, buf);
        }
        let after = self.segments.partition_point(|segment| segment.offset <= offset);
        let before = after.checked_sub(1).and_then(|index| self.segments.get(index));
        if let Some((segment, within)) = before.map(|segment| (segment, offset - segment.offset))
            && within < segment.file_size
        {
            if segment.address >= UNREACHABLE {
                return Err(NotKept { offset }.into());
            }
            let rest = usize::try_from(segment.file_size - within).unwrap_or(usize::MAX);
            let len = buf.len().min(rest);
            return self
                .read_memory(segment.address.wrapping_add(within), buf.get_mut(..len).unwrap_or_default());
        }
        // Between two segments there is padding, and behind them what the kernel writes last and nobody here needs.
        let next = self.segments.get(after).map_or(self.size, |segment| segment.offset);
        let len = buf.len().min(usize::try_from(next.saturating_sub(offset)).unwrap_or(usize::MAX));
        buf.get_mut(..len).unwrap_or_default().fill(0);
        Ok(len)
    }

    fn readable(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut readable = range;
        // This is asked for each of what may be 70,000 segments.
        let first = self.hidden.partition_point(|hidden| hidden.end <= readable.start);
        for hidden in self.hidden.get(first..).unwrap_or_default() {
            if hidden.start > readable.start {
                readable.end = readable.end.min(hidden.start);
                break;
            }
            readable.start = hidden.end;
        }
        (readable.start < readable.end).then_some(readable)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn segment(address: u64, offset: u64, size: u64) -> Segment {
        Segment {
            address,
            memory_size: size,
            offset,
            file_size: size,
            read: true,
            write: true,
            execute: false,
        }
    }

    /// A core of which the front has 8 bytes, whose process has the numbers 0 to 31 for memory.
    fn live(segments: Vec<Segment>) -> LiveCore {
        let mut memory = tempfile::tempfile().unwrap();
        memory.write_all(&(0..32).collect::<Vec<u8>>()).unwrap();
        LiveCore::of(Arc::new(vec![0xee; 8]), segments, memory, 40)
    }

    fn bytes(core: &LiveCore, offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0xaa; len];
        let count = core.read_at(offset, &mut buf).unwrap();
        buf[..count].to_vec()
    }

    #[test]
    fn memory_is_read_where_the_core_will_have_it() {
        let core = live(vec![segment(16, 10, 4), segment(2, 20, 4)]);
        assert_eq!(bytes(&core, 6, 10), [0xee, 0xee]);
        assert_eq!(bytes(&core, 8, 10), [0, 0], "padding");
        assert_eq!(bytes(&core, 10, 10), [16, 17, 18, 19]);
        assert_eq!(bytes(&core, 22, 10), [4, 5]);
        assert_eq!(bytes(&core, 39, 10), [0]);
        assert_eq!(bytes(&core, 40, 10), [0; 0]);
        assert_eq!(core.readable(0..40), Some(0..40));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_and_no_zeros() {
        let core = live(vec![segment(100, 10, 4)]);
        let error = core.read_at(10, &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_cannot_be_reached_is_not_kept() {
        let core = live(vec![segment(2, 10, 4), segment(0xffff_ffff_ff60_0000, 14, 8)]);
        assert_eq!(core.readable(0..40), Some(0..14));
        assert_eq!(core.readable(14..40), Some(22..40));
        assert_eq!(core.readable(15..20), None);
        let error = core.read_at(16, &mut [0; 4]).unwrap_err();
        assert_eq!(NotKept::of(&error), Some(NotKept { offset: 16 }));
    }
}
