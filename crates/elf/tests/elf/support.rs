//! What several of these tests need.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epitaph_elf::{CoreError, CoreFile, Memory, ReadAt};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread};

/// Opens a core from bytes.
pub(crate) fn open(bytes: impl Into<Vec<u8>>) -> Result<CoreFile, CoreError> {
    CoreFile::open(Arc::new(bytes.into()))
}

/// Opens a core that can be opened.
pub(crate) fn core(builder: &CoreBuilder) -> CoreFile {
    open(builder.build().to_vec()).unwrap()
}

/// A core with one of everything, as small as it gets: two threads, two files, two segments of one page.
pub(crate) fn small_core() -> CoreBuilder {
    let page: Vec<u8> = (0..4096_u32).map(|i| i as u8).collect();
    CoreBuilder::new()
        .thread(Thread::new(11).signal(11).register("rip", 0x1000).register("rsp", 0x8_0010))
        .thread(Thread::new(12).signal(11).register("rip", 0x1001).register("rsp", 0x8_0020))
        .psinfo(Psinfo { pid: 11, ppid: 1, name: "small".into(), ..Psinfo::default() })
        .siginfo(Siginfo::fault(11, 1, 0))
        .auxv(6, 4096)
        .file(FileMapping::new(0x1000, 0x2000, 0, "/bin/small"))
        .file(FileMapping::new(0x2000, 0x3000, 1, "/bin/small"))
        .segment(Segment::data(0x1000, page.clone()).flags(5))
        .segment(Segment::data(0x8_0000, page))
}

/// Returns how many of the core's first `len` bytes from `address` on can be read.
pub(crate) fn readable(core: &CoreFile, address: u64, len: u64) -> u64 {
    (0..len).take_while(|offset| core.read(address + offset, &mut [0]).is_ok()).count() as u64
}

/// Counts the bytes that are asked for.
pub(crate) struct Counted<T> {
    inner: T,
    asked: AtomicU64,
}

impl<T> Counted<T> {
    pub(crate) fn new(inner: T) -> Counted<T> {
        Counted { inner, asked: AtomicU64::new(0) }
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl<T: ReadAt> ReadAt for Counted<T> {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.asked.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.inner.read_at(offset, buf)
    }
}

/// Offset of a section's header in the file, found without the code under test (gABI, chapter 4).
pub(crate) fn section_header(file: &[u8], name: &str) -> usize {
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let u16_at = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let (table, count, names) = (u64_at(40), u16_at(60), u16_at(62));
    let names = u64_at(table + 64 * names + 24);
    (0..count)
        .map(|index| table + 64 * index)
        .find(|header| {
            let found = &file[names + u32_at(*header)..];
            found.starts_with(name.as_bytes()) && found[name.len()] == 0
        })
        .unwrap_or_else(|| panic!("no section {name}"))
}

/// Offset of a field in a section header.
pub(crate) const SH_OFFSET: usize = 24;
/// Offset of a field in a section header.
pub(crate) const SH_SIZE: usize = 32;
