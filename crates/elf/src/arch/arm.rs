//! 32-bit Arm. Registers: DWARF for the Arm Architecture (AADWARF32), section 3; callee-saved: AAPCS32, section 6.1.1.

mod branch;

use goblin::elf::header::EM_ARM;

use super::saved::{Saved, frame_record, link_register, restore};
use super::{Arch, PrStatus, SignalReturn};
use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::registers::Registers;
use crate::system_call::{CallAbi, Number};

const FP: u16 = 11;
const SP: u16 = 13;
const LR: u16 = 14;
const PC: u16 = 15;

/// r0 to r15: as DWARF numbers them, and as the kernel saves them.
const ORDER: [u16; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, FP, 12, SP, LR, PC];

/// 32-bit Arm, little-endian, in both of its instruction sets.
pub static ARM: Arch = Arch {
    name: "arm",
    machine: EM_ARM,
    class: Class::Elf32,
    endian: Endian::Little,
    pc: PC,
    sp: SP,
    fp: FP,
    link: Some(LR),
    // Most pop their return address off the stack.
    returns_by_link: false,
    // r4 to r11
    callee_saved: 0xff << 4,
    // The lowest bit of a return address says that the caller is Thumb code.
    code_mask: 0xffff_fffe,
    goroutine: None,
    register_names: &[
        (0, "r0"),
        (1, "r1"),
        (2, "r2"),
        (3, "r3"),
        (4, "r4"),
        (5, "r5"),
        (6, "r6"),
        (7, "r7"),
        (8, "r8"),
        (9, "r9"),
        (10, "r10"),
        (FP, "r11"),
        (12, "r12"),
        (SP, "sp"),
        (LR, "lr"),
        (PC, "pc"),
    ],
    // `struct pt_regs` (linux/arch/arm/include/uapi/asm/ptrace.h): r0 to r15, cpsr, orig_r0
    prstatus: PrStatus { size: 148, order: &ORDER, tls: None },
    // r7, svc #0 in each of the instruction sets; r0 to r5; r0, and orig_r0
    calls: CallAbi {
        number: Number::Register(7, &[&[0x00, 0x00, 0x00, 0xef], &[0x00, 0xdf]]),
        arguments: [0, 1, 2, 3, 4, 5],
        result: 0,
        kept_argument: Some(17),
        kept_result: None,
    },
    more_registers: |_, _, _| {},
    after_call: |registers, _| link_register(&ARM, registers),
    follows_call: branch::follows_call,
    // Nothing says whether a return address is in Arm or in Thumb code once it is on the stack.
    call_target: |_, _| None,
    jumps: |_, _| Vec::new(),
    stub_slot: |_, _| None,
    register_stores: |_| Vec::new(),
    // push {fp, lr}; add fp, sp, #4 (Arm code only: Thumb code has no rule)
    after_frame: |registers, memory| frame_record(&ARM, 4, 4, registers, memory),
    sp_to_cfa_at_entry: 0,
    caller_sp_to_cfa: 0,
    signal_returns: &[
        // mov r7, #119 (sigreturn); svc, with the number of the old ABI or without
        SignalReturn {
            code: &[0x77, 0x70, 0xa0, 0xe3, 0x77, 0x00, 0x90, 0xef],
            interrupted: without_siginfo,
            record: |_, _| None,
        },
        SignalReturn {
            code: &[0x77, 0x70, 0xa0, 0xe3, 0x00, 0x00, 0x00, 0xef],
            interrupted: without_siginfo,
            record: |_, _| None,
        },
        // mov r7, #173 (rt_sigreturn); svc
        SignalReturn {
            code: &[0xad, 0x70, 0xa0, 0xe3, 0xad, 0x00, 0x90, 0xef],
            interrupted: with_siginfo,
            record: |_, _| None,
        },
        SignalReturn {
            code: &[0xad, 0x70, 0xa0, 0xe3, 0x00, 0x00, 0x00, 0xef],
            interrupted: with_siginfo,
            record: |_, _| None,
        },
        // The same in Thumb code, with a short mov or a long one.
        SignalReturn { code: &[0x77, 0x27, 0x00, 0xdf], interrupted: without_siginfo, record: |_, _| None },
        SignalReturn {
            code: &[0x4f, 0xf0, 0x77, 0x07, 0x00, 0xdf],
            interrupted: without_siginfo,
            record: |_, _| None,
        },
        SignalReturn { code: &[0xad, 0x27, 0x00, 0xdf], interrupted: with_siginfo, record: |_, _| None },
        SignalReturn {
            code: &[0x4f, 0xf0, 0xad, 0x07, 0x00, 0xdf],
            interrupted: with_siginfo,
            record: |_, _| None,
        },
    ],
    machine_code: None,
};

/// The stack pointer is at `struct rt_sigframe` (linux/arch/arm/kernel/signal.h): `siginfo`, and `struct sigframe`.
fn with_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    const SIGINFO: u64 = 128;
    sigframe(registers, memory, registers.get(SP)?.checked_add(SIGINFO)?)
}

fn without_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    sigframe(registers, memory, registers.get(SP)?)
}

/// `struct sigframe` begins with `ucontext`: flags, link, alternate stack, and `sigcontext`
/// (uapi/asm/sigcontext.h), whose registers follow three words.
fn sigframe(registers: &Registers, memory: &dyn Memory, address: u64) -> Option<Registers> {
    const TO_REGISTERS: u64 = 20 + 12;
    let address = address.checked_add(TO_REGISTERS)?;
    restore(&ARM, registers, memory, &[Saved { address, order: &ORDER }])
}
