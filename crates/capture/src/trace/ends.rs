//! Whether a thread's stop is the end of its process, by a signal that makes cores.

use rustix::process::Pid;

use crate::live::facts::{Status, flags};
use crate::ptrace;
use crate::run::dumps_core;

/// Bits of a status of `wait` that are the signal which ended a process.
const SIGNAL: i32 = 0x7f;
/// `PF_DUMPCORE` (linux/sched.h): the kernel has dumped the process on this thread's behalf, or would have.
const DUMPED: u64 = 0x200;
/// `PF_SIGNALED` (linux/sched.h): a signal ended this thread, and with it its process (signal(7)).
const SIGNALED: u64 = 0x400;

/// Returns the process of a thread, if a signal that the thread is about to take ends it with a core: it neither handles
/// nor ignores that signal. One that blocked it would not be about to take it.
pub(super) fn ends_by(thread: Pid, signal: i32) -> Option<Pid> {
    if !dumps_core(signal) {
        return None;
    }
    let status = Status::of(thread).ok()?;
    let bit = 1_u64.checked_shl(u32::try_from(signal.checked_sub(1)?).ok()?)?;
    let handled = (status.signals("SigCgt") | status.signals("SigIgn")) & bit != 0;
    if handled { None } else { status.process() }
}

/// Returns the process of a thread that stands at its end, and the signal, if that is one that makes cores. All but those
/// of filters of system calls were seen before they were taken.
pub(super) fn ended_by(thread: Pid) -> Option<(Pid, i32)> {
    let status = ptrace::event_message(thread).ok()?;
    let signal = i32::try_from(status).ok()? & SIGNAL;
    if !dumps_core(signal) {
        return None;
    }
    Some((Status::of(thread).ok()?.process()?, signal))
}

/// Tells whether a thread that stands at its end ends with its process: a filter of system calls may end it alone
/// (`SECCOMP_RET_KILL_THREAD`), which takes no signal.
pub(super) fn ends_with_its_process(thread: Pid) -> bool {
    flags(thread).is_some_and(|flags| flags & (SIGNALED | DUMPED) != 0)
}

/// Finds whose signal it was that ended the process of these threads, where that shows. They all come to their ends by it, in
/// any order.
pub(super) fn cause_among(threads: &[Pid]) -> Option<Pid> {
    threads.iter().copied().find(|thread| flags(*thread).is_some_and(|flags| flags & DUMPED != 0))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid};

    use super::*;

    #[test]
    fn a_signal_that_is_handled_ends_nothing() {
        // Rust's own handler of stack overflows.
        assert_eq!(ends_by(getpid(), Signal::SEGV.as_raw()), None);
        assert_eq!(ends_by(getpid(), Signal::ABORT.as_raw()), Some(getpid()));
        assert_eq!(ends_by(getpid(), 0), None);
        assert_eq!(ends_by(getpid(), 1000), None);
    }
}
