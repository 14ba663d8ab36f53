//! What a file holds, told before it is sent: its key is its hash.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::buffers::Buffers;
use crate::files::length_now;
use crate::hash::{Copied, hex};

/// How much is read at a time while hashing.
const PIECE: u64 = 1 << 20;

/// The hash of a file, and a check of each of its parts. The second reading, when parts are sent, compares: so what is
/// stored under a hash has that hash, although the file may change between the two.
///
/// The check is XXH3 with a seed that nobody else knows: a tenth of what SHA-256 costs, and whoever changes the file
/// can't aim at it.
#[derive(Debug)]
pub(super) struct Digests {
    pub(super) content: Copied,
    pub(super) part_size: u64,
    seed: u64,
    parts: Vec<u128>,
}

impl Digests {
    /// Reads a file to the end that it has at that moment. The part size grows with the file, since no store takes more
    /// than 10,000 parts.
    pub(super) fn of(file: &File, least_part_size: u64) -> io::Result<Self> {
        let expected = file.metadata()?.len();
        let (part_size, end) = (part_size(expected, least_part_size), length_now(file)?);
        let (mut whole, mut parts, mut size) = (Sha256::new(), Vec::new(), 0);
        let mut piece = vec![0; usize::try_from(PIECE.min(part_size)).unwrap_or_default()];
        let seed = RandomState::new().hash_one(());
        let mut part = XxHash3_128::with_seed(seed);
        loop {
            let left = (part_size - size % part_size).min(end.saturating_sub(size));
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let room = piece.get_mut(..room).unwrap_or_default();
            let length = match file.read_at(room, size) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let read = room.get(..length).unwrap_or_default();
            whole.update(read);
            part.write(read);
            size += length as u64;
            if length > 0 && size % part_size == 0 || length == 0 && (size % part_size > 0 || size == 0) {
                parts.push(part.finish_128());
                part = XxHash3_128::with_seed(seed);
            }
            if length == 0 {
                return Ok(Self {
                    content: Copied { size, sha256: hex(&whole.finalize()) },
                    part_size,
                    seed,
                    parts,
                });
            }
        }
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The length of a part in bytes.
    pub(super) fn length(&self, part: usize) -> u64 {
        self.content.size.saturating_sub(part as u64 * self.part_size).min(self.part_size)
    }

    /// Reads a part; none if it is not what it was.
    pub(super) fn read(&self, file: &File, part: usize, buffers: &Buffers) -> io::Result<Option<Bytes>> {
        let mut bytes = buffers.take(usize::try_from(self.length(part)).unwrap_or(usize::MAX));
        match file.read_exact_at(&mut bytes, part as u64 * self.part_size) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let same = self.parts.get(part) == Some(&XxHash3_128::oneshot_with_seed(self.seed, &bytes));
        Ok(same.then(|| buffers.lend(bytes)))
    }
}

/// S3 takes 10,000 parts; a tenth is left to files that grow.
fn part_size(size: u64, least: u64) -> u64 {
    least.max(1).max(size.div_ceil(9000))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::hash::sha256_of;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn parts_and_whole() {
        for (length, parts) in [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)] {
            let content: Vec<u8> = (0..length).collect();
            let file = file(&content);
            let digests = Digests::of(&file, 4).unwrap();
            assert_eq!((digests.parts(), digests.content.size), (parts, u64::from(length)), "{length}");
            assert_eq!(digests.content.sha256, sha256_of(&content));
            let read: Vec<u8> = (0..parts)
                .flat_map(|part| digests.read(&file, part, &Buffers::default()).unwrap().unwrap().to_vec())
                .collect();
            assert_eq!(read, content);
        }
    }

    #[test]
    fn a_changed_part_is_seen() {
        let mut file = file(b"abcdefgh");
        let digests = Digests::of(&file, 4).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file.write_all(b"abcX").unwrap();
        assert_eq!(digests.read(&file, 0, &Buffers::default()).unwrap(), None);
        assert_eq!(digests.read(&file, 1, &Buffers::default()).unwrap().unwrap(), "efgh");
        file.set_len(6).unwrap();
        assert_eq!(digests.read(&file, 1, &Buffers::default()).unwrap(), None);
    }

    #[test]
    fn part_sizes() {
        let mib = 1 << 20;
        assert_eq!(part_size(0, 8 * mib), 8 * mib);
        assert_eq!(part_size(10 << 30, 8 * mib), 8 * mib);
        assert!((1u64 << 40).div_ceil(part_size(1 << 40, 8 * mib)) <= 9000);
    }
}
