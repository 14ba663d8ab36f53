//! Headers of an ELF core, as bytes: System V gABI, chapter 4 (ELF header, section header 0) and 5 (program header).

use goblin::elf::header::ET_CORE;
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};

use crate::header::{Class, ElfHeader, Endian, PN_XNUM};
use crate::segment::Segment;
use crate::slim::PAGE;

/// Offset of `e_flags`.
fn flags_at(class: Class) -> usize {
    match class {
        Class::Elf32 => 36,
        Class::Elf64 => 48,
    }
}

/// Bytes of the ELF header.
fn header_size(class: Class) -> u16 {
    match class {
        Class::Elf32 => 52,
        Class::Elf64 => 64,
    }
}

/// Writes the headers of a core of the same class, byte order and machine as another one.
pub(crate) struct Encoder<'a> {
    header: &'a ElfHeader,
    /// The first bytes of the other core.
    original: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(header: &'a ElfHeader, original: &'a [u8]) -> Encoder<'a> {
        Encoder { header, original, out: Vec::new() }
    }

    /// Bytes of the headers before the notes, given how many program headers there are.
    pub(crate) fn size(&self, count: u64) -> u64 {
        u64::from(header_size(self.header.class)) + count * self.header.program_header_size()
    }

    /// Bytes of section header 0, which there is where the ELF header can't hold the count of program headers.
    pub(crate) fn section_size(&self, count: u64) -> u64 {
        if count >= u64::from(PN_XNUM) { self.header.section_header_size() } else { 0 }
    }

    /// Writes the ELF header, with section header 0 at an offset, if there is one.
    pub(crate) fn header(&mut self, count: u64, section_at: u64) {
        let (class, machine) = (self.header.class, self.header.machine);
        let extended = self.section_size(count) > 0;
        let flags = self.header.endian.u32_at(self.original, flags_at(class)).unwrap_or(0);
        self.out.extend(self.original.iter().take(16));
        self.u16(ET_CORE).u16(machine).u32(1); // e_type, e_machine, e_version
        self.word(0).word(u64::from(header_size(class))); // e_entry, e_phoff
        self.word(if extended { section_at } else { 0 }).u32(flags); // e_shoff, e_flags
        let (program, section) = (self.header.program_header_size(), self.section_size(count));
        self.u16(header_size(class)).u16(program as u16); // e_ehsize, e_phentsize
        self.u16(if extended { PN_XNUM } else { count as u16 }); // e_phnum
        self.u16(section as u16).u16(u16::from(extended)).u16(0); // e_shentsize, e_shnum, e_shstrndx
    }

    /// Writes the program header of the notes.
    pub(crate) fn notes(&mut self, offset: u64, size: u64) {
        let notes = Segment {
            address: 0,
            memory_size: 0,
            offset,
            file_size: size,
            read: false,
            write: false,
            execute: false,
        };
        self.program_header(PT_NOTE, &notes, 4);
    }

    /// Writes the program header of a segment.
    pub(crate) fn load(&mut self, segment: &Segment) {
        self.program_header(PT_LOAD, segment, PAGE);
    }

    fn program_header(&mut self, kind: u32, segment: &Segment, align: u64) {
        let flags = [(segment.read, PF_R), (segment.write, PF_W), (segment.execute, PF_X)];
        let flags = flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
        let wide = self.header.class == Class::Elf64;
        self.u32(kind);
        if wide {
            self.u32(flags);
        }
        self.word(segment.offset).word(segment.address).word(0);
        self.word(segment.file_size).word(segment.memory_size);
        if !wide {
            self.u32(flags);
        }
        self.word(align);
    }

    /// Writes a note.
    pub(crate) fn note(&mut self, owner: &[u8], kind: u32, desc: &[u8]) {
        self.u32(owner.len() as u32 + 1).u32(desc.len() as u32).u32(kind);
        self.out.extend(owner);
        self.out.push(0);
        self.pad(4);
        self.out.extend(desc);
        self.pad(4);
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// Writes section header 0: `sh_size` is the number of sections, `sh_info` that of program headers.
    pub(crate) fn section(&mut self, count: u64) {
        self.u32(0).u32(0).word(0).word(0).word(0); // sh_name, sh_type, sh_flags, sh_addr, sh_offset
        self.word(1).u32(0).u32(count as u32).word(0).word(0); // sh_size, sh_link, sh_info, sh_addralign, sh_entsize
    }

    /// Fills up with zeros to a multiple of a size.
    pub(crate) fn pad(&mut self, multiple: usize) {
        self.out.resize(self.out.len().next_multiple_of(multiple), 0);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        match self.header.endian {
            Endian::Little => self.out.extend(value.to_le_bytes()),
            Endian::Big => self.out.extend(value.to_be_bytes()),
        }
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        match self.header.endian {
            Endian::Little => self.out.extend(value.to_le_bytes()),
            Endian::Big => self.out.extend(value.to_be_bytes()),
        }
        self
    }

    fn word(&mut self, value: u64) -> &mut Self {
        match (self.header.class, self.header.endian) {
            (Class::Elf32, _) => return self.u32(value as u32),
            (Class::Elf64, Endian::Little) => self.out.extend(value.to_le_bytes()),
            (Class::Elf64, Endian::Big) => self.out.extend(value.to_be_bytes()),
        }
        self
    }
}
