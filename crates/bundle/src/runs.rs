//! Reading a core from end to end as runs of data and of zeros.

use std::io::{self, Read};
use std::ops::Range;

use epitaph_elf::{ReadAt, fill};

/// Bytes that are read at a time: few enough to stay in the processor's cache.
const READ: usize = 256 * 1024;
/// The unit that is all zero or else data, in bytes; its multiples are where runs begin. A page, as kernels dump them,
/// and a block of every usual file system.
pub(crate) const GRAIN: usize = 4096;

static ZEROS: [u8; GRAIN] = [0; GRAIN];

/// A part of a core.
#[derive(Debug)]
pub(crate) enum Run<'a> {
    /// As many zeros.
    Zeros(u64),
    /// These bytes.
    Data(&'a [u8]),
}

/// Why not all runs were handed on.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// The source can't be read, from this offset on.
    Read(u64, io::Error),
    /// The receiver failed.
    Receiver(io::Error),
}

/// Hands the first `size` bytes of `source` to `each`, in order, and returns how many there were: fewer than `size`
/// if the source shrank meanwhile. Holes are not read.
///
/// Where data ends and zeros begin is a matter of the bytes alone, in grains of [`GRAIN`], whether the source has
/// holes there or not. A run may come in several parts.
pub(crate) fn runs(
    source: &dyn ReadAt,
    size: u64,
    each: &mut dyn FnMut(Run<'_>) -> io::Result<()>,
) -> Result<u64, Interrupted> {
    let mut buf = vec![0; READ];
    let mut at = 0;
    while at < size {
        let data = next_data(source, at, size);
        if data.start > at {
            each(Run::Zeros(data.start - at)).map_err(Interrupted::Receiver)?;
            at = data.start;
        }
        while at < data.end {
            let wanted = (data.end - at).min(READ as u64) as usize;
            let part = buf.get_mut(..wanted).unwrap_or_default();
            let count = fill(source, at, part).map_err(|error| Interrupted::Read(at, error))?;
            split(part.get(..count).unwrap_or_default(), each).map_err(Interrupted::Receiver)?;
            at += count as u64;
            if count < wanted {
                return Ok(at);
            }
        }
    }
    Ok(at)
}

/// Hands all that `stream` gives to `each`, in order, and returns how many bytes there were: where the stream breaks
/// off, those before that.
pub(crate) fn runs_of_stream(
    stream: &mut dyn Read,
    each: &mut dyn FnMut(Run<'_>) -> io::Result<()>,
) -> Result<u64, Interrupted> {
    let mut buf = vec![0; READ];
    let (mut at, mut filled, mut more) = (0, 0, true);
    while more {
        // Whole grains, whatever the pieces are that the stream comes in.
        match stream.read(buf.get_mut(filled..).unwrap_or_default()) {
            Ok(count) if count > 0 => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => more = false,
        }
        if filled == buf.len() || !more {
            split(buf.get(..filled).unwrap_or_default(), each).map_err(Interrupted::Receiver)?;
            at += filled as u64;
            filled = 0;
        }
    }
    Ok(at)
}

/// Returns the next range at or after `from`, in whole grains, that is not a hole; an empty one at `size` if there is
/// none.
fn next_data(source: &dyn ReadAt, from: u64, size: u64) -> Range<u64> {
    match source.next_data(from) {
        Some(data) => {
            let grain = GRAIN as u64;
            let end = data.end.checked_next_multiple_of(grain).unwrap_or(size).min(size);
            (data.start / grain * grain).clamp(from, size)..end
        }
        // A hole to the end: the end that there is now. Beyond it there is nothing to be read, and no zeros.
        None => source.size().map_or(from, |now| now.clamp(from, size))..size,
    }
}

/// Hands on the runs in `bytes`, which begin a grain.
fn split(mut bytes: &[u8], each: &mut dyn FnMut(Run<'_>) -> io::Result<()>) -> io::Result<()> {
    while !bytes.is_empty() {
        let zeros = leading_grains(bytes, true);
        if zeros > 0 {
            each(Run::Zeros(zeros as u64))?;
            bytes = bytes.get(zeros..).unwrap_or_default();
        }
        let data = leading_grains(bytes, false);
        if let Some((data, rest)) = bytes.split_at_checked(data).filter(|(data, _)| !data.is_empty()) {
            each(Run::Data(data))?;
            bytes = rest;
        }
    }
    Ok(())
}

/// Returns the length of the grains at the start of `bytes` that are (or are not) all zero.
fn leading_grains(bytes: &[u8], zero: bool) -> usize {
    bytes.chunks(GRAIN).take_while(|grain| is_zero(grain) == zero).map(<[u8]>::len).sum()
}

/// Tells whether all bytes are zero. `bytes` holds at most [`GRAIN`].
fn is_zero(bytes: &[u8]) -> bool {
    ZEROS.get(..bytes.len()).is_some_and(|zeros| bytes == zeros)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    /// Returns the runs of a source, those that touch put together: where each begins, its length, and if it is data.
    fn merged(source: &dyn ReadAt, size: u64) -> Vec<(u64, u64, bool)> {
        let mut runs: Vec<(u64, u64, bool)> = Vec::new();
        let mut at = 0;
        super::runs(source, size, &mut |run| {
            let (len, data) = match run {
                Run::Zeros(count) => (count, false),
                Run::Data(bytes) => (bytes.len() as u64, true),
            };
            match runs.last_mut().filter(|last| last.2 == data) {
                Some(last) => last.1 += len,
                None => runs.push((at, len, data)),
            }
            at += len;
            Ok(())
        })
        .unwrap();
        runs
    }

    #[test]
    fn runs_are_a_matter_of_the_bytes_alone() {
        const SIZE: u64 = 3 << 20;
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(SIZE + 100).unwrap();
        let bytes = |at: u64| sparse.write_all_at(b"data", at).unwrap();
        for at in [0, 5000, 300_000, (2 << 20) - 4, SIZE + 10] {
            bytes(at);
        }
        let mut plain = vec![0; SIZE as usize + 100];
        sparse.read_exact_at(&mut plain, 0).unwrap();
        let expected = [
            (0, 8192, true),
            (8192, 290_816, false),
            (299_008, 4096, true),
            (303_104, 1_789_952, false),
            (2_093_056, 4096, true),
            (2 << 20, 1 << 20, false),
            (SIZE, 100, true),
        ];
        assert_eq!(merged(&plain, SIZE + 100), expected);
        assert_eq!(merged(&sparse, SIZE + 100), expected);
    }

    #[test]
    fn holes_are_not_read() {
        struct Reads(File, std::sync::atomic::AtomicU64);
        impl ReadAt for Reads {
            fn size(&self) -> io::Result<u64> {
                self.0.size()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
                self.1.fetch_add(buf.len() as u64, std::sync::atomic::Ordering::Relaxed);
                ReadAt::read_at(&self.0, offset, buf)
            }
            fn next_data(&self, from: u64) -> Option<Range<u64>> {
                self.0.next_data(from)
            }
        }
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 30).unwrap();
        file.write_all_at(b"data", 40 << 30).unwrap();
        if file.metadata().unwrap().blocks() > 1024 {
            epitaph_testkit::skip::skipped("the temporary folder's file system has no holes");
            return;
        }
        let source = Reads(file, 0.into());
        assert_eq!(merged(&source, 64 << 30).len(), 3);
        assert!(source.1.into_inner() <= 128 << 10);
    }

    #[test]
    fn a_file_that_shrank_ends_early() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 1000], 0).unwrap();
        let count = |size| runs(&file, size, &mut |_| Ok(())).unwrap();
        assert_eq!(count(5000), 1000);
        file.set_len(1 << 20).unwrap();
        assert_eq!(count(2 << 20), 1 << 20);
        assert_eq!(count(1 << 20), 1 << 20);
    }
}
