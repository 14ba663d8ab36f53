//! One core in, one summary out.
//!
//! [`triage`] runs the pipeline for a process that somebody else has read: find its modules, walk its stacks, name
//! the frames, and say in a sentence what the signal was. It never fails: what can't be done is a warning in the
//! summary. It is *not* a place for I/O: it asks a [`Locate`] for files and prints nothing; whoever
//! wants to show the crashing thread before the others are named gives an [`Observer`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use epitaph_elf::CoreFile;
//! use epitaph_symbols::{FileSearch, SearchOptions};
//! use epitaph_triage::{Options, Silent, triage};
//!
//! let core = CoreFile::open(Arc::new(std::fs::File::open("core.4711")?))?;
//! let files = FileSearch::new(SearchOptions::default());
//! let triaged = triage(core.process(), &core, &files, &Options::default(), &mut Silent);
//! println!("{:?}", triaged.summary.crashing_thread());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod completeness;
mod emulator;
mod frames;
mod mask;
mod modules;
mod parts;
mod process;
mod scrub;
mod signal;
mod signing;
mod sources;
mod stacks;
mod test_case;
mod threads;
mod walker;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use epitaph_elf::{
    BuildId, LoadedModules, Locate, Memory, Module, ModulePart, PageCache, Process, ProcessMemory, Recording,
    SignalInfo,
};
use epitaph_explain::{Scene, explain, waits};
use epitaph_summary::{
    self as summary, Collection, Core, CrashSummary, Masks, Rules, Warning, needs_all_threads,
};
use epitaph_unwind::{Keep, Limits, goroutines};

use crate::scrub::Start;
use crate::signing::signed;
use crate::stacks::Stacks;
use crate::walker::Walker;

pub use scrub::{MOST_LEARNED, Scrubber};
pub use signal::signal_name;
pub use sources::{FoundSources, SourcePlace, Sources};

/// Most pages that are remembered of those that were read to explain a death, and of those that were read to find out what
/// threads waited for: 4 MiB each.
const MOST_READ_FOR_CAUSE: usize = 1024;

/// What is wanted of a triage.
#[derive(Clone, Debug)]
pub struct Options {
    /// Walk and name only the crashing thread.
    pub crashed_thread_only: bool,
    /// Most machine frames of a thread that are named and kept from its inner end; 0 keeps all.
    pub inner_frames: usize,
    /// Most that are kept from its outer end, where there are more.
    pub outer_frames: usize,
    /// Most goroutines of a Go program, beside those that threads run, whose stacks are walked and named.
    pub goroutines: usize,
    /// How many threads of ours walk stacks, where there are so many that it pays; as many as the machine runs at a time
    /// where it isn't said. What they find doesn't depend on it.
    pub workers: Option<NonZero<usize>>,
    /// Find the files of all modules, not only of those that a stack leads through.
    pub all_files: bool,
    /// Where source lines are had from; none are shown without.
    pub sources: Option<Arc<dyn Sources>>,
    /// Rules on frames.
    pub rules: Arc<Rules>,
    /// Secrets to take out.
    pub masks: Masks,
    /// When the process died (RFC 3339, UTC), as far as the caller knows.
    pub time: Option<String>,
    /// What the caller knows of the core file.
    pub core: Core,
    /// What the caller was told of the process: it counts where the core itself doesn't say.
    pub process: summary::Process,
    /// The number of the signal, as the caller was told: it counts where the core doesn't say.
    pub signal: Option<i32>,
    /// What the caller was told of how the core was collected.
    pub collection: Option<Collection>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            crashed_thread_only: false,
            inner_frames: 256,
            outer_frames: 64,
            goroutines: 256,
            workers: None,
            all_files: false,
            sources: None,
            rules: Arc::default(),
            masks: Masks::default(),
            time: None,
            core: Core::default(),
            process: summary::Process::default(),
            signal: None,
            collection: None,
        }
    }
}

/// Is told how far a triage is.
pub trait Observer {
    /// The crashing thread is done. Gets the summary as far as it is: everything but the other threads.
    fn crashing_thread_done(&mut self, partial: &CrashSummary);

    /// Every thread is done. Files that are looked for from now on explain nothing more: they are to be kept.
    fn threads_done(&mut self) {}
}

/// An observer that doesn't care.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn crashing_thread_done(&mut self, _: &CrashSummary) {}
}

/// What a triage gives.
#[derive(Clone, Debug)]
pub struct Triaged {
    /// The summary.
    pub summary: CrashSummary,
    /// The files that it was made with, and that explain it on another machine.
    pub files: Vec<ModuleFile>,
    /// The memory that told why the process died and what its threads waited for, besides what its stacks
    /// were walked by: a smaller core that keeps it is explained alike.
    pub read_for_cause: Vec<Range<u64>>,
}

/// A file of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFile {
    /// Index into the summary's modules.
    pub module: usize,
    /// Its path on this machine.
    pub path: PathBuf,
    /// Its build ID, if it has one.
    pub build_id: Option<BuildId>,
    /// Which of the module's files it is.
    pub part: ModulePart,
}

/// Turns a dead process into a summary.
pub fn triage(
    process: &Process,
    dumped: &(dyn Memory + Sync),
    locate: &dyn Locate,
    options: &Options,
    observer: &mut dyn Observer,
) -> Triaged {
    let mut summary = CrashSummary::new(env!("CARGO_PKG_VERSION"));
    let cached = PageCache::new(dumped);
    let loaded = LoadedModules::new(Module::all(process, &cached), process.arch, locate);
    let memory = ProcessMemory::new(cached, &loaded);

    process::describe(process, &loaded, &memory, &options.process, &mut summary);
    let signal = process.signal.clone().or_else(|| options.signal.map(SignalInfo::of_number));
    summary.signal = signal.map(|signal| signal::describe(&signal, process));
    summary.collection.clone_from(&options.collection);
    summary.time.clone_from(&options.time);
    summary.core = Some(completeness::grade(process, &memory, options.core.clone()));
    summary.warnings =
        process.defects.iter().map(|defect| Warning::new(defect.code(), defect.to_string())).collect();
    summary.warnings.extend(emulator::warning(&loaded));
    let start = Start::find(process, &memory);
    let own_masks = mask::of_process(process, &start);

    let keep = (options.inner_frames > 0)
        .then_some(Keep { inner: options.inner_frames, outer: options.outer_frames });
    let walk = |keep: Option<Keep>| {
        let limits = Limits { keep, ..Limits::default() };
        let walker = Walker::new(process.arch, &loaded, dumped, &memory, limits, options.workers);
        Stacks::new(walker, &loaded, &options.rules)
    };
    let walk_keeping = |keep: Keep| walk(Some(keep));
    let mut stacks = walk(keep);
    let crashed = process.signal.as_ref().is_some_and(|signal| signal.number != 0);
    let (first, others) = process.threads.split_at(process.threads.len().min(1));
    let others = if options.crashed_thread_only && crashed { &[] } else { others };
    summary.threads = first.iter().map(|thread| stacks.first(process, thread, crashed)).collect();
    summary.modules = modules::describe(&loaded, stacks.touched());
    let of_waits = Recording::new(&memory, MOST_READ_FOR_CAUSE);
    let waits = waits(process, &of_waits, &loaded);
    threads::add_waits(&mut summary.threads, &waits.threads);
    summary.deadlocks = threads::deadlocks(process, &waits);
    let of_cause = Recording::new(&memory, MOST_READ_FOR_CAUSE);
    let explained = explain(&Scene::new(process, &of_cause, &loaded, &summary, &waits));
    if let Some(signal) = &mut summary.signal {
        signal.after = signal::before(&explained.handled, process);
    }
    summary.cause = explained.cause;
    summary.other_causes = explained.others;
    summary.regions = explained.regions;
    let tests = test_case::Scene { process, memory: &memory, loaded: &loaded, start: &start };
    summary.test = test_case::find(&tests, summary.threads.first());
    if let Some(sources) = &options.sources {
        sources::add(&**sources, &mut summary);
    }
    if !needs_all_threads(&summary) {
        summary.signature = signed(&summary, process, options, walk_keeping);
    }
    let mut partial = summary.clone();
    finish(&mut partial, &stacks, &loaded, &own_masks, options);
    observer.crashing_thread_done(&partial);
    drop(partial);

    let mut others = stacks.others(process, others);
    if let Some(test) = test_case::find_elsewhere(&tests, summary.test.as_ref(), &others) {
        summary.test = Some(test);
    }
    threads::add_waits(&mut others, waits.threads.get(1..).unwrap_or_default());
    summary.threads.append(&mut others);
    let wanted = if options.crashed_thread_only { 0 } else { options.goroutines };
    if wanted > 0
        && let Some(goroutines) = goroutines(process.arch, &loaded, &memory, wanted)
    {
        summary.goroutine_count = u32::try_from(goroutines.total).ok();
        summary.goroutines = stacks.goroutines(goroutines.described);
    }
    if needs_all_threads(&summary) {
        summary.signature = signed(&summary, process, options, walk_keeping);
    }
    observer.threads_done();
    let searched: BTreeSet<usize> =
        if options.all_files { (0..loaded.modules().len()).collect() } else { stacks.touched().clone() };
    summary.modules = modules::describe(&loaded, &searched);
    finish(&mut summary, &stacks, &loaded, &own_masks, options);
    let read_for_cause = of_cause.pages().chain(of_waits.pages()).collect();
    Triaged { summary, files: modules::files(&loaded, &searched), read_for_cause }
}

/// Adds what went wrong on the way, and takes the secrets out.
fn finish(
    summary: &mut CrashSummary,
    stacks: &Stacks<'_>,
    loaded: &LoadedModules<'_>,
    own_masks: &Masks,
    options: &Options,
) {
    if let Some(core) = &mut summary.core {
        completeness::after_walk(core, &summary.threads);
    }
    summary.warnings.extend(modules::warnings(loaded, stacks.touched()));
    summary.warnings.extend(stacks.problems().iter().cloned());
    mask::apply(&options.masks, own_masks, summary);
}
