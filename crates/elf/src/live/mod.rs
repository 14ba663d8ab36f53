//! A core of a living process: headers and notes made of what the kernel says of it, memory read while the core is.
//!
//! What comes out is laid out as the kernel's own cores are (linux/fs/binfmt_elf.c, `elf_core_dump`): the ELF header, a
//! `PT_NOTE` and a `PT_LOAD` for each mapping, the notes, and the memory in pages. Whoever makes one sees to it that the
//! process stands still until the core has been read.

mod notes;

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use goblin::elf::header::ET_CORE;
use thiserror::Error;

use crate::arch::Arch;
use crate::encode::Encoder;
use crate::header::{Class, ElfHeader, Endian};
use crate::pieces::{Extent, Pieces};
use crate::process::FileMapping;
use crate::read_at::{ReadAt, fill};
use crate::segment::Segment;
use crate::slim::PAGE;

/// A living process, as its core is to tell it.
#[derive(Clone, Debug)]
pub struct LiveProcess {
    /// What its registers are of.
    pub arch: &'static Arch,
    /// Names and ids.
    pub info: LiveInfo,
    /// Its threads, the one first that takes the signal.
    pub threads: Vec<LiveThread>,
    /// The signal that ends it: a `siginfo_t` of the kernel.
    pub signal: Option<Vec<u8>>,
    /// The auxiliary vector, as `/proc/PID/auxv` has it.
    pub auxv: Vec<u8>,
    /// The files that it has mapped, by address; offsets in whole pages.
    pub mappings: Vec<FileMapping>,
    /// What is mapped, by address; `file_size` says how much of it is dumped. Offsets don't count.
    pub segments: Vec<Segment>,
}

/// Names and ids of a process, and how it fares (`struct elf_prpsinfo`, linux/elfcore.h).
#[derive(Clone, Debug, Default)]
pub struct LiveInfo {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// `comm`
    pub name: OsString,
    /// The command line, NULs between the arguments.
    pub args: Vec<u8>,
    /// Its state as a letter: `R`, `S`, `D`, `T`, `Z`.
    pub state: u8,
    /// Nice value.
    pub nice: i8,
    /// The kernel's flags (`PF_…`).
    pub flags: u64,
}

/// A thread that stands still.
#[derive(Clone, Debug)]
pub struct LiveThread {
    /// Thread id.
    pub tid: u32,
    /// Its own `comm`.
    pub name: OsString,
    /// The signal that ends the process, whichever thread takes it (so does the kernel); 0 if none.
    pub signal: i32,
    /// Signals that wait for it, a bit each.
    pub pending: u64,
    /// Signals that it blocks, a bit each.
    pub blocked: u64,
    /// Its general registers: the kernel's `NT_PRSTATUS` set of registers.
    pub registers: Vec<u8>,
    /// Its other sets of registers.
    pub sets: Vec<RegisterSet>,
}

/// Registers as the kernel has them.
#[derive(Clone, Debug)]
pub struct RegisterSet {
    /// `NT_…` of linux/elf.h.
    pub kind: u32,
    /// The set.
    pub bytes: Vec<u8>,
}

/// Why no core can be made of a living process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LiveError {
    /// Its registers are not those of the architecture: a 32-bit program on a 64-bit machine.
    #[error(
        "{size} bytes of registers are not those of {arch}: a program of another architecture or word size"
    )]
    Registers {
        /// The architecture's name.
        arch: &'static str,
        /// Bytes of general registers that the kernel gave.
        size: usize,
    },
    /// No thread's registers are known.
    #[error("no thread of it could be stopped")]
    NoThreads,
    /// Cores of this architecture are only read.
    #[error("cores of {arch} cannot be written")]
    Architecture {
        /// The architecture's name.
        arch: &'static str,
    },
}

/// A core of a living process, to be read like any other file.
pub struct LiveCore {
    pieces: Pieces,
    memory: Arc<dyn ReadAt>,
}

impl std::fmt::Debug for LiveCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveCore").field("pieces", &self.pieces).finish_non_exhaustive()
    }
}

impl LiveCore {
    /// Lays out the core. Memory is read by address from `memory` whenever the core is read.
    pub fn new(process: &LiveProcess, memory: Arc<dyn ReadAt>) -> Result<LiveCore, LiveError> {
        let arch = process.arch;
        let unsupported = LiveError::Architecture { arch: arch.name };
        if arch.class != Class::Elf64 || arch.endian != Endian::Little {
            return Err(unsupported);
        }
        let original = first_bytes(arch);
        let Some(header) = ElfHeader::parse(&original) else { return Err(unsupported) };
        let notes = notes::notes(process, Encoder::new(&header, &original))?;

        let mut out = Encoder::new(&header, &original);
        let count = process.segments.len() as u64 + 1;
        let notes_at = out.size(count);
        let section_at = (notes_at + notes.len() as u64).next_multiple_of(8);
        let mut next = (section_at + out.section_size(count)).next_multiple_of(PAGE);
        let mut segments = process.segments.clone();
        let mut extents = Vec::new();
        for segment in &mut segments {
            segment.offset = next;
            if segment.file_size > 0 {
                let (size, address) = (segment.file_size, segment.address);
                extents.push(Extent { offset: next, size, address, source: address });
                next = next.saturating_add(size).next_multiple_of(PAGE);
            }
        }
        out.header(count, section_at);
        out.notes(notes_at, notes.len() as u64);
        for segment in &segments {
            out.load(segment);
        }
        out.raw(&notes);
        if out.section_size(count) > 0 {
            out.pad(8);
            out.section(count);
        }
        out.pad(PAGE as usize);
        Ok(LiveCore { pieces: Pieces::new(out.into_bytes(), extents), memory })
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.pieces.size()
    }

    fn read_extent(&self, extent: &Extent, within: u64, buf: &mut [u8]) -> io::Result<()> {
        if fill(&self.memory, extent.source.saturating_add(within), buf)? < buf.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the process has ended meanwhile"));
        }
        Ok(())
    }
}

impl ReadAt for LiveCore {
    fn size(&self) -> io::Result<u64> {
        Ok(self.pieces.size())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.pieces.read_at(offset, buf, |extent, within, buf| self.read_extent(extent, within, buf))
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        let head = self.pieces.head_size();
        if from < head {
            return Some(from..head);
        }
        let extents = self.pieces.extents();
        let first = extents.partition_point(|extent| extent.end() <= from);
        extents.iter().skip(first).find_map(|extent| {
            let start = extent.source.saturating_add(from.saturating_sub(extent.offset));
            let end = extent.source.saturating_add(extent.size);
            let data = self.memory.next_data(start).filter(|data| data.start < end)?;
            let place = |address: u64| extent.offset.saturating_add(address - extent.source);
            Some(place(data.start.max(start))..place(data.end.min(end).max(data.start)))
        })
    }
}

/// The first bytes of a core of an architecture, as far as their reader looks: System V gABI, chapter 4.
fn first_bytes(arch: &Arch) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec(); // 64 bits, little-endian, version 1
    bytes.resize(16, 0);
    bytes.extend(ET_CORE.to_le_bytes());
    bytes.extend(arch.machine.to_le_bytes());
    bytes.resize(64, 0);
    bytes
}
