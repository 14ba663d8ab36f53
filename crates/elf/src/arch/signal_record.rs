//! What a signal handler's frame tells of the signal: what the kernel noted of the thread's last fault, and the signal's
//! own description, where the handler asked for one.

use crate::process::SignalInfo;
use crate::signals::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};

/// What a signal handler's frame tells of the signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRecord {
    /// What stands where the kernel puts the signal's `siginfo`, for handlers that ask for one (`SA_SIGINFO`); for others
    /// it is what the stack held before.
    pub info: Option<SignalInfo>,
    /// The last fault that the thread had: of this signal, or of one long before.
    pub last_fault: Option<RecordedFault>,
}

/// A fault, as the processor told it to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedFault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The address whose access failed, for a [`FaultKind::Access`].
    pub address: Option<u64>,
    /// Whether it was to be written, where that is known.
    pub write: Option<bool>,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An access to memory, by its page.
    Access,
    /// An access or an instruction that is not allowed, without an address (x86: general protection, stack segment).
    Protection,
    /// An access that must be aligned.
    Alignment,
    /// An integer division.
    Division,
    /// Floating-point arithmetic.
    FloatingPoint,
    /// An instruction that there isn't.
    Instruction,
    /// A breakpoint or a single step.
    Trap,
}

impl FaultKind {
    /// Tells whether the kernel answers such a fault by this signal.
    pub fn raises(self, signal: i32) -> bool {
        match self {
            FaultKind::Access => [SIGSEGV, SIGBUS].contains(&signal),
            FaultKind::Protection => [SIGSEGV, SIGBUS].contains(&signal),
            FaultKind::Alignment => signal == SIGBUS,
            FaultKind::Division | FaultKind::FloatingPoint => signal == SIGFPE,
            FaultKind::Instruction => signal == SIGILL,
            FaultKind::Trap => signal == SIGTRAP,
        }
    }
}
