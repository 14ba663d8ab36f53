//! A crash that is written twice, by us and by the kernel.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use epitaph_capture::{Exit, RunCommand, RunOptions, RunOutcome, Trace, run};
use epitaph_elf::{CoreFile, Memory, Process, ProcessInfo};
use epitaph_testkit::crash::{Built, CoresHere, or_skip, program};
use epitaph_testkit::{gdb, need_tool};

/// Frames that gdb is asked for, of each thread.
const FRAMES: usize = 32;

/// Runs a program traced; its cores land in `folder`.
fn run_traced(exe: &Path, folder: &Path, arguments: &[&str]) -> RunOutcome {
    let starter = ["sh", "-c", r#"kill -STOP $$; exec "$@""#, "sh"].map(OsString::from).to_vec();
    let trace = Trace { starter, folder: folder.to_owned(), full_below: u64::MAX };
    let options = RunOptions { trace: Some(trace), ..RunOptions::default() };
    run(&RunCommand::new(exe, arguments), &options).unwrap()
}

fn open(core: &Path) -> CoreFile {
    CoreFile::open(Arc::new(std::fs::File::open(core).unwrap())).unwrap()
}

/// What both cores must say of the threads, of which only the first has a place.
fn threads(process: &Process) -> Vec<(u32, u16, String)> {
    let registers = |thread: &epitaph_elf::Thread| format!("{:x?} {:x?}", thread.registers, thread.tls);
    let mut threads: Vec<_> =
        process.threads.iter().map(|thread| (thread.tid, thread.signal, registers(thread))).collect();
    threads.get_mut(1..).unwrap_or_default().sort();
    threads
}

/// The area in a thread's own memory where the kernel writes the processor that it goes on with (rseq(2)), in bytes: it may
/// do so between the two dumps.
const RSEQ: usize = 32;

/// Says where two cores hold different memory; what the kernel dumps as zeros, we may leave out.
fn assert_same_memory(ours: &CoreFile, kernels: &CoreFile, name: &str) {
    for segment in kernels.segments() {
        let mut theirs = vec![0; segment.file_size as usize];
        kernels.read(segment.address, &mut theirs).unwrap();
        let mut own = vec![0; theirs.len()];
        if ours.read(segment.address, &mut own).is_err() {
            assert!(theirs.iter().all(|byte| *byte == 0), "{name}: {segment:x?} is not in ours");
        } else if own != theirs {
            let differs = |at: &usize| own[*at] != theirs[*at];
            let first = (0..own.len()).find(differs).unwrap_or_default();
            let last = (0..own.len()).rev().find(differs).unwrap_or_default();
            assert!(last - first < RSEQ, "{name}: {segment:x?} differs from {first:x} to {last:x}");
        }
    }
}

/// The same crash, written twice: by us while it is about to happen, and by the kernel.
#[test]
fn our_core_and_the_kernels_tell_the_same() {
    need_tool!("gdb");
    let here = or_skip(CoresHere::acquire());
    let Some(_here) = here else { return };
    // What a filter of system calls ends is dumped at its end, with a signal that nobody has seen.
    let crashes: [(&str, i32, &[&str]); 7] = [
        ("null_deref", 11, &[]),
        ("signal_handler", 11, &[]),
        ("threads", 11, &[]),
        ("many_threads", 6, &[]),
        ("plugin", 11, &[]),
        ("filtered", 31, &["process"]),
        ("filtered", 31, &["threads"]),
    ];
    for (name, signal, arguments) in crashes {
        let Some(built) = or_skip(Built::of(program(name))) else { return };
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(&built.work).unwrap();
        let outcome = run_traced(&built.exe, folder.path(), arguments);
        assert_eq!((outcome.exit, outcome.core_dumped), (Exit::Signal(signal), true), "{name}: {outcome:?}");
        let [dumped] = &outcome.dumps.cores[..] else { panic!("{name}: {outcome:?}") };
        assert_eq!((dumped.pid, dumped.signal), (outcome.pid, Some(signal)));
        let kernels = CoresHere::core_in(&built.work).unwrap();

        let (own, theirs) = (open(&dumped.core), open(&kernels));
        assert_eq!(threads(own.process()), threads(theirs.process()), "{name}");
        assert_eq!(own.process().mappings, theirs.process().mappings, "{name}");
        assert_eq!(own.process().auxv, theirs.process().auxv, "{name}");
        assert_eq!(own.process().signal, theirs.process().signal, "{name}");
        // The kernel means the parent's thread that started it.
        let info = |core: &CoreFile| Some(ProcessInfo { ppid: 0, ..core.process().info.clone()? });
        assert_eq!(info(&own), info(&theirs), "{name}");
        assert!(own.process().defects.is_empty(), "{name}: {:?}", own.process().defects);
        assert_same_memory(&own, &theirs, name);

        let stacks = |core: &Path| {
            let oracle = gdb::backtrace(&built.exe, core, FRAMES).unwrap();
            let mut threads = oracle.threads;
            threads.sort_by_key(|thread| thread.tid);
            serde_json::to_value((oracle.crashed, threads)).unwrap()
        };
        assert_eq!(stacks(&dumped.core), stacks(&kernels), "{name}");
    }
}
