//! Cores of very many threads, frames and mappings: the same story whoever walks, in bounded time and memory.

use std::num::NonZero;
use std::time::{Duration, Instant};

use epitaph_elf::{CoreFile, Locate};
use epitaph_summary::{CrashSummary, Stop};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Siginfo, Thread};
use epitaph_testkit::crash::{Crash, program};
use epitaph_triage::{Options, Silent, triage};

use crate::support::{Nothing, built, open};

const CODE: u64 = 0x40_0000;
const STACK: u64 = 0x7000_0000;

fn told(core: &CoreFile, files: &dyn Locate, workers: usize) -> CrashSummary {
    let options = Options { workers: NonZero::new(workers), ..Options::default() };
    triage(core.process(), core, files, &options, &mut Silent).summary
}

/// Starts a core of code that nothing else is known of.
fn with_code() -> CoreBuilder {
    CoreBuilder::new()
        .siginfo(Siginfo::fault(11, 1, 0))
        .file(FileMapping::new(CODE, CODE + 0x10_0000, 0, "/bin/many"))
        .segment(Segment::undumped(CODE, 0x10_0000).flags(5))
}

/// A stack of `frames` frames that are linked by their frame pointers, each of 16 bytes.
fn linked(start: u64, frames: u64) -> Vec<u8> {
    let frame = |number: u64| [start + (number + 1) * 16, CODE + 0x100 + number * 8 % 0x8_0000];
    (0..frames).flat_map(frame).flat_map(u64::to_le_bytes).chain([0; 16]).collect()
}

fn thread(tid: u32, stack: u64) -> Thread {
    let pc = CODE + 16 + u64::from(tid) % 8 * 16;
    Thread::new(tid).signal(11).register("rip", pc).register("rsp", stack).register("rbp", stack)
}

#[test]
fn thousands_of_threads_are_told_alike_by_any_number_of_workers() {
    let mut builder = with_code();
    let mut stacks = Vec::new();
    for tid in 1..=10_000 {
        // Stacks of 1 to 4 frames more than the innermost.
        let start = STACK + stacks.len() as u64;
        builder = builder.thread(thread(tid, start));
        stacks.extend(linked(start, u64::from(tid) % 4 + 1));
    }
    let core = built(&builder.segment(Segment::data(STACK, stacks)));
    let alone = told(&core, &Nothing, 1);
    let tids: Vec<Option<u32>> = alone.threads.iter().map(|thread| thread.tid).collect();
    assert!(tids.into_iter().eq((1..=10_000).map(Some)));
    for thread in &alone.threads {
        let expected = u64::from(thread.tid.unwrap()) % 4 + 2;
        assert_eq!(thread.frames.len() as u64, expected, "{:?}", thread.tid);
    }
    assert!(told(&core, &Nothing, 7) == alone);
}

#[test]
fn real_threads_are_told_alike_by_any_number_of_workers() {
    let Some(crash) = Crash::of_or_skip(program("many_threads")) else { return };
    let core = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let alone = told(&core, &files, 1);
    assert_eq!(alone.threads.len(), 1201);
    for thread in &alone.threads {
        assert_eq!(thread.stop, Some(Stop::End), "{:?}", thread.tid);
        assert!(thread.frames.iter().any(|frame| frame.function.as_deref() == Some("settle")));
    }
    assert!(told(&core, &files, 4) == alone);
}

#[test]
fn tens_of_thousands_of_mappings_are_read_soon() {
    let mut builder = with_code();
    for index in 0..70_000_u64 {
        let start = 0x1_0000_0000 + index * 0x2000;
        // Every other one is of a file of its own, mapped executable.
        builder = builder.segment(Segment::undumped(start, 0x1000).flags(if index % 2 == 0 { 5 } else { 6 }));
        if index % 2 == 0 {
            builder = builder.file(FileMapping::new(start, start + 0x1000, 0, format!("/lib/{index}.so")));
        }
    }
    let stack = linked(STACK, 8);
    let core = built(&builder.thread(thread(1, STACK)).segment(Segment::data(STACK, stack)));
    assert!(core.segments().len() > 70_000);
    let start = Instant::now();
    let summary = told(&core, &Nothing, 1);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(summary.modules.len(), 35_001);
    assert_eq!(summary.threads[0].frames.len(), 9);
    // Files are looked for where a stack leads through, and nowhere else.
    assert_eq!(summary.modules.iter().filter(|module| module.file_state.is_some()).count(), 1);
}
