//! Waits for the command, and for the orphans that it leaves.

use std::io;
use std::sync::PoisonError;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, wait, waitid};

use super::exit::{Exit, of_wait};
use super::signals::Addressee;

/// The most ended processes that are remembered one by one.
const MOST_REMEMBERED: usize = 1024;

/// A process that ended, and that nobody else waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its id in our pid namespace.
    pub pid: u32,
    /// How it ended.
    pub exit: Exit,
    /// Whether the kernel says that it wrote a core. Where the core is of use, only its file tells.
    pub core_dumped: bool,
}

/// All that ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) command: Option<Reaped>,
    /// Orphans that a signal ended.
    pub(super) orphans: Vec<Reaped>,
    /// How many orphans ended, in whatever way.
    pub(super) orphan_count: usize,
}

/// Waits until `command` ends, then takes along what else has ended by then; never waits for a daemon left
/// behind.
pub(super) fn until_the_end_of(command: Pid, addressee: &Addressee) -> io::Result<Ended> {
    let mut ended = Ended::default();
    while ended.command.is_none() {
        // Only look, so that the command can be reaped under the lock that keeps signals off its id.
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        reap_one(command, addressee, &mut ended)?;
    }
    while reap_one(command, addressee, &mut ended)? {}
    Ok(ended)
}

/// Reaps one process if one has ended; returns whether one had.
fn reap_one(command: Pid, addressee: &Addressee, ended: &mut Ended) -> io::Result<bool> {
    let mut addressee = addressee.lock().unwrap_or_else(PoisonError::into_inner);
    let (pid, status) = match wait(WaitOptions::NOHANG) {
        Ok(Some(reaped)) => reaped,
        Ok(None) | Err(Errno::CHILD) => return Ok(false),
        Err(Errno::INTR) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let Some((exit, core_dumped)) = of_wait(status) else { return Ok(true) };
    let reaped = Reaped { pid: pid.as_raw_pid().cast_unsigned(), exit, core_dumped };
    if pid == command {
        *addressee = None;
        ended.command = Some(reaped);
        return Ok(true);
    }
    ended.orphan_count += 1;
    if matches!(exit, Exit::Signal(_)) && ended.orphans.len() < MOST_REMEMBERED {
        ended.orphans.push(reaped);
    }
    Ok(true)
}
