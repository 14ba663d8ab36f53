//! The frame of a signal handler: the stack pointer is at `struct rt_sigframe` (linux/arch/arm64/kernel/signal.c), which is
//! `siginfo` and `ucontext`; the latter's `sigcontext` (uapi/asm/sigcontext.h) begins with the address of the last fault and
//! ends with records, of which one holds the exception's syndrome.

use super::{AARCH64, ORDER, SP};
use crate::arch::saved::{Saved, restore};
use crate::arch::signal_record::{FaultKind, RecordedFault, SignalRecord};
use crate::memory::{Memory, read_vec};
use crate::prstatus::signal_info;
use crate::registers::Registers;

const SIGINFO: u64 = 128;
/// Bytes of `siginfo` that are read.
const SIGINFO_HEAD: usize = 48;
const SIGCONTEXT: u64 = SIGINFO + 176;
/// Of the records, the first: behind the address, 31 registers, sp, pc and pstate, at a multiple of 16.
const RECORDS: u64 = SIGCONTEXT + 288;
/// `__reserved` has 4096 bytes.
const RECORDS_END: u64 = RECORDS + 4096;
/// `ESR_MAGIC`
const SYNDROME: u32 = 0x4553_5201;

/// Returns the registers that the signal interrupted.
pub(super) fn interrupted(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let address = registers.get(SP)?.checked_add(SIGCONTEXT + 8)?;
    restore(&AARCH64, registers, memory, &[Saved { address, order: &ORDER }])
}

/// Reads what the kernel noted of the signal.
pub(super) fn record(registers: &Registers, memory: &dyn Memory) -> Option<SignalRecord> {
    let frame = registers.get(SP)?;
    let info = read_vec(memory, frame, SIGINFO_HEAD).ok().and_then(|bytes| signal_info(&AARCH64, &bytes));
    let address = AARCH64.read_word(memory, frame.checked_add(SIGCONTEXT)?).ok()?;
    let last_fault = syndrome(frame, memory).and_then(|syndrome| fault(syndrome, address));
    Some(SignalRecord { info, last_fault })
}

/// Looks through the records, each a magic number and a size, for the syndrome.
fn syndrome(frame: u64, memory: &dyn Memory) -> Option<u64> {
    let end = frame.checked_add(RECORDS_END)?;
    let mut at = frame.checked_add(RECORDS)?;
    while at < end {
        let magic = AARCH64.read_number(memory, at, 4).ok()?;
        let size = AARCH64.read_number(memory, at.checked_add(4)?, 4).ok()?;
        if magic == u64::from(SYNDROME) {
            return AARCH64.read_word(memory, at.checked_add(8)?).ok();
        }
        // The last record is all zero.
        if magic == 0 || size < 8 {
            return None;
        }
        at = at.checked_add(size)?;
    }
    None
}

/// Exception classes, and an abort's syndrome (Arm Architecture Reference Manual, ESR_EL1).
fn fault(syndrome: u64, address: u64) -> Option<RecordedFault> {
    const WRITE: u64 = 1 << 6;
    /// Of an abort's status code: misaligned.
    const MISALIGNED: u64 = 0x21;
    let plain = |kind| Some(RecordedFault { kind, address: None, write: None });
    let abort = |kind, write| Some(RecordedFault { kind, address: Some(address), write });
    match syndrome >> 26 & 0x3f {
        0 => plain(FaultKind::Instruction),
        0x20 => abort(FaultKind::Access, None),
        0x24 if syndrome & 0x3f == MISALIGNED => abort(FaultKind::Alignment, Some(syndrome & WRITE != 0)),
        0x24 => abort(FaultKind::Access, Some(syndrome & WRITE != 0)),
        0x22 | 0x26 => plain(FaultKind::Alignment),
        0x2c => plain(FaultKind::FloatingPoint),
        0x30..=0x35 | 0x38 | 0x3c => plain(FaultKind::Trap),
        _ => None,
    }
}
