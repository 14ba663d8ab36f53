//! 64-bit RISC-V. Registers: RISC-V ELF psABI, "DWARF Register Numbers" and "Integer Calling Convention".

mod branch;

use goblin::elf::header::EM_RISCV;

use super::saved::{Saved, frame_record, link_register, restore};
use super::{Arch, PrStatus, SignalReturn};
use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::registers::Registers;
use crate::system_call::{CallAbi, Number};

const RA: u16 = 1;
const SP: u16 = 2;
const FP: u16 = 8;
/// "Alternate frame return column": CFI uses it for the program counter of an interrupted function.
const PC: u16 = 64;

/// pc, x1 to x31: as the kernel saves them.
const ORDER: [u16; 32] = [
    PC, RA, SP, 3, 4, 5, 6, 7, FP, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28, 29, 30, 31,
];

/// 64-bit RISC-V, little-endian.
pub static RISCV64: Arch = Arch {
    name: "riscv64",
    machine: EM_RISCV,
    class: Class::Elf64,
    endian: Endian::Little,
    pc: PC,
    sp: SP,
    fp: FP,
    link: Some(RA),
    returns_by_link: true,
    // gp and tp, which nobody changes; s0, s1, s2 to s11
    callee_saved: 3 << 3 | 3 << 8 | 0x3ff << 18,
    code_mask: u64::MAX,
    goroutine: Some(27),
    register_names: &[
        (RA, "ra"),
        (SP, "sp"),
        (3, "gp"),
        (4, "tp"),
        (5, "t0"),
        (6, "t1"),
        (7, "t2"),
        (FP, "s0"),
        (9, "s1"),
        (10, "a0"),
        (11, "a1"),
        (12, "a2"),
        (13, "a3"),
        (14, "a4"),
        (15, "a5"),
        (16, "a6"),
        (17, "a7"),
        (18, "s2"),
        (19, "s3"),
        (20, "s4"),
        (21, "s5"),
        (22, "s6"),
        (23, "s7"),
        (24, "s8"),
        (25, "s9"),
        (26, "s10"),
        (27, "s11"),
        (28, "t3"),
        (29, "t4"),
        (30, "t5"),
        (31, "t6"),
        (PC, "pc"),
    ],
    // `struct user_regs_struct` (linux/arch/riscv/include/uapi/asm/ptrace.h); tp is the thread pointer
    prstatus: PrStatus { size: 376, order: &ORDER, tls: Some(4) },
    // a7, ecall; a0 to a5; a0
    calls: CallAbi {
        number: Number::Register(17, &[&[0x73, 0x00, 0x00, 0x00]]),
        arguments: [10, 11, 12, 13, 14, 15],
        result: 10,
        kept_argument: None,
        kept_result: None,
    },
    more_registers: |_, _, _| {},
    after_call: |registers, _| link_register(&RISCV64, registers),
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: |_, _| Vec::new(),
    stub_slot: branch::stub_slot,
    register_stores: |_| Vec::new(),
    // sd ra, n-8(sp); sd s0, n-16(sp); addi s0, sp, n
    after_frame: |registers, memory| frame_record(&RISCV64, 16, 0, registers, memory),
    sp_to_cfa_at_entry: 0,
    caller_sp_to_cfa: 0,
    signal_returns: &[SignalReturn {
        // li a7, 139 (rt_sigreturn); ecall
        code: &[0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00],
        interrupted,
        record: |_, _| None,
    }],
    machine_code: None,
};

/// The stack pointer is at `struct rt_sigframe` (linux/arch/riscv/kernel/signal.c): `siginfo`, and `ucontext`, whose
/// registers come after flags, link, alternate stack and 128 bytes of signal mask, at a multiple of 16.
fn interrupted(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    const SIGINFO: u64 = 128;
    const TO_REGISTERS: u64 = 176;
    let address = registers.get(SP)?.checked_add(SIGINFO + TO_REGISTERS)?;
    restore(&RISCV64, registers, memory, &[Saved { address, order: &ORDER }])
}
