//! Starting a command that is traced from its first instruction on.
//!
//! What is started stops itself before it executes the command, so that nothing of the command runs untraced. Doing that
//! between fork and exec takes code that no safe interface offers; so a program of its own does it, which is executed
//! first: this one again, with [`start_stopped`].

use std::io;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitid,
};

use crate::limits;
use crate::ptrace;
use crate::run::{RunCommand, RunError, become_command};

/// Stops this process until its parent, the tracer, continues it, then becomes `command`; at once where the parent is not
/// `tracer` any more. Returns only if that fails.
pub fn start_stopped(tracer: u32, command: &RunCommand) -> RunError {
    // Where any of these fails, the command runs untraced, which its tracer finds out. Nobody else would continue it, so
    // the kernel is to do that when the tracer dies.
    let wakes = set_parent_process_death_signal(Some(Signal::CONT));
    if wakes.is_ok() && getppid().map(|parent| parent.as_raw_pid().cast_unsigned()) == Some(tracer) {
        let _ = kill_process(getpid(), Signal::STOP);
    }
    let _ = set_parent_process_death_signal(None);
    become_command(command)
}

/// Traces a process that stops itself, and continues it; one that can't be traced goes on untraced, with what limit on
/// cores it may have: the kernel's are all that is left to hope for.
pub(crate) fn begin(process: Pid) -> io::Result<()> {
    // Only look: an end is for whoever waits for it.
    let status =
        waitid(WaitId::Pid(process), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    if !status.is_some_and(|status| status.stopped()) {
        return Err(io::Error::other("it ended before it could be traced"));
    }
    let traced = ptrace::seize(process, true);
    if traced.is_err() {
        // Where this is refused, the limit is what it was.
        let _ = limits::raise_of(process);
    }
    kill_process(process, Signal::CONT)?;
    traced
}
