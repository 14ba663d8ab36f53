//! Watching over a command until it ends, or takes too long.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::RunOptions;
use super::exit::Exit;
use super::reap::{Ended, Reaped, until_the_end_of};
use super::signals::Addressee;
use super::waiting::Waiting;
use crate::live::SaveAs;
use crate::trace::{Dumper, Dumps, Tracer, descendants, dump_tree, signal_tree};

/// How long processes have to end by themselves, once they are asked to, and to be gone, once they are killed.
const GRACE: Duration = Duration::from_secs(5);
/// How often those are looked for that outlive the command.
const PAUSE: Duration = Duration::from_millis(10);

/// What came of it.
pub(super) struct Watched {
    pub(super) ended: Ended,
    pub(super) dumps: Dumps,
    pub(super) timed_out: bool,
}

/// Waits until `command` ends. One that takes too long is dumped with all that it started, and ended.
pub(super) fn watch(
    command: Pid,
    addressee: &Addressee,
    mut tracer: Option<Tracer>,
    mut waiting: Waiting<'_>,
    options: &RunOptions,
) -> io::Result<Watched> {
    let mut ended = Ended::default();
    let mut dumps = Dumps::default();
    let mut timed_out = false;
    let in_time = until_the_end_of(command, addressee, tracer.as_mut(), &mut waiting, &mut ended)?;
    if let Some(timeout) = options.timeout.as_ref().filter(|_| !in_time) {
        timed_out = true;
        if let Some(folder) = &timeout.folder {
            let dumper = Dumper { folder: folder.clone(), how: SaveAs::Slim, most: options.most_cores };
            dumps = dump_tree(&dumper, tracer.as_mut());
        }
        for signal in [Signal::TERM, Signal::KILL] {
            let until = Instant::now() + GRACE;
            waiting.put_off(until);
            signal_tree(signal);
            // What job control has stopped takes a signal only once it goes on.
            signal_tree(Signal::CONT);
            until_the_end_of(command, addressee, tracer.as_mut(), &mut waiting, &mut ended)?;
            wait_for_others(command, addressee, tracer.as_mut(), &mut waiting, &mut ended, until)?;
        }
        // The kernel is still busy with one that was killed.
        let killed = Reaped {
            pid: command.as_raw_pid().cast_unsigned(),
            exit: Exit::Signal(Signal::KILL.as_raw()),
            core_dumped: false,
        };
        ended.command.get_or_insert(killed);
    }
    if let Some(tracer) = tracer {
        let mut all = tracer.dumps;
        all.add(dumps);
        dumps = all;
    }
    Ok(Watched { ended, dumps, timed_out })
}

/// Waits for those that outlive the command.
fn wait_for_others(
    command: Pid,
    addressee: &Addressee,
    mut tracer: Option<&mut Tracer>,
    waiting: &mut Waiting<'_>,
    ended: &mut Ended,
    until: Instant,
) -> io::Result<()> {
    while ended.command.is_some() && !descendants().is_empty() && Instant::now() < until {
        std::thread::sleep(PAUSE);
        until_the_end_of(command, addressee, tracer.as_deref_mut(), waiting, ended)?;
    }
    Ok(())
}
