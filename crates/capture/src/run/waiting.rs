//! Waiting for processes: until something happens to one, or until it is too late.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use signal_hook::SigId;
use signal_hook::consts::signal::SIGCHLD;

/// Waits without end, or up to a deadline.
pub(super) enum Waiting {
    /// In the kernel.
    Endless,
    /// For a byte that a signal handler writes, or the deadline.
    Until { deadline: Instant, happened: UnixStream, handler: SigId },
}

impl Waiting {
    /// Prepares to wait until `deadline`, if there is one. What happens from now on ends the waiting.
    pub(super) fn until(deadline: Option<Instant>) -> io::Result<Waiting> {
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

    /// Waits; returns whether it is not too late. That something has happened need not be: whoever asks looks.
    pub(super) fn next(&self) -> io::Result<bool> {
        match self {
            // Only look, so that a process can be reaped under the lock that keeps signals off its id.
            Waiting::Endless => match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Ok(_) | Err(Errno::INTR) => Ok(true),
                Err(error) => Err(error.into()),
            },
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

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Waiting::Until { handler, .. } = self {
            signal_hook::low_level::unregister(*handler);
        }
    }
}
