//! Passes signals on to the command.
//!
//! Handlers rather than a blocked mask: a mask would be inherited by the command, and would have to be set in
//! every thread there is; handlers vanish when a program is executed. While nothing is run, the signals act
//! as if no handler had ever been there.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, getpid, kill_process};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::live::facts::Status;

const FORWARDED: [i32; 7] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The process that signals are passed on to; `None` before it is started and from its end on.
///
/// Whoever reaps the process holds the lock: a signal must not hit another process that got its id.
pub(super) type Addressee = Arc<Mutex<Option<Pid>>>;

/// Passes signals on until dropped.
pub(super) struct Forwarding {
    handle: Handle,
    /// Lets the thread begin, or end where it is dropped before.
    begin: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    addressee: Addressee,
    idle: Arc<AtomicBool>,
}

impl Forwarding {
    /// Catches the signals from now on; those that arrive before [`Forwarding::begin`] wait for it. The thread that passes
    /// them on is made here already: where there can be none, no command is started.
    pub(super) fn install() -> io::Result<Forwarding> {
        let signals: Vec<i32> = not_ignored(&FORWARDED);
        let idle = defaults_when_idle(&signals)?;
        let mut signals = SignalsInfo::<WithOrigin>::new(signals)?;
        let handle = signals.handle();
        idle.store(false, Ordering::SeqCst);
        let addressee = Addressee::default();
        let (begin, begun) = mpsc::channel();
        let to = Arc::clone(&addressee);
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            if begun.recv().is_ok() {
                for origin in signals.forever() {
                    forward(&origin, &to);
                }
            }
        });
        // Dropped where there is no thread, so that the signals act as ever.
        let mut forwarding = Forwarding { handle, begin: Some(begin), thread: None, addressee, idle };
        forwarding.thread = Some(thread?);
        Ok(forwarding)
    }

    /// Returns whom signals are passed on to.
    pub(super) fn addressee(&self) -> Addressee {
        Arc::clone(&self.addressee)
    }

    /// Starts to pass signals on to `pid`, a child that isn't reaped yet.
    pub(super) fn begin(&mut self, pid: Pid) {
        *self.addressee.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
        if let Some(begin) = self.begin.take() {
            // The thread waits for it.
            let _ = begin.send(());
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        drop(self.begin.take());
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It can't have panicked, and if it had, there would be nothing to do.
            let _ = thread.join();
        }
        self.idle.store(true, Ordering::SeqCst);
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
