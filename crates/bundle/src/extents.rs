//! What identifies a core, whatever it is compressed with and wherever its holes are.

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use crate::digest::hex;
use crate::runs::Run;

/// The identity of a core: `core.data_size` and `core.extents_sha256` of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identified {
    /// Bytes of data: of the grains that are not all zero.
    pub(crate) data_size: u64,
    /// sha256 over the extents, as lower-case hex.
    pub(crate) extents_sha256: String,
}

/// Hashes a core's extents, as they pass.
///
/// The core is divided into grains of 4096 bytes (the last may be shorter). Extents are the longest runs of grains of
/// which none is all zero. For each, in order, 32 bytes are hashed: its offset and its length in bytes, 8 bytes each,
/// little-endian, and the XXH3-128 of its content (seed 0) in its canonical form, big-endian. Last comes the size of
/// the core in bytes, 8 bytes, little-endian. Zeros are not looked at, so that a hole costs nothing; and the bytes go
/// through a hash that is as fast as memory: whoever would forge a core can, the sha256 of the stored copy is there
/// against that.
pub(crate) struct ExtentHash {
    /// Bytes that have passed.
    at: u64,
    /// Where the extent began that goes on, and the hash of it so far.
    open: Option<(u64, XxHash3_128)>,
    list: Sha256,
    data_size: u64,
}

impl ExtentHash {
    pub(crate) fn new() -> ExtentHash {
        ExtentHash { at: 0, open: None, list: Sha256::new(), data_size: 0 }
    }

    /// Takes the next run of the core, or a part of one.
    pub(crate) fn add(&mut self, run: &Run<'_>) {
        match run {
            Run::Zeros(count) => {
                self.close();
                self.at += count;
            }
            Run::Data(bytes) => {
                let at = self.at;
                self.open.get_or_insert_with(|| (at, XxHash3_128::new())).1.write(bytes);
                self.at += bytes.len() as u64;
                self.data_size += bytes.len() as u64;
            }
        }
    }

    /// Ends the core.
    pub(crate) fn finish(mut self) -> Identified {
        self.close();
        self.list.update(self.at.to_le_bytes());
        Identified { data_size: self.data_size, extents_sha256: hex(&self.list.finalize()) }
    }

    fn close(&mut self) {
        if let Some((start, hash)) = self.open.take() {
            self.list.update(start.to_le_bytes());
            self.list.update((self.at - start).to_le_bytes());
            self.list.update(hash.finish_128().to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_what_the_documentation_says() {
        let mut hash = ExtentHash::new();
        for run in [
            Run::Data(&[1; 4096]),
            Run::Data(&[2; 8192]),
            Run::Zeros(4096),
            Run::Zeros(1 << 40),
            Run::Data(&[3; 100]),
        ] {
            hash.add(&run);
        }
        let extents = [(0u64, [vec![1; 4096], vec![2; 8192]].concat()), ((1 << 40) + 16384, vec![3; 100])];
        let mut listed = Vec::new();
        for (start, content) in &extents {
            listed.extend(start.to_le_bytes());
            listed.extend((content.len() as u64).to_le_bytes());
            listed.extend(XxHash3_128::oneshot(content).to_be_bytes());
        }
        listed.extend(((1u64 << 40) + 16484).to_le_bytes());
        let expected = Identified { data_size: 12388, extents_sha256: hex(&Sha256::digest(&listed)) };
        assert_eq!(hash.finish(), expected);
    }

    #[test]
    fn zeros_at_the_end_make_another_core() {
        let of = |zeros| {
            let mut hash = ExtentHash::new();
            hash.add(&Run::Zeros(zeros));
            hash.finish()
        };
        assert_ne!(of(4096), of(8192));
        assert_eq!(of(0).data_size, 0);
    }
}
