//! The headers of an ELF file as a process had them mapped.

use goblin::elf::program_header::{PT_DYNAMIC, PT_LOAD, PT_NOTE, ProgramHeader};

use crate::build_id::BuildId;
use crate::header::{ElfHeader, LONGEST_HEADER};
use crate::memory::{Memory, read_vec};
use crate::object::build_id_in;
use crate::process::Process;
use crate::segment::Segment;

/// Bytes of a mapped file's start that the kernel dumps (`coredump_filter` bit 4) and that are compared.
const FIRST_PAGE: u64 = 4096;
/// Most program headers of a mapped file that are read: they must fit into its first page.
const MOST_HEADERS: u64 = 64;
/// Largest note segment that is searched for a build ID.
const LARGEST_NOTE: u64 = 1 << 16;

/// What a mapped file's first page says.
pub(crate) struct ImageHeader {
    header: ElfHeader,
    /// Its loadable segments, by address.
    pub(crate) segments: Vec<Segment>,
    notes: Vec<ProgramHeader>,
    /// Address of its dynamic section, before the load bias.
    pub(crate) dynamic: Option<u64>,
}

impl ImageHeader {
    /// Reads the headers of an image that starts at `start`; `None` if none of the process's architecture does.
    pub(crate) fn read(process: &Process, memory: &dyn Memory, start: u64) -> Option<ImageHeader> {
        let header = ElfHeader::parse(&read_vec(memory, start, LONGEST_HEADER).ok()?)?;
        let arch = process.arch;
        if (header.machine, header.class, header.endian) != (arch.machine, arch.class, arch.endian) {
            return None;
        }
        let size = header.program_headers.count.min(MOST_HEADERS) * header.program_header_size();
        let table =
            read_vec(memory, start.checked_add(header.program_headers.offset)?, size as usize).ok()?;
        let headers = header.parse_program_headers(&table);
        let mut segments: Vec<Segment> =
            headers.iter().filter(|header| header.p_type == PT_LOAD).map(Segment::new).collect();
        segments.sort_by_key(|segment| segment.address);
        let dynamic = headers.iter().find(|header| header.p_type == PT_DYNAMIC).map(|header| header.p_vaddr);
        let notes = headers.into_iter().filter(|header| header.p_type == PT_NOTE).collect();
        (!segments.is_empty()).then_some(ImageHeader { header, segments, notes, dynamic })
    }

    /// Returns the bias and the end of an image whose lowest mapping starts the file: the loader reserves one
    /// range for all segments, so the lowest mapping is the lowest segment.
    pub(crate) fn place(&self, start: u64) -> (Option<u64>, u64) {
        let Some(first) = self.segments.first() else { return (None, u64::MAX) };
        if floor(first.offset) != 0 {
            return (None, u64::MAX);
        }
        let bias = start.wrapping_sub(floor(first.address));
        let end = self.segments.iter().map(|segment| segment.end().wrapping_add(bias)).max().unwrap_or(start);
        // A crafted header must not swallow the rest of the address space.
        if end <= start { (None, u64::MAX) } else { (Some(bias), ceil(end)) }
    }

    /// Returns where the file ends, by its segments and its section headers.
    pub(crate) fn size(&self) -> u64 {
        let table = self.header.section_headers;
        let sections =
            table.offset.saturating_add(table.count.saturating_mul(self.header.section_header_size()));
        let segments = self.segments.iter().map(|segment| segment.offset.saturating_add(segment.file_size));
        segments.fold(sections, u64::max)
    }

    /// Returns the build ID of an image that is loaded with this bias.
    pub(crate) fn build_id(&self, memory: &dyn Memory, bias: u64) -> Option<BuildId> {
        self.notes.iter().find_map(|note| {
            let len = note.p_filesz.min(LARGEST_NOTE) as usize;
            let bytes = read_vec(memory, note.p_vaddr.wrapping_add(bias), len).ok()?;
            build_id_in(&bytes, self.header.endian)
        })
    }
}

/// Returns the first page of a file that is mapped from `start` on; nothing if it was not dumped.
pub(crate) fn first_page(memory: &dyn Memory, start: u64) -> Vec<u8> {
    read_vec(memory, start, FIRST_PAGE as usize).unwrap_or_default()
}

/// Rounds down to a page.
pub(crate) fn floor(address: u64) -> u64 {
    address & !(FIRST_PAGE - 1)
}

/// Rounds up to a page.
pub(crate) fn ceil(address: u64) -> u64 {
    address.checked_next_multiple_of(FIRST_PAGE).unwrap_or(u64::MAX)
}
