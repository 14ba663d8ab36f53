//! The crashing thread comes first: before the other threads are walked, and before their files are looked for.

use std::sync::Mutex;

use epitaph_elf::{CompanionWanted, DebugWanted, Locate, Located, Wanted};
use epitaph_summary::CrashSummary;
use epitaph_testkit::core::{CoreBuilder, FileMapping, Psinfo, Segment, Siginfo, Thread};
use epitaph_triage::{Observer, Options, triage};

use crate::support::built;

/// Writes down what happens, in its order.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn note(&self, line: &str) {
        let mut lines = self.0.lock().unwrap();
        if lines.last().map(String::as_str) != Some(line) {
            lines.push(line.to_owned());
        }
    }
}

struct Files<'a>(&'a Diary);

impl Locate for Files<'_> {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        self.0.note(&wanted.module.name());
        Located::Missing { tried: Vec::new() }
    }

    fn debug(&self, wanted: &DebugWanted<'_>) -> Located {
        self.0.note(&wanted.module.name());
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        self.0.note(&wanted.module.name());
        Located::Missing { tried: Vec::new() }
    }
}

struct Reader<'a> {
    diary: &'a Diary,
    partial: Vec<CrashSummary>,
}

impl Observer for Reader<'_> {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        self.diary.note("told");
        self.partial.push(partial.clone());
    }

    fn threads_done(&mut self) {
        self.diary.note("done");
    }
}

/// Three threads, each in a library of its own.
fn builder() -> CoreBuilder {
    let mut builder = CoreBuilder::new()
        .siginfo(Siginfo::fault(11, 1, 0))
        .psinfo(Psinfo { pid: 30, name: "three".into(), ..Psinfo::default() })
        .segment(Segment::data(0x9000_0000, [0; 4096]));
    for (index, tid) in (1..).zip([30, 10, 20]) {
        let code = index * 0x1000_0000;
        builder = builder
            .thread(Thread::new(tid).signal(11).register("rip", code + 16).register("rsp", 0x9000_0000))
            .file(FileMapping::new(code, code + 0x1000, 0, format!("/lib/{index}.so")))
            .segment(Segment::undumped(code, 0x1000).flags(5));
    }
    builder
}

fn run(options: &Options) -> (Vec<String>, Vec<CrashSummary>, CrashSummary) {
    let (core, diary) = (built(&builder()), Diary::default());
    let mut reader = Reader { diary: &diary, partial: Vec::new() };
    let summary = triage(core.process(), &core, &Files(&diary), options, &mut reader).summary;
    let partial = reader.partial;
    (diary.0.into_inner().unwrap(), partial, summary)
}

#[test]
fn the_crashing_thread_is_told_before_anything_is_done_for_the_others() {
    let (diary, partial, summary) = run(&Options::default());
    assert_eq!(diary[..2], ["1.so", "told"], "{diary:?}");
    assert!(diary.contains(&"2.so".to_owned()) && diary.contains(&"3.so".to_owned()));
    let [partial] = partial.as_slice() else { panic!("told {} times", partial.len()) };
    assert_eq!(partial.threads, summary.threads[..1]);
    assert!(partial.threads[0].crashed && partial.threads[0].tid == Some(30));
    assert_eq!(partial.threads[0].name.as_deref(), Some("three"));
    // All else is the same, but for what is only found out with the other threads.
    assert_eq!(partial.thread_count, Some(3));
    let rest = CrashSummary {
        threads: summary.threads.clone(),
        modules: summary.modules.clone(),
        warnings: summary.warnings.clone(),
        ..partial.clone()
    };
    assert_eq!(rest, summary);
    assert_eq!(partial.modules.len(), 3);
    assert_eq!(partial.modules[0], summary.modules[0]);
    assert!(partial.warnings.iter().all(|warning| summary.warnings.contains(warning)));
}

#[test]
fn the_other_threads_follow_and_none_of_them_crashed() {
    let (_, _, summary) = run(&Options::default());
    let threads: Vec<(Option<u32>, bool, bool)> = summary
        .threads
        .iter()
        .map(|thread| (thread.tid, thread.crashed, thread.registers.is_empty()))
        .collect();
    assert_eq!(threads, [(Some(30), true, false), (Some(10), false, true), (Some(20), false, true)]);
}

#[test]
fn who_wants_the_crashing_thread_only_pays_for_no_other() {
    let (diary, partial, summary) = run(&Options { crashed_thread_only: true, ..Options::default() });
    assert_eq!(diary, ["1.so", "told", "done"]);
    assert_eq!((partial.len(), summary.threads.len(), summary.thread_count), (1, 1, Some(3)));
}

#[test]
fn files_that_are_only_to_be_kept_are_looked_for_last() {
    let options = Options { crashed_thread_only: true, all_files: true, ..Options::default() };
    assert_eq!(run(&options).0, ["1.so", "told", "done", "2.so", "3.so"]);
}
