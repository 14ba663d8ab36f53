//! Walks the stacks of threads: a few with one unwinder, thousands in parts that several workers take.
//!
//! What a walk gives does not depend on how many workers there are. An unwinder keeps what it found out about code, and
//! how much it still looks for in all, so that each part has an unwinder of its own whoever walks it.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use epitaph_elf::{Arch, LoadedModules, Memory, PageCache, ProcessMemory, Registers, Thread};
use epitaph_unwind::{Frame, Goroutine, Limits, Stop, Unwinder, Unwound};

/// Fewest threads of a part: walking fewer takes less time than what a new unwinder has to find out anew.
const SMALLEST_PART: usize = 512;
/// Most parts.
const MOST_PARTS: usize = 8;
/// Most frames that are walked in all: a few seconds' worth.
const MOST_WALKED: usize = 1 << 22;
/// Most frames that are kept in all: each takes some 400 bytes of a summary.
const MOST_KEPT: usize = 1 << 19;

/// Walks the threads of one process.
pub(crate) struct Walker<'a> {
    arch: &'static Arch,
    loaded: &'a LoadedModules<'a>,
    /// What other unwinders than the first one read through a cache of their own.
    dumped: &'a (dyn Memory + Sync),
    limits: Limits,
    workers: NonZero<usize>,
    first: Unwinder<'a>,
}

/// How many frames may still be walked and kept.
struct Allowance {
    walked: usize,
    kept: usize,
}

impl<'a> Walker<'a> {
    /// Makes a walker; `memory` is the process's, and read by the first unwinder only.
    pub(crate) fn new(
        arch: &'static Arch,
        loaded: &'a LoadedModules<'a>,
        dumped: &'a (dyn Memory + Sync),
        memory: &'a dyn Memory,
        limits: Limits,
        workers: Option<NonZero<usize>>,
    ) -> Walker<'a> {
        let workers =
            workers.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
        let first = Unwinder::new(arch, loaded, memory, limits);
        Walker { arch, loaded, dumped, limits, workers, first }
    }

    /// Walks one stack.
    pub(crate) fn walk(&mut self, registers: &Registers) -> Unwound {
        self.first.walk(registers)
    }

    /// Walks the stack of a thread that a breakpoint in its code has stopped.
    pub(crate) fn walk_trapped(&mut self, registers: &Registers) -> Unwound {
        self.first.walk_trapped(registers)
    }

    /// Walks the stack of a thread once more, and shows its frames with their registers.
    pub(crate) fn revisit(
        &mut self,
        registers: &Registers,
        trapped: bool,
        visit: impl FnMut(&Frame, &Registers),
    ) {
        if trapped {
            self.first.walk_trapped_with(registers, visit);
        } else {
            self.first.walk_with(registers, visit);
        }
    }

    /// Walks the stack of a goroutine that no thread runs.
    pub(crate) fn walk_goroutine(&mut self, goroutine: &Goroutine) -> Unwound {
        self.first.walk_suspended(&goroutine.registers)
    }

    /// Walks many stacks. Those that are left when as many frames were walked or kept as may be have no frames.
    pub(crate) fn walk_all(&mut self, threads: &[Thread]) -> Vec<Unwound> {
        let part = threads.len().div_ceil(MOST_PARTS).max(SMALLEST_PART);
        let mut parts = threads.chunks(part);
        let count = parts.len().max(1);
        let allowance = || Allowance { walked: MOST_WALKED / count, kept: MOST_KEPT / count };
        let first = parts.next().unwrap_or_default();
        if count == 1 {
            return walk_part(&mut self.first, first, allowance());
        }
        let rest: Vec<&[Thread]> = parts.collect();
        let next = AtomicUsize::new(0);
        let (arch, loaded, dumped) = (self.arch, self.loaded, self.dumped);
        let shared_by =
            u32::try_from(rest.len()).ok().and_then(NonZero::new).unwrap_or(self.limits.shared_by);
        let limits = Limits { shared_by, ..self.limits };
        let work = || {
            let mut walked = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = rest.get(index) else { return walked };
                let memory = ProcessMemory::new(PageCache::new(dumped), loaded);
                let mut unwinder = Unwinder::new(arch, loaded, &memory, limits);
                walked.push((index, walk_part(&mut unwinder, part, allowance())));
            }
        };
        let mut walked = Vec::new();
        let mut all = thread::scope(|scope| {
            let helpers = (self.workers.get() - 1).min(rest.len());
            // Where no thread can be started, fewer do the work.
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
            let all = walk_part(&mut self.first, first, allowance());
            walked.extend(work());
            for helper in helpers {
                walked.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        });
        walked.sort_by_key(|(index, _)| *index);
        all.extend(walked.into_iter().flat_map(|(_, part)| part));
        all
    }
}

fn walk_part(unwinder: &mut Unwinder<'_>, threads: &[Thread], mut allowance: Allowance) -> Vec<Unwound> {
    let walk = |thread: &Thread| {
        if allowance.walked == 0 || allowance.kept == 0 {
            return Unwound::without_frames(Stop::Limit);
        }
        let unwound = unwinder.walk(&thread.registers);
        allowance.walked = allowance.walked.saturating_sub(unwound.total);
        allowance.kept = allowance.kept.saturating_sub(unwound.frames.len());
        unwound
    };
    threads.iter().map(walk).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use epitaph_elf::{CompanionWanted, CoreFile, DebugWanted, Locate, Located, Module, Wanted};
    use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};
    use epitaph_unwind::Keep;

    use super::*;

    struct Nothing;

    impl Locate for Nothing {
        fn image(&self, _: &Wanted<'_>) -> Located {
            Located::Missing { tried: Vec::new() }
        }

        fn debug(&self, _: &DebugWanted<'_>) -> Located {
            Located::Missing { tried: Vec::new() }
        }

        fn companion(&self, _: &CompanionWanted<'_>) -> Located {
            Located::Missing { tried: Vec::new() }
        }
    }

    /// Threads that claim the same stack of 10 frames, linked by their frame pointers.
    fn walked(threads: u32, allowance: Allowance) -> Vec<(usize, usize, Stop)> {
        const CODE: u64 = 0x40_0000;
        const STACK: u64 = 0x7000_0000;
        let frame = |number: u64| [STACK + (number + 1) * 16, CODE + 0x100 + number * 8];
        let stack: Vec<u8> = (0..9).flat_map(frame).flat_map(u64::to_le_bytes).chain([0; 16]).collect();
        let mut builder = CoreBuilder::new()
            .file(FileMapping::new(CODE, CODE + 0x1000, 0, "/bin/many"))
            .segment(Segment::undumped(CODE, 0x1000).flags(5))
            .segment(Segment::data(STACK, stack));
        for tid in 0..threads {
            let thread = Thread::new(tid).register("rip", CODE + 16);
            builder = builder.thread(thread.register("rsp", STACK).register("rbp", STACK));
        }
        let core = CoreFile::open(Arc::new(builder.build().to_vec())).unwrap();
        let process = core.process();
        let loaded = LoadedModules::new(Module::all(process, &core), process.arch, &Nothing);
        let limits = Limits { keep: Some(Keep { inner: 3, outer: 1 }), ..Limits::default() };
        let mut unwinder = Unwinder::new(process.arch, &loaded, &core, limits);
        let walked = walk_part(&mut unwinder, &process.threads, allowance);
        walked.iter().map(|walked| (walked.frames.len(), walked.total, walked.stop)).collect()
    }

    #[test]
    fn endless_stacks_of_many_threads_end() {
        let frames = |allowance| -> Vec<(usize, usize)> {
            walked(4, allowance).into_iter().map(|(kept, total, _)| (kept, total)).collect()
        };
        assert_eq!(frames(Allowance { walked: 900, kept: 900 }), [(4, 10); 4]);
        assert_eq!(frames(Allowance { walked: 11, kept: 900 }), [(4, 10), (4, 10), (0, 0), (0, 0)]);
        assert_eq!(frames(Allowance { walked: 900, kept: 4 }), [(4, 10), (0, 0), (0, 0), (0, 0)]);
        // What was not walked says so.
        assert_eq!(walked(2, Allowance { walked: 1, kept: 1 })[1], (0, 0, Stop::Limit));
    }
}
