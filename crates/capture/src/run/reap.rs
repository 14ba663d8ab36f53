//! Waits for the command, and for the orphans that it leaves.

use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};

use super::exit::{Exit, of_wait};
use super::signals::Addressee;
use super::waiting::Waiting;
use crate::trace::{Stop, Tracer, let_go};

/// How long what has happened until the command's end, and still happens, is dealt with after it: a tree that is busy
/// would never let us go.
const AFTER_THE_END: Duration = Duration::from_millis(500);
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

/// Waits until `command` ends, then takes along what else has ended by then; never waits for a daemon left behind.
/// What a `tracer` follows is let go on whenever it stops. Returns whether the command has ended: not so if it got too
/// late.
pub(super) fn until_the_end_of(
    command: Pid,
    addressee: &Addressee,
    mut tracer: Option<&mut Tracer>,
    waiting: &mut Waiting<'_>,
    ended: &mut Ended,
) -> io::Result<bool> {
    loop {
        let mut end = None;
        while reap_one(command, addressee, tracer.as_deref_mut(), ended)? {
            if ended.command.is_some() {
                if end.get_or_insert_with(Instant::now).elapsed() > AFTER_THE_END {
                    break;
                }
            } else if waiting.is_too_late() {
                return Ok(false);
            }
        }
        if ended.command.is_some() {
            return Ok(true);
        }
        if !waiting.next()? {
            return Ok(false);
        }
    }
}

/// Deals with one process, or traced thread, if something has happened to one; returns whether it had.
fn reap_one(
    command: Pid,
    addressee: &Addressee,
    tracer: Option<&mut Tracer>,
    ended: &mut Ended,
) -> io::Result<bool> {
    let mut addressee = addressee.lock().unwrap_or_else(PoisonError::into_inner);
    let (pid, status) = match wait(WaitOptions::NOHANG) {
        Ok(Some(reaped)) => reaped,
        Ok(None) | Err(Errno::CHILD) => return Ok(false),
        Err(Errno::INTR) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let Some((exit, core_dumped)) = of_wait(status) else {
        // Writing a core takes a while, in which signals are to reach the command.
        drop(addressee);
        match tracer {
            Some(tracer) => tracer.stopped(pid, Stop::of(status)),
            None => let_go(pid, Stop::of(status)),
        }
        return Ok(true);
    };
    let reaped = Reaped { pid: pid.as_raw_pid().cast_unsigned(), exit, core_dumped };
    if pid == command {
        *addressee = None;
        ended.command = Some(reaped);
        return Ok(true);
    }
    // A tracer is told of every process and thread that ends, whoever's it is.
    let counts = tracer.is_none_or(|tracer| tracer.saw_die(pid));
    ended.orphan_count += usize::from(counts);
    if counts && matches!(exit, Exit::Signal(_)) && ended.orphans.len() < MOST_REMEMBERED {
        ended.orphans.push(reaped);
    }
    Ok(true)
}
