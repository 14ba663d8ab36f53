//! Cores, their files, and walks through them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use epitaph_elf::{
    Bytes, CompanionWanted, CoreFile, DebugWanted, FileState, Found, LoadedModules, Locate, Located, Module,
    Object, Origin, PageCache, ProcessMemory, Registers, SymbolTable, Wanted,
};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};
use epitaph_testkit::scratch::Scratch;
use epitaph_unwind::{Frame, Limits, Stop, Unwinder};

/// Takes files from where the core says that they were: this is the machine that they crashed on, a moment ago.
pub(crate) struct RecordedPaths;

impl Locate for RecordedPaths {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        let path = &wanted.module.path;
        let object = File::open(path).ok().and_then(|file| Object::parse(Bytes::map(&file).ok()?).ok());
        match object {
            Some(object) => found(object, path),
            None => Located::Missing { tried: Vec::new() },
        }
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, _: &CompanionWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }
}

/// Gives this file to whoever asks, whatever the core says.
pub(crate) struct Given(pub(crate) Vec<u8>);

impl Locate for Given {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        match Object::parse(Bytes::from(self.0.clone())) {
            Ok(object) => found(object, &wanted.module.path),
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

fn found(object: Object, path: &Path) -> Located {
    let object = Arc::new(object);
    let (path, origin, state) = (Some(path.to_owned()), Origin::RecordedPath, FileState::Verified);
    Located::Found(Found { object, path, origin, state })
}

/// A walk: each frame with its registers, and why it ended.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) frames: Vec<(Frame, Registers)>,
    pub(crate) stop: Stop,
}

impl Walk {
    pub(crate) fn pcs(&self) -> Vec<u64> {
        self.frames.iter().map(|(frame, _)| frame.address.pc()).collect()
    }
}

/// Walks the stack of each thread.
pub(crate) fn walk_all(core: &CoreFile, files: &dyn Locate, limits: Limits) -> Vec<(u32, Walk)> {
    let walk = |unwinder: &mut Unwinder<'_>, thread: &epitaph_elf::Thread| {
        let mut frames = Vec::new();
        let unwound = unwinder.walk_with(&thread.registers, |frame, known| frames.push((*frame, *known)));
        if frames.len() < 1000 {
            assert_eq!(
                unwinder.walk(&thread.registers),
                unwound,
                "a second walk, by what the first one kept"
            );
        }
        assert!(
            frames.iter().map(|(frame, _)| frame).eq(&unwound.frames),
            "what was visited is what was found"
        );
        (thread.tid, Walk { frames, stop: unwound.stop })
    };
    with_unwinder(core, files, limits, |unwinder| {
        core.process().threads.iter().map(|thread| walk(unwinder, thread)).collect()
    })
}

/// Makes an unwinder for a core, and uses it.
pub(crate) fn with_unwinder<R>(
    core: &CoreFile,
    files: &dyn Locate,
    limits: Limits,
    with: impl FnOnce(&mut Unwinder<'_>) -> R,
) -> R {
    let cache = PageCache::new(core);
    let process = core.process();
    let loaded = LoadedModules::new(Module::all(process, &cache), process.arch, files);
    let memory = ProcessMemory::new(cache, &loaded);
    with(&mut Unwinder::new(process.arch, &loaded, &memory, limits))
}

/// Walks the stack of the first thread, which is the one that crashed.
pub(crate) fn walk(core: &CoreFile, files: &dyn Locate) -> Walk {
    walk_all(core, files, Limits::default()).remove(0).1
}

pub(crate) fn open(path: &Path) -> CoreFile {
    CoreFile::open(Arc::new(File::open(path).unwrap())).unwrap()
}

/// Where [`Library`] is loaded.
pub(crate) const BASE: u64 = 0x7f00_0000_0000;
/// The lowest address of a crafted stack.
pub(crate) const STACK: u64 = 0x7ffd_0000_0000;

/// A library of assembly, to be walked through on crafted stacks.
pub(crate) struct Library {
    pub(crate) file: Vec<u8>,
}

impl Library {
    /// Assembles and links `source` with `options`.
    pub(crate) fn assemble(source: &str, options: &str) -> Library {
        let scratch = Scratch::new();
        scratch.write("lib.s", source);
        scratch.run(&format!("gcc -shared -nostdlib {options} -o lib.so lib.s"));
        Library { file: scratch.read("lib.so") }
    }

    fn object(&self) -> Object {
        Object::parse(Bytes::from(self.file.clone())).unwrap()
    }

    /// Returns the address of a label in the process.
    pub(crate) fn address(&self, label: &str) -> u64 {
        let object = self.object();
        let symbol = object.symbols(SymbolTable::Static).find(|symbol| symbol.name() == label.as_bytes());
        BASE + symbol.unwrap_or_else(|| panic!("no label {label}")).address
    }

    /// Starts a core of a process that has it mapped: the first page dumped, all else in the file.
    pub(crate) fn core(&self) -> CoreBuilder {
        let mut builder = CoreBuilder::new();
        let object = self.object();
        for segment in object.segments() {
            let start = segment.address & !0xfff;
            let end = segment.end().next_multiple_of(0x1000);
            let (offset, size) = (segment.offset & !0xfff, end - start);
            let flags =
                u32::from(segment.read) << 2 | u32::from(segment.write) << 1 | u32::from(segment.execute);
            let dumped = if offset == 0 { self.file[..0x1000].to_vec() } else { Vec::new() };
            builder = builder
                .file(FileMapping::new(BASE + start, BASE + end, offset >> 12, "/lib/crafted.so"))
                .segment(Segment::data(BASE + start, dumped).memory_size(size).flags(flags));
        }
        builder
    }

    /// A core of a thread that stands at `pc`, with these registers and this stack; `rsp` is at its start.
    pub(crate) fn crash(&self, pc: u64, registers: &[(&str, u64)], stack: &[u64]) -> CoreFile {
        let mut thread = Thread::new(1).signal(11).register("rip", pc).register("rsp", STACK);
        for (name, value) in registers {
            thread = thread.register(name, *value);
        }
        let bytes: Vec<u8> = stack.iter().flat_map(|word| word.to_le_bytes()).collect();
        let core = self.core().thread(thread).segment(Segment::data(STACK, bytes)).build();
        CoreFile::open(Arc::new(core.to_vec())).unwrap()
    }

    /// Walks such a stack.
    pub(crate) fn walk(&self, pc: u64, registers: &[(&str, u64)], stack: &[u64]) -> Walk {
        walk(&self.crash(pc, registers, stack), &Given(self.file.clone()))
    }
}
