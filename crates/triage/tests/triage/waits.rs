//! Real hangs: who waits for whom, what is a deadlock, and who ended it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use epitaph_summary::{Confidence, CrashSummary, Thread, WaitsOn};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Built, Crash, Program, program, without_core_limit};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;

use crate::support::{open, summary};

fn told(core: &Path) -> CrashSummary {
    summary(&open(core), &FileSearch::new(SearchOptions::default()))
}

/// Lets threads hang until the watchdog kills them.
fn hung(arguments: &'static [&'static str]) -> Option<CrashSummary> {
    let crash = Crash::of_or_skip(&Program { arguments, ..*program("waits") })?;
    Some(told(&crash.core))
}

fn cause(summary: &CrashSummary) -> (&str, Confidence, &str) {
    let cause = summary.cause.as_ref().unwrap();
    (&cause.class, cause.confidence.unwrap(), cause.summary.as_deref().unwrap())
}

/// The thread that stands in a function of the program.
#[track_caller]
fn thread_in<'a>(summary: &'a CrashSummary, function: &str) -> &'a Thread {
    let is_in =
        |thread: &&Thread| thread.frames.iter().any(|frame| frame.function.as_deref() == Some(function));
    summary.threads.iter().find(is_in).unwrap_or_else(|| panic!("no thread is in {function}"))
}

#[track_caller]
fn waits_on(thread: &Thread) -> (&str, Option<u32>) {
    let WaitsOn { kind, owner_tid, .. } = thread.waits_on.as_ref().unwrap();
    (kind, *owner_tid)
}

/// Checks that each thread of a deadlock waits for a lock of this kind, which the next one holds.
#[track_caller]
fn check_ring(summary: &CrashSummary, kind: &str, count: usize) {
    let [ring] = summary.deadlocks.as_slice() else { panic!("{:?}", summary.deadlocks) };
    assert_eq!(ring.len(), count);
    for (place, tid) in ring.iter().enumerate() {
        let next = ring[(place + 1) % count];
        let thread = summary.threads.iter().find(|thread| thread.tid == Some(*tid)).unwrap();
        assert_eq!(waits_on(thread), (kind, Some(next)));
        assert_eq!(thread.syscall.as_ref().unwrap().name.as_deref(), Some("futex"));
    }
}

#[test]
fn threads_that_hold_each_others_locks_are_a_deadlock() {
    let two = "killed by the watchdog while two threads hold each other's locks";
    let three = "killed by the watchdog while 3 threads in a ring hold each other's locks";
    for (arguments, kind, count, sentence) in [
        (&["ring", "2"] as &[&str], "mutex", 2, two),
        (&["ring", "3"], "mutex", 3, three),
        (&["recursive", "2"], "mutex", 2, two),
        (&["robust", "2"], "mutex", 2, two),
        (&["rwlock"], "rwlock", 2, two),
    ] {
        let Some(summary) = hung(arguments) else { return };
        check_ring(&summary, kind, count);
        assert_eq!(cause(&summary), ("deadlock", Confidence::High, sentence), "{arguments:?}");
        assert_eq!(summary.other_causes[0].class, "watchdog");
        // Who started the threads waits for one of them, and is no part of the ring.
        assert_eq!(waits_on(&summary.threads[0]).0, "thread");
        assert!(!summary.deadlocks[0].contains(&summary.threads[0].tid.unwrap()));
    }
}

#[test]
fn a_thread_can_wait_for_itself() {
    let Some(summary) = hung(&["self"]) else { return };
    check_ring(&summary, "mutex", 1);
    let sentence = "killed by the watchdog while a thread waits for a lock that it holds itself";
    assert_eq!(cause(&summary), ("deadlock", Confidence::High, sentence));
}

#[test]
fn a_thread_that_is_waited_for_can_hold_up_who_waits() {
    let Some(summary) = hung(&["join", "1"]) else { return };
    // The first thread has taken its lock twice, and another thread waits for its end.
    check_ring(&summary, "mutex", 1);
    let main = summary.threads[0].tid;
    assert_eq!(waits_on(thread_in(&summary, "join_starter")), ("thread", main));
}

#[test]
fn a_stream_s_lock_is_one() {
    let Some(summary) = hung(&["print"]) else { return };
    let [main, printing] = summary.threads.as_slice() else { panic!("{}", summary.threads.len()) };
    assert_eq!(waits_on(printing), ("mutex", main.tid));
    assert_eq!(waits_on(main), ("thread", printing.tid));
    let sentence = "killed by the watchdog while two threads wait for each other";
    assert_eq!(cause(&summary), ("deadlock", Confidence::High, sentence));
}

#[test]
fn a_wait_that_ends_by_itself_is_no_sure_deadlock() {
    let Some(summary) = hung(&["timed"]) else { return };
    let (class, confidence, sentence) = cause(&summary);
    assert_eq!((class, confidence), ("deadlock", Confidence::Medium));
    assert_eq!(sentence, "killed by the watchdog while two threads wait for each other");
}

#[test]
fn locks_that_nobody_gives_up_are_told() {
    let Some(summary) = hung(&["orphan"]) else { return };
    let orphan = thread_in(&summary, "take").waits_on.as_ref().unwrap();
    assert_eq!((orphan.kind.as_str(), orphan.owner_gone), ("mutex", Some(true)));
    let gone = orphan.owner_tid.unwrap();
    assert!(summary.threads.iter().all(|thread| thread.tid != Some(gone)));
    assert_eq!(cause(&summary).0, "watchdog");
    let evidence = &summary.cause.as_ref().unwrap().evidence;
    let told = format!("of thread {gone}, which is none of the process's threads");
    assert!(evidence.iter().any(|line| line.ends_with(&told)), "{evidence:#?}");
}

#[test]
fn each_primitive_is_told_by_its_kind() {
    let Some(summary) = hung(&["kinds"]) else { return };
    for (function, kind) in
        [("wait_condition", "condition"), ("wait_semaphore", "semaphore"), ("wait_barrier", "barrier")]
    {
        assert_eq!(waits_on(thread_in(&summary, function)), (kind, None), "{function}");
    }
}

#[test]
fn a_lock_with_priority_inheritance_has_its_owner_in_its_word() {
    let Some(summary) = hung(&["inherit", "2"]) else { return };
    let holder = thread_in(&summary, "take_and_read");
    assert_eq!(holder.waits_on, None);
    assert_eq!(holder.syscall.as_ref().unwrap().name.as_deref(), Some("read"));
    assert_eq!(waits_on(thread_in(&summary, "take")), ("mutex", holder.tid));
}

#[test]
fn thousands_of_threads_that_wait_for_one_are_told_in_a_sentence() {
    let Some(summary) = hung(&["crowd", "2000"]) else { return };
    let holder = thread_in(&summary, "take_and_read").tid.unwrap();
    let sentence = format!(
        "killed by the watchdog while 2000 threads wait for a lock that thread {holder} holds, which waits in read"
    );
    assert_eq!(cause(&summary), ("watchdog", Confidence::High, sentence.as_str()));
    let waiting = summary.threads.iter().filter(|thread| {
        thread.waits_on.as_ref().is_some_and(|wait| wait.owner_tid == Some(holder) && wait.kind == "mutex")
    });
    assert_eq!(waiting.count(), 2000);
}

#[test]
fn musl_s_locks_are_known() {
    let build = &["musl-gcc -static -O1 -g -o exe @waits.c"];
    need_tool!("musl-gcc");
    let program = Program { name: "waits_musl", build, arguments: &["recursive", "3"], ..*program("waits") };
    let Some(crash) = Crash::of_or_skip(&program) else { return };
    let summary = told(&crash.core);
    check_ring(&summary, "mutex", 3);
    assert_eq!(cause(&summary).0, "deadlock");
    assert_eq!(waits_on(&summary.threads[0]).0, "thread");
    // Of a normal mutex, musl doesn't keep who holds it.
    let program = Program { arguments: &["ring", "2"], ..program };
    let Some(crash) = Crash::of_or_skip(&program) else { return };
    let summary = told(&crash.core);
    assert_eq!(waits_on(&summary.threads[1]), ("mutex", None));
    assert_eq!((cause(&summary).0, summary.deadlocks.len()), ("watchdog", 0));
}

/// Waits until a process has so many threads, and all of them sleep.
fn wait_until_asleep(pid: u32, threads: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let sleeping = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok())
            .filter(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S")))
            .count()
    };
    let mut asleep = 0;
    while asleep < 5 && Instant::now() < deadline {
        asleep = if sleeping() == threads { asleep + 1 } else { 0 };
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_deadlock_is_found_in_a_living_process() {
    need_tool!("gcore");
    let built = Built::of(program("waits")).unwrap();
    let mut child = without_core_limit(&built.exe).args(["ring", "2", "leave"]).spawn().unwrap();
    wait_until_asleep(child.id(), 3);
    let core = built.work.join("living");
    let dumped = Command::new("gcore").arg("-o").arg(&core).arg(child.id().to_string()).output().unwrap();
    child.kill().unwrap();
    let core = core.with_file_name(format!("living.{}", child.wait().map(|_| child.id()).unwrap()));
    if !core.exists() {
        return skipped(&format!("gcore may not: {}", String::from_utf8_lossy(&dumped.stderr)));
    }
    let summary = told(&core);
    check_ring(&summary, "mutex", 2);
    let sentence = "no crash, but a deadlock: two threads hold each other's locks";
    assert_eq!(cause(&summary), ("not_a_crash", Confidence::High, sentence));
    let deadlock = &summary.other_causes[0];
    assert_eq!((deadlock.class.as_str(), deadlock.confidence), ("deadlock", Some(Confidence::High)));
}
