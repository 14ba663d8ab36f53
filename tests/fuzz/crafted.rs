//! What the fuzz targets make of their bytes: objects with given sections, and processes that had one mapped.

use std::sync::Arc;

use epitaph_elf::{
    Bytes, CompanionWanted, CoreFile, DebugWanted, FileState, Found, Locate, Located, Module, Object, Origin,
    Wanted,
};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};

/// Where the object is mapped, and the bytes of it that are code.
pub const BASE: u64 = 0x7f00_0000_0000;
pub const CODE: u64 = 0x1000;
/// The lowest address of the stack.
pub const STACK: u64 = 0x7ffd_0000_0000;

/// Gives this file to whoever asks.
pub struct Given(pub Vec<u8>);

impl Locate for Given {
    fn image(&self, _: &Wanted<'_>) -> Located {
        match Object::parse(Bytes::from(self.0.clone())) {
            Ok(object) => Located::Found(Found {
                object: Arc::new(object),
                path: None,
                origin: Origin::Given,
                state: FileState::Verified,
            }),
            Err(_) => Located::Missing { tried: Vec::new() },
        }
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, _: &CompanionWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }
}

/// Writes an x86-64 library: a page of headers, a page of `nop`s that is loaded behind it, and these sections, loaded
/// at the addresses of their places in the file.
pub fn object(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = vec![0x90; (2 * CODE) as usize];
    let mut headers = vec![[0_u64; 8]];
    let mut names = vec![0];
    let mut section = |file: &mut Vec<u8>, kind: u64, name: &str, bytes: &[u8]| {
        let offset = file.len() as u64;
        let name_at = names.len() as u64;
        names.extend(name.bytes().chain([0]));
        let bytes = if kind == 3 { names.clone() } else { bytes.to_vec() };
        // sh_name and sh_type, sh_flags (SHF_ALLOC), sh_addr, sh_offset, sh_size, sh_link and sh_info, …
        headers.push([name_at | kind << 32, 2, offset, offset, bytes.len() as u64, 0, 1, 0]);
        file.extend(bytes);
    };
    for (name, bytes) in sections {
        section(&mut file, 1, name, bytes); // SHT_PROGBITS
    }
    section(&mut file, 3, ".shstrtab", &[]); // SHT_STRTAB
    let (size, count) = (file.len() as u64, headers.len() as u64);
    let elf_header = [
        u64::from_le_bytes(*b"\x7fELF\x02\x01\x01\0"),
        0,
        3 | 62 << 16 | 1 << 32, // ET_DYN, EM_X86_64, EV_CURRENT
        0,
        64,   // e_phoff
        size, // e_shoff
        64 << 32 | 56 << 48,
        1 | 64 << 16 | count << 32 | (count - 1) << 48,
    ];
    let load = [1 | 5 << 32, 0, 0, 0, size, size, CODE]; // PT_LOAD, PF_R | PF_X
    for (word, to) in elf_header.iter().chain(&load).zip(file.chunks_exact_mut(8)) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    file.extend(headers.iter().flatten().flat_map(|word| word.to_le_bytes()));
    file
}

/// A core of a process that had `file` mapped, with a thread of these registers, and this stack.
pub fn core(file: &[u8], registers: &[(&str, u64)], stack: &[u64]) -> CoreFile {
    let size = (file.len() as u64).next_multiple_of(CODE);
    let thread = registers.iter().fold(Thread::new(1), |thread, (name, value)| thread.register(name, *value));
    let stack: Vec<u8> = stack.iter().flat_map(|word| word.to_le_bytes()).collect();
    let core = CoreBuilder::new()
        .thread(thread)
        .file(FileMapping::new(BASE, BASE + size, 0, "/lib/crafted.so"))
        .segment(Segment::data(BASE, &file[..CODE as usize]).memory_size(size).flags(5))
        .segment(Segment::data(STACK, stack));
    CoreFile::open(Arc::new(core.build().to_vec())).expect("a core that the kernel could have written")
}

/// Turns arbitrary words into such as lead somewhere: into the code, into the stack, or anywhere.
pub fn lead(word: u64) -> u64 {
    match word % 4 {
        0 => BASE + CODE + (word >> 2) % CODE,
        1 | 2 => STACK + (word >> 2) % 64 * 8,
        _ => word,
    }
}

/// Does with an object all that can be done with it alone.
pub fn use_up(object: &Object) {
    for name in [".debug_info", ".debug_line", ".eh_frame", ".debug_frame", ".symtab", ".text"] {
        let _ = (object.section_start(name, 64), object.section(name), object.section_address(name));
    }
    for table in [epitaph_elf::SymbolTable::Static, epitaph_elf::SymbolTable::Dynamic] {
        for symbol in object.symbols(table).take(1000) {
            let _ = (symbol.name(), object.code_section_at(symbol.address), object.is_plt(symbol.address));
        }
    }
    for segment in object.segments() {
        let _ = object.data_from(segment.address);
    }
    let _ = (object.eh_frame_hdr(), object.debug_link(), object.build_id());
}

/// The modules of a core, by address.
pub fn modules(core: &CoreFile) -> Vec<Module> {
    Module::all(core.process(), core)
}
