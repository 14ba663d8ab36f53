//! Reading a dead process's memory.

use thiserror::Error;

use crate::segment::Segment;

/// Memory of a process, by its own addresses.
pub trait Memory {
    /// Fills `buf` from `address`.
    ///
    /// # Errors
    ///
    /// All or nothing: an error names the first address that could not be read, and why.
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError>;

    /// Tells whether `address` was mapped executable.
    fn is_executable(&self, address: u64) -> bool;

    /// Returns what was mapped, by address; nothing where that isn't known.
    fn regions(&self) -> &[Segment] {
        &[]
    }
}

/// Why memory could not be read. Three different stories for the person who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// Nothing was mapped there: a bad pointer.
    #[error("nothing is mapped at {address:#x}")]
    Unmapped {
        /// The first address that could not be read.
        address: u64,
    },
    /// It was mapped, but whoever wrote the core left it out (`coredump_filter`, a slim core).
    #[error("memory at {address:#x} was not dumped")]
    NotDumped {
        /// The first address that could not be read.
        address: u64,
    },
    /// It was dumped, but the core file ends before it.
    #[error("memory at {address:#x} is beyond the end of the truncated core")]
    Truncated {
        /// The first address that could not be read.
        address: u64,
    },
}

/// Reads a string up to its NUL, or as far as it can be read; of a longer one its first `longest` bytes.
pub fn read_string(memory: &dyn Memory, address: u64, longest: usize) -> Vec<u8> {
    /// Read at once: a divisor of every page's size, so that what begins at a multiple of it is there as a whole.
    const CHUNK: u64 = 64;
    let mut bytes = Vec::new();
    let mut next = Some(address);
    while let Some(at) = next.filter(|_| bytes.len() < longest) {
        let mut chunk = [0; CHUNK as usize];
        let size = CHUNK - at % CHUNK;
        let part = chunk.get_mut(..size as usize).unwrap_or_default();
        if memory.read(at, part).is_err() {
            break;
        }
        bytes.extend(part.split(|byte| *byte == 0).next().unwrap_or_default());
        next = at.checked_add(size).filter(|_| !part.contains(&0));
    }
    bytes.truncate(longest);
    bytes
}

/// Reads `len` bytes.
pub fn read_vec(memory: &dyn Memory, address: u64, len: usize) -> Result<Vec<u8>, MemoryError> {
    let mut buf = vec![0; len];
    memory.read(address, &mut buf)?;
    Ok(buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` everywhere below an address, with a NUL at another.
    struct Text {
        nul: u64,
        end: u64,
    }

    impl Memory for Text {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            for (at, byte) in (address..).zip(buf) {
                if at >= self.end {
                    return Err(MemoryError::Unmapped { address: at });
                }
                *byte = if at == self.nul { 0 } else { b'x' };
            }
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn strings_end_at_their_nul_or_where_they_are_cut() {
        for (start, nul, end, longest, length) in [
            (0x1000, 0x1000, 0x2000, 100, 0),
            (0x1001, 0x1040, 0x2000, 100, 63),
            (0x1001, 0x1041, 0x2000, 100, 64),
            (0x1010, 0x1800, 0x2000, 100, 100),
            (0x1ff0, 0x2010, 0x2000, 100, 16),
            (0x3000, 0x3010, 0x2000, 100, 0),
        ] {
            assert_eq!(read_string(&Text { nul, end }, start, longest).len(), length, "{start:#x} {nul:#x}");
        }
    }
}
