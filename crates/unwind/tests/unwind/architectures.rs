//! Walks on other architectures than this machine's, through frames laid out by hand as their kernels do it.

use std::sync::Arc;

use epitaph_elf::CoreFile;
use epitaph_testkit::core::machine::{self, Machine};
use epitaph_testkit::core::{Class, CoreBuilder, Endian, Segment, Thread};
use epitaph_unwind::{CodeAddress, Stop, Trust};

use crate::support::{Given, Walk, walk};

const CODE: u64 = 0x1_0000;
const STACK: u64 = 0x7f_0000;
/// Where a signal came, the stack pointer there, and the frame pointer.
const INTERRUPTED: [u64; 3] = [CODE + 0x200, STACK + 0x800, 0x1234];

/// What a signal handler returns to, and what the kernel had put on the stack.
struct SignalFrame {
    machine: Machine,
    code: &'static [u8],
    /// Offsets from the stack pointer of the program counter, the stack pointer, and a register that functions keep.
    saved: [u64; 3],
    /// Number of that register.
    kept: u16,
    /// Where a pointer must be that leads to a place of the stack, and to which.
    pointer: Option<(u64, u64)>,
}

/// Offsets by the kernel's headers: sizes of `siginfo` (128) and of what comes before the registers.
const FRAMES: [SignalFrame; 12] = [
    SignalFrame {
        machine: machine::X86_64,
        code: b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05",
        // flags, link, stack; r8 to r15, rdi, rsi, rbp at the tenth word
        saved: [40 + 16 * 8, 40 + 15 * 8, 40 + 10 * 8],
        kept: 6,
        pointer: None,
    },
    SignalFrame {
        machine: machine::I386,
        code: b"\xb8\xad\0\0\0\xcd\x80",
        saved: [0x100 + 20 + 56, 0x100 + 20 + 28, 0x100 + 20 + 24],
        kept: 5,
        pointer: Some((8, 0x100)),
    },
    SignalFrame {
        machine: machine::I386,
        code: b"\x58\xb8\x77\0\0\0\xcd\x80",
        saved: [4 + 56, 4 + 28, 4 + 24],
        kept: 5,
        pointer: None,
    },
    SignalFrame {
        machine: machine::AARCH64,
        code: b"\x68\x11\x80\xd2\x01\0\0\xd4",
        // siginfo; ucontext up to its sigcontext; fault address
        saved: [128 + 176 + 8 + 32 * 8, 128 + 176 + 8 + 31 * 8, 128 + 176 + 8 + 29 * 8],
        kept: 29,
        pointer: None,
    },
    SignalFrame {
        machine: machine::RISCV64,
        code: b"\x93\x08\xb0\x08\x73\0\0\0",
        saved: [128 + 176, 128 + 176 + 2 * 8, 128 + 176 + 8 * 8],
        kept: 8,
        pointer: None,
    },
    SignalFrame {
        machine: machine::S390X,
        code: b"\x0a\xad",
        // save area, instruction, siginfo, ucontext up to its registers; r11
        saved: [160 + 8 + 128 + 40 + 8, 160 + 8 + 128 + 40 + 16 + 15 * 8, 160 + 8 + 128 + 40 + 16 + 11 * 8],
        kept: 11,
        pointer: None,
    },
    SignalFrame {
        machine: machine::S390X,
        code: b"\x0a\x77",
        saved: [0x200 + 8, 0x200 + 16 + 15 * 8, 0x200 + 16 + 11 * 8],
        kept: 11,
        pointer: Some((160 + 8, 0x200)),
    },
    SignalFrame {
        machine: machine::PPC64LE,
        code: b"\x80\0\x21\x38\xac\0\0\x38\x02\0\0\x44",
        saved: [128 + 232 + 32 * 8, 128 + 232 + 8, 128 + 232 + 31 * 8],
        kept: 31,
        pointer: None,
    },
    SignalFrame {
        machine: machine::ARM,
        code: b"\x77\x70\xa0\xe3\0\0\0\xef",
        saved: [32 + 15 * 4, 32 + 13 * 4, 32 + 11 * 4],
        kept: 11,
        pointer: None,
    },
    SignalFrame {
        machine: machine::ARM,
        code: b"\xad\x70\xa0\xe3\xad\0\x90\xef",
        saved: [128 + 32 + 15 * 4, 128 + 32 + 13 * 4, 128 + 32 + 11 * 4],
        kept: 11,
        pointer: None,
    },
    SignalFrame {
        machine: machine::ARM,
        code: b"\x77\x27\0\xdf",
        saved: [32 + 15 * 4, 32 + 13 * 4, 32 + 11 * 4],
        kept: 11,
        pointer: None,
    },
    SignalFrame {
        machine: machine::ARM,
        code: b"\x4f\xf0\xad\x07\0\xdf",
        saved: [128 + 32 + 15 * 4, 128 + 32 + 13 * 4, 128 + 32 + 11 * 4],
        kept: 11,
        pointer: None,
    },
];

fn word(machine: &Machine, value: u64) -> Vec<u8> {
    match (machine.class, machine.endian) {
        (Class::Elf64, Endian::Little) => value.to_le_bytes().to_vec(),
        (Class::Elf64, Endian::Big) => value.to_be_bytes().to_vec(),
        (Class::Elf32, Endian::Little) => (value as u32).to_le_bytes().to_vec(),
        (Class::Elf32, Endian::Big) => (value as u32).to_be_bytes().to_vec(),
    }
}

/// Names of the program counter and of the stack pointer.
fn names(machine: &Machine) -> (&'static str, &'static str) {
    match machine.name {
        "x86_64" => ("rip", "rsp"),
        "i386" => ("eip", "esp"),
        "s390x" => ("pc", "r15"),
        "ppc64le" => ("pc", "r1"),
        _ => ("pc", "sp"),
    }
}

/// Walks from `pc` with the stack pointer at the start of a page of stack, over code without any CFI.
fn walk_from(
    machine: Machine,
    pc: u64,
    registers: &[(&str, u64)],
    code: &[(u64, &[u8])],
    stack: &[(u64, u64)],
) -> Walk {
    let (pc_name, sp_name) = names(&machine);
    let thread = Thread::new(1).signal(11).register(pc_name, pc).register(sp_name, STACK);
    let thread = registers.iter().fold(thread, |thread, (name, value)| thread.register(name, *value));
    let (mut text, mut data) = (vec![0; 0x1000], vec![0; 0x1000]);
    for (address, bytes) in code {
        let at = (address - CODE) as usize;
        text[at..at + bytes.len()].copy_from_slice(bytes);
    }
    for (offset, value) in stack {
        let bytes = word(&machine, *value);
        data[*offset as usize..][..bytes.len()].copy_from_slice(&bytes);
    }
    let core = CoreBuilder::new()
        .machine(machine)
        .thread(thread)
        .segment(Segment::data(CODE, text).flags(5))
        .segment(Segment::data(STACK, data));
    walk(&CoreFile::open(Arc::new(core.build().to_vec())).unwrap(), &Given(Vec::new()))
}

#[test]
fn what_a_signal_interrupted_is_recovered() {
    for frame in &FRAMES {
        let machine = frame.machine;
        let context = format!("{} {:x?}", machine.name, frame.code);
        let mut stack: Vec<(u64, u64)> = frame.saved.into_iter().zip(INTERRUPTED).collect();
        stack.extend(frame.pointer.map(|(at, to)| (at, STACK + to)));
        let walk = walk_from(machine, CODE + 0x100, &[], &[(CODE + 0x100, frame.code)], &stack);
        let [(handler, _), (interrupted, registers), ..] = walk.frames.as_slice() else {
            panic!("{context}: {walk:x?}")
        };
        assert!(handler.signal_trampoline, "{context}");
        assert_eq!(interrupted.address, CodeAddress::Exact(INTERRUPTED[0]), "{context}");
        assert_eq!(interrupted.trust, Trust::Signal);
        assert_eq!(registers.get(frame.kept), Some(INTERRUPTED[2]), "{context}");
        let sp = match machine.name {
            "x86_64" => 7,
            "i386" => 4,
            "aarch64" => 31,
            "arm" => 13,
            "riscv64" => 2,
            "s390x" => 15,
            _ => 1,
        };
        assert_eq!(registers.get(sp), Some(INTERRUPTED[1]), "{context}");
    }
}

#[test]
fn a_call_to_nowhere_returns_to_the_link_register() {
    let calls: [(Machine, &str, &[u8]); 5] = [
        (machine::AARCH64, "x30", b"\x20\0\x3f\xd6"),  // blr x1
        (machine::ARM, "lr", b"\x33\xff\x2f\xe1"),     // blx r3
        (machine::RISCV64, "ra", b"\x82\x97"),         // jalr a5
        (machine::PPC64LE, "lr", b"\x21\x04\x80\x4e"), // bctrl
        (machine::S390X, "r14", b"\x0d\xe1"),          // basr %r14,%r1
    ];
    for (machine, link, call) in calls {
        let after = CODE + 0x300;
        let code = [(after - call.len() as u64, call)];
        let walk = walk_from(machine, 0, &[(link, after)], &code, &[]);
        assert_eq!(walk.pcs(), [0, after], "{}", machine.name);
        assert_eq!(walk.frames[1].0.trust, Trust::CallTarget);
        // The register may be stale: what doesn't follow a call is no return address.
        let walk = walk_from(machine, 0, &[(link, CODE + 0x400)], &code, &[]);
        assert_eq!((walk.pcs().len(), walk.stop), (1, Stop::NoCfi { pc: 0 }), "{}", machine.name);
    }
}

#[test]
fn frame_records_are_followed() {
    // stp x29, x30, [sp, #64]; mov x29, sp: with the return address signed
    let call: &[u8] = b"\x20\0\x3f\xd6";
    let after = CODE + 0x304;
    let signed = after | 0x0055 << 48;
    let walk = walk_from(
        machine::AARCH64,
        CODE + 0x100,
        &[("x29", STACK + 0x40)],
        &[(CODE + 0x300, call)],
        &[(0x40, STACK + 0x80), (0x48, signed), (0x80, 0), (0x88, 0)],
    );
    assert_eq!(walk.pcs(), [CODE + 0x100, after]);
    let (frame, registers) = &walk.frames[1];
    assert_eq!((frame.trust, registers.get(29)), (Trust::FramePointer, Some(STACK + 0x80)));

    // sd ra, -8(s0); sd s0, -16(s0)
    let walk = walk_from(
        machine::RISCV64,
        CODE + 0x100,
        &[("s0", STACK + 0x40)],
        &[(CODE + 0x302, b"\x82\x97")],
        &[(0x38, after), (0x30, STACK + 0x80)],
    );
    assert_eq!(walk.pcs(), [CODE + 0x100, after]);
    assert_eq!(walk.frames[1].1.get(2), Some(STACK + 0x40));

    // The back chain, and the return address in the caller's frame.
    let walk = walk_from(
        machine::PPC64LE,
        CODE + 0x100,
        &[],
        &[(CODE + 0x300, b"\x21\x04\x80\x4e")],
        &[(0, STACK + 0x60), (0x70, after)],
    );
    assert_eq!(walk.pcs()[..2], [CODE + 0x100, after]);
    assert_eq!(walk.frames[1].1.get(1), Some(STACK + 0x60));
}
