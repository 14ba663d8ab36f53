//! The memory around a futex, and the threads that it may name.

use std::collections::HashMap;

use epitaph_elf::{Memory, Process};

/// Bytes on each side of a thread pointer where the threads library keeps its record of the thread (glibc's
/// `struct pthread` is the largest: 2,304 bytes, on one side or the other by architecture).
const RECORD: u64 = 4096;

/// The threads of a process, by what a lock names them by.
pub(super) struct Threads<'a> {
    pub(super) process: &'a Process,
    /// Index by thread id.
    by_tid: HashMap<u32, usize>,
    /// Thread pointer and index, by thread pointer.
    by_pointer: Vec<(u64, usize)>,
}

impl<'a> Threads<'a> {
    pub(super) fn of(process: &'a Process) -> Threads<'a> {
        let threads = || process.threads.iter().enumerate();
        let mut by_pointer: Vec<(u64, usize)> = threads()
            .filter_map(|(index, thread)| Some((thread.tls.filter(|tls| *tls != 0)?, index)))
            .collect();
        by_pointer.sort_unstable();
        Threads {
            process,
            by_tid: threads().map(|(index, thread)| (thread.tid, index)).collect(),
            by_pointer,
        }
    }

    /// Returns the index of the thread that has this id.
    pub(super) fn find(&self, tid: u32) -> Option<usize> {
        self.by_tid.get(&tid).copied()
    }

    /// Returns the index of the thread whose record may hold an address: the one whose thread pointer is nearest.
    pub(super) fn with_record_at(&self, address: u64) -> Option<usize> {
        let next = self.by_pointer.partition_point(|(pointer, _)| *pointer <= address);
        let near = [next.checked_sub(1), Some(next)].into_iter().flatten();
        near.filter_map(|index| self.by_pointer.get(index))
            .map(|(pointer, index)| (pointer.abs_diff(address), *index))
            .filter(|(distance, _)| *distance < RECORD)
            .min()
            .map(|(_, index)| index)
    }
}

/// Memory that is laid out around an address.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    memory: &'a dyn Memory,
    process: &'a Process,
    address: u64,
}

impl<'a> Place<'a> {
    pub(super) fn new(memory: &'a dyn Memory, process: &'a Process, address: u64) -> Place<'a> {
        Place { memory, process, address }
    }

    /// Moves it by so many bytes.
    pub(super) fn at(self, offset: i64) -> Place<'a> {
        Place { address: self.address.wrapping_add_signed(offset), ..self }
    }

    pub(super) fn address(self) -> u64 {
        self.address
    }

    /// Tells whether addresses have 64 bits: where they have 32, some structures are laid out otherwise.
    pub(super) fn is_wide(self) -> bool {
        self.process.arch.bits() == 64
    }

    /// Reads an `int` that many bytes on.
    pub(super) fn int(self, offset: i64) -> Option<u32> {
        let address = self.address.wrapping_add_signed(offset);
        self.process.arch.read_number(self.memory, address, 4).ok().map(|value| value as u32)
    }

    /// Reads a word as wide as an address that many bytes on.
    pub(super) fn word(self, offset: i64) -> Option<u64> {
        self.process.arch.read_word(self.memory, self.address.wrapping_add_signed(offset)).ok()
    }

    /// Reads 8 bytes that many bytes on.
    pub(super) fn long(self, offset: i64) -> Option<u64> {
        let address = self.address.wrapping_add_signed(offset);
        self.process.arch.read_number(self.memory, address, 8).ok()
    }
}
