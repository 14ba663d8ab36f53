//! The stages of reading and keeping a core, each as a call of its library: what a change of one of them costs.
#![expect(clippy::expect_used, reason = "a benchmark without its input has nothing to measure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use epitaph_bench::inputs::{self, Input, Made, Workshop};
use epitaph_bundle::{CoreInput, OutputFolder, SealRequest, Sealed, open_core, save_core};
use epitaph_elf::{CoreFile, LoadedModules, Module, PageCache, ProcessMemory, SlimCore, SlimOptions};
use epitaph_summary::CrashSummary;
use epitaph_symbols::{FileSearch, SearchOptions, Symbolizer};
use epitaph_unwind::{Limits, Unwinder};

/// Where `make bench` keeps its inputs too.
const INPUTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench/inputs");

fn made(input: &Input) -> Made {
    let workshop = Workshop::new(Path::new(INPUTS)).expect("a folder for the inputs");
    workshop.make(input).expect("the input")
}

fn opened(made: &Made) -> CoreFile {
    CoreFile::open(Arc::new(File::open(&made.core).expect("the core"))).expect("a core")
}

fn files() -> FileSearch<'static> {
    FileSearch::new(SearchOptions::default())
}

/// Reads header, notes and segments.
fn open(criterion: &mut Criterion) {
    for input in [inputs::heap_172m(), inputs::busy("threads-1000", 0, 1000, 256)] {
        let made = made(&input);
        criterion.bench_function(&format!("open/{}", input.name), |bencher| {
            bencher.iter(|| black_box(opened(&made)));
        });
    }
}

/// Finds and opens the file of every module, and its debug file.
fn locate(criterion: &mut Criterion) {
    for input in [inputs::small(), inputs::modules("modules-100", 100)] {
        let core = opened(&made(&input));
        let files = files();
        let modules = Module::all(core.process(), &core);
        criterion.bench_function(&format!("locate/{}", input.name), |bencher| {
            bencher.iter(|| {
                let loaded = LoadedModules::new(modules.clone(), core.process().arch, &files);
                (0..modules.len()).filter(|module| black_box(loaded.debug_object(*module)).is_some()).count()
            });
        });
    }
}

/// Walks every thread's stack, with nothing known of the code.
fn unwind(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unwind");
    for input in [
        inputs::heap_172m(),
        inputs::busy("threads-1000", 0, 1000, 256),
        inputs::deep("frames-65536", 1 << 16),
    ] {
        let core = opened(&made(&input));
        let files = files();
        let loaded = LoadedModules::new(Module::all(core.process(), &core), core.process().arch, &files);
        let walk = || walk(&core, &loaded, |frames| frames.len()).into_iter().sum::<usize>();
        group.throughput(Throughput::Elements(walk() as u64));
        group.bench_function(&input.name, |bencher| bencher.iter(walk));
    }
}

/// Walks all threads, and returns what `of` makes of each stack.
fn walk<T>(
    core: &CoreFile,
    loaded: &LoadedModules<'_>,
    of: impl Fn(&[epitaph_unwind::Frame]) -> T,
) -> Vec<T> {
    let memory = ProcessMemory::new(PageCache::new(core), loaded);
    let mut unwinder = Unwinder::new(core.process().arch, loaded, &memory, Limits::default());
    core.process().threads.iter().map(|thread| of(&unwinder.walk(&thread.registers).frames)).collect()
}

/// Names the addresses of all stacks, a module at a time.
fn symbolize(criterion: &mut Criterion) {
    for input in [inputs::small(), inputs::debug_info("debug-8m", 8)] {
        let core = opened(&made(&input));
        let files = files();
        let loaded = LoadedModules::new(Module::all(core.process(), &core), core.process().arch, &files);
        let lookups = |frames: &[epitaph_unwind::Frame]| {
            frames.iter().map(|frame| frame.address.lookup()).collect::<Vec<_>>()
        };
        let mut by_module: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for address in walk(&core, &loaded, lookups).into_iter().flatten() {
            by_module.entry(loaded.find(address).unwrap_or(usize::MAX)).or_default().insert(address);
        }
        criterion.bench_function(&format!("symbolize/{}", input.name), |bencher| {
            bencher.iter(|| {
                let symbolizer = Symbolizer::new(&loaded);
                let named =
                    by_module.iter().map(|(module, addresses)| symbolizer.symbolize(*module, addresses));
                named.map(|(frames, _)| frames.len()).sum::<usize>()
            });
        });
    }
}

/// Decides what a slim core keeps, and writes it.
fn slim(criterion: &mut Criterion) {
    for input in [inputs::heap_172m(), inputs::busy("threads-1000", 0, 1000, 256)] {
        let core = opened(&made(&input));
        let folder = tempfile::tempdir_in(INPUTS).expect("a folder");
        let target = folder.path().join("slim");
        criterion.bench_function(&format!("slim/{}", input.name), |bencher| {
            bencher.iter(|| {
                let slim = SlimCore::new(&core, &SlimOptions::default()).expect("a slim core");
                save_core(&slim, &target, None).expect("a file")
            });
        });
    }
}

/// Compresses and hashes a core into an output folder.
fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    group.sample_size(10);
    let input = inputs::heap_172m();
    let core = open_core(&made(&input).core).expect("the core");
    group.throughput(Throughput::Bytes(core.size));
    group.bench_function(&input.name, |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir_in(INPUTS).expect("a folder"),
            |folder| {
                let output = OutputFolder::open(folder.path()).expect("an output folder");
                let request = SealRequest::new("a-crash", CrashSummary::new("0"));
                let sealed = output.seal(request.with_core(CoreInput::from(&core))).expect("a sealed crash");
                assert!(matches!(sealed, Sealed::Stored(_)));
                folder // removed when the clock is stopped
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(stages, open, locate, unwind, symbolize, slim, seal);
criterion_main!(stages);
