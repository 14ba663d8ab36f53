//! Passes signals on to the command.
//!
//! Handlers rather than a blocked mask: a mask would be inherited by the command, and would have to be set in
//! every thread there is; handlers vanish when a program is executed. While nothing is run, the signals act
//! as if no handler had ever been there.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::{Handle, SignalDelivery};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::live::facts::Status;

const FORWARDED: [i32; 7] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The process that signals are passed on to; `None` before it is started and from its end on.
///
/// Whoever reaps the process holds the lock: a signal must not hit another process that got its id.
pub(super) type Addressee = Arc<Mutex<Option<Pid>>>;

/// Passes signals on until dropped, whenever it is [waited](Forwarding::wait) for some: no thread is worth its cost here.
pub(super) struct Forwarding {
    signals: SignalDelivery<UnixStream, WithOrigin>,
    addressee: Addressee,
    idle: Arc<AtomicBool>,
}

/// Ends the waiting for signals when dropped.
pub(super) struct Ending(Handle);

impl Forwarding {
    /// Catches the signals from now on; those that arrive before [`Forwarding::begin`] wait for it. What happens to children
    /// ends a wait as well, if that is `awaited`.
    pub(super) fn install(awaited: bool) -> io::Result<Forwarding> {
        let mut signals: Vec<i32> = not_ignored(&FORWARDED);
        let idle = defaults_when_idle(&signals)?;
        signals.extend(awaited.then_some(SIGCHLD));
        let (read, write) = UnixStream::pair()?;
        let signals = SignalDelivery::with_pipe(read, write, WithOrigin::default(), signals)?;
        idle.store(false, Ordering::SeqCst);
        Ok(Forwarding { signals, addressee: Addressee::default(), idle })
    }

    /// Returns whom signals are passed on to.
    pub(super) fn addressee(&self) -> Addressee {
        Arc::clone(&self.addressee)
    }

    /// Starts to pass signals on to `pid`, a child that isn't reaped yet.
    pub(super) fn begin(&mut self, pid: Pid) {
        *self.addressee.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    }

    /// Returns what ends all waiting once it is dropped.
    pub(super) fn ending(&self) -> Ending {
        Ending(self.signals.handle())
    }

    /// Tells whether waiting was ended.
    pub(super) fn is_over(&self) -> bool {
        self.signals.handle().is_closed()
    }

    /// Waits for signals, at most for so long, and passes on those that came.
    pub(super) fn wait(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let longest = longest.and_then(|longest| Timespec::try_from(longest).ok());
        match poll(&mut [PollFd::new(self.signals.get_read(), PollFlags::IN)], longest.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for origin in self.signals.pending().filter(|origin| origin.signal != SIGCHLD) {
            forward(&origin, &self.addressee);
        }
        Ok(())
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.idle.store(true, Ordering::SeqCst);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn forward(origin: &Origin, addressee: &Addressee) {
    let addressee = addressee.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(pid) = *addressee else { return };
    if has_it_already(origin, pid) {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(origin.signal) {
        // It may have ended just now; then there is nobody to tell.
        let _ = kill_process(pid, signal);
    }
}

/// Returns whether the command got the signal without our help.
fn has_it_already(origin: &Origin, command: Pid) -> bool {
    match origin.cause {
        // A terminal signals its whole foreground group, and the command is in ours. A hang-up alone goes to
        // the leader of the session only, which may be us.
        Cause::Kernel => origin.signal != SIGHUP,
        // The command signalling its parent, or its own group (`kill 0`), doesn't mean itself once more.
        _ => origin.process.is_some_and(|sender| sender.pid == command.as_raw_pid()),
    }
}

/// Returns those of `signals` that this process doesn't ignore: what nohup(1) has the command ignore, it
/// shall ignore.
fn not_ignored(signals: &[i32]) -> Vec<i32> {
    let ignored = ignored();
    signals.iter().copied().filter(|signal| ignored & (1 << (signal - 1)) == 0).collect()
}

/// Returns the signals that this process was started to ignore, as what it starts is: a bit each, from that of signal 1 on.
pub(crate) fn ignored() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(|| Status::of(getpid()).map_or(0, |status| status.signals("SigIgn")))
}

/// Makes these signals act by their defaults while the returned flag is set; registers that once per process.
///
/// A handler, once installed, stays: without this, Ctrl-C would have no effect after the first command.
fn defaults_when_idle(signals: &[i32]) -> io::Result<Arc<AtomicBool>> {
    static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    static REGISTERING: Mutex<()> = Mutex::new(());
    let _registering = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(idle) = IDLE.get() {
        return Ok(Arc::clone(idle));
    }
    let idle = Arc::new(AtomicBool::new(false));
    for signal in signals {
        signal_hook::flag::register_conditional_default(*signal, Arc::clone(&idle))?;
    }
    Ok(Arc::clone(IDLE.get_or_init(|| idle)))
}
