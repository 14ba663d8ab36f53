//! Processes that had a file mapped, and the questions that are asked about them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epitaph_elf::{
    Bytes, Companion, CompanionWanted, CoreFile, DebugWanted, FileState, Found, LoadedModules, Locate,
    Located, Module, Object, Origin, Outcome, SymbolTable, Wanted,
};
use epitaph_symbols::{FileSearch, Problem, SearchOptions, SourceFrame, Symbolizer};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};

/// Where files are mapped.
pub(crate) const BASE: u64 = 0x7f00_0000_0000;
/// `AT_ENTRY`: what tells the main program from its libraries.
const AT_ENTRY: u64 = 9;

pub(crate) fn object(file: &[u8]) -> Object {
    Object::parse(Bytes::from(file.to_vec())).unwrap()
}

/// A core of a process that had `file` mapped from `recorded`: as the kernel writes it, with the file's first page, or
/// without it.
pub(crate) fn core_of(file: &[u8], recorded: impl AsRef<Path>, first_page: bool) -> CoreFile {
    let path = recorded.as_ref().as_os_str().as_encoded_bytes();
    let mut builder = CoreBuilder::new().thread(Thread::new(1));
    for segment in object(file).segments() {
        let start = BASE + (segment.address & !0xfff);
        let end = (BASE + segment.end()).next_multiple_of(0x1000);
        let flags = u32::from(segment.read) << 2 | u32::from(segment.write) << 1 | u32::from(segment.execute);
        let dumped = if segment.offset == 0 && first_page {
            file[..file.len().min(0x1000)].to_vec()
        } else {
            Vec::new()
        };
        builder = builder
            .auxv(AT_ENTRY, start)
            .file(FileMapping::new(start, end, segment.offset >> 12, path))
            .segment(Segment::data(start, dumped).memory_size(end - start).flags(flags));
    }
    CoreFile::open(Arc::new(builder.build().to_vec())).unwrap()
}

/// Looks for the file of the core's only module. A search that hangs fails the test rather than the whole run.
pub(crate) fn image(core: &CoreFile, options: SearchOptions<'static>) -> Located {
    let module = only_module(core);
    within_ten_seconds(move || FileSearch::new(options).image(&Wanted { module: &module, arch: "x86_64" }))
}

pub(crate) fn only_module(core: &CoreFile) -> Module {
    let mut modules = Module::all(core.process(), core);
    assert_eq!(modules.len(), 1, "{modules:?}");
    modules.remove(0)
}

fn within_ten_seconds<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(work()));
    receive.recv_timeout(Duration::from_secs(10)).expect("it hangs, or it panicked")
}

/// What was found: how, how sure, and where.
pub(crate) fn found(located: &Located) -> (Origin, FileState, &Path) {
    match located {
        Located::Found(found) => (found.origin, found.state, found.path.as_deref().unwrap()),
        Located::Missing { tried } => panic!("nothing was found: {tried:?}"),
    }
}

/// What was tried in vain.
pub(crate) fn missing(located: &Located) -> Vec<(&Path, &Outcome)> {
    match located {
        Located::Found(found) => panic!("{found:?}"),
        Located::Missing { tried } => {
            tried.iter().map(|tried| (tried.path.as_path(), &tried.outcome)).collect()
        }
    }
}

/// Gives these files to whoever asks.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) image: Vec<u8>,
    pub(crate) debug: Option<Vec<u8>>,
    /// The split debug information of every unit.
    pub(crate) split: Option<Vec<u8>>,
    pub(crate) package: Option<Vec<u8>>,
    pub(crate) supplementary: Option<Vec<u8>>,
}

impl Given {
    pub(crate) fn image(file: Vec<u8>) -> Given {
        Given { image: file, ..Given::default() }
    }
}

impl Locate for Given {
    fn image(&self, _: &Wanted<'_>) -> Located {
        located(Some(&self.image))
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        located(self.debug.as_deref())
    }

    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        let file = match wanted.companion {
            Companion::Split { .. } => &self.split,
            Companion::Package => &self.package,
            Companion::Supplementary(_) => &self.supplementary,
        };
        located(file.as_deref())
    }
}

fn located(file: Option<&[u8]>) -> Located {
    match file.and_then(|file| Object::parse(Bytes::from(file.to_vec())).ok()) {
        Some(object) => Located::Found(Found {
            object: Arc::new(object),
            path: None,
            origin: Origin::Given,
            state: FileState::Verified,
        }),
        None => Located::Missing { tried: Vec::new() },
    }
}

/// Names addresses (before the load bias) of the core's only module.
pub(crate) fn symbolize(
    core: &CoreFile,
    files: &dyn Locate,
    addresses: &BTreeSet<u64>,
) -> (BTreeMap<u64, Vec<SourceFrame>>, Vec<Problem>) {
    let loaded = LoadedModules::new(Module::all(core.process(), core), core.process().arch, files);
    let lookups = addresses.iter().map(|address| BASE + address).collect();
    let (frames, problems) = Symbolizer::new(&loaded).symbolize(0, &lookups);
    (frames.into_iter().map(|(lookup, frames)| (lookup - BASE, frames)).collect(), problems)
}

/// Returns the address and size of each function of the static symbol table that has a size, by name.
pub(crate) fn functions(file: &[u8]) -> BTreeMap<String, (u64, u64)> {
    let object = object(file);
    let symbols = object.symbols(SymbolTable::Static).filter(|symbol| symbol.size > 0);
    symbols
        .map(|symbol| (String::from_utf8_lossy(symbol.name()).into_owned(), (symbol.address, symbol.size)))
        .collect()
}

/// Where a section lies in the file.
pub(crate) fn section(file: &[u8], name: &str) -> Range<usize> {
    let object = object(file);
    let Some(bytes) = object.section(name).unwrap() else { return 0..0 };
    let start = bytes.as_ptr() as usize - object.bytes().as_ptr() as usize;
    start..start + bytes.len()
}
