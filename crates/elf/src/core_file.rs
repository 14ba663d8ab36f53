//! A core file: headers and notes read once, memory read on demand.

use std::io;
use std::sync::Arc;

use goblin::elf::header::ET_CORE;
use goblin::elf::program_header::{PT_LOAD, PT_NOTE, ProgramHeader};
use thiserror::Error;

use crate::arch::Arch;
use crate::auxv::AuxVector;
use crate::header::{ElfHeader, Endian, LONGEST_HEADER, PN_XNUM};
use crate::identify::{FileKind, identify};
use crate::memory::{Memory, MemoryError};
use crate::note::{NT_AUXV, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, NT_THREAD_NAME, Note, Notes};
use crate::process::{Defect, Process, SignalInfo};
use crate::prstatus;
use crate::read_at::{ReadAt, fill, read_up_to};
use crate::segment::Segment;
use crate::slim::{NT_SLIM, OWNER, Region, SlimNote};
use crate::stream::NotKept;

/// Most segments that are read: `vm.max_map_count` is 65,530 unless somebody raised it.
const MOST_SEGMENTS: u64 = 1 << 20;

/// Most bytes of notes that are read: a thread takes 2 to 5 KB of them.
const MOST_NOTES: u64 = 256 << 20;

/// Most bytes of a thread's name that are taken: the kernel gives it 15.
const LONGEST_NAME: usize = 64;

/// A core file. Reads of its memory go to the file each time: wrap it in a [`crate::PageCache`].
pub struct CoreFile {
    source: Arc<dyn ReadAt>,
    header: ElfHeader,
    process: Process,
    /// What was mapped, by address.
    segments: Vec<Segment>,
    /// Where the notes are: offset and size.
    notes: Vec<(u64, u64)>,
    slim: Option<Slim>,
    size: u64,
    missing: u64,
}

/// Of a slim core, what its segments still hold.
struct Slim {
    note: SlimNote,
    /// Its own `PT_LOAD` segments, by address.
    parts: Vec<Segment>,
}

/// Why nothing can be read from a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It is something else.
    #[error("not a core file: it is {what}")]
    NotACore {
        /// What it is.
        what: &'static str,
    },
    /// The ELF header is cut short or makes no sense.
    #[error("the ELF header is cut short or makes no sense")]
    BrokenHeader,
    /// The program headers are not there.
    #[error("the program headers are missing: the file is cut short or its header is corrupt")]
    NoProgramHeaders,
    /// A core of an architecture that this version doesn't read.
    #[error("a core of architecture {machine}, which this version does not read")]
    Architecture {
        /// Its name.
        machine: String,
    },
    /// The file could not be read.
    #[error("cannot read")]
    Io(#[from] io::Error),
}

impl std::fmt::Debug for CoreFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoreFile")
            .field("segments", &self.segments.len())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl CoreFile {
    /// Reads a core's headers and notes. Only what can't be read at all is an error: see [`Process::defects`].
    pub fn open(source: Arc<dyn ReadAt>) -> Result<CoreFile, CoreError> {
        let size = source.size()?;
        let not_a_core = |what| Err(CoreError::NotACore { what });
        match identify(&source)? {
            FileKind::Core => {}
            FileKind::Empty => return Err(CoreError::Empty),
            FileKind::Executable => return not_a_core("an executable"),
            FileKind::SharedObject => return not_a_core("an executable or a shared library"),
            FileKind::Relocatable => return not_a_core("an object file"),
            FileKind::BrokenElf => return Err(CoreError::BrokenHeader),
            FileKind::NotElf => return not_a_core("not an ELF file"),
        }
        let header =
            ElfHeader::parse(&read_up_to(&source, 0, LONGEST_HEADER)?).ok_or(CoreError::BrokenHeader)?;
        debug_assert_eq!(header.kind, ET_CORE);
        let arch = Arch::of(header.machine, header.class, header.endian)
            .ok_or_else(|| CoreError::Architecture { machine: header.machine_name() })?;

        let mut defects = Vec::new();
        let (headers, headers_end) = program_headers(&source, &header, &mut defects)?;
        let mut segments: Vec<Segment> =
            headers.iter().filter(|header| header.p_type == PT_LOAD).map(Segment::new).collect();
        let notes_end = headers
            .iter()
            .filter(|header| header.p_type == PT_NOTE)
            .map(|header| header.p_offset.saturating_add(header.p_filesz));
        // An empty segment has an offset too, which nothing need be at.
        let promised_end = segments
            .iter()
            .filter(|segment| segment.file_size > 0)
            .map(|segment| segment.offset.saturating_add(segment.file_size))
            .chain(notes_end)
            .fold(headers_end, u64::max);
        let missing = promised_end.saturating_sub(size);
        if missing > 0 {
            defects.push(Defect::Truncated { missing });
        }
        make_disjoint(&mut segments);

        let mut notes = NoteReader::new(arch, header.endian);
        let mut places = Vec::new();
        let mut read = 0;
        for header in headers.iter().filter(|header| header.p_type == PT_NOTE) {
            let len = header.p_filesz.min(MOST_NOTES.saturating_sub(read));
            if len < header.p_filesz {
                defects.push(Defect::NotesTooLarge { size: header.p_filesz });
            }
            let bytes = read_up_to(&source, header.p_offset, len as usize)?;
            notes.read(&bytes, (bytes.len() as u64) < len);
            places.push((header.p_offset, bytes.len() as u64));
            read += len;
        }
        let slim = notes.slim.take().and_then(|note| Slim::new(note, &mut segments));
        if notes.is_slim && slim.is_none() {
            defects.push(Defect::BrokenSlimNote);
        }
        let mut missing = missing;
        if let Some(slim) = &slim {
            missing = missing.saturating_add(slim.note.missing());
            slim.note.add_defects(&mut defects);
        }
        let mut process = notes.finish(defects);
        process.slim = slim.as_ref().map(|slim| slim.note.facts.clone());
        Ok(CoreFile { source, header, process, segments, notes: places, slim, size, missing })
    }

    /// Returns the process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Returns the segments, by address. Those of a slim core are the ones of the core that it was made of: they say what
    /// was mapped and dumped, and have no offsets.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the segment that `address` is in.
    pub fn segment_at(&self, address: u64) -> Option<&Segment> {
        at(&self.segments, address).map(|(_, segment)| segment)
    }

    /// Returns the file's apparent size in bytes, holes included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns how many bytes the headers promise beyond the end of the file.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    pub(crate) fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    pub(crate) fn header(&self) -> &ElfHeader {
        &self.header
    }

    /// Where the notes are that were read: offset and size.
    pub(crate) fn note_places(&self) -> &[(u64, u64)] {
        &self.notes
    }

    /// The core's segments whose bytes are in this file; otherwise they are the same as [`CoreFile::segments`].
    pub fn parts(&self) -> &[Segment] {
        self.slim.as_ref().map_or(&self.segments, |slim| &slim.parts)
    }

    /// Returns the one of [`CoreFile::parts`] that `address` is in.
    pub(crate) fn part_at(&self, address: u64) -> Option<&Segment> {
        at(self.parts(), address).map(|(_, part)| part)
    }

    /// The segments of the original core, and how much of each was there when it was made slim, or is there now.
    pub(crate) fn regions(&self) -> Vec<Region> {
        if let Some(slim) = &self.slim {
            return slim.note.regions.clone();
        }
        let there = |segment: &Segment| segment.file_size.min(self.size.saturating_sub(segment.offset));
        self.segments.iter().map(|segment| Region { segment: *segment, available: there(segment) }).collect()
    }

    /// Says why nothing can be read at an address.
    fn why_absent(&self, address: u64) -> MemoryError {
        let Some((index, segment)) = at(&self.segments, address) else {
            return MemoryError::Unmapped { address };
        };
        let region = self.slim.as_ref().and_then(|slim| slim.note.regions.get(index));
        let within = address - segment.address;
        if region.is_some_and(|region| region.available <= within && within < segment.file_size) {
            return MemoryError::Truncated { address };
        }
        MemoryError::NotDumped { address }
    }
}

impl Slim {
    /// Puts the segments of the original in the place of a slim core's own; `None` where the two don't fit.
    fn new(note: SlimNote, segments: &mut Vec<Segment>) -> Option<Slim> {
        let originals: Vec<Segment> = note.regions.iter().map(|region| region.segment).collect();
        let mut own = segments.iter().filter(|segment| segment.file_size > 0);
        let fits = own.all(|segment| {
            at(&originals, segment.address).is_some_and(|(_, original)| segment.end() <= original.end())
        });
        fits.then(|| Slim { note, parts: std::mem::replace(segments, originals) })
    }
}

/// Finds the segment that an address is in, and its index; the segments are disjoint and sorted by address.
fn at(segments: &[Segment], address: u64) -> Option<(usize, &Segment)> {
    let index = segments.partition_point(|segment| segment.address <= address).checked_sub(1)?;
    segments.get(index).filter(|segment| segment.contains(address)).map(|segment| (index, segment))
}

impl Memory for CoreFile {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = address.checked_add(done as u64).ok_or(MemoryError::Unmapped { address: u64::MAX })?;
            let part = self.part_at(at);
            let segment = part.filter(|part| at - part.address < part.file_size);
            let Some(segment) = segment else { return Err(self.why_absent(at)) };
            let within = at - segment.address;
            let dumped = segment.file_size - within;
            let len = rest.len().min(usize::try_from(dumped).unwrap_or(usize::MAX));
            let part = rest.get_mut(..len).unwrap_or_default();
            let truncated = |count| MemoryError::Truncated { address: at.saturating_add(count) };
            let offset = segment.offset.checked_add(within).ok_or(truncated(0))?;
            let count = fill(&self.source, offset, part).map_err(|error| match NotKept::of(&error) {
                Some(byte) => MemoryError::NotDumped { address: at.saturating_add(byte.offset - offset) },
                None => truncated(0),
            })?;
            if count < len {
                return Err(truncated(count as u64));
            }
            done += count;
        }
        Ok(())
    }

    fn is_executable(&self, address: u64) -> bool {
        self.segment_at(address).is_some_and(|segment| segment.execute)
    }

    fn regions(&self) -> &[Segment] {
        &self.segments
    }
}

/// Sorts segments by address and sees to it that an address is in one of them only, so that it is found by a binary
/// search: of two that overlap (no kernel writes such), the one that starts last has it. Empty ones are dropped.
fn make_disjoint(segments: &mut Vec<Segment>) {
    segments.sort_by_key(|segment| segment.address);
    segments.retain(|segment| segment.memory_size > 0);
    let mut next = u64::MAX;
    for segment in segments.iter_mut().rev() {
        segment.memory_size = segment.memory_size.min(next - segment.address);
        segment.file_size = segment.file_size.min(segment.memory_size);
        next = segment.address;
    }
    segments.retain(|segment| segment.memory_size > 0);
}

/// Reads the program headers: as many as there are, where the file is cut short. Returns where they should end, too.
fn program_headers(
    source: &dyn ReadAt,
    header: &ElfHeader,
    defects: &mut Vec<Defect>,
) -> Result<(Vec<ProgramHeader>, u64), CoreError> {
    let table = header.program_headers;
    let mut count = table.count;
    if count == u64::from(PN_XNUM) {
        match extended_count(source, header)? {
            Some(real) => count = real,
            None => {
                // Cut off before the section header.
                defects.push(Defect::SegmentCountLost);
                let first = read_up_to(source, table.offset, header.program_header_size() as usize)?;
                let first = header.parse_program_headers(&first);
                count = segments_before_notes(header, first.first()).unwrap_or(count);
            }
        }
    }
    if count > MOST_SEGMENTS {
        defects.push(Defect::TooManySegments { promised: count });
        count = MOST_SEGMENTS;
    }
    let size = count * header.program_header_size();
    let headers = header.parse_program_headers(&read_up_to(source, table.offset, size as usize)?);
    if headers.is_empty() || table.offset == 0 {
        return Err(CoreError::NoProgramHeaders);
    }
    Ok((headers, table.offset.saturating_add(size)))
}

/// Returns how many program headers there are before the notes, by the first of them. The kernel puts the notes right
/// after the program headers, and `PT_NOTE` first (linux/fs/binfmt_elf.c, `elf_core_dump`).
pub(crate) fn segments_before_notes(header: &ElfHeader, first: Option<&ProgramHeader>) -> Option<u64> {
    let notes = first.filter(|first| first.p_type == PT_NOTE)?;
    Some(notes.p_offset.checked_sub(header.program_headers.offset)? / header.program_header_size())
}

/// Reads the real number of program headers from section header 0's `sh_info` (gABI, `PN_XNUM`).
fn extended_count(source: &dyn ReadAt, header: &ElfHeader) -> io::Result<Option<u64>> {
    let table = header.section_headers;
    if table.offset == 0 {
        return Ok(None);
    }
    let bytes = read_up_to(source, table.offset, header.section_header_size() as usize)?;
    let section = header.parse_section_headers(&bytes).into_iter().next();
    Ok(section.map(|section| u64::from(section.sh_info)).filter(|count| *count >= u64::from(PN_XNUM)))
}

/// Collects the process from the notes.
struct NoteReader {
    endian: Endian,
    process: Process,
    first: Option<u32>,
    /// Whether a note says that the core is slim, and what it says.
    is_slim: bool,
    slim: Option<SlimNote>,
}

impl NoteReader {
    fn new(arch: &'static Arch, endian: Endian) -> NoteReader {
        NoteReader {
            endian,
            process: Process {
                arch,
                threads: Vec::new(),
                mappings: Vec::new(),
                auxv: AuxVector::default(),
                signal: None,
                info: None,
                producer: None,
                slim: None,
                defects: Vec::new(),
            },
            first: None,
            is_slim: false,
            slim: None,
        }
    }

    /// Reads a segment of notes, which may have been cut.
    fn read(&mut self, bytes: &[u8], cut: bool) {
        let mut notes = Notes::new(bytes, self.endian);
        for note in notes.by_ref() {
            match note.name {
                b"CORE" => self.take(&note),
                b"LINUX" => self.add_to_thread(&note),
                OWNER if note.kind == NT_SLIM && !self.is_slim => {
                    self.is_slim = true;
                    self.slim = SlimNote::decode(note.desc);
                }
                OWNER if note.kind == NT_THREAD_NAME => self.name_thread(note.desc),
                _ => {}
            }
        }
        if cut {
            self.defect(Defect::NotesCut);
        } else if notes.broken() {
            self.defect(Defect::BrokenNote);
        }
    }

    /// Notes a defect, unless one of its kind is noted already: a crafted core may have millions.
    fn defect(&mut self, defect: Defect) {
        let defects = &mut self.process.defects;
        if defects.iter().all(|known| known.code() != defect.code()) {
            defects.push(defect);
        }
    }

    fn take(&mut self, note: &Note<'_>) {
        let process = &mut self.process;
        self.first.get_or_insert(note.kind);
        match note.kind {
            NT_PRSTATUS => match prstatus::thread(process.arch, note.desc) {
                Some(thread) => process.threads.push(thread),
                None => self.defect(Defect::OddThread { size: note.desc.len() }),
            },
            NT_PRPSINFO if process.info.is_none() => {
                process.info = prstatus::process_info(process.arch, note.desc);
            }
            NT_SIGINFO if process.signal.is_none() => {
                process.signal = prstatus::signal_info(process.arch, note.desc);
            }
            NT_AUXV => process.auxv = AuxVector::parse(note.desc, process.arch.class, self.endian),
            NT_FILE => {
                let (mappings, whole) = prstatus::file_mappings(process.arch, note.desc);
                process.mappings = mappings;
                if !whole {
                    self.defect(Defect::NoFileList);
                }
            }
            _ => self.add_to_thread(note),
        }
    }

    /// Takes a note of further registers: they are those of the thread whose `NT_PRSTATUS` came last.
    fn add_to_thread(&mut self, note: &Note<'_>) {
        let process = &mut self.process;
        if let Some(thread) = process.threads.last_mut() {
            (process.arch.more_registers)(note.kind, note.desc, thread);
        }
    }

    /// Takes the name of the thread whose `NT_PRSTATUS` came last.
    fn name_thread(&mut self, name: &[u8]) {
        if let Some(thread) = self.process.threads.last_mut() {
            let name = name.get(..LONGEST_NAME).unwrap_or(name);
            thread.name = Some(prstatus::os_string(name)).filter(|name| !name.is_empty());
        }
    }

    fn finish(self, mut defects: Vec<Defect>) -> Process {
        let mut process = self.process;
        defects.append(&mut process.defects);
        if process.threads.is_empty() {
            defects.push(Defect::NoThreads);
        }
        if process.mappings.is_empty() && !defects.contains(&Defect::NoFileList) {
            defects.push(Defect::NoFileList);
        }
        process.mappings.sort_by_key(|mapping| mapping.start);
        // The kernel writes the first thread's NT_PRSTATUS first, gdb's gcore NT_PRPSINFO. qemu-user begins as the
        // kernel does, but knows no NT_SIGINFO, which kernels have written since 3.7.
        process.producer = match self.first {
            Some(NT_PRSTATUS) if process.signal.is_some() => Some("kernel"),
            Some(NT_PRPSINFO) => Some("gcore"),
            _ => None,
        };
        // gcore repeats NT_SIGINFO per thread and may have none for the first: pr_cursig is what is sure then.
        let cursig = process.threads.first().map_or(0, |thread| i32::from(thread.signal));
        if process.signal.is_none() && cursig != 0 {
            process.signal = Some(SignalInfo::of_number(cursig));
        }
        process.defects = defects;
        process
    }
}
