//! A loadable segment: where bytes of a file belong in memory.

use goblin::elf::program_header::{PF_R, PF_W, PF_X, ProgramHeader};

/// A `PT_LOAD` program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address (before the load bias, in an object file).
    pub address: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Offset of its bytes in the file.
    pub offset: u64,
    /// Bytes in the file, from the segment's start; the rest was not dumped (core) or is zero (object).
    pub file_size: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

impl Segment {
    /// Takes a program header; sizes that would reach beyond the address space or the file are clamped.
    pub(crate) fn new(header: &ProgramHeader) -> Segment {
        let memory_size = header.p_memsz.min(u64::MAX - header.p_vaddr);
        Segment {
            address: header.p_vaddr,
            memory_size,
            offset: header.p_offset,
            file_size: header.p_filesz.min(memory_size).min(u64::MAX - header.p_offset),
            read: header.p_flags & PF_R != 0,
            write: header.p_flags & PF_W != 0,
            execute: header.p_flags & PF_X != 0,
        }
    }

    /// First address after it.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.memory_size)
    }

    /// Tells whether `address` is in it.
    pub fn contains(&self, address: u64) -> bool {
        self.address <= address && address < self.end()
    }
}
