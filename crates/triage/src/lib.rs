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
mod pipeline;
mod process;
mod python;
mod scrub;
mod signal;
mod signing;
mod sources;
mod stacks;
mod test_case;
mod threads;
mod variables;
mod walker;

use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use epitaph_elf::{
    BuildId, LoadedModules, Locate, Memory, Module, ModulePart, PageCache, Process, ProcessMemory,
};
use epitaph_summary::{self as summary, Collection, Core, CrashSummary, Masks, Rules};

use crate::pipeline::{Dead, Pipeline};

pub use scrub::{MOST_LEARNED, Scrubber};
pub use signal::signal_name;
pub use sources::{FoundSources, SourcePlace, Sources};
pub use test_case::test_in_output;

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
    /// Which variables of the frames are told: they are what people typed and programs computed.
    pub variables: Variables,
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
            variables: Variables::None,
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

/// Which variables of the frames are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variables {
    /// None.
    #[default]
    None,
    /// Arguments.
    Arguments,
    /// Arguments and locals.
    All,
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
    /// The memory that told why the process died, what its threads waited for, and which Python frames they had, besides
    /// what its stacks were walked by: a smaller core that keeps it is explained alike.
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
    let cached = PageCache::new(dumped);
    let loaded = LoadedModules::new(Module::all(process, &cached), process.arch, locate);
    let memory = ProcessMemory::new(cached, &loaded);
    let read_for_python = python::recording(&memory);
    let dead = Dead { process, dumped, memory: &memory, loaded: &loaded, read_for_python: &read_for_python };
    let mut pipeline = Pipeline::new(dead, options);
    pipeline.walk_first();
    pipeline.explain();
    observer.crashing_thread_done(&pipeline.partial());
    pipeline.walk_others();
    observer.threads_done();
    pipeline.end()
}
