//! Reading a dead process's memory.

use thiserror::Error;

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

/// Reads `len` bytes.
pub fn read_vec(memory: &dyn Memory, address: u64, len: usize) -> Result<Vec<u8>, MemoryError> {
    let mut buf = vec![0; len];
    memory.read(address, &mut buf)?;
    Ok(buf)
}
