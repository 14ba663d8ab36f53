//! Stacks: walked, cut where they are endless, named a module at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use epitaph_elf::{LoadedModules, MemoryError, Process};
use epitaph_summary::{self as summary, Hex, Warning};
use epitaph_symbols::{SourceFrame, SymbolSource, Symbolizer};
use epitaph_unwind::{Frame, Goroutine, Stop, Trust, Unwinder, Unwound};

use crate::Options;
use crate::in_app::in_app;

/// What a signal trampoline's frame is called: nobody called its function, and people know this from gdb.
const SIGNAL_FRAME: &str = "<signal handler called>";

/// Walks and names threads; names are kept from thread to thread.
pub(crate) struct Stacks<'a> {
    unwinder: Unwinder<'a>,
    symbolizer: Symbolizer<'a>,
    loaded: &'a LoadedModules<'a>,
    options: &'a Options,
    /// Frames by the address that was looked up; an address that has no name is there too, with no frames.
    names: HashMap<u64, Vec<SourceFrame>>,
    touched: BTreeSet<usize>,
    problems: Vec<Warning>,
}

/// A walked stack, cut.
pub(crate) struct Walked {
    frames: Vec<Frame>,
    total: usize,
    /// How many frames from the inner end were kept, where some were cut.
    inner: Option<usize>,
    stop: Stop,
}

impl<'a> Stacks<'a> {
    pub(crate) fn new(
        unwinder: Unwinder<'a>,
        symbolizer: Symbolizer<'a>,
        loaded: &'a LoadedModules<'a>,
        options: &'a Options,
    ) -> Stacks<'a> {
        Stacks {
            unwinder,
            symbolizer,
            loaded,
            options,
            names: HashMap::new(),
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

    /// Walks some threads' stacks.
    pub(crate) fn walk(&mut self, threads: &[epitaph_elf::Thread]) -> Vec<Walked> {
        threads.iter().map(|thread| self.walk_one(&thread.registers)).collect()
    }

    /// Describes threads whose stacks were walked and named; `crashed` says whether they are the one that took the
    /// signal.
    pub(crate) fn describe(
        &self,
        process: &Process,
        threads: &[epitaph_elf::Thread],
        walked: Vec<Walked>,
        crashed: bool,
    ) -> Vec<summary::Thread> {
        let main = process.info.as_ref();
        threads
            .iter()
            .zip(walked)
            .map(|(thread, mut walked)| {
                let registers = process.arch.register_names.iter();
                let registers = registers
                    .filter(|_| crashed)
                    .filter_map(|(number, name)| {
                        Some(((*name).to_owned(), Hex(thread.registers.get(*number)?)))
                    })
                    .collect();
                summary::Thread {
                    tid: Some(thread.tid),
                    // The core holds one name: that of the process, which is its first thread's.
                    name: main
                        .filter(|info| info.pid == thread.tid)
                        .map(|info| info.name.to_string_lossy().into_owned()),
                    crashed,
                    registers,
                    ..self.stack(&mut walked)
                }
            })
            .collect()
    }

    /// Walks the stacks of some goroutines.
    pub(crate) fn walk_goroutines(&mut self, goroutines: &[Goroutine]) -> Vec<Walked> {
        let walk = |goroutine: &Goroutine| {
            let unwound = self.unwinder.walk_suspended(&goroutine.registers);
            self.cut(unwound)
        };
        goroutines.iter().map(walk).collect()
    }

    /// Describes goroutines whose stacks were walked and named.
    pub(crate) fn describe_goroutines(
        &self,
        goroutines: Vec<Goroutine>,
        walked: Vec<Walked>,
    ) -> Vec<summary::Thread> {
        let describe = |(goroutine, mut walked): (Goroutine, Walked)| summary::Thread {
            goroutine: Some(summary::Goroutine { id: goroutine.id, state: Some(goroutine.state) }),
            ..self.stack(&mut walked)
        };
        goroutines.into_iter().zip(walked).map(describe).collect()
    }

    /// Lays a walked stack out, and says why it ended.
    fn stack(&self, walked: &mut Walked) -> summary::Thread {
        self.join_parts(walked);
        let stop = stop(walked.stop);
        summary::Thread {
            stop: Some(stop),
            stop_detail: (stop != summary::Stop::End).then(|| walked.stop.to_string()),
            frames_total: u32::try_from(walked.total).ok(),
            ..self.logical(walked)
        }
    }

    fn walk_one(&mut self, registers: &epitaph_elf::Registers) -> Walked {
        let unwound = self.unwinder.walk(registers);
        self.cut(unwound)
    }

    /// Cuts an endless stack in its middle.
    fn cut(&self, unwound: Unwound) -> Walked {
        let Unwound { mut frames, stop } = unwound;
        let total = frames.len();
        let (inner, outer) = (self.options.inner_frames, self.options.outer_frames);
        let cut = inner > 0 && total > inner.saturating_add(outer);
        if cut {
            frames.drain(inner..total - outer);
            frames.shrink_to_fit();
        }
        Walked { frames, total, inner: cut.then_some(inner), stop }
    }

    /// Names the addresses that have no name yet, the whole set of a module at once.
    pub(crate) fn name<'w>(&mut self, walked: impl IntoIterator<Item = &'w Walked>) {
        let mut wanted: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for frame in walked.into_iter().flat_map(|walked| &walked.frames) {
            let lookup = frame.address.lookup();
            let Some(module) = self.loaded.find(lookup).filter(|_| !self.names.contains_key(&lookup)) else {
                continue;
            };
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

    /// Takes out the frames of tail calls that only led from one part of a function to another: compilers split
    /// unlikely code off a function, and by the machine code alone each part is a function.
    fn join_parts(&self, walked: &mut Walked) {
        if walked.frames.iter().all(|frame| frame.trust != Trust::TailCall) {
            return;
        }
        let cut = walked.inner;
        let mut index = 0;
        let mut inside = None;
        walked.frames.retain(|frame| {
            // Across the cut, the frame before isn't the one that was jumped to.
            let jumped_to = inside.filter(|_| cut != Some(index));
            let function = self.function(frame);
            let joined = frame.trust == Trust::TailCall && function.is_some() && function == jumped_to;
            if joined {
                walked.total -= 1;
                walked.inner = walked.inner.map(|inner| inner - usize::from(Some(index) < cut));
            }
            index += 1;
            inside = function;
            !joined
        });
    }

    /// Names the function that a frame's code was compiled into.
    fn function(&self, frame: &Frame) -> Option<&str> {
        let name = self.names.get(&frame.address.lookup())?.last()?;
        Some(whole_function(name.raw_name.as_deref().or(name.function.as_deref())?))
    }

    /// Lays a walked stack out as logical frames.
    fn logical(&self, walked: &Walked) -> summary::Thread {
        let mut thread = summary::Thread::default();
        for (index, frame) in walked.frames.iter().enumerate() {
            if walked.inner == Some(index) {
                thread.omitted_after =
                    u32::try_from(thread.frames.len()).ok().and_then(|len| len.checked_sub(1));
            }
            self.add_frame(frame, &mut thread.frames);
        }
        thread
    }

    fn add_frame(&self, frame: &Frame, out: &mut Vec<summary::Frame>) {
        let (pc, lookup) = (frame.address.pc(), frame.address.lookup());
        let module = self.loaded.find(lookup);
        let entry = module.and_then(|index| self.loaded.modules().get(index));
        let machine = summary::Frame {
            pc: Some(Hex(pc)),
            cfa: frame.cfa.map(Hex),
            module: module.and_then(|index| u32::try_from(index).ok()),
            offset: module.and_then(|index| self.loaded.bias(index)).map(|bias| Hex(pc.wrapping_sub(bias))),
            trust: Some(trust(frame.trust)),
            in_app: Some(false),
            ..summary::Frame::default()
        };
        let names = self.names.get(&lookup).map(Vec::as_slice).unwrap_or_default();
        if frame.signal_trampoline {
            out.push(summary::Frame { function: Some(SIGNAL_FRAME.to_owned()), ..machine });
            return;
        }
        let path = entry.map(|entry| entry.module.path.to_string_lossy()).unwrap_or_default();
        let main = entry.is_some_and(|entry| entry.module.main);
        let own =
            |name: Option<&str>, file: Option<&str>| Some(entry.is_some() && in_app(&path, main, name, file));
        if names.is_empty() {
            out.push(summary::Frame { in_app: own(None, None), ..machine });
            return;
        }
        out.extend(names.iter().map(|name| summary::Frame {
            function: name.function.clone(),
            raw_name: name.raw_name.clone(),
            // The symbol's offset is that of the address that was looked up; people count from the pc itself.
            function_offset: name.offset.map(|offset| Hex(offset.saturating_add(pc - lookup))),
            file: name.file.clone(),
            line: name.line,
            column: name.column,
            inlined: name.inlined,
            cfa: machine.cfa.filter(|_| !name.inlined),
            symbol_source: name.source.map(symbol_source),
            in_app: own(name.function.as_deref(), name.file.as_deref()),
            ..machine.clone()
        }));
    }
}

/// Takes off a symbol's name what GCC and LLVM add to it for a part of a function: `.cold`, `.cold.1`, `.part.0`.
fn whole_function(symbol: &str) -> &str {
    let unnumbered = symbol.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let numbered = unnumbered.len() < symbol.len();
    let part = if numbered {
        unnumbered.strip_suffix(".cold.").or_else(|| unnumbered.strip_suffix(".part."))
    } else {
        symbol.strip_suffix(".cold")
    };
    part.map_or(symbol, whole_function)
}

fn trust(trust: Trust) -> summary::Trust {
    match trust {
        Trust::Context => summary::Trust::Context,
        Trust::Cfi => summary::Trust::Cfi,
        Trust::TailCall => summary::Trust::TailCall,
        Trust::Signal => summary::Trust::Signal,
        Trust::Prologue => summary::Trust::Prologue,
        Trust::CallTarget => summary::Trust::CallTarget,
        Trust::FramePointer => summary::Trust::FramePointer,
        Trust::CallScan => summary::Trust::CallScan,
        Trust::Scan => summary::Trust::Scan,
    }
}

fn symbol_source(source: SymbolSource) -> summary::SymbolSource {
    match source {
        SymbolSource::Dwarf => summary::SymbolSource::Dwarf,
        SymbolSource::Static => summary::SymbolSource::Symtab,
        SymbolSource::Dynamic => summary::SymbolSource::Dynsym,
        SymbolSource::GoTable => summary::SymbolSource::Pclntab,
        SymbolSource::Stub => summary::SymbolSource::Plt,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_bear_the_name_of_their_function() {
        for part in ["f", "f.cold", "f.cold.12", "f.part.0", "f.part.0.cold"] {
            assert_eq!(whole_function(part), "f", "{part}");
        }
    }

    #[test]
    fn other_functions_keep_their_own() {
        for name in ["f.constprop.0", "f.cold.", "f.cold_start", "f2", "alloc..cold..f", ""] {
            assert_eq!(whole_function(name), name);
        }
    }
}
