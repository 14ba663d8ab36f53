//! Stacks that no compiler makes: corrupt ones, and such as want to keep the walk busy.

use std::time::{Duration, Instant};

use epitaph_elf::{CoreFile, MemoryError};
use epitaph_testkit::core::{Segment, Thread};
use epitaph_testkit::need_tool;
use epitaph_unwind::{CodeAddress, Limits, Stop, Trust};

use crate::support::{BASE, Given, Library, STACK, walk, walk_all};

/// One function for each thing that CFI can say. `…_after` is what its call returns to.
const SOURCE: &str = "
    .text
    .globl framed
framed:                         # CFA = rbp + 16, the usual frame
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    call framed
framed_after:
    nop
    .cfi_endproc

word:                           # CFA = rsp + 8: a frame of nothing but its return address
    .cfi_startproc
    call word
word_after:
    nop
    .cfi_endproc

saver:                          # rbx and r12 lie below the return address
    .cfi_startproc
    .cfi_def_cfa_offset 24
    .cfi_offset %rbx, -16
    .cfi_offset %r12, -24
    call saver
saver_after:
    nop
    .cfi_endproc

stuck:                          # CFA = rsp: the caller's stack pointer is the callee's
    .cfi_startproc
    .cfi_def_cfa_offset 0
    .cfi_offset %rip, 0
    call stuck
stuck_after:
    nop
    .cfi_endproc

backwards:                      # CFA = rsp - 16
    .cfi_startproc
    .cfi_def_cfa_offset -16
    .cfi_offset %rip, 16
    call backwards
backwards_after:
    nop
    .cfi_endproc

first:                          # has no caller, and says so
    .cfi_startproc
    .cfi_undefined %rip
    call first
first_after:
    nop
    .cfi_endproc

by_rax:                         # CFA = rax + 16, which a call doesn't preserve
    .cfi_startproc
    .cfi_def_cfa %rax, 16
    call by_rax
by_rax_after:
    nop
    .cfi_endproc

endless:                        # CFA by an expression that jumps to its own start: DW_OP_skip -3
    .cfi_startproc
    .cfi_escape 0x0f, 0x03, 0x2f, 0xfd, 0xff
    call endless
endless_after:
    nop
    .cfi_endproc

growing:                        # as before, and pushes each time: DW_OP_lit0, DW_OP_skip -4
    .cfi_startproc
    .cfi_escape 0x0f, 0x04, 0x30, 0x2f, 0xfc, 0xff
    call growing
growing_after:
    nop
    .cfi_endproc

empty:                          # CFA by an expression of nothing
    .cfi_startproc
    .cfi_escape 0x0f, 0x00
    call empty
empty_after:
    nop
    .cfi_endproc

dereferenced:                   # CFA = the word at rsp: DW_OP_breg7 0, DW_OP_deref
    .cfi_startproc
    .cfi_escape 0x0f, 0x03, 0x77, 0x00, 0x06
    call dereferenced
dereferenced_after:
    nop
    .cfi_endproc

bare:                           # no CFI at all
    call bare
bare_after:
    nop
    nop

restorer:                       # what a signal handler returns to, without CFI, as static musl has it
    mov $15, %rax
    syscall
    .space 64
";

fn library() -> Library {
    Library::assemble(SOURCE, "")
}

/// `sigcontext` as the kernel saves it below a handler (uapi/asm/sigcontext.h): these registers, everything else 0.
/// The stack pointer is where the `ucontext` starts.
fn ucontext(rip: u64, rsp: u64, rbx: u64) -> Vec<u64> {
    let mut words = vec![0; 5 + 23];
    words[5 + 11] = rbx;
    words[5 + 15] = rsp;
    words[5 + 16] = rip;
    words
}

#[test]
fn frames_follow_each_other_by_their_cfi() {
    need_tool!("gcc");
    let lib = library();
    let (framed, word, first) =
        (lib.address("framed_after"), lib.address("word_after"), lib.address("first_after"));
    let walk = lib.walk(
        lib.address("word"),
        &[("rbp", STACK + 16)],
        &[word, framed, STACK + 48, framed, 0, 0, 0, first],
    );
    assert_eq!(walk.pcs(), [lib.address("word"), word, framed, framed, first]);
    assert_eq!(walk.stop, Stop::End);
    let cfas: Vec<Option<u64>> = walk.frames.iter().map(|(frame, _)| frame.cfa).collect();
    let at = |words: u64| Some(STACK + 8 * words);
    assert_eq!(cfas, [at(1), at(2), at(4), at(8), None]);
    assert!(walk.frames[1..].iter().all(|(frame, _)| frame.trust == Trust::Cfi));
    assert!(matches!(walk.frames[1].0.address, CodeAddress::Return(_)));
}

#[test]
fn saved_registers_come_back_and_those_that_a_call_changes_are_forgotten() {
    need_tool!("gcc");
    let lib = library();
    let registers = [("rbx", 1), ("r12", 2), ("r13", 3), ("rax", 4), ("rcx", 5), ("r8", 6)];
    let walk = lib.walk(lib.address("saver"), &registers, &[22, 11, lib.address("first_after")]);
    let (_, caller) = &walk.frames[1];
    // By DWARF number: rbx 3, r12 12, r13 13, rsp 7; rax 0, rcx 2, r8 8.
    assert_eq!(
        [3, 12, 13, 7].map(|number| caller.get(number)),
        [Some(11), Some(22), Some(3), Some(STACK + 24)]
    );
    assert_eq!([0, 2, 8].map(|number| caller.get(number)), [None; 3]);
    assert_eq!(walk.frames[0].1.get(0), Some(4), "they are known where the core has them");
}

#[test]
fn a_stack_that_does_not_grow_is_a_loop() {
    need_tool!("gcc");
    let lib = library();
    for name in ["stuck", "backwards"] {
        let after = lib.address(&format!("{name}_after"));
        let walk = lib.walk(lib.address(name), &[], &[after; 16]);
        assert_eq!(walk.frames.len(), 1, "{name}: {walk:x?}");
        assert!(matches!(walk.stop, Stop::Loop { .. }), "{name}: {:?}", walk.stop);
    }
}

#[test]
fn a_frame_pointer_that_points_to_itself_leads_nowhere() {
    need_tool!("gcc");
    let lib = library();
    let after = lib.address("bare_after");
    let itself = lib.walk(lib.address("bare"), &[("rbp", STACK + 16)], &[0, 0, STACK + 16, after, 0, 0]);
    assert_eq!((itself.frames.len(), itself.stop), (2, Stop::NoCfi { pc: after }));
    let each_other = [0, 0, STACK + 48, after, 0, 0, STACK + 16, after];
    let walk = lib.walk(lib.address("bare"), &[("rbp", STACK + 16)], &each_other);
    assert_eq!((walk.frames.len(), walk.stop), (3, Stop::NoCfi { pc: after }));
    assert!(walk.frames[1..].iter().all(|(frame, _)| frame.trust == Trust::FramePointer));
}

#[test]
fn frame_pointers_that_lead_down_off_or_askew_are_not_followed() {
    need_tool!("gcc");
    let lib = library();
    let after = lib.address("bare_after");
    let stack = [0, 0, 0, after, 0, after, 0, 0];
    for rbp in [0, STACK - 8, STACK + 17, STACK + 0x10_0000, u64::MAX - 7, STACK + (65 << 20)] {
        let walk = lib.walk(lib.address("bare"), &[("rbp", rbp)], &stack);
        assert_eq!((walk.frames.len(), walk.stop), (1, Stop::NoCfi { pc: lib.address("bare") }), "{rbp:#x}");
    }
    // It points to what would do, but to a place where no frame can be.
    let far = STACK + (65 << 20);
    let at = |rbp: u64, offset: u64| {
        let mut bytes = vec![0; 64];
        bytes[(rbp - offset) as usize + 8..][..8].copy_from_slice(&after.to_le_bytes());
        let thread = Thread::new(1).register("rip", lib.address("bare")).register("rsp", STACK);
        let core =
            lib.core().thread(thread.register("rbp", rbp)).segment(Segment::data(offset, bytes)).build();
        walk(&CoreFile::open(std::sync::Arc::new(core.to_vec())).unwrap(), &Given(lib.file.clone()))
    };
    assert_eq!(at(STACK + 16, STACK).frames.len(), 2);
    assert_eq!(at(STACK + 17, STACK).frames.len(), 1, "not aligned");
    assert_eq!(at(far, far).frames.len(), 1, "too far away");
    // It points right, but what stands there follows no call, or is in no code.
    for wrong in [after + 1, lib.address("bare"), STACK, 0, BASE] {
        let walk = lib.walk(lib.address("bare"), &[("rbp", STACK + 16)], &[0, 0, 0, wrong, 0, 0]);
        assert_eq!(walk.frames.len(), 1, "{wrong:#x}");
    }
}

#[test]
fn a_return_address_of_zero_is_the_end_and_any_other_nonsense_is_not() {
    need_tool!("gcc");
    let lib = library();
    let stop = |word| lib.walk(lib.address("word"), &[], &[word, 0]).stop;
    assert_eq!(stop(0), Stop::End);
    for found in [1, STACK, BASE, u64::MAX] {
        assert_eq!(stop(found), Stop::BadReturnAddress { found });
    }
}

#[test]
fn what_is_missing_of_the_stack_is_told_by_its_reason() {
    need_tool!("gcc");
    let lib = library();
    let (word, after) = (lib.address("word"), lib.address("word_after"));
    let stack: Vec<u8> = [after; 4].iter().flat_map(|word| word.to_le_bytes()).collect();
    let thread = Thread::new(1).register("rip", word).register("rsp", STACK);
    let base = lib.core().thread(thread);
    let walked = |bytes: Vec<u8>| {
        let core = CoreFile::open(std::sync::Arc::new(bytes)).unwrap();
        let walk = walk(&core, &Given(lib.file.clone()));
        (walk.frames.len(), walk.stop)
    };
    let address = STACK + 32;
    let unmapped = base.clone().segment(Segment::data(STACK, stack.clone()));
    assert_eq!(walked(unmapped.build().to_vec()), (5, Stop::Memory(MemoryError::Unmapped { address })));
    let undumped = base.clone().segment(Segment::data(STACK, stack.clone()).memory_size(0x1000));
    assert_eq!(walked(undumped.build().to_vec()), (5, Stop::Memory(MemoryError::NotDumped { address })));
    let longer = base.clone().segment(Segment::data(STACK, [stack.clone(), stack].concat())).build().to_vec();
    // The segment is padded to a page in the file.
    let end = longer.len() - 0x1000 + 32;
    assert_eq!(walked(longer[..end].to_vec()), (5, Stop::Memory(MemoryError::Truncated { address })));
    let none = base.build().to_vec();
    assert_eq!(walked(none), (1, Stop::Memory(MemoryError::Unmapped { address: STACK })));
}

#[test]
fn a_stack_pointer_that_is_not_aligned_is_followed_all_the_same() {
    need_tool!("gcc");
    let lib = library();
    let (word, after) = (lib.address("word"), lib.address("word_after"));
    let mut bytes = vec![0; 3];
    bytes.extend([after, after, 0].iter().flat_map(|word| word.to_le_bytes()));
    let thread = Thread::new(1).register("rip", word).register("rsp", STACK + 3);
    let core = lib.core().thread(thread).segment(Segment::data(STACK, bytes)).build().to_vec();
    let core = CoreFile::open(std::sync::Arc::new(core)).unwrap();
    let walk = walk(&core, &Given(lib.file.clone()));
    assert_eq!((walk.pcs(), walk.stop), (vec![word, after, after], Stop::End));
}

#[test]
fn cfi_that_cannot_be_evaluated_ends_the_walk_where_it_is() {
    need_tool!("gcc");
    let lib = library();
    for name in ["endless", "growing", "empty"] {
        let start = Instant::now();
        let walk = lib.walk(lib.address(name), &[], &[0; 8]);
        assert_eq!((walk.frames.len(), walk.stop), (1, Stop::BadCfi { pc: lib.address(name) }), "{name}");
        assert!(start.elapsed() < Duration::from_secs(2), "{name}");
    }
    // rax is known in the innermost frame, and in no other.
    let after = lib.address("by_rax_after");
    let walk = lib.walk(lib.address("by_rax"), &[("rax", STACK)], &[0, after, 0, after]);
    assert_eq!((walk.pcs(), walk.stop), (vec![lib.address("by_rax"), after], Stop::BadCfi { pc: after }));
    // A CFA that is read from memory, and the memory isn't there.
    let after = lib.address("dereferenced_after");
    let walk = lib.walk(lib.address("dereferenced"), &[], &[STACK + 24, 0, after, u64::MAX]);
    assert_eq!(
        (walk.pcs(), walk.stop),
        (
            vec![lib.address("dereferenced"), after],
            Stop::Memory(MemoryError::Unmapped { address: u64::MAX - 8 })
        )
    );
}

#[test]
fn nothing_known_is_nothing_walked() {
    need_tool!("gcc");
    let lib = library();
    let core = lib.crash(0, &[], &[]);
    let files = Given(lib.file.clone());
    let process = core.process();
    let loaded =
        epitaph_elf::LoadedModules::new(epitaph_elf::Module::all(process, &core), process.arch, &files);
    let mut unwinder = epitaph_unwind::Unwinder::new(process.arch, &loaded, &core, Limits::default());
    let mut registers = epitaph_elf::Registers::default();
    let unwound = unwinder.walk(&registers);
    assert_eq!((unwound.frames.len(), unwound.stop), (0, Stop::NoRegisters));
    let pc = lib.address("word");
    registers.set(process.arch.pc, Some(pc));
    let unwound = unwinder.walk(&registers);
    assert_eq!((unwound.frames.len(), unwound.stop), (1, Stop::BadCfi { pc }));
    registers.set(process.arch.pc, Some(lib.address("bare")));
    let unwound = unwinder.walk(&registers);
    assert_eq!((unwound.frames.len(), unwound.stop), (1, Stop::NoCfi { pc: lib.address("bare") }));
}

#[test]
fn a_signal_return_without_cfi_is_passed_by_its_instructions() {
    need_tool!("gcc");
    let lib = library();
    let (word, restorer) = (lib.address("word"), lib.address("restorer"));
    // The handler's return address, then the context: a jump to nowhere was interrupted, with another stack.
    let frame = ucontext(0xdead_0000, STACK + 8 * 40, 77);
    let stack = [vec![restorer], frame, vec![0; 64]].concat();
    let mut stack = stack;
    stack[40] = lib.address("word_after");
    let walk = lib.walk(word, &[], &stack);
    assert_eq!(walk.pcs(), [word, restorer, 0xdead_0000, lib.address("word_after")]);
    let [_, trampoline, interrupted, caller] = walk.frames.as_slice() else { panic!("{walk:x?}") };
    assert!(trampoline.0.signal_trampoline);
    assert_eq!(
        (interrupted.0.address, interrupted.0.trust),
        (CodeAddress::Exact(0xdead_0000), Trust::Signal)
    );
    assert_eq!((interrupted.1.get(3), interrupted.1.get(7)), (Some(77), Some(STACK + 8 * 40)));
    assert_eq!(caller.0.trust, Trust::CallTarget);
    assert_eq!(walk.stop, Stop::End);
}

/// A context that says that the signal return itself was interrupted, with the stack as it is: a walk that trusts it
/// never ends.
#[test]
fn a_signal_frame_that_leads_to_itself_ends_the_walk() {
    need_tool!("gcc");
    let lib = library();
    let restorer = lib.address("restorer");
    let start = Instant::now();
    let itself = lib.walk(restorer, &[], &[ucontext(restorer, STACK, 0), vec![0; 8]].concat());
    // Two that lead to each other.
    let there = STACK + 8 * 64;
    let mut stack = ucontext(restorer, there, 0);
    stack.resize(64, 0);
    stack.extend(ucontext(restorer, STACK, 0));
    let each_other = lib.walk(restorer, &[], &stack);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for walk in [itself, each_other] {
        assert!(matches!(walk.stop, Stop::Loop { .. }), "{:?}", walk.stop);
        assert!(walk.frames.len() < 1000, "{} frames", walk.frames.len());
    }
}

#[test]
fn the_longest_stack_is_cut_at_the_limit() {
    need_tool!("gcc");
    let lib = library();
    let after = lib.address("word_after");
    let core = lib.crash(lib.address("word"), &[], &vec![after; (1 << 20) + 100]);
    let start = Instant::now();
    let (_, walk) = walk_all(&core, &Given(lib.file.clone()), Limits::default()).remove(0);
    assert_eq!((walk.frames.len(), walk.stop), (1 << 20, Stop::Limit));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// Of functions that the linker threw away, entries stay behind that overlap those of others.
#[test]
fn of_overlapping_entries_one_that_has_the_address_is_taken() {
    need_tool!("gcc");
    let lib = Library::assemble(
        "
        .text
        wide: .space 8
        inner: .space 24
        call wide
        wide_after: .space 32
        wide_end:
        .section .debug_frame, \"\", @progbits
        cie: .long cie_end - cie_start
        cie_start:
        .long 0xffffffff        # this is a CIE
        .byte 1, 0              # version, no augmentation
        .uleb128 1
        .sleb128 -8
        .byte 16                # the return address's column
        .byte 0x0c, 7, 8        # DW_CFA_def_cfa: rsp + 8
        .byte 0x90, 1           # DW_CFA_offset: rip at CFA - 8
        .balign 8
        cie_end:
        .macro entry start, size
        .long 20
        .long 0                 # the CIE's offset
        .quad \\start, \\size
        .endm
        entry wide, 64
        entry inner, 4
        entry inner, 2
        ",
        "",
    );
    let (pc, after) = (lib.address("wide") + 20, lib.address("wide_after"));
    let walk = lib.walk(pc, &[], &[after, 0]);
    assert_eq!((walk.pcs(), walk.stop), (vec![pc, after], Stop::End));
    let within = lib.walk(lib.address("inner") + 1, &[], &[0]);
    assert_eq!((within.frames.len(), within.stop), (1, Stop::End));
    let behind = lib.walk(lib.address("wide_end"), &[], &[after]);
    assert_eq!(behind.stop, Stop::NoCfi { pc: lib.address("wide_end") });
}

/// The same, with CFI in `.debug_frame` only, and without the search table.
#[test]
fn other_homes_of_cfi_are_as_good() {
    need_tool!("gcc", "objcopy");
    let only_debug_frame = format!(".cfi_sections .debug_frame\n{SOURCE}");
    for (source, options) in
        [(SOURCE, "-Wl,--no-eh-frame-hdr"), (&only_debug_frame, ""), (SOURCE, "-Wl,--build-id=none")]
    {
        let lib = Library::assemble(source, options);
        let (word, after) = (lib.address("word"), lib.address("word_after"));
        let walk =
            lib.walk(word, &[], &[after, lib.address("saver_after"), 7, 8, lib.address("first_after")]);
        assert_eq!(
            walk.pcs(),
            [word, after, lib.address("saver_after"), lib.address("first_after")],
            "{options}"
        );
        assert_eq!(walk.stop, Stop::End, "{options}");
    }
}
