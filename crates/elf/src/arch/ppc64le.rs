//! 64-bit Power, little-endian. Registers: 64-Bit ELF V2 ABI Specification, table 2.26 (DWARF numbers) and 2.2.1
//! (callee-saved).

mod branch;

use goblin::elf::header::EM_PPC64;

use super::saved::{Saved, link_register, restore};
use super::{Arch, NONE, PrStatus, SignalReturn};
use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::registers::Registers;
use crate::system_call::{CallAbi, Number};

const SP: u16 = 1;
const LR: u16 = 65;
const CTR: u16 = 66;
/// The number by which the kernel's CFI for signal handlers calls the program counter.
const PC: u16 = 67;

/// `struct pt_regs` (linux/arch/powerpc/include/uapi/asm/ptrace.h), as far as needed: r0 to r31, nip, msr, orig_gpr3,
/// ctr, link
const ORDER: [u16; 37] = [
    0, SP, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28, 29, 30, 31, PC, NONE, NONE, CTR, LR,
];

/// 64-bit Power, little-endian.
pub static PPC64LE: Arch = Arch {
    name: "ppc64le",
    machine: EM_PPC64,
    class: Class::Elf64,
    endian: Endian::Little,
    pc: PC,
    sp: SP,
    // Every frame begins with the address of the caller's.
    fp: SP,
    link: Some(LR),
    returns_by_link: true,
    // r2 (in code that isn't another module's), r13 (thread pointer), r14 to r31
    callee_saved: 1 << 2 | 0x7_ffff << 13,
    code_mask: u64::MAX,
    goroutine: Some(30),
    register_names: &[
        (0, "r0"),
        (SP, "r1"),
        (2, "r2"),
        (3, "r3"),
        (4, "r4"),
        (5, "r5"),
        (6, "r6"),
        (7, "r7"),
        (8, "r8"),
        (9, "r9"),
        (10, "r10"),
        (11, "r11"),
        (12, "r12"),
        (13, "r13"),
        (14, "r14"),
        (15, "r15"),
        (16, "r16"),
        (17, "r17"),
        (18, "r18"),
        (19, "r19"),
        (20, "r20"),
        (21, "r21"),
        (22, "r22"),
        (23, "r23"),
        (24, "r24"),
        (25, "r25"),
        (26, "r26"),
        (27, "r27"),
        (28, "r28"),
        (29, "r29"),
        (30, "r30"),
        (31, "r31"),
        (PC, "pc"),
        (LR, "lr"),
        (CTR, "ctr"),
    ],
    prstatus: PrStatus { size: 504, order: &ORDER, tls: Some(13) },
    // r0, sc or scv 0; r3 to r8; r3, orig_gpr3, result
    calls: CallAbi {
        number: Number::Register(0, &[&[0x02, 0x00, 0x00, 0x44], &[0x01, 0x00, 0x00, 0x44]]),
        arguments: [3, 4, 5, 6, 7, 8],
        result: 3,
        kept_argument: Some(34),
        kept_result: Some(43),
    },
    more_registers: |_, _, _| {},
    after_call: |registers, _| link_register(&PPC64LE, registers),
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: |_, _| Vec::new(),
    // Its stubs go through a register that points into the table.
    stub_slot: |_, _| None,
    register_stores: |_| Vec::new(),
    after_frame,
    sp_to_cfa_at_entry: 0,
    caller_sp_to_cfa: 0,
    signal_returns: &[
        SignalReturn {
            // addi r1, r1, 128; li r0, 172 (rt_sigreturn); sc
            code: &[0x80, 0x00, 0x21, 0x38, 0xac, 0x00, 0x00, 0x38, 0x02, 0x00, 0x00, 0x44],
            interrupted: |registers, memory| ucontext(registers, memory, 128),
            record: |_, _| None,
        },
        SignalReturn {
            // li r0, 172; sc: qemu-user's, which keeps another 16 bytes free
            code: &[0xac, 0x00, 0x00, 0x38, 0x02, 0x00, 0x00, 0x44],
            interrupted: |registers, memory| ucontext(registers, memory, 128 + 16),
            record: |_, _| None,
        },
    ],
    machine_code: None,
};

/// The frame begins with the address of the caller's frame, and that one has the return address 16 bytes on. The first
/// frame of a stack begins with 0 (64-Bit ELF V2 ABI, 2.2.2.1): then stack pointer and return address are 0.
fn after_frame(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let callers = PPC64LE.read_word(memory, registers.get(SP)?).ok()?;
    let return_address = match callers {
        0 => 0,
        _ => PPC64LE.read_word(memory, callers.checked_add(16)?).ok()?,
    };
    let mut caller = *registers;
    caller.retain(0);
    caller.set(SP, Some(callers));
    caller.set(PC, Some(return_address));
    Some(caller)
}

/// `struct rt_sigframe` (linux/arch/powerpc/kernel/signal_64.c) begins with `ucontext`: flags, link, alternate stack,
/// 128 bytes of signal mask, and `sigcontext` (uapi/asm/sigcontext.h), whose registers are 64 bytes on.
fn ucontext(registers: &Registers, memory: &dyn Memory, below: u64) -> Option<Registers> {
    const TO_REGISTERS: u64 = 40 + 128 + 64;
    let address = registers.get(SP)?.checked_add(below + TO_REGISTERS)?;
    restore(&PPC64LE, registers, memory, &[Saved { address, order: &ORDER }])
}
