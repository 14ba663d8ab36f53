//! The front of a core: headers and notes, which tell what the rest is.

use std::io::Read;
use std::sync::Arc;

use goblin::elf::program_header::{PT_NOTE, ProgramHeader};

use super::{PAGE, Whole};
use crate::core_file::{CoreFile, segments_before_notes};
use crate::header::{ElfHeader, PN_XNUM};

/// Most bytes of a front: 70,000 segments take 4 MB, and the notes of 10,000 threads 20 to 50 MB.
const MOST: u64 = 128 << 20;
/// Bytes that may lie between the parts of a front.
const GAP: u64 = 64 << 10;

/// The first bytes of a stream: up to the end of its notes, and on to the end of a page.
pub struct CoreFront {
    pub(super) bytes: Arc<Vec<u8>>,
    header: Option<ElfHeader>,
    program_headers: Vec<ProgramHeader>,
}

impl std::fmt::Debug for CoreFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoreFront").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl CoreFront {
    /// Reads the front of a core from `stream`, and no more; of a stream that is no core, the first page.
    ///
    /// Whoever has another way to the memory that the core is made of needs no more of the stream.
    pub fn of_stream(stream: &mut dyn Read) -> CoreFront {
        CoreFront::read(&mut Whole { stream, end: None })
    }

    /// Returns the bytes that were read.
    pub fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }

    /// Reads the front; of a stream that is no core, the first page.
    pub(super) fn read(stream: &mut Whole<'_>) -> CoreFront {
        let mut bytes = Vec::new();
        stream.extend_to(&mut bytes, PAGE);
        let header = ElfHeader::parse(&bytes);
        let program_headers =
            header.as_ref().map(|header| read_headers(stream, header, &mut bytes)).unwrap_or_default();
        for notes in notes(&program_headers) {
            read_to(stream, &mut bytes, notes.start, notes.end);
        }
        let len = bytes.len().next_multiple_of(PAGE);
        stream.extend_to(&mut bytes, len);
        CoreFront { bytes: Arc::new(bytes), header, program_headers }
    }

    /// Opens the core as far as the front tells of it: all but its memory.
    pub fn open(&self) -> Option<CoreFile> {
        CoreFile::open(self.bytes.clone()).ok()
    }

    /// Returns where notes are in the file.
    pub(super) fn notes(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        notes(&self.program_headers)
    }

    /// Returns where section header 0 is, which holds the number of segments where they are many (`PN_XNUM`).
    pub(super) fn section_header(&self) -> Option<std::ops::Range<u64>> {
        let header = self.header.as_ref()?;
        let start = header.section_headers.offset;
        (start > 0).then(|| start..start.saturating_add(header.section_header_size()))
    }

    /// Returns where the file ends, if it is whole, by its headers; `None` if there are none to tell.
    pub fn promised_end(&self) -> Option<u64> {
        if self.program_headers.is_empty() {
            return None;
        }
        let sections = self.header.as_ref().map_or(0, |header| {
            let table = header.section_headers;
            let size = table.count.max(1).saturating_mul(header.section_header_size());
            if table.offset == 0 { 0 } else { table.offset.saturating_add(size) }
        });
        let ends = self.program_headers.iter().filter(|header| header.p_filesz > 0);
        Some(ends.map(|header| header.p_offset.saturating_add(header.p_filesz)).fold(sections, u64::max))
    }
}

fn notes(headers: &[ProgramHeader]) -> impl Iterator<Item = std::ops::Range<u64>> {
    let notes = headers.iter().filter(|header| header.p_type == PT_NOTE);
    notes.map(|notes| notes.p_offset..notes.p_offset.saturating_add(notes.p_filesz))
}

/// Reads on to the end of the program headers, and returns those that are there.
fn read_headers(stream: &mut Whole<'_>, header: &ElfHeader, bytes: &mut Vec<u8>) -> Vec<ProgramHeader> {
    let table = header.program_headers;
    let size = header.program_header_size();
    let parse = |bytes: &[u8], count: u64| {
        let start = usize::try_from(table.offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or_default();
        let len = usize::try_from(count.saturating_mul(size)).unwrap_or(usize::MAX).min(rest.len());
        header.parse_program_headers(rest.get(..len).unwrap_or_default())
    };
    let mut count = table.count;
    if count == u64::from(PN_XNUM) {
        read_to(stream, bytes, table.offset, table.offset.saturating_add(size));
        // The section header that holds the number is at the stream's other end.
        count = segments_before_notes(header, parse(bytes, 1).first()).unwrap_or(count);
    }
    read_to(stream, bytes, table.offset, table.offset.saturating_add(count.saturating_mul(size)));
    parse(bytes, count)
}

/// Reads on to `end`, if what begins at `start` comes next and is not absurdly long.
fn read_to(stream: &mut Whole<'_>, bytes: &mut Vec<u8>, start: u64, end: u64) {
    if start <= bytes.len() as u64 + GAP && end <= MOST {
        stream.extend_to(bytes, end as usize);
    }
}
