//! The steps of a triage, in their order: describe, walk what crashed, explain it, walk the rest, sign, mask.

use std::collections::BTreeSet;
use std::ops::Range;

use epitaph_elf::{Defect, LoadedModules, Memory, Process, Recording, SignalInfo};
use epitaph_explain::{Scene, Waits, explain, waits};
use epitaph_summary::{CrashSummary, Masks, Warning, needs_all_threads};
use epitaph_unwind::{Keep, Limits, goroutines};

use crate::python::Pythons;
use crate::scrub::Start;
use crate::signing::signed;
use crate::stacks::Stacks;
use crate::variables::Reader;
use crate::walker::Walker;
use crate::{
    Options, Triaged, Variables, completeness, emulator, mask, modules, process, signal, sources, test_case,
    threads,
};

/// Most pages that are remembered of those that were read to explain a death, and of those that were read to find out what
/// threads waited for: 4 MiB each.
const MOST_READ_FOR_CAUSE: usize = 1024;

/// A dead process, as far as it can be read.
#[derive(Clone, Copy)]
pub(crate) struct Dead<'a> {
    pub(crate) process: &'a Process,
    /// What the core holds; other workers than the first read it by themselves.
    pub(crate) dumped: &'a (dyn Memory + Sync),
    /// What the core holds, and what its modules' files hold where it has left that out.
    pub(crate) memory: &'a dyn Memory,
    pub(crate) loaded: &'a LoadedModules<'a>,
    /// The memory, for what an interpreter keeps there.
    pub(crate) read_for_python: &'a Recording<'a>,
}

/// A triage on its way.
pub(crate) struct Pipeline<'a> {
    dead: Dead<'a>,
    options: &'a Options,
    /// What the process was started with.
    start: Start,
    /// The secrets of its own.
    own_masks: Masks,
    stacks: Stacks<'a>,
    /// What its threads waited for.
    waits: Waits,
    read_for_cause: Vec<Range<u64>>,
    summary: CrashSummary,
}

impl<'a> Pipeline<'a> {
    /// Describes what no stack is needed for.
    pub(crate) fn new(dead: Dead<'a>, options: &'a Options) -> Pipeline<'a> {
        let Dead { process, memory, loaded, .. } = dead;
        let mut summary = CrashSummary::new(env!("CARGO_PKG_VERSION"));
        process::describe(process, loaded, memory, &options.process, &mut summary);
        let signal = process.signal.clone().or_else(|| options.signal.map(SignalInfo::of_number));
        summary.signal = signal.map(|signal| signal::describe(&signal, process));
        summary.collection.clone_from(&options.collection);
        summary.time.clone_from(&options.time);
        let has_core = !process.defects.contains(&Defect::NoCore);
        summary.core = has_core.then(|| completeness::grade(process, memory, options.core.clone()));
        summary.warnings =
            process.defects.iter().map(|defect| Warning::new(defect.code(), defect.to_string())).collect();
        summary.warnings.extend(emulator::warning(loaded));
        let keep = (options.inner_frames > 0)
            .then_some(Keep { inner: options.inner_frames, outer: options.outer_frames });
        let start = Start::find(process, memory);
        Pipeline {
            dead,
            options,
            own_masks: mask::of_process(process, &start),
            start,
            stacks: stacks(dead, options, keep, options.variables),
            waits: Waits::default(),
            read_for_cause: Vec::new(),
            summary,
        }
    }

    /// Walks the thread that took the signal, or the first where none did.
    pub(crate) fn walk_first(&mut self) {
        let process = self.dead.process;
        let threads = process.threads.first().into_iter();
        let crashed = has_crashed(process);
        self.summary.threads = threads.map(|thread| self.stacks.first(process, thread, crashed)).collect();
        self.summary.modules = modules::describe(self.dead.loaded, self.stacks.touched());
    }

    /// Says why the process died, what its threads waited for, and in which test; signs it if that needs no more.
    pub(crate) fn explain(&mut self) {
        let Dead { process, memory, loaded, .. } = self.dead;
        let summary = &mut self.summary;
        let of_waits = Recording::new(memory, MOST_READ_FOR_CAUSE);
        self.waits = waits(process, &of_waits, loaded);
        threads::add_waits(&mut summary.threads, &self.waits.threads);
        summary.deadlocks = threads::deadlocks(process, &self.waits);
        let of_cause = Recording::new(memory, MOST_READ_FOR_CAUSE);
        let explained = explain(&Scene::new(process, &of_cause, loaded, summary, &self.waits));
        if let Some(signal) = &mut summary.signal {
            signal.after = signal::before(&explained.handled, process);
        }
        summary.cause = explained.cause;
        summary.other_causes = explained.others;
        summary.regions = explained.regions;
        self.read_for_cause = of_cause.pages().chain(of_waits.pages()).collect();

        self.summary.test = test_case::find(&self.tests(), self.summary.threads.first());
        if let Some(sources) = &self.options.sources {
            sources::add(&**sources, &mut self.summary);
        }
        if !needs_all_threads(&self.summary) {
            self.sign();
        }
    }

    /// Returns the summary as far as it is.
    pub(crate) fn partial(&mut self) -> CrashSummary {
        let unfinished = self.summary.clone();
        self.finish();
        std::mem::replace(&mut self.summary, unfinished)
    }

    /// Walks the other threads, where they are wanted, and the goroutines that no thread runs.
    pub(crate) fn walk_others(&mut self) {
        let Dead { process, memory, loaded, .. } = self.dead;
        let only_first = self.options.crashed_thread_only;
        let unwanted = if only_first && has_crashed(process) { usize::MAX } else { 1 };
        if unwanted > 1 {
            self.stacks.remember_python(process.threads.get(1..).unwrap_or_default());
        }
        let others = process.threads.get(unwanted..).unwrap_or_default();
        let mut others = self.stacks.others(process, others);
        if let Some(test) = test_case::find_elsewhere(&self.tests(), self.summary.test.as_ref(), &others) {
            self.summary.test = Some(test);
        }
        threads::add_waits(&mut others, self.waits.threads.get(1..).unwrap_or_default());
        self.summary.threads.append(&mut others);
        let wanted = if only_first { 0 } else { self.options.goroutines };
        if wanted > 0
            && let Some(goroutines) = goroutines(process.arch, loaded, memory, wanted)
        {
            self.summary.goroutine_count = u32::try_from(goroutines.total).ok();
            self.summary.goroutines = self.stacks.goroutines(goroutines.described);
        }
        if needs_all_threads(&self.summary) {
            self.sign();
        }
    }

    /// Describes the modules, and ends the triage.
    pub(crate) fn end(mut self) -> Triaged {
        let loaded = self.dead.loaded;
        let searched: BTreeSet<usize> = if self.options.all_files {
            (0..loaded.modules().len()).collect()
        } else {
            self.stacks.touched().clone()
        };
        self.summary.modules = modules::describe(loaded, &searched);
        self.finish();
        let files = modules::files(loaded, &searched);
        self.read_for_cause.extend(self.dead.read_for_python.pages());
        Triaged { summary: self.summary, files, read_for_cause: self.read_for_cause }
    }

    fn sign(&mut self) {
        let Pipeline { dead, options, .. } = *self;
        let walk_keeping = |keep| stacks(dead, options, Some(keep), Variables::None);
        self.summary.signature = signed(&self.summary, dead.process, options, walk_keeping);
    }

    /// Adds what went wrong on the way, and takes the secrets out.
    fn finish(&mut self) {
        let summary = &mut self.summary;
        if let Some(core) = &mut summary.core {
            completeness::after_walk(core, &summary.threads);
        }
        summary.warnings.extend(modules::warnings(self.dead.loaded, self.stacks.touched()));
        summary.warnings.extend(self.stacks.problems().iter().cloned());
        summary.warnings.extend(self.stacks.python_problems());
        mask::apply(&self.options.masks, &self.own_masks, summary);
    }

    fn tests(&self) -> test_case::Scene<'_> {
        let Dead { process, memory, loaded, .. } = self.dead;
        test_case::Scene { process, memory, loaded, start: &self.start }
    }
}

/// Makes ready to walk stacks, of which the frames in `keep` are kept, or all.
fn stacks<'a>(dead: Dead<'a>, options: &'a Options, keep: Option<Keep>, variables: Variables) -> Stacks<'a> {
    let Dead { process, dumped, memory, loaded, read_for_python } = dead;
    let limits = Limits { keep, ..Limits::default() };
    let walker = Walker::new(process.arch, loaded, dumped, memory, limits, options.workers);
    let pythons = Pythons::new(process, loaded, read_for_python, options);
    let scene = epitaph_variables::Scene { arch: process.arch, memory, modules: loaded };
    Stacks::new(walker, loaded, &options.rules, Reader::new(scene, variables), pythons)
}

/// Tells whether a signal was taken by the first thread.
fn has_crashed(process: &Process) -> bool {
    process.signal.as_ref().is_some_and(|signal| signal.number != 0)
}
