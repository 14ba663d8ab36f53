//! Writing files with holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The unit in which holes are written: a block of every usual file system.
const BLOCK: usize = 4096;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Tells whether all bytes are zero. `bytes` holds at most [`BLOCK`].
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
    use super::*;

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
            let mut actual = vec![9; expected.len()];
            file.read_exact_at(&mut actual, 0).unwrap();
            assert!(actual == expected, "step {step}");
            assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
        }
    }
}
