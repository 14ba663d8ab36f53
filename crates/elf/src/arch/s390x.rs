//! 64-bit IBM Z. Registers: ELF Application Binary Interface s390x Supplement, table 1.19 (DWARF numbers) and 1.2.1
//! (callee-saved).

mod branch;

use goblin::elf::header::EM_S390;

use super::saved::{Saved, link_register, restore};
use super::{Arch, NONE, PrStatus, SignalReturn};
use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::note::NT_FPREGSET;
use crate::process::Thread;
use crate::registers::Registers;
use crate::system_call::{CallAbi, Number};

const LINK: u16 = 14;
const SP: u16 = 15;
/// The address in the program status word.
const PC: u16 = 65;

/// psw.addr, r0 to r15: as the kernel saves them.
const GENERAL: [u16; 17] = [PC, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, LINK, SP];
/// f0 to f15. Functions that call nothing may keep general registers in them.
const FLOATING: [u16; 16] = [16, 20, 17, 21, 18, 22, 19, 23, 24, 28, 25, 29, 26, 30, 27, 31];
/// Bytes that a caller leaves above its stack pointer for the function that it calls.
const SAVE_AREA: u8 = 160;

/// 64-bit IBM Z, big-endian.
pub static S390X: Arch = Arch {
    name: "s390x",
    machine: EM_S390,
    class: Class::Elf64,
    endian: Endian::Big,
    pc: PC,
    sp: SP,
    fp: 11,
    link: Some(LINK),
    returns_by_link: true,
    // r6 to r13, r15, f8 to f15
    callee_saved: 0xff << 6 | 1 << SP | 0xff << 24,
    code_mask: u64::MAX,
    goroutine: Some(13),
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
        (11, "r11"),
        (12, "r12"),
        (13, "r13"),
        (LINK, "r14"),
        (SP, "r15"),
        (PC, "pc"),
    ],
    // `s390_regs` (linux/arch/s390/include/uapi/asm/ptrace.h): psw mask and address, general registers, access
    // registers (the first two are the thread pointer), orig_gpr2
    prstatus: PrStatus {
        size: 336,
        order: &[NONE, PC, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, LINK, SP],
        tls: Some(18),
    },
    // svc n, or r1; r2 to r7; r2, and orig_gpr2
    calls: CallAbi {
        number: Number::Immediate(0x0a, 1),
        arguments: [2, 3, 4, 5, 6, 7],
        result: 2,
        kept_argument: Some(26),
        kept_result: None,
    },
    more_registers,
    after_call: |registers, _| link_register(&S390X, registers),
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: |_, _| Vec::new(),
    stub_slot: branch::stub_slot,
    register_stores: |_| Vec::new(),
    // The frame pointer tells nothing of where the caller's registers are.
    after_frame: |_, _| None,
    sp_to_cfa_at_entry: SAVE_AREA,
    caller_sp_to_cfa: SAVE_AREA,
    signal_returns: &[
        // svc 173 (rt_sigreturn)
        SignalReturn { code: &[0x0a, 0xad], interrupted: with_siginfo, record: |_, _| None },
        // svc 119 (sigreturn)
        SignalReturn { code: &[0x0a, 0x77], interrupted: without_siginfo, record: |_, _| None },
    ],
    machine_code: None,
};

/// `NT_FPREGSET`: control word, padding, f0 to f15.
fn more_registers(kind: u32, desc: &[u8], thread: &mut Thread) {
    if kind == NT_FPREGSET {
        for (index, number) in FLOATING.iter().enumerate() {
            thread.registers.set(*number, Endian::Big.u64_at(desc, 8 + 8 * index));
        }
    }
}

/// The stack pointer is at `struct rt_sigframe` (linux/arch/s390/kernel/signal.c): the save area, an instruction,
/// `siginfo`, and `ucontext`, whose registers follow flags, link and alternate stack.
fn with_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    const TO_REGISTERS: u64 = SAVE_AREA as u64 + 8 + 128 + 40;
    sigregs(registers, memory, registers.get(SP)?.checked_add(TO_REGISTERS)?)
}

/// The stack pointer is at `struct sigframe`: the save area, and `sigcontext` (signal mask, address of the registers).
fn without_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    const TO_ADDRESS: u64 = SAVE_AREA as u64 + 8;
    let address = S390X.read_word(memory, registers.get(SP)?.checked_add(TO_ADDRESS)?).ok()?;
    sigregs(registers, memory, address)
}

/// `_sigregs` (linux/arch/s390/include/uapi/asm/sigcontext.h): psw mask and address, general registers, 16 access
/// registers of 4 bytes, floating-point control and registers.
fn sigregs(registers: &Registers, memory: &dyn Memory, address: u64) -> Option<Registers> {
    const TO_FLOATING: u64 = 16 + 16 * 8 + 16 * 4 + 8;
    let general = Saved { address: address.checked_add(8)?, order: &GENERAL };
    let floating = Saved { address: address.checked_add(TO_FLOATING)?, order: &FLOATING };
    restore(&S390X, registers, memory, &[general, floating])
}
