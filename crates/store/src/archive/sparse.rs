//! Files whose zeros take no room: cores are mostly zeros, and so are archives that are made to fill a disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// File systems keep holes in units of this size, or of a multiple of it.
const BLOCK: usize = 4096;

/// Writes an empty file from its beginning, leaving out whole blocks of zeros.
#[derive(Debug)]
pub(super) struct SparseWriter<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> SparseWriter<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }

    /// Appends a piece, and tells how many of its bytes take room. Holes are found only in pieces that begin at a
    /// multiple of the block size.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<u64> {
        let mut data = 0;
        for run in runs(piece) {
            if !is_zero(run) {
                self.file.write_all_at(run, self.position)?;
                data += run.len() as u64;
            }
            self.position += run.len() as u64;
        }
        Ok(data)
    }

    /// Gives the file its length, which ends in a hole if its last blocks are zero.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.set_len(self.position)
    }
}

/// Cuts a piece into runs of blocks that are all zero, or none of them.
fn runs(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let zero = is_zero(rest.chunks(BLOCK).next()?);
        let run = rest.chunks(BLOCK).take_while(|block| is_zero(block) == zero).map(<[u8]>::len).sum();
        let (run, after) = rest.split_at_checked(run)?;
        rest = after;
        Some(run)
    })
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let contents: [Vec<u8>; 5] = [
            Vec::new(),
            vec![7; 10],
            vec![0; 3 * BLOCK + 1],
            [vec![1; BLOCK], vec![0; 8 * BLOCK], vec![2; 5], vec![0; 100]].concat(),
            [vec![0; 64 * BLOCK], vec![3; 2 * BLOCK]].concat(),
        ];
        for content in contents {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut writer = SparseWriter::new(file.as_file());
            for piece in content.chunks(16 * BLOCK) {
                writer.append(piece).unwrap();
            }
            writer.finish().unwrap();
            assert!(std::fs::read(file.path()).unwrap() == content, "{} bytes", content.len());
        }
    }

    #[test]
    fn zeros_take_no_room() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = SparseWriter::new(&file);
        let zeros = vec![0; 256 * 1024];
        let data: u64 = (0..64).map(|_| writer.append(&zeros).unwrap()).sum();
        assert_eq!(data, 0);
        writer.finish().unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 16 << 20);
        assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    }
}
