//! Starting a command that is traced from its first instruction on.
//!
//! What is started stops itself before it executes the command, so that nothing of the command runs untraced. Doing that
//! between fork and exec takes code that no safe interface offers; so a program of its own does it, which is executed
//! first: this one again, with [`start_stopped`].

use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, waitid};

use crate::ptrace;
use crate::run::{RunCommand, RunError, become_command};

/// Stops this process until somebody continues it, then becomes `command`. Returns only if that fails.
pub fn start_stopped(command: &RunCommand) -> RunError {
    // Where this fails, the command runs untraced, which its tracer finds out.
    let _ = kill_process(getpid(), Signal::STOP);
    become_command(command)
}

/// Traces a process that stops itself, and continues it; one that can't be traced goes on untraced.
pub(crate) fn begin(process: Pid) -> io::Result<()> {
    // Only look: an end is for whoever waits for it.
    let status =
        waitid(WaitId::Pid(process), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    if !status.is_some_and(|status| status.stopped()) {
        return Err(io::Error::other("it ended before it could be traced"));
    }
    let traced = ptrace::seize(process, true);
    kill_process(process, Signal::CONT)?;
    traced
}
