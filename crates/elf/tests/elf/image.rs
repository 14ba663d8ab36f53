//! ELF images written by hand: their first pages as a core has them, and crafted ones that no linker writes.

use epitaph_testkit::core::{FileMapping, Segment};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
/// Where the note of the build ID stands in the file and, by its first segment, in memory.
const NOTE: u64 = 0x800;

/// A loadable segment of the image: where it belongs before the load bias, and its place in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    /// `PF_X` 1, `PF_W` 2, `PF_R` 4
    pub(crate) flags: u32,
}

impl Load {
    pub(crate) fn new(address: u64, offset: u64, size: u64, flags: u32) -> Load {
        Load { address, offset, file_size: size, memory_size: size, flags }
    }
}

/// An executable or a shared library.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    loads: Vec<Load>,
    build_id: Option<Vec<u8>>,
    dynamic: Option<u64>,
}

impl Image {
    pub(crate) fn new(loads: &[Load]) -> Image {
        Image { loads: loads.to_vec(), build_id: None, dynamic: None }
    }

    /// As most linkers lay a small library out: headers, code, constants, data; a page each, the data with as much of
    /// `.bss` again.
    pub(crate) fn usual(base: u64) -> Image {
        let data = Load { memory_size: 0x2000, ..Load::new(base + 0x3000, 0x3000, 0x1000, 6) };
        Image::new(&[
            Load::new(base, 0, 0x1000, 4),
            Load::new(base + 0x1000, 0x1000, 0x1000, 5),
            Load::new(base + 0x2000, 0x2000, 0x1000, 4),
            data,
        ])
    }

    pub(crate) fn build_id(mut self, id: &[u8]) -> Image {
        self.build_id = Some(id.to_vec());
        self
    }

    /// Says that the dynamic section is at this address, before the load bias.
    pub(crate) fn dynamic(mut self, address: u64) -> Image {
        self.dynamic = Some(address);
        self
    }

    /// The file's first `len` bytes.
    pub(crate) fn bytes(&self, len: usize) -> Vec<u8> {
        let count =
            self.loads.len() + usize::from(self.build_id.is_some()) + usize::from(self.dynamic.is_some());
        let mut out = Vec::new();
        out.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        out.extend([3, 0, 62, 0, 1, 0, 0, 0]); // ET_DYN, EM_X86_64, EV_CURRENT
        out.extend(0_u64.to_le_bytes()); // e_entry
        out.extend(64_u64.to_le_bytes()); // e_phoff
        out.extend([0; 12]); // e_shoff, e_flags
        for field in [64, 56, count as u16, 64, 0, 0] {
            out.extend(field.to_le_bytes());
        }
        for load in &self.loads {
            out.extend(program_header(PT_LOAD, load));
        }
        if let Some(address) = self.dynamic {
            out.extend(program_header(PT_DYNAMIC, &Load::new(address, address, 0x100, 6)));
        }
        if let Some(id) = &self.build_id {
            let size = 16 + id.len() as u64;
            let base = self.loads.first().map_or(0, |load| load.address);
            out.extend(program_header(PT_NOTE, &Load::new(base + NOTE, NOTE, size, 4)));
            out.resize(NOTE as usize, 0);
            for field in [4, id.len() as u32, 3] {
                out.extend(field.to_le_bytes()); // namesz, descsz, NT_GNU_BUILD_ID
            }
            out.extend(b"GNU\0");
            out.extend(id);
        }
        assert!(out.len() <= len);
        out.resize(len, 0x90);
        out
    }

    /// What the kernel dumps of its first page, at `address`.
    pub(crate) fn first_page(&self, address: u64) -> Segment {
        Segment::data(address, self.bytes(0x1000)).flags(4)
    }
}

fn program_header(kind: u32, load: &Load) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(kind.to_le_bytes());
    out.extend(load.flags.to_le_bytes());
    for field in [load.offset, load.address, load.address, load.file_size, load.memory_size, 0x1000] {
        out.extend(field.to_le_bytes());
    }
    out
}

/// A page of a file, mapped.
pub(crate) fn page(start: u64, offset: u64, path: &str) -> FileMapping {
    FileMapping::new(start, start + 0x1000, offset / 0x1000, path)
}
