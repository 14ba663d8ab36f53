//! Real crashes: every frame's address and registers are those that gdb finds.

use std::collections::BTreeMap;

use epitaph_elf::Registers;
use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::{gdb, need_tool};
use epitaph_unwind::{Frame, Limits, Stop, Trust};

use crate::support::{RecordedPaths, Walk, open, walk_all};

/// Frames of each thread that are compared: gdb takes long over deep stacks.
const DEPTH: usize = 100;

/// What a function gives back as it got it (System V ABI for AMD64, figure 3.4), by DWARF number.
const CALLEE_SAVED: [(&str, u16); 7] =
    [("rbx", 3), ("rbp", 6), ("rsp", 7), ("r12", 12), ("r13", 13), ("r14", 14), ("r15", 15)];

/// How far gdb's stack is compared with ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// To its end: both walk the whole stack.
    Whole,
    /// As far as ours goes: gdb goes on through an overwritten stack, word by word.
    Ours,
}

macro_rules! like_gdb {
    ($($program:ident: $extent:ident)+) => {
        $(#[test]
        fn $program() {
            compare(stringify!($program), Extent::$extent);
        })+
    };
}

like_gdb! {
    signal_handler: Whole
    alt_stack: Whole
    null_call: Whole
    wild_jump: Whole
    deep_recursion: Whole
    frame_pointers: Whole
    vdso: Whole
    smashed_stack: Ours
    callback: Whole
    threads: Whole
    libc_fault: Whole
    stack_overflow: Whole
    inlined_clang: Whole
    inlined_debug_frame: Whole
    mini_debug_frame: Whole
    inlined_static: Whole
    cxx_exception: Whole
}

/// A program whose CFI is in its MiniDebugInfo needs no guess.
#[test]
fn frames_by_mini_debug_info_are_sure() {
    let Some(crash) = Crash::of_or_skip(program("mini_debug_frame")) else { return };
    let walks = walk_all(&open(&crash.core), &RecordedPaths, Limits::default());
    let trusts: Vec<Trust> = walks[0].1.frames.iter().map(|(frame, _)| frame.trust).collect();
    assert!(trusts.len() >= 5 && trusts[0] == Trust::Context, "{trusts:?}");
    assert!(trusts[1..].iter().all(|trust| *trust == Trust::Cfi), "{trusts:?}");
}

fn compare(name: &str, extent: Extent) {
    need_tool!("gdb");
    let Some(crash) = Crash::of_or_skip(program(name)) else { return };
    let oracle = gdb::backtrace(&crash.exe, &crash.core, DEPTH).unwrap();
    let walks = walk_all(&open(&crash.core), &RecordedPaths, Limits::default());
    assert_eq!(walks.len(), oracle.threads.len());
    assert_eq!(Some(walks[0].0), oracle.crashed);
    for (tid, walk) in &walks {
        compare_thread(name, walk, oracle.stack_of(*tid).unwrap(), extent);
    }
}

fn compare_thread(name: &str, walk: &Walk, theirs: &gdb::Stack, extent: Extent) {
    // A call that was inlined has no machine frame, and a tail call left nothing on the stack to compare.
    let theirs_on_stack: Vec<&gdb::Frame> =
        theirs.frames.iter().filter(|frame| !frame.inlined && !frame.tail_call).collect();
    let ours: Vec<&(Frame, Registers)> =
        walk.frames.iter().filter(|(frame, _)| frame.trust != Trust::TailCall).collect();
    for (index, ((frame, registers), their)) in ours.iter().zip(&theirs_on_stack).enumerate() {
        let context = format!("{name} #{index} {frame:x?} {:?}", their.function);
        assert_eq!(frame.address.pc(), their.pc, "{context}");
        assert_eq!(frame.signal_trampoline, their.signal_trampoline, "{context}");
        compare_registers(registers, &their.registers, &context);
    }
    match extent {
        _ if theirs.cut => assert!(ours.len() >= theirs_on_stack.len(), "{name}: {}", ours.len()),
        Extent::Whole => {
            assert_eq!(ours.len(), theirs_on_stack.len(), "{name}: {:x?} {:?}", walk.pcs(), walk.stop);
            assert_eq!(walk.stop, Stop::End, "{name}");
        }
        Extent::Ours => assert!(ours.len() <= theirs_on_stack.len(), "{name}: {:x?}", walk.pcs()),
    }
}

/// gdb knows each of these registers in each of its frames, and so do we, but for one case: of code that keeps frame
/// pointers and has no CFI, gdb reads where the frame pointer was saved, and takes the other registers to be unchanged.
/// We read where all of them were saved.
fn compare_registers(ours: &Registers, theirs: &BTreeMap<String, Option<u64>>, context: &str) {
    for (name, number) in CALLEE_SAVED {
        let (our, their) = (ours.get(number), theirs[name]);
        let known_to_us = context.starts_with("frame_pointers ") && !["rsp", "rbp"].contains(&name);
        assert!(our == their || known_to_us, "{context}: {name} is {our:x?}, gdb says {their:x?}");
    }
}
