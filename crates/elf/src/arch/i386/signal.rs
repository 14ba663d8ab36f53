//! The frames of signal handlers (linux/arch/x86/include/asm/sigframe.h). The handler has popped its return address: the
//! stack pointer is at its arguments. One with `siginfo` (`struct rt_sigframe_ia32`) has the signal's number and the
//! addresses of `siginfo` and `ucontext`, whose registers follow 20 bytes of flags, link and alternate stack; one without
//! (`struct sigframe_ia32`) has the number and the registers.

use super::{EBP, EIP, ESP, I386};
use crate::arch::saved::{Saved, restore};
use crate::arch::signal_record::SignalRecord;
use crate::arch::x86_64;
use crate::memory::{Memory, read_vec};
use crate::process::SignalInfo;
use crate::prstatus::signal_info;
use crate::registers::Registers;

/// Bytes of `siginfo` that are read.
const SIGINFO_HEAD: usize = 48;
// `struct sigcontext_32` (linux/arch/x86/include/uapi/asm/sigcontext.h): gs fs es ds edi esi ebp esp ebx edx ecx eax
// trapno err eip cs eflags esp ss fpstate oldmask cr2
const GENERAL: u64 = 4 * 4;
const TRAP: u64 = 12 * 4;
const ERROR: u64 = 13 * 4;
const PC: u64 = 14 * 4;
const CR2: u64 = 21 * 4;

/// Returns the registers that a signal interrupted whose handler asked for its description.
pub(super) fn interrupted_with_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    restored(registers, memory, behind_ucontext(registers, memory)?)
}

/// Returns those that another one interrupted.
pub(super) fn interrupted(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    restored(registers, memory, registers.get(ESP)?.checked_add(4)?)
}

/// Reads what the kernel noted of a signal whose handler asked for its description.
pub(super) fn record_with_siginfo(registers: &Registers, memory: &dyn Memory) -> Option<SignalRecord> {
    let info = word(memory, registers.get(ESP)?, 4)?;
    let info = read_vec(memory, info, SIGINFO_HEAD).ok().and_then(|bytes| signal_info(&I386, &bytes));
    recorded(memory, behind_ucontext(registers, memory)?, info)
}

/// Reads what it noted of another one.
pub(super) fn record(registers: &Registers, memory: &dyn Memory) -> Option<SignalRecord> {
    recorded(memory, registers.get(ESP)?.checked_add(4)?, None)
}

fn behind_ucontext(registers: &Registers, memory: &dyn Memory) -> Option<u64> {
    const TO_REGISTERS: u64 = 20;
    word(memory, registers.get(ESP)?, 8)?.checked_add(TO_REGISTERS)
}

fn restored(registers: &Registers, memory: &dyn Memory, context: u64) -> Option<Registers> {
    let general = Saved { address: context.checked_add(GENERAL)?, order: &[7, 6, EBP, ESP, 3, 2, 1, 0] };
    let pc = Saved { address: context.checked_add(PC)?, order: &[EIP] };
    restore(&I386, registers, memory, &[general, pc])
}

fn recorded(memory: &dyn Memory, context: u64, info: Option<SignalInfo>) -> Option<SignalRecord> {
    let word = |offset| word(memory, context, offset);
    Some(SignalRecord { info, last_fault: x86_64::exception(word(TRAP)?, word(ERROR)?, word(CR2)?) })
}

fn word(memory: &dyn Memory, address: u64, offset: u64) -> Option<u64> {
    I386.read_word(memory, address.checked_add(offset)?).ok()
}
