//! A process's memory with its modules' files behind it: what may be read from a file, and what never.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_elf::{
    Bytes, CompanionWanted, CoreFile, DebugWanted, FileState, Found, LoadedModules, Locate, Located, Memory,
    MemoryError, Module, Object, Origin, PageCache, ProcessMemory, Wanted, X86_64, read_vec,
};
use epitaph_testkit::core::{CoreBuilder, Segment};

use crate::image::{Image, page};
use crate::support::core;

const BASE: u64 = 0x7f00_0000_0000;

/// Gives every module the same file, and counts the questions.
struct Always {
    image: Option<(Vec<u8>, FileState)>,
    asked: AtomicUsize,
}

impl Always {
    fn found(file: Vec<u8>, state: FileState) -> Always {
        Always { image: Some((file, state)), asked: AtomicUsize::new(0) }
    }

    fn nothing() -> Always {
        Always { image: None, asked: AtomicUsize::new(0) }
    }
}

impl Locate for Always {
    fn image(&self, _: &Wanted<'_>) -> Located {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match &self.image {
            Some((file, state)) => Located::Found(Found {
                object: Arc::new(Object::parse(Bytes::from(file.clone())).unwrap()),
                path: Some("/there".into()),
                origin: Origin::RecordedPath,
                state: *state,
            }),
            None => Located::Missing { tried: Vec::new() },
        }
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, _: &CompanionWanted<'_>) -> Located {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Located::Missing { tried: Vec::new() }
    }
}

/// A library of which the first page and the data were dumped, and neither code nor constants.
fn builder() -> CoreBuilder {
    CoreBuilder::new()
        .file(page(BASE, 0, "/lib/a.so"))
        .file(page(BASE + 0x1000, 0x1000, "/lib/a.so"))
        .file(page(BASE + 0x2000, 0x2000, "/lib/a.so"))
        .file(page(BASE + 0x3000, 0x3000, "/lib/a.so"))
        .segment(Image::usual(0).first_page(BASE))
        .segment(Segment::undumped(BASE + 0x1000, 0x1000).flags(5))
        .segment(Segment::undumped(BASE + 0x2000, 0x1000).flags(4))
        .segment(Segment::undumped(BASE + 0x3000, 0x1000).flags(6))
        .segment(Segment::undumped(0x1_0000, 0x1000))
}

/// The library's file: each page differs.
fn file() -> Vec<u8> {
    let mut file = Image::usual(0).bytes(0x4000);
    for (page, bytes) in file.chunks_mut(0x1000).enumerate().skip(1) {
        bytes.fill(page as u8);
    }
    file
}

fn loaded<'a>(core: &CoreFile, locate: &'a dyn Locate) -> LoadedModules<'a> {
    LoadedModules::new(Module::all(core.process(), core), &X86_64, locate)
}

#[test]
fn what_was_not_dumped_is_read_from_the_file_that_was_mapped() {
    for state in [FileState::Verified, FileState::Unverified] {
        let (core, locate) = (core(&builder()), Always::found(file(), state));
        let loaded = loaded(&core, &locate);
        let memory = ProcessMemory::new(PageCache::new(&core), &loaded);
        assert_eq!(read_vec(&memory, BASE + 0x1ff0, 16).unwrap(), [1; 16]);
        assert_eq!(read_vec(&memory, BASE + 0x2000, 16).unwrap(), [2; 16]);
        assert_eq!(read_vec(&memory, BASE + 0x10, 4).unwrap(), Image::usual(0).bytes(0x1000)[0x10..0x14]);
        // A read that leaves the segment is not put together.
        assert!(memory.read(BASE + 0x1ff8, &mut [0; 16]).is_err());
        assert_eq!(locate.asked.load(Ordering::Relaxed), 1, "a file is looked for once");
    }
}

#[test]
fn what_the_process_may_have_changed_is_not_read_from_the_file() {
    let (core, locate) = (core(&builder()), Always::found(file(), FileState::Verified));
    let loaded = loaded(&core, &locate);
    let memory = ProcessMemory::new(PageCache::new(&core), &loaded);
    let address = BASE + 0x3000;
    assert_eq!(memory.read(address, &mut [0]), Err(MemoryError::NotDumped { address }));
}

#[test]
fn another_build_and_a_missing_file_give_no_bytes() {
    for locate in [Always::found(file(), FileState::Mismatch), Always::nothing()] {
        let core = core(&builder());
        let loaded = loaded(&core, &locate);
        let memory = ProcessMemory::new(PageCache::new(&core), &loaded);
        let address = BASE + 0x1000;
        assert_eq!(memory.read(address, &mut [0]), Err(MemoryError::NotDumped { address }));
        assert!(memory.is_executable(address), "the core says so itself");
    }
}

#[test]
fn no_file_is_asked_for_memory_that_is_in_no_module() {
    let (core, locate) = (core(&builder()), Always::found(file(), FileState::Verified));
    let loaded = loaded(&core, &locate);
    let memory = ProcessMemory::new(PageCache::new(&core), &loaded);
    assert_eq!(memory.read(0x1_0000, &mut [0]), Err(MemoryError::NotDumped { address: 0x1_0000 }));
    assert_eq!(memory.read(0x9_0000, &mut [0]), Err(MemoryError::Unmapped { address: 0x9_0000 }));
    assert_eq!(locate.asked.load(Ordering::Relaxed), 0);
}

/// Without the file's headers in the core, the file itself tells where it was loaded.
#[test]
fn the_bias_comes_from_the_file_where_the_core_has_no_headers() {
    let headless = CoreBuilder::new()
        .file(page(BASE, 0, "/lib/a.so"))
        .file(page(BASE + 0x1000, 0x1000, "/lib/a.so"))
        .file(page(BASE + 0x2000, 0x2000, "/lib/a.so"))
        .segment(Segment::undumped(BASE, 0x1000).flags(4))
        .segment(Segment::undumped(BASE + 0x1000, 0x1000).flags(5))
        .segment(Segment::undumped(BASE + 0x2000, 0x1000).flags(4));
    let core = core(&headless);
    let nothing = Always::nothing();
    assert_eq!(loaded(&core, &nothing).bias(0), None);
    for linked_at in [0, 0x1_0000] {
        let mut file = Image::usual(linked_at).bytes(0x4000);
        file[0x1000..0x2000].fill(0xc3);
        let locate = Always::found(file, FileState::Verified);
        let loaded = loaded(&core, &locate);
        assert_eq!(loaded.bias(0), Some(BASE - linked_at));
        let memory = ProcessMemory::new(PageCache::new(&core), &loaded);
        assert_eq!(read_vec(&memory, BASE + 0x1800, 2).unwrap(), [0xc3; 2]);
    }
}

#[test]
fn the_bias_that_the_core_tells_is_believed_and_no_file_opened() {
    let (core, locate) = (core(&builder()), Always::found(file(), FileState::Verified));
    let loaded = loaded(&core, &locate);
    assert_eq!((loaded.bias(0), loaded.bias(1)), (Some(BASE), None));
    assert_eq!(loaded.find(BASE + 0x1234), Some(0));
    assert!(loaded.is_code(BASE + 0x1234) && !loaded.is_code(BASE + 0x2234));
    assert_eq!((loaded.find(BASE - 1), loaded.find(BASE + 0x5000)), (None, None));
    assert_eq!(locate.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn the_vdso_needs_no_file() {
    let start = 0x7fff_f000_0000;
    let image = Image::new(&[crate::image::Load::new(0, 0, 0x1000, 5)]).bytes(0x1000);
    let core = core(&CoreBuilder::new().auxv(33, start).segment(Segment::data(start, image).flags(5)));
    let locate = Always::nothing();
    let loaded = loaded(&core, &locate);
    match loaded.image(0).unwrap() {
        Located::Found(found) => assert_eq!((found.origin, found.state), (Origin::Core, FileState::Verified)),
        Located::Missing { .. } => panic!("the vDSO is in the core"),
    }
    assert!(loaded.debug(0).is_none());
    assert_eq!(locate.asked.load(Ordering::Relaxed), 0);
}
