//! Waiting for processes: until something happens to one, or until it is too late.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, SigSet};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use signal_hook::SigId;
use signal_hook::consts::signal::SIGCHLD;

use super::signals::{Forwarding, ignored};

/// How long a command runs before what costs more than a short one is done for it.
const A_WHILE: Duration = Duration::from_millis(50);

/// Waits without end, or up to a deadline.
pub(super) enum Waiting<'a> {
    /// In the kernel.
    Endless,
    /// For a byte that a signal handler writes, or the deadline.
    Until { deadline: Instant, happened: UnixStream, handler: SigId },
    /// Without end, in the thread that passes signals on as well.
    Passing { forwarding: &'a mut Forwarding, meanwhile: Meanwhile<'a> },
}

/// What is done once the command has run for a while.
pub(super) struct Meanwhile<'a> {
    at: Instant,
    act: Option<Box<dyn FnOnce() + Send + 'a>>,
}

impl<'a> Meanwhile<'a> {
    /// Counts from now on.
    pub(super) fn new(act: impl FnOnce() + Send + 'a) -> Meanwhile<'a> {
        Meanwhile { at: Instant::now() + A_WHILE, act: Some(Box::new(act)) }
    }

    /// Waits for signals, which are passed on, and does what is to be done if it is time.
    pub(super) fn wait(&mut self, forwarding: &mut Forwarding) -> io::Result<()> {
        let left = self.act.as_ref().map(|_| self.at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO)
            && let Some(act) = self.act.take()
        {
            act();
        }
        forwarding.wait(self.act.as_ref().and(left))
    }
}

impl Waiting<'_> {
    /// Prepares to wait for so long, if that has an end. What happens from now on ends the waiting.
    pub(super) fn up_to(longest: Option<Duration>) -> io::Result<Waiting<'static>> {
        let deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
        let Some(deadline) = deadline else { return Ok(Waiting::Endless) };
        let (happened, write) = UnixStream::pair()?;
        let handler = signal_hook::low_level::pipe::register(SIGCHLD, write)?;
        Ok(Waiting::Until { deadline, happened, handler })
    }

    /// Moves the deadline, where there is one.
    pub(super) fn put_off(&mut self, until: Instant) {
        if let Waiting::Until { deadline, .. } = self {
            *deadline = until;
        }
    }

    /// Tells whether the deadline, where there is one, has passed.
    pub(super) fn is_too_late(&self) -> bool {
        matches!(self, Waiting::Until { deadline, .. } if *deadline <= Instant::now())
    }

    /// Waits; returns whether it is not too late. That something has happened need not be: whoever asks looks.
    pub(super) fn next(&mut self) -> io::Result<bool> {
        match self {
            // Only look, so that a process can be reaped under the lock that keeps signals off its id.
            Waiting::Endless => match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Ok(_) | Err(Errno::INTR) => Ok(true),
                Err(error) => Err(error.into()),
            },
            Waiting::Passing { forwarding, meanwhile } => meanwhile.wait(forwarding).map(|()| true),
            Waiting::Until { deadline, happened, .. } => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(false);
                }
                happened.set_read_timeout(Some(left))?;
                match (&*happened).read(&mut [0; 64]) {
                    Err(error) if !is_early(&error) => Err(error),
                    Ok(_) | Err(_) => Ok(true),
                }
            }
        }
    }
}

/// Tells whether reading ended because of the time, or of a signal.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Sees to it that the kernel keeps how children end until they are waited for, and tells of it, whatever this process
/// inherited: of one that ignores SIGCHLD it forgets them (wait(2)), and a blocked signal tells nothing.
pub(super) fn keep_ends() -> io::Result<()> {
    static HANDLER: OnceLock<SigId> = OnceLock::new();
    if ignored() & (1 << (SIGCHLD - 1)) != 0 && HANDLER.get().is_none() {
        // A handler that does nothing will do; each stop of what is traced calls it, so that there is one only here.
        let handler = signal_hook::flag::register(SIGCHLD, Arc::default())?;
        let _ = HANDLER.set(handler);
    }
    let mut children = SigSet::empty();
    children.add(signal::SIGCHLD);
    Ok(children.thread_unblock()?)
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Waiting::Until { handler, .. } = self {
            signal_hook::low_level::unregister(*handler);
        }
    }
}
