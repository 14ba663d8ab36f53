//! Go programs: the stack of the goroutine that crashed is the one that Go's own runtime printed.

use std::collections::BTreeSet;

use epitaph_summary::{CrashSummary, Frame, Stop, SymbolSource, Thread, Trust};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, GO_PROGRAMS, program};

use crate::support::{open, summary};

/// One call of a printed trace.
#[derive(Debug)]
struct Printed {
    function: String,
    file: String,
    line: u32,
    /// Absent for an inlined call.
    pc: Option<u64>,
}

/// A printed goroutine.
#[derive(Debug)]
struct Trace {
    id: u64,
    state: String,
    calls: Vec<Printed>,
}

/// Reads the traces that the runtime printed, the one of the goroutine that crashed first:
///
/// ```text
/// goroutine 1 [running]:
/// main.settle(0x18?, 0x52bae0?)
///         /jobs/main.go:17 +0x1d fp=0xc000088eb0 sp=0xc000088e90 pc=0x482a5d
/// created by main.main
///         /jobs/main.go:10 +0x5e
/// ```
fn printed(stderr: &str) -> Vec<Trace> {
    let mut traces = Vec::new();
    let mut lines = stderr.lines();
    while let Some(line) = lines.next() {
        let Some((id, state)) = line.strip_prefix("goroutine ").and_then(|line| line.split_once(" [")) else {
            continue;
        };
        let state = state.trim_end_matches("]:").split(',').next().unwrap().to_owned();
        let mut calls = Vec::new();
        let is_end =
            |line: &str| line.is_empty() || line.starts_with("...") || line.starts_with("created by");
        while let Some(call) = lines.next().filter(|line| !is_end(line)) {
            let function = call.rsplit_once('(').unwrap().0.to_owned();
            let place = lines.next().unwrap().trim();
            let pc = place.rsplit_once("pc=0x").map(|(_, pc)| u64::from_str_radix(pc, 16).unwrap());
            let (file, line) = place.split(' ').next().unwrap().rsplit_once(':').unwrap();
            calls.push(Printed { function, file: file.to_owned(), line: line.parse().unwrap(), pc });
        }
        traces.push(Trace { id: id.parse().unwrap(), state, calls });
    }
    traces
}

/// A function's name without what a type parameter stands for: Go prints `[...]`.
fn plain(function: &str) -> String {
    match (function.find('['), function.rfind(']')) {
        (Some(start), Some(end)) => format!("{}[...]{}", &function[..start], &function[end + 1..]),
        _ if function == "panic" => "runtime.gopanic".to_owned(),
        _ => function.to_owned(),
    }
}

fn is_same(frame: &Frame, call: &Printed) -> bool {
    frame.function.as_deref().map(plain) == Some(plain(&call.function))
        && frame.file.as_ref().is_some_and(|file| file.ends_with(&call.file))
        && frame.line == Some(call.line)
        && frame.inlined == call.pc.is_none()
        && call.pc.is_none_or(|pc| frame.pc.map(|pc| pc.0) == Some(pc))
}

/// Checks that each printed call is a frame of the thread, in that order and with nothing between but what `also`
/// accepts.
fn compare(thread: &Thread, calls: &[Printed], also: impl Fn(&Frame) -> bool) {
    let first = calls.first().expect("the runtime has printed a trace");
    let mut frames = thread.frames.iter().skip_while(|frame| !is_same(frame, first));
    for call in calls {
        let frame = frames.by_ref().find(|frame| is_same(frame, call) || !also(frame));
        assert!(frame.is_some_and(|frame| is_same(frame, call)), "{call:?}, but {frame:#?} in {thread:#?}");
    }
}

/// Tells whether the functions of `chain` are among the thread's, in this order, packages and types left out.
fn shows(thread: &Thread, chain: &[&str]) -> bool {
    let mut functions = thread.frames.iter().filter_map(|frame| frame.function.as_deref());
    chain.iter().all(|wanted| functions.any(|name| name.rsplit('.').next() == Some(wanted)))
}

/// Returns the summary of a program's crash, and what its runtime printed of the goroutine that crashed and of the
/// others.
fn examine(name: &str) -> Option<(CrashSummary, Vec<Printed>, Vec<Trace>)> {
    let program = program(name);
    let crash = Crash::of_or_skip(program)?;
    let summary = summary(&open(&crash.core), &FileSearch::new(SearchOptions::default()));
    let thread = summary.crashing_thread().unwrap();
    assert!(shows(thread, program.chain), "{:?} is not in {thread:#?}", program.chain);
    let sure = [Trust::Context, Trust::Cfi, Trust::Signal, Trust::TailCall];
    assert!(thread.frames.iter().all(|frame| frame.trust.is_some_and(|trust| sure.contains(&trust))));
    let mut traces = printed(&crash.stderr);
    let crashed = traces.remove(0);
    Some((summary, crashed.calls, traces))
}

/// Where the runtime's own functions come from, but for those that were inlined, and the trampoline.
fn sources(thread: &Thread) -> BTreeSet<Option<&'static str>> {
    let name = |source: Option<SymbolSource>| match source {
        Some(SymbolSource::Dwarf) => Some("dwarf"),
        Some(SymbolSource::Pclntab) => Some("pclntab"),
        _ => None,
    };
    thread.frames.iter().map(|frame| name(frame.symbol_source)).collect()
}

#[test]
fn a_nil_pointer() {
    let Some((summary, calls, _)) = examine("go_nil") else { return };
    let thread = summary.crashing_thread().unwrap();
    compare(thread, &calls, |_| false);
    assert_eq!(thread.stop, Some(Stop::End));
    assert_eq!(thread.frames.last().unwrap().function.as_deref(), Some("runtime.goexit"));
    assert_eq!(sources(thread), BTreeSet::from([None, Some("dwarf")]));
    for thread in &summary.threads {
        assert_eq!(thread.stop, Some(Stop::End), "{thread:#?}");
    }
}

#[test]
fn without_symbols_and_debug_information_nothing_is_lost() {
    for name in ["go_stripped", "go_pie", "go_linked_by_gcc"] {
        let Some((summary, calls, _)) = examine(name) else { return };
        let thread = summary.crashing_thread().unwrap();
        compare(thread, &calls, |_| false);
        assert_eq!(thread.stop, Some(Stop::End), "{name}");
        assert_eq!(sources(thread), BTreeSet::from([None, Some("pclntab")]), "{name}");
    }
}

#[test]
fn a_stack_overflow_leads_from_the_threads_stack_to_the_goroutines() {
    let Some((summary, calls, _)) = examine("go_overflow") else { return };
    let thread = summary.crashing_thread().unwrap();
    assert!(calls.len() >= 50, "{calls:#?}");
    compare(thread, &calls, |_| false);
    assert_eq!(thread.stop, Some(Stop::End));
    let end = thread.frames.iter().rev().take(3).map(|frame| frame.function.as_deref());
    assert_eq!(
        end.collect::<Vec<_>>(),
        [Some("runtime.goexit"), Some("runtime.main"), Some("main.main")],
        "the outer end is kept"
    );
}

#[test]
fn a_fatal_error_leads_from_the_threads_stack_to_the_goroutines() {
    let Some((summary, calls, _)) = examine("go_fatal") else { return };
    let thread = summary.crashing_thread().unwrap();
    compare(thread, &calls, |_| false);
    assert_eq!(thread.stop, Some(Stop::End));
}

/// The runtime leaves C's frames out. It names the place where its goroutine waits while C runs, and prints its
/// innermost call where it had last been before C ran.
#[test]
fn calls_between_go_and_c_are_followed() {
    let Some((summary, mut calls, _)) = examine("go_cgo") else { return };
    let thread = summary.crashing_thread().unwrap();
    let innermost = calls.remove(0);
    assert_eq!(innermost.function, "runtime.cgocall");
    calls.retain(|call| call.function != "runtime.systemstack_switch");
    let of_c = |frame: &Frame| {
        let c = ["read_through", "walk", "visit", "crosscall2", "runtime.asmcgocall"];
        let function = frame.function.as_deref().unwrap_or_default();
        c.contains(&function) || function.starts_with("_cgo_")
    };
    compare(thread, &calls, of_c);
    assert_eq!(thread.stop, Some(Stop::End));
}

/// The trace is printed before the process is dead, and a goroutine may go on meanwhile: those that are compared are
/// those that have the same state in both.
#[test]
fn goroutines_are_where_they_wait() {
    for name in ["go_nil", "go_stripped", "go_pie"] {
        let Some((summary, _, traces)) = examine(name) else { return };
        assert_eq!(summary.goroutine_count, Some(summary.goroutines.len() as u32), "{name}");
        let mut compared = 0;
        for thread in &summary.goroutines {
            let goroutine = thread.goroutine.as_ref().unwrap();
            let same =
                |trace: &&Trace| trace.id == goroutine.id && Some(&trace.state) == goroutine.state.as_ref();
            let Some(trace) = traces.iter().find(same) else { continue };
            assert_eq!(thread.frames.len(), trace.calls.len(), "{name}: {trace:#?}");
            compare(thread, &trace.calls, |_| false);
            assert_eq!((thread.tid, thread.crashed, thread.stop), (None, false, Some(Stop::End)));
            compared += 1;
        }
        assert!(compared >= 3, "{name}: {traces:#?} {:#?}", summary.goroutines);
    }
}

#[test]
fn every_program_is_tested() {
    let tested = ["go_nil", "go_stripped", "go_pie", "go_linked_by_gcc", "go_overflow", "go_fatal", "go_cgo"];
    assert_eq!(GO_PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>(), tested);
}
