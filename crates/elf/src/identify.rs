//! What kind of file is this?

use std::io;

use goblin::elf::header::{ELFMAG, ET_CORE, ET_DYN, ET_EXEC, ET_REL, SELFMAG};

use crate::header::{ElfHeader, LONGEST_HEADER};
use crate::read_at::{ReadAt, read_up_to};

/// What kind of file it is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// An ELF core (`ET_CORE`), of any architecture.
    Core,
    /// A program at a fixed address (`ET_EXEC`).
    Executable,
    /// A shared object or a position-independent program (`ET_DYN`).
    SharedObject,
    /// An object file before linking (`ET_REL`).
    Relocatable,
    /// It begins as an ELF file does, but its header makes no sense or is cut short.
    BrokenElf,
    /// Anything else.
    NotElf,
    /// No bytes at all.
    Empty,
}

/// Looks at the first 64 bytes of a file and says what it is.
pub fn identify(source: &dyn ReadAt) -> io::Result<FileKind> {
    let start = read_up_to(source, 0, LONGEST_HEADER)?;
    if start.is_empty() {
        return Ok(FileKind::Empty);
    }
    if start.get(..SELFMAG) != Some(ELFMAG.as_slice()) {
        return Ok(FileKind::NotElf);
    }
    let Some(header) = ElfHeader::parse(&start) else { return Ok(FileKind::BrokenElf) };
    Ok(match header.kind {
        ET_CORE => FileKind::Core,
        ET_EXEC => FileKind::Executable,
        ET_DYN => FileKind::SharedObject,
        ET_REL => FileKind::Relocatable,
        _ => FileKind::BrokenElf,
    })
}
