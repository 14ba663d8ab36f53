//! Who watches over the command: this thread, or another where that has more to do than to wait.

use std::io;
use std::sync::{Arc, mpsc};

use rustix::process::Pid;

use super::signals::Forwarding;
use super::timeout::{Watched, watch};
use super::waiting::{Meanwhile, Waiting};
use super::{RunError, RunOptions};
use crate::trace::{Dumper, Tracer, begin};

/// A command that has ended.
pub(super) struct Ran {
    pub(super) pid: Pid,
    pub(super) watched: Watched,
    /// Why it could not be traced, where it should have been.
    pub(super) untraced: Option<Arc<io::Error>>,
}

/// Starts a command and watches over it as its options ask for, while signals are passed on to it.
pub(super) fn start_and_watch(
    options: &RunOptions,
    start: impl FnOnce() -> Result<Pid, RunError>,
    meanwhile: Meanwhile<'_>,
    failed: impl FnOnce(io::Error) -> RunError,
) -> Result<Ran, RunError> {
    if options.trace.is_some() || options.timeout.is_some() {
        elsewhere(options, start, meanwhile).unwrap_or_else(|error| Err(failed(error)))
    } else {
        let forwarding = Forwarding::install(true).map_err(failed)?;
        here(options, forwarding, start, meanwhile)
    }
}

/// Starts a command and watches over it in this thread.
fn here(
    options: &RunOptions,
    mut forwarding: Forwarding,
    start: impl FnOnce() -> Result<Pid, RunError>,
    meanwhile: Meanwhile<'_>,
) -> Result<Ran, RunError> {
    let pid = start()?;
    forwarding.begin(pid);
    let addressee = forwarding.addressee();
    let waiting = Waiting::Passing { forwarding: &mut forwarding, meanwhile };
    let watched = watch(pid, &addressee, None, waiting, options);
    watched.map(|watched| Ran { pid, watched, untraced: None }).map_err(|source| wait_failed(pid, source))
}

/// Starts a command and watches over it in a thread of its own, so that signals are passed on while cores are written.
/// That thread is the tracer: with its end, the kernel lets go all that the command left behind, whatever is done here
/// afterwards.
fn elsewhere(
    options: &RunOptions,
    start: impl FnOnce() -> Result<Pid, RunError>,
    mut meanwhile: Meanwhile<'_>,
) -> io::Result<Result<Ran, RunError>> {
    let mut forwarding = Forwarding::install(false)?;
    let (addressee, ending) = (forwarding.addressee(), forwarding.ending());
    let waiting = Waiting::up_to(options.timeout.as_ref().map(|timeout| timeout.after))?;
    std::thread::scope(|scope| {
        let (send, started) = mpsc::channel();
        let watcher =
            std::thread::Builder::new().name("watcher".to_owned()).spawn_scoped(scope, move || {
                let _ending = ending;
                // Nothing comes where the start failed.
                let pid = started.recv().ok()?;
                let (tracer, untraced) = match options.trace.as_ref().map(|trace| (trace, begin(pid))) {
                    Some((trace, Ok(()))) => (Some(Tracer::new(Dumper::of(trace, options.most_cores))), None),
                    Some((_, Err(refused))) => (None, Some(Arc::new(refused))),
                    None => (None, None),
                };
                let watched = watch(pid, &addressee, tracer, waiting, options);
                Some(watched.map(|watched| Ran { pid, watched, untraced }))
            })?;
        let pid = match start() {
            Ok(pid) => pid,
            Err(error) => return Ok(Err(error)),
        };
        forwarding.begin(pid);
        // The thread waits for it.
        let _ = send.send(pid);
        // Where it can't be waited for signals, none are passed on.
        while !forwarding.is_over() && meanwhile.wait(&mut forwarding).is_ok() {}
        let lost = || Err(io::Error::other("the thread that watches over it ended early"));
        let ran = watcher.join().ok().flatten().unwrap_or_else(lost);
        Ok(ran.map_err(|source| wait_failed(pid, source)))
    })
}

pub(super) fn wait_failed(pid: Pid, source: io::Error) -> RunError {
    RunError::Wait { pid: pid.as_raw_pid().cast_unsigned(), source }
}
