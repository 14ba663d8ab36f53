//! ELF headers, read piecewise: a core is never read whole, and its tables are only believed within bounds.
//!
//! Layout: System V gABI, chapter 4 (ELF header, section header 0 for extended numbering) and chapter 5
//! (program header).

use goblin::container::{Container, Ctx};
use goblin::elf::header::{EI_CLASS, ELFCLASS32, ELFCLASS64, Header};
use goblin::elf::program_header::ProgramHeader;
use goblin::elf::section_header::SectionHeader;

use crate::arch::machine_name;

/// Bytes of the longest (64-bit) ELF header.
pub(crate) const LONGEST_HEADER: usize = 64;

/// `PN_XNUM`: the real number of program headers is in section header 0's `sh_info`.
pub(crate) const PN_XNUM: u16 = 0xffff;

/// 32- or 64-bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`
    Elf32,
    /// `ELFCLASS64`
    Elf64,
}

/// Byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// `ELFDATA2LSB`
    Little,
    /// `ELFDATA2MSB`
    Big,
}

impl Endian {
    /// Returns the 2-byte number at `offset` of `bytes`.
    pub(crate) fn u16_at(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let array = bytes.get(offset..offset.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Endian::Little => u16::from_le_bytes(array),
            Endian::Big => u16::from_be_bytes(array),
        })
    }

    /// Returns the 4-byte number at `offset` of `bytes`.
    pub(crate) fn u32_at(self, bytes: &[u8], offset: usize) -> Option<u32> {
        let array = bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Endian::Little => u32::from_le_bytes(array),
            Endian::Big => u32::from_be_bytes(array),
        })
    }

    /// Returns the 8-byte number at `offset` of `bytes`.
    pub(crate) fn u64_at(self, bytes: &[u8], offset: usize) -> Option<u64> {
        let array = bytes.get(offset..offset.checked_add(8)?)?.try_into().ok()?;
        Some(match self {
            Endian::Little => u64::from_le_bytes(array),
            Endian::Big => u64::from_be_bytes(array),
        })
    }

    /// Returns the number of `class`'s word size at `offset` of `bytes`.
    #[inline]
    pub(crate) fn word_at(self, class: Class, bytes: &[u8], offset: usize) -> Option<u64> {
        match class {
            Class::Elf32 => self.u32_at(bytes, offset).map(u64::from),
            Class::Elf64 => self.u64_at(bytes, offset),
        }
    }
}

impl Class {
    /// Wraps a sum of addresses around the end of the address space.
    #[inline]
    pub(crate) fn wrap(self, address: u64) -> u64 {
        match self {
            Class::Elf32 => address & u64::from(u32::MAX),
            Class::Elf64 => address,
        }
    }

    /// Returns the size of an address in bytes.
    #[inline]
    pub fn word(self) -> u8 {
        match self {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        }
    }
}

/// The ELF header, checked as far as the tables need it.
#[derive(Clone, Debug)]
pub(crate) struct ElfHeader {
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    /// `e_entry`
    pub(crate) entry: u64,
    pub(crate) program_headers: Table,
    pub(crate) section_headers: Table,
    pub(crate) section_names: u32,
    ctx: Ctx,
}

/// A table of headers in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) offset: u64,
    pub(crate) count: u64,
}

impl ElfHeader {
    /// Parses the first bytes of a file; `None` if they are no ELF header.
    pub(crate) fn parse(bytes: &[u8]) -> Option<ElfHeader> {
        let class = match *bytes.get(EI_CLASS)? {
            ELFCLASS32 => Class::Elf32,
            ELFCLASS64 => Class::Elf64,
            _ => return None,
        };
        let header: Header = goblin::elf::Elf::parse_header(bytes).ok()?;
        let little = header.endianness().ok()?;
        let container = header.container().ok()?;
        Some(ElfHeader {
            class,
            endian: if little.is_little() { Endian::Little } else { Endian::Big },
            kind: header.e_type,
            machine: header.e_machine,
            entry: header.e_entry,
            program_headers: Table { offset: header.e_phoff, count: u64::from(header.e_phnum) },
            section_headers: Table { offset: header.e_shoff, count: u64::from(header.e_shnum) },
            section_names: u32::from(header.e_shstrndx),
            ctx: Ctx::new(container, little),
        })
    }

    /// Bytes of one program header in this class.
    pub(crate) fn program_header_size(&self) -> u64 {
        match self.ctx.container {
            Container::Little => 32,
            Container::Big => 56,
        }
    }

    /// Bytes of one section header in this class.
    pub(crate) fn section_header_size(&self) -> u64 {
        match self.ctx.container {
            Container::Little => 40,
            Container::Big => 64,
        }
    }

    /// Parses the program headers that fit into `table` (the bytes of the table, perhaps cut short).
    pub(crate) fn parse_program_headers(&self, table: &[u8]) -> Vec<ProgramHeader> {
        let count = table.len() as u64 / self.program_header_size();
        ProgramHeader::parse(table, 0, count as usize, self.ctx).unwrap_or_default()
    }

    /// Parses the section headers that fit into `table`.
    pub(crate) fn parse_section_headers(&self, table: &[u8]) -> Vec<SectionHeader> {
        let count = (table.len() as u64 / self.section_header_size()) as usize;
        if count == 0 {
            return Vec::new();
        }
        SectionHeader::parse_from(table, 0, count, self.ctx).unwrap_or_default()
    }

    /// Names the machine for people.
    pub(crate) fn machine_name(&self) -> String {
        machine_name(self.machine, self.class, self.endian)
    }

    /// goblin's reading context for this file's class and byte order.
    pub(crate) fn ctx(&self) -> Ctx {
        self.ctx
    }
}
