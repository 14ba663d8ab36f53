//! The frame of a signal handler: `struct rt_sigframe` (linux/arch/x86/include/asm/sigframe.h). The handler has popped its
//! return address, so the stack pointer is at the `ucontext`; its `sigcontext` (uapi/asm/sigcontext.h) follows 40 bytes of
//! flags, link and alternate stack, and `siginfo` follows the `ucontext`.

use super::{RBP, RIP, RSP, X86_64};
use crate::arch::saved::{Saved, restore};
use crate::arch::signal_record::{FaultKind, RecordedFault, SignalRecord};
use crate::memory::{Memory, read_vec};
use crate::prstatus::signal_info;
use crate::registers::Registers;

const CONTEXT: u64 = 40;
/// `err`, `trapno`, the old mask and `cr2`, after 17 registers, flags and segments.
const ERROR: u64 = CONTEXT + 19 * 8;
const TRAP: u64 = ERROR + 8;
const CR2: u64 = TRAP + 16;
const SIGINFO: u64 = 304;
/// Bytes of `siginfo` that are read.
const SIGINFO_HEAD: usize = 48;

/// Returns the registers that the signal interrupted.
pub(super) fn interrupted(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip
    const ORDER: [u16; 17] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, RBP, 3, 1, 0, 2, RSP, RIP];
    let context = registers.get(RSP)?.checked_add(CONTEXT)?;
    restore(&X86_64, registers, memory, &[Saved { address: context, order: &ORDER }])
}

/// Reads what the kernel noted of the signal.
pub(super) fn record(registers: &Registers, memory: &dyn Memory) -> Option<SignalRecord> {
    let frame = registers.get(RSP)?;
    let word = |offset: u64| X86_64.read_word(memory, frame.checked_add(offset)?).ok();
    let info = read_vec(memory, frame.checked_add(SIGINFO)?, SIGINFO_HEAD).ok();
    let info = info.and_then(|bytes| signal_info(&X86_64, &bytes));
    Some(SignalRecord { info, last_fault: exception(word(TRAP)?, word(ERROR)?, word(CR2)?) })
}

/// Tells an exception by its number and, of a page fault, the error code and the address (Intel SDM volume 3, 6.15 "Exception and Interrupt Reference").
pub(in crate::arch) fn exception(trap: u64, error: u64, address: u64) -> Option<RecordedFault> {
    const WRITE: u64 = 1 << 1;
    let plain = |kind| Some(RecordedFault { kind, address: None, write: None });
    match trap {
        // Divide error. A thread that had no fault at all has 0 here as well: whoever reads it looks at the instruction.
        0 => plain(FaultKind::Division),
        1 | 3 => plain(FaultKind::Trap),
        6 => plain(FaultKind::Instruction),
        12 | 13 => plain(FaultKind::Protection),
        14 => Some(RecordedFault {
            kind: FaultKind::Access,
            address: Some(address),
            write: Some(error & WRITE != 0),
        }),
        16 | 19 => plain(FaultKind::FloatingPoint),
        17 => plain(FaultKind::Alignment),
        _ => None,
    }
}
