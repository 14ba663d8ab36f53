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
    let mut bytes = Vec::new();
    while bytes.len() < longest {
        let mut byte = [0];
        let Some(at) = address.checked_add(bytes.len() as u64) else { break };
        if memory.read(at, &mut byte).is_err() || byte == [0] {
            break;
        }
        bytes.extend(byte);
    }
    bytes
}

/// Reads `len` bytes.
pub fn read_vec(memory: &dyn Memory, address: u64, len: usize) -> Result<Vec<u8>, MemoryError> {
    let mut buf = vec![0; len];
    memory.read(address, &mut buf)?;
    Ok(buf)
}
