//! The fault: what the processor was doing when it went wrong.

use epitaph_elf::{Process, Registers, SignalInfo};
use epitaph_summary::SignalOrigin;

/// What the processor was doing when it went wrong. Where a signal handler ended the process, that is what it interrupted.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The signal.
    pub signal: SignalInfo,
    /// The registers as they were.
    pub registers: Registers,
    /// Index of its frame in the crashing thread's frames.
    pub frame: usize,
    /// Where this was read.
    pub origin: SignalOrigin,
}

impl Fault {
    /// Takes the fault that the core itself tells of; `None` where no signal ended the process.
    pub(crate) fn of(process: &Process) -> Option<Fault> {
        let signal = process.signal.clone().filter(|signal| signal.number != 0)?;
        let origin = if signal.code.is_some() { SignalOrigin::Siginfo } else { SignalOrigin::Prstatus };
        let registers = process.threads.first()?.registers;
        Some(Fault { signal, registers, frame: 0, origin })
    }
}
