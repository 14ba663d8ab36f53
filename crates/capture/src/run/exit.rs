//! How a process ended.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::{Signal, WaitStatus};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended itself with this status.
    Code(i32),
    /// A signal of this number ended it.
    Signal(i32),
}

impl Exit {
    /// Returns the status as a shell gives it: the process's own, or 128 + signal.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }

    /// Returns whether it was ended by a signal that makes the kernel write a core.
    pub fn is_crash(self) -> bool {
        matches!(self, Exit::Signal(signal) if dumps_core(signal))
    }

    /// Returns the signal that ended it or, where it only passes on a shell's status, probably ended a
    /// process of it.
    pub fn probable_signal(self) -> Option<i32> {
        match self {
            Exit::Signal(signal) => Some(signal),
            Exit::Code(code) => code.checked_sub(128).filter(|signal| (1..=64).contains(signal)),
        }
    }
}

/// Returns whether the default action of `signal` is to write a core, see signal(7).
pub fn dumps_core(signal: i32) -> bool {
    const DUMPING: [Signal; 10] = [
        Signal::QUIT,
        Signal::ILL,
        Signal::TRAP,
        Signal::ABORT,
        Signal::BUS,
        Signal::FPE,
        Signal::SEGV,
        Signal::XCPU,
        Signal::XFSZ,
        Signal::SYS,
    ];
    DUMPING.iter().any(|dumping| dumping.as_raw() == signal)
}

/// Splits what `wait` gives into how the process ended and whether the kernel says that it wrote a core.
pub(super) fn of_wait(status: WaitStatus) -> Option<(Exit, bool)> {
    // Through the standard library, which keeps the numbers of real-time signals.
    let status = ExitStatus::from_raw(status.as_raw());
    Some((of_status(status)?, status.core_dumped()))
}

/// Returns how a process ended of which the standard library knows.
pub(crate) fn of_status(status: ExitStatus) -> Option<Exit> {
    status.code().map(Exit::Code).or_else(|| status.signal().map(Exit::Signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        assert_eq!(Exit::Code(3).status(), 3);
        assert_eq!(Exit::Signal(11).status(), 139);
    }

    #[test]
    fn signals_that_dump_core_are_told_from_others() {
        assert!(Exit::Signal(Signal::SEGV.as_raw()).is_crash());
        assert!(Exit::Signal(Signal::ABORT.as_raw()).is_crash());
        for signal in [Signal::KILL, Signal::TERM, Signal::PIPE, Signal::HUP] {
            assert!(!Exit::Signal(signal.as_raw()).is_crash());
        }
        assert!(!Exit::Code(139).is_crash());
    }

    #[test]
    fn a_shell_passes_a_signal_on_as_a_status() {
        assert_eq!(Exit::Code(139).probable_signal(), Some(11));
        assert_eq!(Exit::Code(128).probable_signal(), None);
        assert_eq!(Exit::Code(1).probable_signal(), None);
        assert_eq!(Exit::Code(255).probable_signal(), None);
        assert_eq!(Exit::Signal(6).probable_signal(), Some(6));
    }
}
