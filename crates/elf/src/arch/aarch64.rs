//! 64-bit Arm. Registers: DWARF for the Arm 64-bit Architecture (AADWARF64), section 4.1; callee-saved: AAPCS64,
//! section 6.1.1.

mod branch;
mod signal;

use goblin::elf::header::EM_AARCH64;

use super::saved::{frame_record, link_register};
use super::{Arch, PrStatus, SignalReturn};
use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::note::{NT_ARM_PAC_MASK, NT_ARM_TLS};
use crate::process::Thread;
use crate::registers::Registers;
use crate::system_call::{CallAbi, Number};

const FP: u16 = 29;
const LR: u16 = 30;
const SP: u16 = 31;
const PC: u16 = 32;

/// x0 to x30, sp, pc: as DWARF numbers them, and as the kernel saves them.
const ORDER: [u16; 33] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    FP, LR, SP, PC,
];

/// 64-bit Arm, little-endian.
pub static AARCH64: Arch = Arch {
    name: "aarch64",
    machine: EM_AARCH64,
    class: Class::Elf64,
    endian: Endian::Little,
    pc: PC,
    sp: SP,
    fp: FP,
    link: Some(LR),
    returns_by_link: true,
    // x19 to x29
    callee_saved: 0x7ff << 19,
    // Without a note that says more: Linux gives addresses above 48 bits only to who asks for them.
    code_mask: (1 << 48) - 1,
    goroutine: Some(28),
    register_names: &[
        (0, "x0"),
        (1, "x1"),
        (2, "x2"),
        (3, "x3"),
        (4, "x4"),
        (5, "x5"),
        (6, "x6"),
        (7, "x7"),
        (8, "x8"),
        (9, "x9"),
        (10, "x10"),
        (11, "x11"),
        (12, "x12"),
        (13, "x13"),
        (14, "x14"),
        (15, "x15"),
        (16, "x16"),
        (17, "x17"),
        (18, "x18"),
        (19, "x19"),
        (20, "x20"),
        (21, "x21"),
        (22, "x22"),
        (23, "x23"),
        (24, "x24"),
        (25, "x25"),
        (26, "x26"),
        (27, "x27"),
        (28, "x28"),
        (FP, "x29"),
        (LR, "x30"),
        (SP, "sp"),
        (PC, "pc"),
    ],
    // `struct user_pt_regs` (linux/arch/arm64/include/uapi/asm/ptrace.h), and pstate
    prstatus: PrStatus { size: 392, order: &ORDER, tls: None },
    // x8, svc #0; x0 to x5; x0
    calls: CallAbi {
        number: Number::Register(8, &[&[0x01, 0x00, 0x00, 0xd4]]),
        arguments: [0, 1, 2, 3, 4, 5],
        result: 0,
        kept_argument: None,
        kept_result: None,
    },
    more_registers,
    after_call: |registers, _| link_register(&AARCH64, registers),
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: branch::jumps,
    stub_slot: branch::stub_slot,
    after_frame,
    register_stores: |_| Vec::new(),
    sp_to_cfa_at_entry: 0,
    caller_sp_to_cfa: 0,
    signal_returns: &[SignalReturn {
        // mov x8, #139 (rt_sigreturn); svc #0
        code: &[0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
        interrupted: signal::interrupted,
        record: signal::record,
    }],
    machine_code: None,
};

/// The thread pointer, and where the signatures of return addresses are: `struct user_pac_mask`
/// (linux/arch/arm64/include/uapi/asm/ptrace.h), the mask of data pointers and that of code pointers.
fn more_registers(kind: u32, desc: &[u8], thread: &mut Thread) {
    /// Linux has no smaller address space than this one, in bits.
    const SMALLEST_SPACE: u32 = 36;
    match kind {
        NT_ARM_TLS => thread.tls = Endian::Little.u64_at(desc, 0),
        NT_ARM_PAC_MASK => {
            if let Some(code) =
                Endian::Little.u64_at(desc, 8).filter(|code| code.trailing_zeros() >= SMALLEST_SPACE)
            {
                thread.registers.set_code_mask(!code);
            }
        }
        _ => {}
    }
}

/// The frame record may be anywhere in its frame, so that it doesn't tell the caller's stack pointer. gcc puts it at the
/// frame's end (`stp x29, x30, [sp, #-n]!; mov x29, sp`): there the caller's frame pointer is its stack pointer as well.
/// clang puts it elsewhere, and its CFI asks for the frame pointer alone.
fn after_frame(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let mut caller = frame_record(&AARCH64, 0, 16, registers, memory)?;
    if let Some(fp) = caller.get(FP).filter(|fp| Some(*fp) > caller.get(SP)) {
        caller.set(SP, Some(fp));
    }
    Some(caller)
}
