//! How much of a core is there: graded, and never more told than that.

use std::sync::Arc;

use epitaph_elf::{CoreFile, ReadAt};
use epitaph_summary::{Completeness, Core, CrashSummary, Stop};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Siginfo, Thread};
use epitaph_testkit::crash::{Crash, program};
use epitaph_triage::{Options, Silent, triage};

use crate::support::{Nothing, codes, core, open, summary};

fn grade(summary: &CrashSummary) -> (Completeness, Option<u64>) {
    let core = summary.core.as_ref().unwrap();
    (core.completeness.unwrap(), core.missing_bytes)
}

/// Two threads, a page of stack each: the other's first, then the crashing one's, then a page of heap.
fn two_threads() -> CoreBuilder {
    CoreBuilder::new()
        .thread(Thread::new(1).signal(11).register("rip", 0x10).register("rsp", 0x20_0000))
        .thread(Thread::new(2).signal(11).register("rip", 0x20).register("rsp", 0x10_0000))
        .file(FileMapping::new(0, 4096, 0, "/x"))
        .segment(Segment::data(0x20_0000, [1; 4096]))
        .segment(Segment::data(0x10_0000, [2; 4096]))
        .segment(Segment::data(0x30_0000, [3; 4096]))
}

#[test]
fn a_core_is_graded_by_whose_stack_is_there() {
    let image = two_threads().build();
    let whole = image.to_vec();
    let data = whole.len() - 3 * 4096;
    let notes = 64 + 4 * 56;
    let second_thread = notes + 20 + 336 + 20;
    for (len, completeness) in [
        (whole.len(), Completeness::Complete),
        (whole.len() - 1, Completeness::Stacks),
        (data + 2 * 4096, Completeness::Stacks),
        (data + 4096 + 8, Completeness::Stacks),
        (data + 4096 + 7, Completeness::CrashingStack),
        (data + 8, Completeness::CrashingStack),
        (data + 7, Completeness::Notes),
        (image.headers_size(), Completeness::Notes),
        (image.headers_size() - 1, Completeness::Headers),
        (second_thread, Completeness::Headers),
        (notes + 20 + 335, Completeness::Headers),
        (notes, Completeness::Headers),
        (notes - 1, Completeness::Headers),
    ] {
        let summary = summary(&core(whole[..len].to_vec()), &Nothing);
        let missing = (whole.len() - len) as u64;
        if len >= notes {
            assert_eq!(grade(&summary), (completeness, (missing > 0).then_some(missing)), "{len}");
        } else {
            assert_eq!(grade(&summary).0, completeness, "{len}");
        }
        assert_eq!(codes(&summary).contains(&"core_truncated"), missing > 0, "{len}");
        assert_eq!(summary.threads.len(), summary.thread_count.unwrap() as usize, "{len}");
    }
}

#[test]
fn what_the_caller_knows_of_the_core_stays() {
    let known = Core { path: Some("/tmp/core.1".to_owned()), size: Some(5), ..Core::default() };
    let options =
        Options { core: known, time: Some("2026-01-02T03:04:05Z".to_owned()), ..Options::default() };
    let core = core(two_threads().siginfo(Siginfo::fault(11, 1, 0)).build().to_vec());
    let summary = triage(core.process(), &core, &Nothing, &options, &mut Silent).summary;
    let told = summary.core.as_ref().unwrap();
    assert_eq!(
        (told.path.as_deref(), told.size, told.producer.as_deref()),
        (Some("/tmp/core.1"), Some(5), Some("kernel"))
    );
    assert_eq!(summary.time.as_deref(), Some("2026-01-02T03:04:05Z"));
}

/// A real core of nine threads, of which a worker crashed: the main thread's stack is the last one in the file.
#[test]
fn a_real_core_keeps_its_story_as_long_as_the_crashing_stack_is_there() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    let bytes = std::fs::read(&crash.core).unwrap();
    let whole = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let story = summary(&whole, &files);
    assert_eq!(grade(&story), (Completeness::Complete, None));
    assert_eq!((story.threads.len(), codes(&story)), (9, Vec::new()));

    // Offset in the file of each thread's stack pointer.
    let threads = &whole.process().threads;
    let at = |index: usize| {
        let sp = threads[index].registers.get(7).unwrap();
        let segment = whole.segment_at(sp).unwrap();
        segment.offset + (sp - segment.address)
    };
    let (crashing, last) = (at(0), (0..threads.len()).map(at).max().unwrap());
    assert!(crashing < last);
    let cut = |len: u64| {
        let summary = summary(&core(bytes[..len as usize].to_vec()), &files);
        let frames = summary.crashing_thread().map(|thread| thread.frames.clone());
        (summary, frames.unwrap())
    };
    let all_frames = story.crashing_thread().unwrap().frames.clone();

    let (summary, frames) = cut(bytes.len() as u64 - 1);
    assert_eq!((grade(&summary), frames == all_frames), ((Completeness::Stacks, Some(1)), true));
    let (summary, frames) = cut(last);
    assert_eq!((grade(&summary).0, frames == all_frames), (Completeness::CrashingStack, true));
    let lost = summary.threads.iter().filter(|thread| thread.stop == Some(Stop::Truncated)).count();
    assert!(lost >= 1);
    assert!(summary.threads.iter().all(|thread| !thread.frames.is_empty()), "each still has its first frame");
    let (summary, frames) = cut(crashing);
    assert_eq!((grade(&summary).0, frames.len() < all_frames.len()), (Completeness::Notes, true));
    let thread = summary.crashing_thread().unwrap();
    assert_eq!((thread.stop, thread.registers.len()), (Some(Stop::Truncated), 17));
    assert_eq!(thread.frames[0].function, all_frames[0].function);
}

/// What a cut core still tells: its grade, best first, and of the crashing thread the module and function of the pc.
#[derive(Debug)]
struct Left {
    grade: Completeness,
    module: Option<String>,
    function: Option<String>,
    frames: usize,
    missing: u64,
}

/// The first bytes of a file.
struct Cut(Arc<Vec<u8>>, usize);

impl ReadAt for Cut {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.1 as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0[..self.1].read_at(offset, buf)
    }
}

impl Left {
    fn of(cut: Cut, files: &FileSearch<'_>) -> Option<Left> {
        let core = CoreFile::open(Arc::new(cut)).ok()?;
        let summary = summary(&core, files);
        let thread = summary.crashing_thread();
        let frame = thread.and_then(|thread| thread.frames.first());
        let module = frame.and_then(|frame| summary.module_of(frame));
        let (grade, missing) = grade(&summary);
        Some(Left {
            grade,
            module: module.and_then(|module| module.name.clone()),
            function: frame.and_then(|frame| frame.function.clone()),
            frames: thread.map_or(0, |thread| thread.frames.len()),
            missing: missing.unwrap_or(0),
        })
    }
}

/// A real core, cut at every boundary of its parts and at many other bytes.
#[test]
fn a_core_that_is_cut_anywhere_tells_the_most_that_can_be_had() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    let bytes = Arc::new(std::fs::read(&crash.core).unwrap());
    let whole = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let headers = 64 + 56 * (1 + whole.segments().len());
    let boundaries = whole.segments().iter().filter(|segment| segment.file_size > 0);
    let boundaries = boundaries.flat_map(|segment| [segment.offset, segment.offset + segment.file_size]);
    let mut cuts: Vec<usize> = boundaries
        .flat_map(|at| [at - 1, at + 9])
        .map(|at| at as usize)
        .chain((0..headers).step_by(500))
        .chain((headers..headers + 24_000).step_by(3000))
        .filter(|cut| *cut < bytes.len())
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.push(bytes.len());

    let mut worst = None;
    let mut before = Completeness::Headers;
    let mut seen = std::collections::BTreeSet::new();
    for cut in cuts {
        let Some(left) = Left::of(Cut(bytes.clone(), cut), &files) else {
            assert!(cut < 64 + 56, "{cut} bytes, and not even the headers");
            continue;
        };
        assert!(left.grade <= before, "more bytes, and less to tell: {cut}, {left:?}");
        assert!(left.grade != Completeness::Complete || cut == bytes.len(), "{cut}");
        if cut >= headers {
            assert_eq!(left.missing, (bytes.len() - cut) as u64);
        }
        if left.grade <= Completeness::Notes {
            assert_eq!(left.module.as_deref(), Some("exe"), "{cut}");
            assert_eq!(left.function.as_deref(), Some("scribble"), "{cut}");
        }
        if left.grade <= Completeness::CrashingStack {
            worst = worst.or(Some(left.frames));
            assert_eq!(Some(left.frames), worst, "{cut}");
        }
        before = left.grade;
        seen.insert(left.grade);
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}
