//! Stacks: walked, named a module at a time, and described.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use epitaph_elf::{Defect, LoadedModules, MemoryError, Process, Thread};
use epitaph_summary::{self as summary, Hex, Rules, Warning};
use epitaph_symbols::{SourceFrame, Symbolizer};
use epitaph_unwind::{Frame, Goroutine, Repeat, Stop, Unwound};

use crate::frames::Frames;
use crate::parts;
use crate::python::Pythons;
use crate::signal;
use crate::variables::{Reader, Stack};
use crate::walker::Walker;

/// Walks and names threads; names are kept from thread to thread.
pub(crate) struct Stacks<'a> {
    walker: Walker<'a>,
    symbolizer: Symbolizer<'a>,
    loaded: &'a LoadedModules<'a>,
    /// Frames by the address that was looked up; an address that has no name is there too, with no frames.
    names: HashMap<u64, Vec<SourceFrame>>,
    frames: Frames<'a>,
    variables: Reader<'a>,
    pythons: Pythons<'a>,
    touched: BTreeSet<usize>,
    problems: Vec<Warning>,
}

impl<'a> Stacks<'a> {
    pub(crate) fn new(
        walker: Walker<'a>,
        loaded: &'a LoadedModules<'a>,
        rules: &'a Rules,
        variables: Reader<'a>,
        pythons: Pythons<'a>,
    ) -> Stacks<'a> {
        Stacks {
            variables,
            walker,
            symbolizer: Symbolizer::new(loaded),
            loaded,
            names: HashMap::new(),
            frames: Frames::new(loaded, rules),
            pythons,
            touched: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// The modules that stacks led through so far.
    pub(crate) fn touched(&self) -> &BTreeSet<usize> {
        &self.touched
    }

    /// What went wrong so far.
    pub(crate) fn problems(&self) -> &[Warning] {
        &self.problems
    }

    /// What of Python's frames can't be told.
    pub(crate) fn python_problems(&self) -> Vec<Warning> {
        self.pythons.problems()
    }

    /// Reads the Python frames of threads that nobody wants described, so that a smaller core can keep them.
    pub(crate) fn remember_python(&self, threads: &[Thread]) {
        for thread in threads {
            self.pythons.remember(thread);
        }
    }

    /// Describes the thread that comes first; `crashed` says whether it is the one that took the signal.
    pub(crate) fn first(&mut self, process: &Process, thread: &Thread, crashed: bool) -> summary::Thread {
        let trapped = crashed && process.signal.as_ref().is_some_and(signal::is_breakpoint);
        let walked = if trapped {
            self.walker.walk_trapped(&thread.registers)
        } else {
            self.walker.walk(&thread.registers)
        };
        let mut walked = [walked];
        self.name(&walked);
        let [walked] = &mut walked;
        let registers = process.arch.register_names.iter();
        let registers = registers
            .filter(|_| crashed)
            .filter_map(|(number, name)| Some(((*name).to_owned(), Hex(thread.registers.get(*number)?))))
            .collect();
        let mut described = summary::Thread { crashed, registers, ..self.describe(process, thread, walked) };
        if self.variables.is_wanted() {
            let stack = Stack::new(&mut self.walker, thread, trapped, walked, &mut described);
            self.variables.read(&self.symbolizer, vec![stack]);
        }
        described
    }

    /// Describes other threads.
    pub(crate) fn others(&mut self, process: &Process, threads: &[Thread]) -> Vec<summary::Thread> {
        let mut walked = self.walker.walk_all(threads);
        self.name(&walked);
        let pairs = threads.iter().zip(&mut walked);
        let mut described: Vec<summary::Thread> =
            pairs.map(|(thread, walked)| self.describe(process, thread, walked)).collect();
        if self.variables.is_wanted() {
            let mut stacks = Vec::new();
            for ((thread, walked), described) in threads.iter().zip(&walked).zip(&mut described) {
                if !self.variables.take(walked.frames.len()) {
                    break;
                }
                stacks.push(Stack::new(&mut self.walker, thread, false, walked, described));
            }
            self.variables.read(&self.symbolizer, stacks);
        }
        described
    }

    /// Describes goroutines that no thread runs.
    pub(crate) fn goroutines(&mut self, goroutines: Vec<Goroutine>) -> Vec<summary::Thread> {
        let mut walked: Vec<Unwound> =
            goroutines.iter().map(|goroutine| self.walker.walk_goroutine(goroutine)).collect();
        self.name(&walked);
        let describe = |(goroutine, walked): (Goroutine, &mut Unwound)| summary::Thread {
            goroutine: Some(summary::Goroutine { id: goroutine.id, state: Some(goroutine.state) }),
            ..self.stack(walked)
        };
        goroutines.into_iter().zip(&mut walked).map(describe).collect()
    }

    /// Describes a thread whose stack was walked and named.
    fn describe(&mut self, process: &Process, thread: &Thread, walked: &mut Unwound) -> summary::Thread {
        // A core of the kernel's holds one name: that of the process, which is its first thread's.
        let main = process.info.as_ref().filter(|info| info.pid == thread.tid);
        let name = thread.name.as_ref().or(main.map(|info| &info.name));
        let mut described = summary::Thread {
            tid: Some(thread.tid),
            name: name.map(|name| name.to_string_lossy().into_owned()),
            ..self.stack(walked)
        };
        self.pythons.add(thread, &mut described);
        if !process.defects.contains(&Defect::NoCore) {
            return described;
        }
        // Whatever the walk failed for: with a core, it would have gone on.
        summary::Thread {
            stop: Some(summary::Stop::NotDumped),
            stop_detail: Some("there is no core, so no stack that could be read".to_owned()),
            ..described
        }
    }

    /// Names the addresses that have no name yet, the whole set of a module at once.
    fn name(&mut self, walked: &[Unwound]) {
        let mut wanted: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for frame in walked.iter().flat_map(|walked| &walked.frames) {
            let lookup = frame.address.lookup();
            if self.names.contains_key(&lookup) {
                continue;
            }
            let Some(module) = self.loaded.find(lookup) else { continue };
            self.touched.insert(module);
            // A trampoline has a name of its own, and looking for its symbol's means reading much in vain.
            if !frame.signal_trampoline {
                wanted.entry(module).or_default().insert(lookup);
            }
        }
        for (module, lookups) in wanted {
            let (mut named, problems) = self.symbolizer.symbolize(module, &lookups);
            for lookup in lookups {
                self.names.insert(lookup, named.remove(&lookup).unwrap_or_default());
            }
            let name = self.loaded.modules().get(module).map(|entry| entry.module.path.display().to_string());
            let name = name.unwrap_or_default();
            for problem in problems {
                let warning = Warning::new(problem.code, format!("{name}: {}", problem.text));
                if !self.problems.contains(&warning) {
                    self.problems.push(warning);
                }
            }
        }
    }

    /// Lays a walked stack out as logical frames, and says why it ended.
    fn stack(&mut self, walked: &mut Unwound) -> summary::Thread {
        parts::join(walked, |frame| function(&self.names, frame));
        let mut frames = Vec::with_capacity(walked.frames.len());
        // By index, up to the number of all: how many logical frames stand before.
        let mut before = Vec::with_capacity(walked.frames.len() + 1);
        for frame in &walked.frames {
            before.push(frames.len());
            let names = self.names.get(&frame.address.lookup()).map(Vec::as_slice).unwrap_or_default();
            self.frames.add(frame, names, &mut frames);
        }
        before.push(frames.len());
        let index = |machine: usize| u32::try_from(*before.get(machine)?).ok();
        let repeat = |repeat: &Repeat| {
            let first = index(repeat.first)?;
            Some(summary::Repeat {
                first,
                period: index(repeat.first + repeat.period)? - first,
                count: u32::try_from(repeat.count).ok()?,
                exact: repeat.exact,
            })
        };
        let stop = stop(walked.stop);
        summary::Thread {
            stop: Some(stop),
            stop_detail: (stop != summary::Stop::End).then(|| walked.stop.to_string()),
            frames_total: u32::try_from(walked.total).ok(),
            omitted_after: walked.left_out_after.and_then(index).and_then(|next| next.checked_sub(1)),
            repeats: walked.repeats.iter().filter_map(repeat).collect(),
            frames,
            ..summary::Thread::default()
        }
    }
}

/// Names the function that a frame's code was compiled into.
fn function<'n>(names: &'n HashMap<u64, Vec<SourceFrame>>, frame: &Frame) -> Option<&'n str> {
    let name = names.get(&frame.address.lookup())?.last()?;
    Some(parts::whole_function(name.raw_name.as_deref().or(name.function.as_deref())?))
}

fn stop(stop: Stop) -> summary::Stop {
    match stop {
        Stop::End => summary::Stop::End,
        Stop::NoCfi { .. } | Stop::BadCfi { .. } => summary::Stop::NoCfi,
        Stop::Memory(MemoryError::NotDumped { .. }) => summary::Stop::NotDumped,
        Stop::Memory(MemoryError::Truncated { .. }) => summary::Stop::Truncated,
        Stop::Memory(MemoryError::Unmapped { .. }) => summary::Stop::Unmapped,
        Stop::BadReturnAddress { .. } => summary::Stop::BadReturnAddress,
        Stop::Loop { .. } => summary::Stop::Loop,
        Stop::Limit => summary::Stop::Limit,
        Stop::NoRegisters => summary::Stop::NoRegisters,
    }
}
