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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryError;

    const FRAME: u64 = 0x7000_0000;

    struct Frame(Vec<u8>);

    impl Frame {
        fn new() -> Frame {
            Frame(vec![0; 5 * 1024])
        }

        fn with(mut self, offset: u64, word: u64) -> Frame {
            self.0[offset as usize..][..8].copy_from_slice(&word.to_le_bytes());
            self
        }

        /// Adds a record, after `before` bytes of others.
        fn record(self, before: u64, magic: u32, size: u64, word: u64) -> Frame {
            let at = RECORDS + before;
            self.with(at, size << 32 | u64::from(magic)).with(at + 8, word)
        }

        fn read_fault(&self) -> Option<RecordedFault> {
            let mut registers = Registers::default();
            registers.set(SP, Some(FRAME));
            record(&registers, self).unwrap().last_fault
        }
    }

    impl Memory for Frame {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            let at = address.checked_sub(FRAME).ok_or(MemoryError::Unmapped { address })? as usize;
            let bytes = self.0.get(at..at + buf.len()).ok_or(MemoryError::Unmapped { address })?;
            buf.copy_from_slice(bytes);
            Ok(())
        }

        fn is_executable(&self, _: u64) -> bool {
            false
        }
    }

    #[test]
    fn the_syndrome_is_among_the_records() {
        const FPSIMD: u32 = 0x4650_8001;
        const WRITE_ABORT: u64 = 0x9200_0046;
        let frame = Frame::new().with(SIGCONTEXT, 0x18).record(0, FPSIMD, 528, 0);
        let fault = frame.record(528, SYNDROME, 16, WRITE_ABORT).read_fault().unwrap();
        let expected = RecordedFault { kind: FaultKind::Access, address: Some(0x18), write: Some(true) };
        assert_eq!(fault, expected);
        for (syndrome, kind) in [
            (0x0200_0000, FaultKind::Instruction),
            (0x9200_0021, FaultKind::Alignment),
            (0xf200_0001, FaultKind::Trap),
        ] {
            let fault = Frame::new().record(0, SYNDROME, 16, syndrome).read_fault();
            assert_eq!(fault.map(|fault| fault.kind), Some(kind), "{syndrome:#x}");
        }
    }

    #[test]
    fn records_that_make_no_sense_end_the_search() {
        assert_eq!(Frame::new().read_fault(), None);
        for size in [0, 7, 0xffff_ffff] {
            let frame = Frame::new().record(0, 1, size, 0).record(16, SYNDROME, 16, 0x9200_0046);
            assert_eq!(frame.read_fault(), None, "{size}");
        }
    }
}
