//! Crafted hangs: what the memory around a lock must say before somebody is named, and who may have ended a process.

use epitaph_summary::{Cause, Confidence, CrashSummary};
use epitaph_testkit::core::{CoreBuilder, Psinfo, Segment, Siginfo, Thread};

use crate::support::{Nothing, built, summary};

const LOCKS: u64 = 0x60_0000;
const FUTEX: u64 = 202;
const INTERRUPTED: u64 = -512_i64 as u64;

/// A thread that waits in `pthread_mutex_lock` for the lock of this number.
fn waits_for(tid: u32, lock: u64) -> Thread {
    Thread::new(tid)
        .signal(6)
        .register("orig_rax", FUTEX)
        .register("rax", INTERRUPTED)
        .register("rdi", LOCKS + lock * 64)
        .register("rsi", 128)
        .register("rdx", 2)
}

/// A glibc mutex that a thread holds and somebody waits for: word, count, owner, users, kind.
fn held_by(tid: u32) -> [u32; 16] {
    let mut mutex = [0; 16];
    mutex[..5].copy_from_slice(&[2, 0, tid, 1, 0]);
    mutex
}

fn hang(threads: [Thread; 2], locks: [[u32; 16]; 2]) -> CrashSummary {
    let bytes: Vec<u8> = locks.into_iter().flatten().flat_map(u32::to_le_bytes).collect();
    let builder = CoreBuilder::new()
        .psinfo(Psinfo { pid: 1, ppid: 7, ..Psinfo::default() })
        .siginfo(Siginfo::sent(6, 0, 42, 1000))
        .segment(Segment::data(LOCKS, bytes));
    let [first, second] = threads;
    summary(&built(&builder.thread(first).thread(second)), &Nothing)
}

fn usual() -> [Thread; 2] {
    [waits_for(1, 1), waits_for(2, 0)]
}

#[test]
fn where_everything_fits_there_is_a_deadlock() {
    let summary = hang(usual(), [held_by(1), held_by(2)]);
    assert_eq!(summary.deadlocks, [[1, 2]]);
    let cause = summary.cause.unwrap();
    assert_eq!((cause.class.as_str(), cause.confidence), ("deadlock", Some(Confidence::High)));
    assert_eq!(
        cause.evidence,
        [
            "thread 1 waits for the mutex at 0x600040 that thread 2 holds",
            "thread 2 waits for the mutex at 0x600000 that thread 1 holds",
            "SIGABRT was sent by process 42"
        ]
    );
}

#[test]
fn where_one_word_does_not_fit_nobody_is_accused() {
    for (word, value) in [
        (0, 0),       // free
        (0, 1),       // nobody waits
        (1, 1),       // counted, and not recursive
        (2, 0),       // nobody
        (2, 1 << 30), // no thread id
        (3, 0),       // no users
        (3, u32::MAX),
        (4, 1),           // recursive, and not counted
        (4, 128),         // shared between processes, and waited for within one
        (4, 16),          // robust
        (4, 0x0060_0000), // no kind of mutex
    ] {
        let mut lock = held_by(2);
        lock[word] = value;
        let summary = hang(usual(), [held_by(1), lock]);
        assert_eq!(summary.deadlocks.len(), 0, "word {word} = {value:#x}");
        let waits = summary.threads[0].waits_on.clone().unwrap();
        assert_eq!((waits.kind.as_str(), waits.owner_tid), ("futex", None), "word {word} = {value:#x}");
        assert_eq!(summary.cause.unwrap().class, "watchdog");
    }
    // The owner is a stranger.
    let summary = hang(usual(), [held_by(1), held_by(3)]);
    let waits = summary.threads[0].waits_on.clone().unwrap();
    assert_eq!((waits.owner_tid, waits.owner_gone, summary.deadlocks.len()), (Some(3), Some(true), 0));
}

#[test]
fn a_thread_that_does_not_wait_is_in_no_ring() {
    for (register, value) in [
        ("rax", 0),
        ("rax", -11_i64 as u64),
        ("orig_rax", u64::MAX),
        ("orig_rax", 1),
        ("rsi", 129),
        ("rdx", 3),
    ] {
        let threads = [waits_for(1, 1), waits_for(2, 0).register(register, value)];
        let summary = hang(threads, [held_by(1), held_by(2)]);
        assert_eq!(summary.deadlocks.len(), 0, "{register} = {value:#x}");
        // The other one still waits for it.
        let waits = summary.threads[0].waits_on.clone().unwrap();
        assert_eq!(waits.owner_tid, Some(2));
    }
}

#[test]
fn locks_in_memory_that_is_not_there_are_futexes() {
    let elsewhere = waits_for(2, 0).register("rdi", 0xdead_0000);
    let summary = hang([waits_for(1, 1), elsewhere], [held_by(1), held_by(2)]);
    let waits = summary.threads[1].waits_on.clone().unwrap();
    assert_eq!((waits.kind.as_str(), waits.owner_tid, summary.deadlocks.len()), ("futex", None, 0));
    let last = waits_for(2, 0).register("rdi", u64::MAX - 3);
    assert_eq!(hang([waits_for(1, 1), last], [held_by(1), held_by(2)]).deadlocks.len(), 0);
}

/// The cause of a process of one thread, which waited in a call or ran, and got a signal.
fn ended(siginfo: Option<Siginfo>, call: Option<u64>) -> Option<Cause> {
    let thread = Thread::new(4711).signal(siginfo.is_some().into());
    let thread = match call {
        Some(call) => thread.register("orig_rax", call).register("rax", INTERRUPTED),
        None => thread,
    };
    let builder = CoreBuilder::new().psinfo(Psinfo { pid: 4711, ppid: 7, ..Psinfo::default() });
    let builder = siginfo.into_iter().fold(builder, CoreBuilder::siginfo).thread(thread);
    summary(&built(&builder), &Nothing).cause
}

#[test]
fn who_ended_a_process_is_told() {
    let (own, other, parent) = (4711, 42, 7);
    for (siginfo, call, class, sentence) in [
        (Siginfo::sent(6, 0, other, 0), Some(0), "watchdog", "killed by the watchdog while it waits in read"),
        (Siginfo::sent(3, 0, parent, 0), None, "watchdog", "killed by the watchdog while it runs"),
        (
            Siginfo::sent(6, -6, other, 0),
            Some(7),
            "watchdog",
            "killed by the watchdog while it waits in poll",
        ),
        (
            Siginfo::sent(11, 0, parent, 0),
            Some(35),
            "killed_by_other",
            "killed by its parent, process 7 (SIGSEGV) while it waits in nanosleep",
        ),
        (
            Siginfo::sent(8, -1, 0, 0),
            Some(999),
            "killed_by_other",
            "killed by somebody outside of its PID namespace (SIGFPE) while it waits in system call 999",
        ),
        (
            Siginfo::fault(3, 0x80, 0),
            None,
            "killed_by_other",
            "killed from its terminal (SIGQUIT) while it runs",
        ),
        (Siginfo::fault(6, -2, 0), None, "timeout", "killed by a timer of its own (SIGABRT) while it runs"),
    ] {
        let cause = ended(Some(siginfo), call).unwrap();
        assert_eq!((cause.class.as_str(), cause.confidence), (class, Some(Confidence::High)), "{sentence}");
        assert_eq!(cause.summary.as_deref(), Some(sentence));
    }
    // What it did itself, and what happened to it, nobody else did.
    for siginfo in [Siginfo::sent(6, -6, own, 0), Siginfo::sent(11, 0, own, 0), Siginfo::fault(11, 1, 0x10)] {
        let class = ended(Some(siginfo), None).unwrap().class;
        assert!(
            !["watchdog", "killed_by_other", "timeout", "not_a_crash"].contains(&class.as_str()),
            "{class}"
        );
    }
}

#[test]
fn a_core_without_a_signal_is_of_a_living_process() {
    let cause = ended(None, Some(0)).unwrap();
    assert_eq!(cause.class, "not_a_crash");
    // Whoever wrote it may have left the signal out.
    assert_eq!(cause.confidence, Some(Confidence::Medium));
    // Of one without threads, not even that is known.
    for builder in [CoreBuilder::new(), CoreBuilder::new().siginfo(Siginfo::sent(6, 0, 42, 0))] {
        assert_eq!(
            summary(&built(&builder), &Nothing).cause.filter(|cause| cause.class == "not_a_crash"),
            None
        );
    }
}
