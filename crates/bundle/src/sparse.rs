//! Cores in order: reading without the holes, writing with them.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use epitaph_elf::ReadAt;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek64};

/// Bytes that are read at a time.
const READ: usize = 256 * 1024;
/// Bytes that are looked at together: all zero, or data.
const GRAIN: usize = 64 * 1024;
/// The unit in which holes are written: a block of every usual file system.
const BLOCK: usize = 4096;

static ZEROS: [u8; GRAIN] = [0; GRAIN];

/// A part of a file.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// As many zeros.
    Zeros(u64),
    /// These bytes.
    Data(&'a [u8]),
}

/// Why the pieces of a file were not all handed on.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// The file can't be read, from this offset on.
    Read(u64, io::Error),
    /// The receiver failed.
    Receiver(io::Error),
}

/// Hands the first `size` bytes of `source` to `each`, in order, and returns how many there were: fewer than `size`
/// if the file shrank meanwhile.
///
/// `holes` is the same file, if it is one: what it holds nothing of is not read.
pub(crate) fn pieces(
    source: &dyn ReadAt,
    size: u64,
    holes: Option<&File>,
    each: &mut dyn FnMut(Piece<'_>) -> io::Result<()>,
) -> Result<u64, Interrupted> {
    let mut buf = vec![0; READ];
    let mut at = 0;
    while at < size {
        let data = holes.map_or(at..size, |file| next_data(file, at, size));
        if data.start > at {
            each(Piece::Zeros(data.start - at)).map_err(Interrupted::Receiver)?;
            at = data.start;
        }
        while at < data.end {
            let wanted = (data.end - at).min(READ as u64) as usize;
            let count = match source.read_at(at, buf.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => return Ok(at),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Interrupted::Read(at, error)),
            };
            hand_on(buf.get(..count).unwrap_or_default(), each)?;
            at += count as u64;
        }
    }
    Ok(at)
}

/// Hands all that `stream` gives to `each`, in order, and returns how many bytes there were: where the stream breaks off,
/// those before that.
pub(crate) fn pieces_of_stream(
    stream: &mut dyn Read,
    each: &mut dyn FnMut(Piece<'_>) -> io::Result<()>,
) -> Result<u64, Interrupted> {
    let mut buf = vec![0; READ];
    let mut at = 0;
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return Ok(at),
            Ok(count) => {
                hand_on(buf.get(..count).unwrap_or_default(), each)?;
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(at),
        }
    }
}

/// Hands bytes on, those that are all zeros as such.
fn hand_on(bytes: &[u8], each: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> Result<(), Interrupted> {
    bytes.chunks(GRAIN).try_for_each(|grain| {
        let piece = if is_zero(grain) { Piece::Zeros(grain.len() as u64) } else { Piece::Data(grain) };
        each(piece).map_err(Interrupted::Receiver)
    })
}

/// Returns the next range at or after `from` that the file holds data of; an empty one at `size` if there is none.
fn next_data(file: &File, from: u64, size: u64) -> Range<u64> {
    let seek = |offset: u64, whence| {
        let offset = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        lseek64(file, offset, whence).map(|found| u64::try_from(found).unwrap_or(size).min(size))
    };
    let start = match seek(from, Whence::SeekData) {
        Ok(start) => start.max(from),
        // A hole to the end: the end that the file has now. Beyond it there is nothing to be read, and no zeros.
        Err(Errno::ENXIO) => return file.metadata().map_or(from, |now| now.len().clamp(from, size))..size,
        Err(_) => return from..size, // a file system that doesn't know its holes
    };
    // An end that isn't after the start would go in circles: such an answer is taken for "all data".
    let end = seek(start, Whence::SeekHole).ok().filter(|end| *end > start).unwrap_or(size);
    start..end
}

/// Tells whether all bytes are zero. `bytes` holds at most [`GRAIN`].
fn is_zero(bytes: &[u8]) -> bool {
    ZEROS.get(..bytes.len()).is_some_and(|zeros| bytes == zeros)
}

/// A file that is written from its start on, with holes where blocks of zeros would be.
pub(crate) struct SparseWriter {
    file: File,
    len: u64,
}

impl SparseWriter {
    /// Starts writing an empty file.
    pub(crate) fn new(file: File) -> SparseWriter {
        SparseWriter { file, len: 0 }
    }

    /// Appends `bytes`.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let zeros = leading_blocks(bytes, self.len, true);
            self.len += zeros as u64;
            bytes = bytes.get(zeros..).unwrap_or_default();
            let data = leading_blocks(bytes, self.len, false);
            let (data, rest) = bytes.split_at_checked(data).unwrap_or_default();
            self.file.write_all_at(data, self.len)?;
            self.len += data.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Gives the file its full size and returns it.
    pub(crate) fn finish(self) -> io::Result<File> {
        self.file.set_len(self.len)?;
        Ok(self.file)
    }
}

/// Returns the length of the part at the start of `bytes`, which lie at `offset`, whose blocks are (or are not) all
/// zero.
fn leading_blocks(bytes: &[u8], offset: u64, zero: bool) -> usize {
    let mut len = 0;
    while let Some(rest) = bytes.get(len..).filter(|rest| !rest.is_empty()) {
        let into_block = (offset + len as u64) % BLOCK as u64;
        let block = rest.get(..BLOCK - into_block as usize).unwrap_or(rest);
        if is_zero(block) != zero {
            break;
        }
        len += block.len();
    }
    len
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn holes_are_not_read_and_zeros_are_told() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"data", 40 << 20).unwrap();
        let (mut read, mut zeros, mut runs) = (0, 0, 0);
        let seen = pieces(&file, 64 << 20, Some(&file), &mut |piece| {
            match piece {
                Piece::Zeros(count) => zeros += count,
                Piece::Data(bytes) => {
                    assert!(bytes.starts_with(b"data"));
                    read += bytes.len() as u64;
                }
            }
            runs += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!((seen, read + zeros), (64 << 20, 64 << 20));
        assert!(read <= GRAIN as u64, "{read}");
        if file.metadata().unwrap().blocks() < 1024 {
            assert!(runs < 20, "{runs} pieces: the holes were read");
        }
    }

    #[test]
    fn a_file_that_shrank_ends_early() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 1000], 0).unwrap();
        for holes in [None, Some(&file)] {
            assert_eq!(pieces(&file, 5000, holes, &mut |_| Ok(())).unwrap(), 1000);
        }
        file.set_len(1 << 20).unwrap();
        assert_eq!(pieces(&file, 2 << 20, Some(&file), &mut |_| Ok(())).unwrap(), 1 << 20);
        assert_eq!(pieces(&file, 1 << 20, Some(&file), &mut |_| Ok(())).unwrap(), 1 << 20);
    }

    #[test]
    fn what_is_written_sparsely_reads_the_same() {
        let mut expected = vec![0u8; 1 << 20];
        for at in [0, 4095, 4096, 100_000, 262_143, (1 << 20) - 1] {
            expected[at] = 1;
        }
        expected.extend([0; 9000]); // zeros at the end, not a whole number of blocks
        for step in [1000, 4096, 131_072, expected.len()] {
            let mut writer = SparseWriter::new(tempfile::tempfile().unwrap());
            for part in expected.chunks(step) {
                writer.append(part).unwrap();
            }
            let file = writer.finish().unwrap();
            let held = file.metadata().unwrap().blocks() * 512;
            assert!(held <= 16 * BLOCK as u64, "step {step}: {held}");
            let mut actual = vec![9; expected.len()];
            file.read_exact_at(&mut actual, 0).unwrap();
            assert!(actual == expected, "step {step}");
            assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
        }
    }
}
