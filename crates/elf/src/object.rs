//! An ELF object file: an executable, a shared library, a debug file, or the vDSO's image.

use goblin::elf::compression_header::{CompressionHeader, ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD};
use goblin::elf::program_header::{PT_DYNAMIC, PT_GNU_EH_FRAME, PT_LOAD, PT_NOTE, PT_TLS, ProgramHeader};
use goblin::elf::section_header::{
    SHF_ALLOC, SHF_COMPRESSED, SHF_EXECINSTR, SHN_XINDEX, SHT_NOBITS, SHT_NOTE, SHT_NULL, SectionHeader,
};
use goblin::elf::sym::Symtab;
use thiserror::Error;

use crate::arch::Arch;
use crate::build_id::BuildId;
use crate::bytes::Bytes;
use crate::header::{Class, ElfHeader, Endian, LONGEST_HEADER, PN_XNUM};
use crate::inflate::{Codec, Compressed, InflateError, Inflated};
use crate::link_map::MOST_DYNAMIC;
use crate::note::{NT_GNU_BUILD_ID, Notes};
use crate::segment::Segment;
use crate::symbols::{Symbol, SymbolTable, code_symbols, data_symbols, variable};

/// Most section headers that are read.
const MOST_SECTIONS: u64 = 1 << 18;
/// Most program headers that are read; linkers write about a dozen.
const MOST_SEGMENTS: u64 = 1 << 12;
/// Largest note section that is searched for a build ID.
const LARGEST_NOTE: u64 = 1 << 20;

/// An ELF object file. Headers are read at once, sections when they are asked for; compressed ones are inflated
/// once and shared.
pub struct Object {
    bytes: Bytes,
    header: ElfHeader,
    segments: Vec<Segment>,
    eh_frame_hdr: Option<(u64, u64)>,
    /// Address of the dynamic section.
    dynamic: Option<u64>,
    thread_local: Option<ThreadLocal>,
    sections: Vec<Section>,
    build_id: Option<BuildId>,
}

/// The block of a thread's own variables, of which each thread gets a copy (`PT_TLS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadLocal {
    /// Address of what it starts with, before the load bias.
    pub address: u64,
    /// Bytes in memory.
    pub size: u64,
    /// What its address is a multiple of; at least 1.
    pub alignment: u64,
}

struct Section {
    name: Vec<u8>,
    header: SectionHeader,
    inflated: Inflated,
}

impl Section {
    /// Tells whether the file has bytes of it: stripping leaves empty shells.
    fn has_bytes(&self) -> bool {
        self.header.sh_type != SHT_NOBITS && self.header.sh_size > 0
    }
}

/// Why an object file, or a part of it, can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It isn't an ELF file, or its header is cut short.
    #[error("not an ELF file")]
    NotElf,
    /// A section's bytes lie outside of the file.
    #[error("section {name} lies outside of the file")]
    SectionOutside {
        /// The section's name.
        name: String,
    },
    /// A compressed section can't be inflated.
    #[error("section {name} cannot be inflated: {source}")]
    Inflate {
        /// The section's name.
        name: String,
        /// What is wrong with it.
        source: InflateError,
    },
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("build_id", &self.build_id).finish_non_exhaustive()
    }
}

impl Object {
    /// Reads an object file's headers. Broken tables are read as far as they go.
    pub fn parse(bytes: Bytes) -> Result<Object, ObjectError> {
        let header = ElfHeader::parse(bytes.get(..bytes.len().min(LONGEST_HEADER)).unwrap_or_default())
            .ok_or(ObjectError::NotElf)?;
        let sections = section_headers(&bytes, &header);
        let mut count = header.program_headers.count;
        if count == u64::from(PN_XNUM) {
            count = sections.first().map_or(count, |section| u64::from(section.sh_info));
        }
        let table = part(
            &bytes,
            header.program_headers.offset,
            count.min(MOST_SEGMENTS) * header.program_header_size(),
        );
        let program_headers = header.parse_program_headers(table);
        let names = section_names(&bytes, &header, &sections);
        let sections: Vec<Section> = sections
            .into_iter()
            .map(|header| Section {
                name: c_string(names, header.sh_name),
                header,
                inflated: Inflated::default(),
            })
            .collect();
        let build_id = find_build_id(&bytes, &header, &program_headers, &sections);
        let eh_frame_hdr = program_headers
            .iter()
            .find(|header| header.p_type == PT_GNU_EH_FRAME)
            .map(|header| (header.p_vaddr, header.p_filesz));
        let dynamic =
            program_headers.iter().find(|header| header.p_type == PT_DYNAMIC).map(|header| header.p_vaddr);
        let thread_local = program_headers.iter().find(|header| header.p_type == PT_TLS);
        let thread_local = thread_local.map(|header| ThreadLocal {
            address: header.p_vaddr,
            size: header.p_memsz,
            alignment: header.p_align.max(1),
        });
        let segments =
            program_headers.iter().filter(|header| header.p_type == PT_LOAD).map(Segment::new).collect();
        Ok(Object { bytes, header, segments, eh_frame_hdr, dynamic, thread_local, sections, build_id })
    }

    /// Returns the architecture, if it is one of those that are known.
    pub fn arch(&self) -> Option<&'static Arch> {
        Arch::of(self.header.machine, self.header.class, self.header.endian)
    }

    /// Names the architecture for people, also one that can't be read.
    pub fn machine(&self) -> String {
        self.header.machine_name()
    }

    /// 32- or 64-bit.
    pub fn class(&self) -> Class {
        self.header.class
    }

    /// Byte order.
    pub fn endian(&self) -> Endian {
        self.header.endian
    }

    /// Returns where it is entered, before the load bias.
    pub fn entry(&self) -> u64 {
        self.header.entry
    }

    /// Returns where its program headers are loaded, before the load bias, and how many its header promises.
    pub(crate) fn program_headers(&self) -> Option<(u64, u64)> {
        let table = self.header.program_headers;
        let segment = self.segments.iter().find(|segment| {
            table.offset.checked_sub(segment.offset).is_some_and(|within| within < segment.file_size)
        })?;
        Some((segment.address.checked_add(table.offset - segment.offset)?, table.count))
    }

    /// Returns the tags and values of its dynamic section.
    pub(crate) fn dynamic(&self) -> Vec<(u64, u64)> {
        let (class, endian) = (self.header.class, self.header.endian);
        let word = usize::from(class.word());
        let bytes = self.dynamic.and_then(|address| self.data_from(address)).unwrap_or_default();
        bytes
            .chunks_exact(2 * word)
            .take(MOST_DYNAMIC)
            .map_while(|entry| {
                let tag = endian.word_at(class, entry, 0).filter(|tag| *tag != 0)?;
                Some((tag, endian.word_at(class, entry, word)?))
            })
            .collect()
    }

    /// Returns the whole file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Tells whether the file holds all that its section table names (or its segments, if it has no such table): one
    /// that was cut short on its way here doesn't.
    pub fn is_whole(&self) -> bool {
        let holds = |offset: u64, size: u64| {
            offset.checked_add(size).is_some_and(|end| end <= self.bytes.len() as u64)
        };
        let table = self.header.section_headers;
        if table.offset == 0 {
            return self.segments.iter().all(|segment| holds(segment.offset, segment.file_size));
        }
        self.sections.len() as u64 >= table.count.clamp(1, MOST_SECTIONS)
            && self.sections.iter().all(|Section { header, .. }| {
                matches!(header.sh_type, SHT_NULL | SHT_NOBITS) || holds(header.sh_offset, header.sh_size)
            })
    }

    /// Returns the build ID, from a note segment or section.
    pub fn build_id(&self) -> Option<&BuildId> {
        self.build_id.as_ref()
    }

    /// Returns the loadable segments, in file order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the address of `.eh_frame_hdr` and its bytes (`PT_GNU_EH_FRAME`: it survives stripping).
    pub fn eh_frame_hdr(&self) -> Option<(u64, &[u8])> {
        let (address, size) = self.eh_frame_hdr?;
        Some((address, self.data_at(address, usize::try_from(size).ok()?)?))
    }

    /// Returns `len` bytes of the file as they are loaded at `address` (before the load bias).
    pub fn data_at(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.data_from(address)?.get(..len)
    }

    /// Returns the file's bytes that are loaded from `address` on, up to the end of their segment.
    pub fn data_from(&self, address: u64) -> Option<&[u8]> {
        let segment = self.segments.iter().find(|segment| segment.contains(address))?;
        let within = address - segment.address;
        let rest = segment.file_size.checked_sub(within)?;
        let start = usize::try_from(segment.offset.checked_add(within)?).ok()?;
        let bytes = self.bytes.get(start..)?;
        bytes.get(..bytes.len().min(usize::try_from(rest).ok()?))
    }

    /// Tells whether there is a section of this name with bytes in it (stripping leaves empty shells).
    pub fn has_section(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Tells whether it has DWARF debug information.
    pub fn has_debug_info(&self) -> bool {
        self.has_section(".debug_info") || self.has_section(".zdebug_info")
    }

    /// Returns a section's address before the load bias, if it is loaded at all.
    pub fn section_address(&self, name: &str) -> Option<u64> {
        self.find(name).map(|section| section.header.sh_addr).filter(|address| *address != 0)
    }

    /// Returns a section's bytes, inflated if it is compressed; `None` if there is no such section.
    ///
    /// `.debug_x` also finds `.zdebug_x`, the form of old toolchains.
    pub fn section(&self, name: &str) -> Result<Option<&[u8]>, ObjectError> {
        self.section_start(name, usize::MAX)
    }

    /// Returns at least the first `len` bytes of a section (all of it, if it is shorter): of a compressed section
    /// no more need be inflated.
    pub fn section_start(&self, name: &str, len: usize) -> Result<Option<&[u8]>, ObjectError> {
        if let Some(section) = self.find(name) {
            return self.section_bytes(section, len).map(Some);
        }
        let Some(short) = name.strip_prefix(".debug_") else { return Ok(None) };
        match self.find(&format!(".zdebug_{short}")) {
            Some(section) => self.section_bytes(section, len).map(Some),
            None => Ok(None),
        }
    }

    /// Tells whether there is a table of sections at all: nothing needs it at run time.
    pub(crate) fn has_section_headers(&self) -> bool {
        !self.sections.is_empty()
    }

    /// Walks the bytes of the loaded sections of a kind (`SHT_…`); one that lies outside of the file is left out.
    pub(crate) fn loaded_sections(&self, kind: u32) -> impl Iterator<Item = &[u8]> {
        let wanted = u64::from(SHF_ALLOC);
        self.sections
            .iter()
            .filter(move |section| section.header.sh_type == kind && section.header.sh_flags & wanted != 0)
            .filter_map(|section| self.section_bytes(section, usize::MAX).ok())
    }

    /// Returns the bytes of each section of this name, in file order, inflated if they are compressed. Object files
    /// (`.dwo` files are some) may have several.
    pub fn sections_named(&self, name: &str) -> impl Iterator<Item = Result<&[u8], ObjectError>> {
        let packed = name.strip_prefix(".debug_").map(|short| format!(".zdebug_{short}"));
        let name = name.to_owned();
        self.sections
            .iter()
            .filter(move |section| {
                section.name == name.as_bytes()
                    || packed.as_ref().is_some_and(|packed| section.name == packed.as_bytes())
            })
            .filter(|section| section.has_bytes())
            .map(|section| self.section_bytes(section, usize::MAX))
    }

    /// Returns the executable section that `address` (before the load bias) is in, as a range of addresses.
    pub fn code_section_at(&self, address: u64) -> Option<std::ops::Range<u64>> {
        let wanted = u64::from(SHF_ALLOC | SHF_EXECINSTR);
        self.sections
            .iter()
            .filter(|section| section.header.sh_flags & wanted == wanted)
            .map(|section| {
                section.header.sh_addr..section.header.sh_addr.saturating_add(section.header.sh_size)
            })
            .find(|range| range.contains(&address))
    }

    /// Tells whether `address` (before the load bias) is in a section of stubs that jump to imported functions.
    pub fn is_plt(&self, address: u64) -> bool {
        self.sections.iter().any(|section| {
            section.name.starts_with(b".plt")
                && section.header.sh_addr <= address
                && address - section.header.sh_addr < section.header.sh_size
        })
    }

    /// How goblin is to read the object's structures.
    pub(crate) fn ctx(&self) -> goblin::container::Ctx {
        self.header.ctx()
    }

    /// Bytes of a symbol table's entry.
    pub(crate) fn symbol_size(&self) -> usize {
        match self.header.class {
            Class::Elf32 => 16,
            Class::Elf64 => 24,
        }
    }

    /// Walks the defined symbols of a table that code may be at.
    pub fn symbols(&self, table: SymbolTable) -> impl Iterator<Item = Symbol<'_>> {
        let (table, names) = self.symbol_table(table);
        code_symbols(&table, names, self.header.machine)
    }

    /// Walks the defined symbols of a table that name variables.
    pub fn data_symbols(&self, table: SymbolTable) -> impl Iterator<Item = Symbol<'_>> {
        let (table, names) = self.symbol_table(table);
        data_symbols(&table, names)
    }

    /// Returns the block of a thread's own variables, if the object has such.
    pub fn thread_local(&self) -> Option<ThreadLocal> {
        self.thread_local
    }

    /// Returns the address (before the load bias) of the variable of this name, as the linker knows it: one that is
    /// exported, or else any that `.symtab` names.
    pub fn variable(&self, name: &[u8]) -> Option<u64> {
        [SymbolTable::Dynamic, SymbolTable::Static].into_iter().find_map(|table| {
            let (table, names) = self.symbol_table(table);
            variable(&table, names, name)
        })
    }

    /// Returns a symbol table and the bytes of its names; an empty one where there is none.
    fn symbol_table(&self, table: SymbolTable) -> (Symtab<'_>, &[u8]) {
        let (symbols, names) = match table {
            SymbolTable::Static => (".symtab", ".strtab"),
            SymbolTable::Dynamic => (".dynsym", ".dynstr"),
        };
        let bytes = |name| self.section(name).ok().flatten().unwrap_or_default();
        let symbols = bytes(symbols);
        let count = symbols.len() / self.symbol_size();
        (Symtab::parse(symbols, 0, count, self.ctx()).unwrap_or_default(), bytes(names))
    }

    fn find(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name.as_bytes() && section.has_bytes())
    }

    fn section_bytes<'a>(&'a self, section: &'a Section, len: usize) -> Result<&'a [u8], ObjectError> {
        let name = || String::from_utf8_lossy(&section.name).into_owned();
        let start = usize::try_from(section.header.sh_offset).ok();
        let size = usize::try_from(section.header.sh_size).ok();
        let (range, raw) = start
            .zip(size)
            .and_then(|(start, size)| Some(start..start.checked_add(size)?))
            .and_then(|range| Some((range.clone(), self.bytes.get(range)?)))
            .ok_or_else(|| ObjectError::SectionOutside { name: name() })?;
        let Some((codec, header, size)) = self.compression(section, raw) else { return Ok(raw) };
        codec
            .and_then(|codec| {
                let bytes = self.bytes.slice(range.start + header..range.end);
                let compressed = Compressed { codec, bytes: bytes.ok_or(InflateError::NoHeader)?, size };
                section.inflated.start(&compressed, len as u64)
            })
            .map_err(|source| ObjectError::Inflate { name: name(), source })
    }

    /// Tells how a section is compressed: codec, bytes in front of the compressed ones, size in bytes when inflated.
    fn compression(
        &self,
        section: &Section,
        raw: &[u8],
    ) -> Option<(Result<Codec, InflateError>, usize, u64)> {
        if section.header.sh_flags & u64::from(SHF_COMPRESSED) != 0 {
            let size = match self.header.class {
                Class::Elf32 => 12,
                Class::Elf64 => 24,
            };
            let Some(header) = raw
                .get(..size)
                .and_then(|header| CompressionHeader::parse(header, 0, self.header.ctx()).ok())
            else {
                return Some((Err(InflateError::NoHeader), 0, 0));
            };
            let codec = match header.ch_type {
                ELFCOMPRESS_ZLIB => Ok(Codec::Zlib),
                ELFCOMPRESS_ZSTD => Ok(Codec::Zstd),
                other => Err(InflateError::UnknownCodec(other)),
            };
            return Some((codec, size, header.ch_size));
        }
        // `.zdebug_*`: "ZLIB" and the inflated size as a big-endian number (gold's --compress-debug-sections).
        if section.name.starts_with(b".zdebug_") {
            let size = Endian::Big.u64_at(raw.strip_prefix(b"ZLIB")?, 0)?;
            return Some((Ok(Codec::Zlib), 12, size));
        }
        None
    }
}

/// Returns a part of `bytes`, cut where they end.
fn part(bytes: &[u8], offset: u64, len: u64) -> &[u8] {
    let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
    rest.get(..rest.len().min(usize::try_from(len).unwrap_or(usize::MAX))).unwrap_or_default()
}

fn section_headers(bytes: &[u8], header: &ElfHeader) -> Vec<SectionHeader> {
    let table = header.section_headers;
    if table.offset == 0 {
        return Vec::new();
    }
    let size = header.section_header_size();
    let mut count = table.count;
    if count == 0 {
        // Extended numbering: the count is section header 0's sh_size.
        let first = header.parse_section_headers(part(bytes, table.offset, size));
        count = first.first().map_or(0, |first| first.sh_size);
    }
    header.parse_section_headers(part(bytes, table.offset, count.min(MOST_SECTIONS).saturating_mul(size)))
}

/// Returns the bytes of the section with the sections' names.
fn section_names<'a>(bytes: &'a [u8], header: &ElfHeader, sections: &[SectionHeader]) -> &'a [u8] {
    let mut index = header.section_names;
    if index == SHN_XINDEX {
        index = sections.first().map_or(0, |first| first.sh_link);
    }
    sections.get(index as usize).map_or(&[], |section| part(bytes, section.sh_offset, section.sh_size))
}

fn c_string(bytes: &[u8], offset: usize) -> Vec<u8> {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// Finds the build ID: in the note segments, or (object files, debug files) in the note sections.
fn find_build_id(
    bytes: &[u8],
    header: &ElfHeader,
    program_headers: &[ProgramHeader],
    sections: &[Section],
) -> Option<BuildId> {
    let in_segments = program_headers
        .iter()
        .filter(|header| header.p_type == PT_NOTE)
        .map(|header| part(bytes, header.p_offset, header.p_filesz.min(LARGEST_NOTE)));
    let in_sections = sections
        .iter()
        .filter(|section| section.header.sh_type == SHT_NOTE)
        .map(|section| part(bytes, section.header.sh_offset, section.header.sh_size.min(LARGEST_NOTE)));
    in_segments.chain(in_sections).find_map(|notes| build_id_in(notes, header.endian))
}

/// Finds the build ID in the bytes of notes.
pub(crate) fn build_id_in(notes: &[u8], endian: Endian) -> Option<BuildId> {
    Notes::new(notes, endian)
        .find(|note| note.name == b"GNU" && note.kind == NT_GNU_BUILD_ID)
        .and_then(|note| BuildId::new(note.desc))
}
