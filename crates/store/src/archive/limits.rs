//! What an archive may make of itself.
//!
//! A zip archive chooses what it unpacks to: a few kilobytes can claim petabytes (and deflate delivers a thousandfold), one
//! piece of data can be listed a million times, a list of nothing can fill the memory. Cores, on the other hand, are
//! honestly large and mostly zeros, so that a plain ratio would refuse them: zeros are unpacked to holes, and what takes
//! room on the disk is bounded apart from what is only long.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

/// The list of an archive's files is read into memory, where it takes several times its size. 100,000 files of usual names
/// take this much.
const LONGEST_LIST: u64 = 16 << 20;

/// How long the files of any archive may be together, in bytes.
const ANY_LENGTH: u64 = 64 << 30;

/// How many bytes other than zeros any archive may unpack to.
const ANY_DATA: u64 = 1 << 30;

/// How many times its own size an archive may unpack to beyond these. Logs of one repeated line come to about 100.
const RATIO: u64 = 200;

/// How many bytes of an archive may be read before it is open.
pub(super) fn list_budget() -> Cell<u64> {
    Cell::new(LONGEST_LIST)
}

/// How many bytes other than zeros an archive of this size may unpack to.
pub(super) fn most_data(size: u64) -> u64 {
    size.saturating_mul(RATIO).max(ANY_DATA)
}

/// Checks what the list of an archive of this size claims: why it is refused, if it is.
pub(super) fn check<R: Read + Seek>(archive: &ZipArchive<R>, size: u64) -> Result<(), String> {
    let (mut packed, mut unpacked) = (0u64, 0u64);
    for index in 0..archive.len() {
        let Ok(entry) = archive.by_index_data(index) else { continue };
        packed = packed.saturating_add(entry.compressed_size());
        unpacked = unpacked.saturating_add(entry.size());
    }
    let most = size.saturating_mul(RATIO).max(ANY_LENGTH);
    if packed > size {
        Err(format!("its files take {packed} bytes of an archive that has {size}: they overlap"))
    } else if unpacked > most {
        Err(format!("its files claim {unpacked} bytes, of which {most} are taken"))
    } else {
        Ok(())
    }
}

/// An archive of which no more than a budget can be read.
#[derive(Debug)]
pub(super) struct Bounded<'a, R> {
    inner: R,
    budget: &'a Cell<u64>,
}

impl<'a, R> Bounded<'a, R> {
    pub(super) fn new(inner: R, budget: &'a Cell<u64>) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("its list of files is too long"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.budget.set(left - read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Bounded<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
