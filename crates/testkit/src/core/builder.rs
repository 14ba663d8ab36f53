//! The core as a whole: what goes in, in the kernel's order.

use super::encode::{Class, Encoder, Endian};
use super::image::{Chunk, CoreImage, NoteMark};
use super::machine::{self, Machine};
use super::note::{self, FileMapping, Note, Psinfo, Siginfo, Thread, note_kind};
use super::segment::{Content, Segment};

/// Where segment data is aligned to in the file: `ELF_EXEC_PAGESIZE`.
const PAGE: u64 = 4096;
/// `PN_XNUM`: the number of program headers stands in section header 0.
const PN_XNUM: u16 = 0xffff;
const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// Builds a core file, by default an x86-64 Linux kernel's.
///
/// Notes come in the kernel's order: the first thread's `NT_PRSTATUS`, then process, signal, auxv and files,
/// then the first thread's other notes, then the other threads, then [`CoreBuilder::note`]s. What isn't given
/// isn't written.
#[derive(Clone, Debug)]
pub struct CoreBuilder {
    machine: Machine,
    extended_numbering: bool,
    threads: Vec<Thread>,
    psinfo: Option<Psinfo>,
    siginfo: Option<Siginfo>,
    auxv: Vec<(u64, u64)>,
    files: Vec<FileMapping>,
    page_size: u64,
    notes: Vec<Note>,
    segments: Vec<Segment>,
}

impl Default for CoreBuilder {
    fn default() -> CoreBuilder {
        CoreBuilder::new()
    }
}

impl CoreBuilder {
    /// A core of no threads and no memory.
    pub fn new() -> CoreBuilder {
        CoreBuilder {
            machine: machine::X86_64,
            extended_numbering: false,
            threads: Vec::new(),
            psinfo: None,
            siginfo: None,
            auxv: Vec::new(),
            files: Vec::new(),
            page_size: PAGE,
            notes: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Makes it a core of another machine.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> CoreBuilder {
        self.machine = machine;
        self
    }

    /// Writes the `PN_XNUM` form however few segments there are; from 65,535 on it is written anyway.
    #[must_use]
    pub fn extended_numbering(mut self) -> CoreBuilder {
        self.extended_numbering = true;
        self
    }

    /// Adds a thread; the first one is the one that the kernel says took the signal.
    #[must_use]
    pub fn thread(mut self, thread: Thread) -> CoreBuilder {
        self.threads.push(thread);
        self
    }

    /// Sets `NT_PRPSINFO`.
    #[must_use]
    pub fn psinfo(mut self, psinfo: Psinfo) -> CoreBuilder {
        self.psinfo = Some(psinfo);
        self
    }

    /// Sets `NT_SIGINFO`.
    #[must_use]
    pub fn siginfo(mut self, siginfo: Siginfo) -> CoreBuilder {
        self.siginfo = Some(siginfo);
        self
    }

    /// Adds an entry (`AT_…`, value) of `NT_AUXV`.
    #[must_use]
    pub fn auxv(mut self, key: u64, value: u64) -> CoreBuilder {
        self.auxv.push((key, value));
        self
    }

    /// Adds a row of `NT_FILE`.
    #[must_use]
    pub fn file(mut self, file: FileMapping) -> CoreBuilder {
        self.files.push(file);
        self
    }

    /// Sets the page size that `NT_FILE` counts offsets in (4096 otherwise).
    #[must_use]
    pub fn page_size(mut self, bytes: u64) -> CoreBuilder {
        self.page_size = bytes;
        self
    }

    /// Adds a note after all others.
    #[must_use]
    pub fn note(mut self, owner: &str, kind: u32, description: impl Into<Vec<u8>>) -> CoreBuilder {
        self.notes.push(Note { owner: owner.to_owned(), kind, description: description.into() });
        self
    }

    /// Adds a `PT_LOAD`; they are written in the order given (a kernel's are sorted by address).
    #[must_use]
    pub fn segment(mut self, segment: Segment) -> CoreBuilder {
        self.segments.push(segment);
        self
    }

    /// Lays the file out.
    pub fn build(&self) -> CoreImage {
        let (elf_header_size, program_header_size, section_header_size) = match self.machine.class {
            Class::Elf32 => (52_u64, 32_u64, 40_u64),
            Class::Elf64 => (64, 56, 64),
        };
        let count = 1 + self.segments.len() as u64; // PT_NOTE comes first
        let notes_at = elf_header_size + count * program_header_size;
        let (notes, note_marks) = self.encode_notes(notes_at);

        let mut data_at = (notes_at + notes.len() as u64).next_multiple_of(PAGE);
        let mut chunks = Vec::new();
        let mut program_headers = Encoder::new(self.machine.endian);
        let note_segment = ProgramHeader {
            kind: PT_NOTE,
            offset: notes_at,
            file_size: notes.len() as u64,
            ..ProgramHeader::default()
        };
        self.encode_program_header(&mut program_headers, &note_segment);
        for segment in &self.segments {
            let header = ProgramHeader {
                kind: PT_LOAD,
                flags: segment.flags,
                offset: data_at,
                address: segment.address,
                file_size: segment.file_size(),
                memory_size: segment.memory_size,
                alignment: PAGE,
            };
            self.encode_program_header(&mut program_headers, &header);
            if let Content::Bytes(bytes) = &segment.content {
                chunks.push(Chunk { offset: data_at, bytes: bytes.clone() });
            }
            data_at = data_at.saturating_add(segment.file_size()).next_multiple_of(PAGE);
        }

        let extended = self.extended_numbering || count >= u64::from(PN_XNUM);
        let section_headers_at = if extended { data_at } else { 0 };
        let mut head = self.encode_elf_header(count, extended, section_headers_at);
        head.raw(&program_headers.into_bytes()).raw(&notes);
        let mut length = data_at;
        if extended {
            chunks.push(Chunk { offset: data_at, bytes: self.encode_section_header_0(count) });
            length += section_header_size;
        }
        let head = head.into_bytes();
        let headers_end = head.len();
        chunks.insert(0, Chunk { offset: 0, bytes: head });
        CoreImage::new(chunks, length, self.machine.class, self.machine.endian, headers_end, note_marks)
    }

    /// Returns the bytes of all notes, and where each one stands in the file.
    fn encode_notes(&self, notes_at: u64) -> (Vec<u8>, Vec<NoteMark>) {
        let mut out = Encoder::new(self.machine.endian);
        let mut marks = Vec::new();
        for note in self.ordered_notes() {
            let header_at = notes_at as usize + out.len();
            out.u32(note.owner.len() as u32 + 1).u32(note.description.len() as u32).u32(note.kind);
            out.raw(note.owner.as_bytes()).u8(0).pad_to_multiple_of(4);
            marks.push(NoteMark {
                kind: note.kind,
                header: header_at,
                description: notes_at as usize + out.len(),
            });
            out.raw(&note.description).pad_to_multiple_of(4);
        }
        (out.into_bytes(), marks)
    }

    fn ordered_notes(&self) -> Vec<Note> {
        let Machine { class, endian, .. } = self.machine;
        let mut notes = Vec::new();
        let mut threads = self.threads.iter();
        let first = threads.next();
        notes.extend(first.map(|thread| Note::core(note_kind::PRSTATUS, thread.prstatus(&self.machine))));
        notes.extend(
            self.psinfo.iter().map(|psinfo| Note::core(note_kind::PRPSINFO, psinfo.encode(class, endian))),
        );
        notes.extend(
            self.siginfo.iter().map(|info| Note::core(note_kind::SIGINFO, info.encode(class, endian))),
        );
        if !self.auxv.is_empty() {
            notes.push(Note::core(note_kind::AUXV, note::encode_auxv(&self.auxv, class, endian)));
        }
        if !self.files.is_empty() {
            let files = note::encode_files(&self.files, self.page_size, class, endian);
            notes.push(Note::core(note_kind::FILE, files));
        }
        notes.extend(first.iter().flat_map(|thread| thread.notes.clone()));
        for thread in threads {
            notes.push(Note::core(note_kind::PRSTATUS, thread.prstatus(&self.machine)));
            notes.extend(thread.notes.clone());
        }
        notes.extend(self.notes.clone());
        notes
    }

    fn encode_elf_header(&self, count: u64, extended: bool, section_headers_at: u64) -> Encoder {
        let (class, header_size, program_header_size, section_header_size) = match self.machine.class {
            Class::Elf32 => (1, 52_u16, 32, 40),
            Class::Elf64 => (2, 64, 56, 64),
        };
        let data = if self.machine.endian == Endian::Little { 1 } else { 2 };
        let mut out = Encoder::new(self.machine.endian);
        out.raw(b"\x7fELF").u8(class).u8(data).u8(1).u8(0).zeros(8); // e_ident; EV_CURRENT, ELFOSABI_NONE
        out.u16(ET_CORE).u16(self.machine.number).u32(1); // e_type, e_machine, e_version
        out.word(self.machine.class, 0).word(self.machine.class, u64::from(header_size)); // e_entry, e_phoff
        out.word(self.machine.class, section_headers_at).u32(0); // e_shoff, e_flags
        out.u16(header_size).u16(program_header_size); // e_ehsize, e_phentsize
        out.u16(if extended { PN_XNUM } else { count as u16 }); // e_phnum
        // A kernel leaves the three section fields 0 unless it needs section header 0 (fill_extnum_info).
        out.u16(if extended { section_header_size } else { 0 }).u16(u16::from(extended)).u16(0);
        out
    }

    /// Section header 0 of the `PN_XNUM` form: `sh_size` is `e_shnum`, `sh_info` the number of program headers.
    fn encode_section_header_0(&self, count: u64) -> Vec<u8> {
        let mut out = Encoder::new(self.machine.endian);
        out.u32(0).u32(0); // sh_name, sh_type
        out.word(self.machine.class, 0).word(self.machine.class, 0).word(self.machine.class, 0); // sh_flags, sh_addr, sh_offset
        out.word(self.machine.class, 1).u32(0).u32(count as u32); // sh_size, sh_link, sh_info
        out.word(self.machine.class, 0).word(self.machine.class, 0); // sh_addralign, sh_entsize
        out.into_bytes()
    }

    fn encode_program_header(&self, out: &mut Encoder, header: &ProgramHeader) {
        out.u32(header.kind);
        if self.machine.class == Class::Elf64 {
            out.u32(header.flags);
        }
        out.word(self.machine.class, header.offset)
            .word(self.machine.class, header.address)
            .word(self.machine.class, 0);
        out.word(self.machine.class, header.file_size).word(self.machine.class, header.memory_size);
        if self.machine.class == Class::Elf32 {
            out.u32(header.flags);
        }
        out.word(self.machine.class, header.alignment);
    }
}

/// The fields of one program header (`p_paddr` is always 0 in a core).
#[derive(Clone, Copy, Debug, Default)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    alignment: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u16_at(file: &[u8], at: usize) -> u16 {
        u16::from_le_bytes(file[at..at + 2].try_into().unwrap())
    }

    fn u64_at(file: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(file[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn notes_have_the_sizes_of_the_kernels_structures() {
        let thread = Thread::new(7).signal(11).register("rip", 0x1111).register("gs", 0x2222);
        let prstatus = thread.prstatus(&machine::X86_64);
        assert_eq!((prstatus.len(), u64_at(&prstatus, 112 + 16 * 8)), (336, 0x1111));
        assert_eq!((u16_at(&prstatus, 12), u64_at(&prstatus, 112 + 26 * 8)), (11, 0x2222));
        let psinfo = Psinfo { name: "a-name-longer-than-fifteen".into(), ..Psinfo::default() }
            .encode(Class::Elf64, Endian::Little);
        assert_eq!((psinfo.len(), &psinfo[40..56]), (136, b"a-name-longer-t\0".as_slice()));
        assert_eq!(Siginfo::fault(11, 1, 5).encode(Class::Elf64, Endian::Little).len(), 128);
    }

    #[test]
    fn notes_come_in_the_kernels_order() {
        let core = CoreBuilder::new()
            .thread(Thread::new(1).note("LINUX", 0x202, [0; 8]))
            .thread(Thread::new(2))
            .auxv(6, 4096)
            .file(FileMapping::new(0, 4096, 0, "/bin/x"))
            .siginfo(Siginfo::sent(6, -6, 1, 0))
            .psinfo(Psinfo::default());
        let kinds: Vec<u32> = core.ordered_notes().iter().map(|note| note.kind).collect();
        assert_eq!(kinds, [1, 3, 0x5349_4749, 6, 0x4649_4c45, 0x202, 1]);
    }

    #[test]
    fn segments_lie_where_their_headers_say() {
        let core = CoreBuilder::new()
            .thread(Thread::new(1))
            .segment(Segment::undumped(0x1000, 0x2000).flags(5))
            .segment(Segment::data(0x8000, *b"stack").memory_size(0x1000))
            .build();
        let file = core.to_vec();
        let header = 64 + 2 * 56;
        let (offset, size) = (u64_at(&file, header + 8) as usize, u64_at(&file, header + 32) as usize);
        assert_eq!(&file[offset..offset + size], b"stack");
        assert_eq!((u64_at(&file, header + 16), u64_at(&file, header + 40)), (0x8000, 0x1000));
    }

    #[test]
    fn many_segments_take_the_extended_form() {
        let segments = |count: u64| {
            let mut core = CoreBuilder::new();
            for i in 0..count {
                core = core.segment(Segment::undumped(i << 12, 1 << 12));
            }
            core.build().to_vec()
        };
        let plain = segments(65_533);
        assert_eq!((u16_at(&plain, 56), u64_at(&plain, 40)), (65_534, 0));
        let extended = segments(65_534);
        assert_eq!(u16_at(&extended, 56), 0xffff);
        let section_header = u64_at(&extended, 40) as usize;
        assert_eq!(extended.len(), section_header + 64);
        let count = u32::from_le_bytes(extended[section_header + 44..][..4].try_into().unwrap());
        assert_eq!(count, 65_535);
    }

    #[test]
    fn other_machines_only_differ_in_form() {
        let machine = Machine { number: 20, class: Class::Elf32, endian: Endian::Big, ..machine::X86_64 };
        let core = CoreBuilder::new().machine(machine).build().to_vec();
        assert_eq!(&core[..7], b"\x7fELF\x01\x02\x01");
        assert_eq!(&core[16..20], [0, 4, 0, 20]);
        assert_eq!(&core[40..46], [0, 52, 0, 32, 0, 1]);
    }

    #[test]
    fn every_machine_has_its_own_sizes() {
        // Sizes of NT_PRSTATUS as gdb and elfutils know them.
        let sizes = [336, 144, 392, 148, 376, 504, 336];
        for (machine, size) in machine::ALL.iter().zip(sizes) {
            assert_eq!(Thread::new(1).prstatus(machine).len(), size, "{}", machine.name);
        }
        assert_eq!(Psinfo::default().encode(Class::Elf32, Endian::Little).len(), 124);
        assert_eq!(Siginfo::fault(11, 1, 5).encode(Class::Elf32, Endian::Little)[12], 5);
    }
}
