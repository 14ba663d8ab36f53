//! Every instruction of real functions: the program is stepped through, and at each one the walk must find the calls
//! that were seen to be made.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use epitaph_elf::{
    AuxVector, FileMapping, LoadedModules, Memory, MemoryError, Module, Process, ProcessMemory, Registers,
    X86_64,
};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;
use epitaph_testkit::skip;
use epitaph_testkit::step::{Mapping, Pending, Stepped};
use epitaph_unwind::{Limits, Stop, Trust, Unwinder};

use crate::support::RecordedPaths;

/// Instructions of each program that are walked from, other than in the long run.
const SHORT_RUN: usize = 6000;
/// No program here has more; one that never ended would keep the test busy.
const LONG_RUN: usize = 2_000_000;
/// Misses that are shown.
const SHOWN: usize = 10;

/// Code without CFI of any kind.
const NO_CFI: &str = "-g0 -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-exceptions";

/// The memory of the program, while it is stopped.
struct Live<'s> {
    program: &'s RefCell<Stepped>,
    mappings: Vec<Mapping>,
}

impl Memory for Live<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.program.borrow().read(address, buf).map_err(|_| MemoryError::Unmapped { address })
    }

    fn is_executable(&self, address: u64) -> bool {
        self.mappings.iter().any(|mapped| mapped.execute && (mapped.start..mapped.end).contains(&address))
    }
}

fn process(mappings: &[Mapping]) -> Process {
    let files = mappings.iter().filter(|mapped| mapped.path.starts_with('/'));
    Process {
        arch: &X86_64,
        threads: Vec::new(),
        mappings: files
            .map(|mapped| FileMapping {
                start: mapped.start,
                end: mapped.end,
                offset: mapped.offset,
                path: OsString::from(&mapped.path),
            })
            .collect(),
        auxv: AuxVector::default(),
        signal: None,
        info: None,
        producer: None,
        slim: None,
        defects: Vec::new(),
    }
}

fn registers(program: &Stepped) -> Registers {
    let mut registers = Registers::default();
    for (number, value) in (0..).zip(program.registers()) {
        registers.set(number, Some(value));
    }
    registers
}

/// What came of stepping through a program.
#[derive(Debug, Default)]
struct Outcome {
    steps: usize,
    missed: usize,
    /// Where nobody could have known.
    lost: usize,
    /// Some of the misses: what was right, and what was found.
    shown: Vec<String>,
    trusts: BTreeMap<Trust, usize>,
}

fn step_through(exe: &Path) -> Option<Outcome> {
    let program = match Stepped::start(exe) {
        Ok(program) => RefCell::new(program),
        Err(error) => {
            skip::skipped(&format!("processes can't be traced here: {error}"));
            return None;
        }
    };
    let mappings = program.borrow().mappings();
    let live = Live { program: &program, mappings: mappings.clone() };
    let process = process(&mappings);
    let loaded = LoadedModules::new(Module::all(&process, &live), &X86_64, &RecordedPaths);
    let memory = ProcessMemory::new(live, &loaded);
    let mut unwinder = Unwinder::new(&X86_64, &loaded, &memory, Limits::default());

    let start = unwinder.walk(&registers(&program.borrow()));
    assert_eq!(start.stop, Stop::End, "{}: {start:x?}", exe.display());
    let real: Vec<_> = start.frames.iter().filter(|frame| frame.trust != Trust::TailCall).collect();
    let pending =
        real.windows(2).map(|pair| Pending { pc: pair[1].address.pc(), slot: pair[0].cfa.unwrap() - 8 });
    let pending: Vec<Pending> = pending.collect();
    program.borrow_mut().begin_with(pending.into_iter().rev().collect());

    let mut outcome = Outcome::default();
    let most = if long_run() { LONG_RUN } else { SHORT_RUN };
    while outcome.steps < most && program.borrow_mut().step() {
        outcome.steps += 1;
        let right = program.borrow().chain();
        let walk = unwinder.walk(&registers(&program.borrow()));
        let frames = walk.frames.iter().filter(|frame| frame.trust != Trust::TailCall);
        let found: Vec<u64> = frames.map(|frame| frame.address.pc()).collect();
        for frame in &walk.frames {
            *outcome.trusts.entry(frame.trust).or_default() += 1;
        }
        if found != right && in_exception_handling(&right, &mappings) {
            outcome.lost += 1;
        } else if found != right {
            outcome.missed += 1;
            if outcome.shown.len() < SHOWN {
                outcome
                    .shown
                    .push(format!("right {right:x?}\nfound {found:x?} {:x?} {:?}", walk.frames, walk.stop));
            }
        }
    }
    Some(outcome)
}

/// Tells whether libgcc is at work. Before it lets the function go on that catches an exception, it writes that one's
/// registers over those that its own frame saved: what was thrown through is lost then, on purpose.
fn in_exception_handling(chain: &[u64], mappings: &[Mapping]) -> bool {
    let libgcc = mappings.iter().filter(|mapped| mapped.path.contains("/libgcc_s"));
    libgcc.into_iter().any(|mapped| chain.iter().any(|pc| (mapped.start..mapped.end).contains(pc)))
}

fn long_run() -> bool {
    std::env::var_os("EPITAPH_TEST_ALL").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Builds a source of `testdata/steps` and requires that not one instruction is missed. Returns what was found.
fn no_misses(compiler: &str, source: &str, options: &str) -> Option<Outcome> {
    let scratch = Scratch::new();
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/steps")).join(source);
    scratch.run(&format!("{compiler} {options} -o hot {}", source.display()));
    let outcome = step_through(&scratch.path("hot"))?;
    let what = format!("{compiler} {options}: {} of {} missed", outcome.missed, outcome.steps);
    assert_eq!(outcome.missed, 0, "{what}\n{}", outcome.shown.join("\n"));
    assert!(outcome.steps > 1000 && outcome.lost * 100 < outcome.steps, "{what}, {} lost", outcome.lost);
    Some(outcome)
}

macro_rules! steps {
    ($($name:ident: $compiler:literal, $source:literal, $options:expr;)+) => {
        $(#[test]
        fn $name() {
            need_tool!($compiler);
            no_misses($compiler, $source, $options);
        })+
    };
}

steps! {
    gcc_o0: "gcc", "hot.c", "-w -O0";
    gcc_o2: "gcc", "hot.c", "-w -O2";
    clang_o0: "clang", "hot.c", "-w -O0";
    clang_o2: "clang", "hot.c", "-w -O2";
    rustc_o0: "rustc", "hot.rs", "--edition 2024 -C opt-level=0";
    rustc_o2: "rustc", "hot.rs", "--edition 2024 -C opt-level=2";
}

macro_rules! steps_without_cfi {
    ($($name:ident: $compiler:literal, $options:literal;)+) => {
        $(#[test]
        fn $name() {
            need_tool!($compiler);
            let options = format!("-w {NO_CFI} {}", $options);
            let Some(outcome) = no_misses($compiler, "hot.c", &options) else { return };
            assert!(outcome.trusts.contains_key(&Trust::Prologue), "{outcome:?}");
        })+
    };
}

steps_without_cfi! {
    gcc_o0_without_cfi: "gcc", "-O0";
    gcc_o2_without_cfi: "gcc", "-O2 -fomit-frame-pointer";
    gcc_o2_without_cfi_with_frame_pointers: "gcc", "-O2 -fno-omit-frame-pointer";
    gcc_o3_without_cfi_that_probes_the_stack: "gcc", "-O3 -fomit-frame-pointer -fstack-clash-protection -fcf-protection";
    gcc_os_without_cfi_protected: "gcc", "-Os -fstack-protector-all";
    clang_o0_without_cfi: "clang", "-O0";
    clang_o2_without_cfi: "clang", "-O2 -fomit-frame-pointer";
    clang_o2_without_cfi_with_frame_pointers: "clang", "-O2 -fno-omit-frame-pointer";
}
