//! `epitaph show` and gdb, asked about the same crashes: every program of `testdata/programs`, every thread.

use epitaph_testkit::crash::{Crash, PROGRAMS, Program};
use epitaph_testkit::gdb::{self, Difference, What};
use epitaph_testkit::need_tool;

use crate::agreement::{Disagreement, disagreements, shows, stack_of};
use crate::support::{epitaph, test_all};

/// Frames of each thread that are compared: gdb takes long over deep stacks.
fn depth() -> usize {
    if test_all() { 5000 } else { 64 }
}

/// A difference that is not a mistake of ours, and why. What isn't listed here is one.
struct Excuse {
    applies: fn(&str, &Difference) -> bool,
    why: &'static str,
}

const EXCUSES: [Excuse; 6] = [
    Excuse {
        applies: |program, difference| {
            program.starts_with("smashed_") && difference.what == What::Missing && difference.index > 0
        },
        why: "gdb is wrong: the return address was overwritten, and it goes on through the garbage, word by word",
    },
    Excuse {
        applies: |program, difference| {
            let ours = difference.ours.as_ref().and_then(|frame| frame.function.as_deref());
            let jumps = [("callback", "__GI_qsort"), ("waits", "___pthread_join")];
            difference.what == What::TailCall && ours.is_some_and(|ours| jumps.contains(&(program, ours)))
        },
        why: "we know more: qsort jumps to qsort_r, pthread_join to what does its work, and gdb finds no call site that \
              says so",
    },
    Excuse {
        applies: |_, difference| {
            let ours = difference.ours.as_ref();
            difference.what == What::TailCall && ours.is_some_and(|frame| frame.file.is_none())
        },
        why: "we know more: gdb infers tail calls from debug information, which there is none of here",
    },
    Excuse {
        applies: |_, difference| names(difference) == Some(("__libc_start_main", "__libc_start_main_impl")),
        why: "both right: two symbols of one address in a libc.a without debug information",
    },
    Excuse {
        applies: |_, difference| names(difference) == Some(("__vdso_clock_gettime", "clock_gettime")),
        why: "both right: two symbols of one address in the vDSO, the second one weak",
    },
    Excuse {
        applies: |_, difference| names(difference).is_some_and(|(ours, _)| ours.starts_with("__rustc::")),
        why: "both right: the runtime's hooks (rust_panic, rust_begin_unwind, …) are linked under a name of rustc's \
              own, and gdb says where in the standard library's sources they are defined",
    },
];

/// Returns our name and gdb's name of a frame, if it is the names that differ.
fn names(difference: &Difference) -> Option<(&str, &str)> {
    let ours = difference.ours.as_ref()?.function.as_deref()?;
    let theirs = difference.gdb.as_ref()?.function.as_deref()?;
    (difference.what == What::Function).then_some((ours, theirs))
}

/// One test per program, so that each one fails by name; [`every_program_has_a_test`] keeps the list whole.
macro_rules! agree {
    ($($program:ident)+) => {
        const TESTED: &[&str] = &[$(stringify!($program)),+];
        $(#[test]
        fn $program() {
            agree_on(stringify!($program));
        })+
    };
}

agree! {
    dump dump_no_build_id null_deref assert stack_overflow deep_recursion null_call wild_jump signal_handler alt_stack
    divide filtered threads waits many_threads mappings secrets plugin big_heap vdso frame_pointers smashed_stack smashed_return libc_fault callback inlined inlined_dwarf4
    inlined_clang inlined_no_pie inlined_static inlined_compressed inlined_debug_frame mini_debug_frame
    inlined_debuglink inlined_package inlined_dwz
    inlined_lto inlined_static_pie inlined_stripped
    cxx_exception cxx_templates rust_panic rust_unwrap
}

/// Programs whose chain gdb doesn't find, and why. What is right is known from the source.
macro_rules! gdb_is_wrong {
    ($($program:ident: $why:literal)+) => {
        const GDB_IS_WRONG: &[&str] = &[$(stringify!($program)),+];
        $(#[test]
        fn $program() {
            right_without_gdb(stringify!($program), $why);
        })+
    };
}

gdb_is_wrong! {
    no_frames: "it reads prologues only up to the first instruction that it doesn't know, and takes numbers for addresses"
    no_frames_clang: "as no_frames"
    musl_abort: "it stops in the C library, which has no call frame information"
    musl_nested_signals: "as musl_abort"
    musl_nested_signals_dynamic: "as musl_abort"
    breakpoint: "it looks up the instruction after a breakpoint, which is another function's here"
    generated: "it doesn't follow frame pointers where it knows of no function"
}

#[test]
fn every_program_has_a_test() {
    let mut programs: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
    let mut tested = [TESTED, GDB_IS_WRONG].concat();
    programs.sort_unstable();
    tested.sort_unstable();
    assert_eq!(programs, tested);
}

/// Lets `name` crash, and compares what epitaph says with what the source says.
fn right_without_gdb(name: &str, why: &str) {
    need_tool!("gdb");
    let program = epitaph_testkit::crash::program(name);
    let Some(crash) = Crash::of_or_skip(program) else { return };
    let oracle = gdb::backtrace(&crash.exe, &crash.core, depth()).unwrap();
    let told = oracle.crashed_stack().is_some_and(|stack| shows(stack, program.chain));
    assert!(!told, "gdb shows {:?}, and can be the oracle; {why} no longer", program.chain);

    let answer = epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0);
    let summary = answer.json();
    let ours = stack_of(&summary["threads"][0]);
    let functions = ours.frames.iter().map(|frame| frame.function.as_deref().unwrap_or_default());
    let own = functions.filter(|function| *function != "<signal handler called>");
    let from_first = own.skip_while(|function| Some(function) != program.chain.first());
    let found: Vec<&str> = from_first.take(program.chain.len()).collect();
    assert_eq!(found, program.chain, "{:#?}", ours.frames);
    assert_eq!(summary["threads"][0]["stop"], "end", "{:#?}", ours.frames);
}

/// Lets `name` crash, and compares what epitaph and gdb say about it.
fn agree_on(name: &str) {
    need_tool!("gdb");
    let program = epitaph_testkit::crash::program(name);
    let Some(crash) = Crash::of_or_skip(program) else { return };
    let oracle = gdb::backtrace(&crash.exe, &crash.core, depth()).unwrap();
    let told = oracle.crashed_stack().is_some_and(|stack| shows(stack, program.chain));
    assert!(told, "gdb itself doesn't show {:?}: {:#?}", program.chain, oracle.crashed_stack());

    let answer = epitaph().args(["show", "--json", "--exe"]).arg(&crash.exe).arg(&crash.core).run().code(0);
    let differences: Vec<String> = disagreements(&answer.json(), &oracle)
        .iter()
        .filter(|disagreement| excuse(program, disagreement).is_none())
        .map(Disagreement::to_string)
        .collect();
    assert!(differences.is_empty(), "{}\n{}", differences.join("\n"), answer.stderr());
}

/// Returns why this difference is not a mistake of ours, if it is known not to be.
fn excuse(program: &Program, disagreement: &Disagreement) -> Option<&'static str> {
    let Disagreement::Frame(_, difference) = disagreement else { return None };
    let excuse = EXCUSES.iter().find(|excuse| (excuse.applies)(program.name, difference));
    excuse.map(|excuse| excuse.why)
}
